//! The example that embeds the component without HTTP.

use acceptance::hosted;

#[test]
fn the_example_provisions_a_user_and_reads_it_back() {
    let ran = hosted::cargo(&["run", "--quiet", "--example", "embed", "--"]).arg(hosted::component()).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{err}");
    assert!(out.contains("alice@contoso.com"), "{out}{err}");
    let document = std::fs::read_to_string(hosted::root().join("docs/embedding.md")).unwrap();
    let shown = format!("$ cargo run --example embed\n{out}```\n");
    assert!(document.contains(&shown), "docs/embedding.md shows another output than\n{out}");
}
