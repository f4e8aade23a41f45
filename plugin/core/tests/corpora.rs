//! The corpora of the fuzz targets, replayed: what was found once is not found again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "../fuzz/src/targets.rs"]
#[allow(unreachable_pub, reason = "a module of its own here, and of each target there")]
mod targets;

use std::path::Path;

type Target = fn(&[u8]);

#[test]
fn every_input_of_every_corpus_passes() {
    let targets: [(&str, Target); 6] = [
        ("filter", targets::filter),
        ("path", targets::path),
        ("patch", targets::patch),
        ("request", targets::request),
        ("cursor", targets::cursor),
        ("journal", targets::journal),
    ];
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    for (name, target) in targets {
        assert!(fuzz.join(format!("fuzz_targets/{name}.rs")).exists(), "{name}");
        let mut inputs = 0;
        for file in std::fs::read_dir(fuzz.join("corpus").join(name)).unwrap() {
            let path = file.unwrap().path();
            println!("{}", path.display());
            target(&std::fs::read(path).unwrap());
            inputs += 1;
        }
        assert!(inputs >= 10, "{name}: {inputs} inputs");
    }
    assert_eq!(std::fs::read_dir(fuzz.join("corpus")).unwrap().count(), targets.len());
}
