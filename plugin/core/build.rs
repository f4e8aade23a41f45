//! Packs the files of `page/` and lists them, so that none is forgotten when they are embedded; the OpenAPI document; and
//! the guides of the identity providers.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const OPENAPI: &str = "src/http/openapi.json";
const GUIDES: &str = "src/connection/guides";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=page");
    println!("cargo::rerun-if-changed={OPENAPI}");
    println!("cargo::rerun-if-changed={GUIDES}");
    let crate_root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?);
    let root = crate_root.join("page");
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    pack_json(&crate_root.join(OPENAPI), &out.join("openapi.json"))?;
    for guide in fs::read_dir(crate_root.join(GUIDES))? {
        let guide = guide?;
        pack_json(&guide.path(), &out.join(format!("guide-{}", guide.file_name().to_string_lossy())))?;
    }
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();
    let mut table = String::from("&[\n");
    for (index, file) in files.iter().enumerate() {
        let name = file.strip_prefix(&root).map_err(io::Error::other)?;
        let name = name.to_string_lossy().replace('\\', "/");
        let packed = out.join(format!("asset-{index}"));
        fs::write(&packed, deflated(&pack(&name, &fs::read_to_string(file)?)?))?;
        writeln!(table, "    ({name:?}, include_bytes!({:?})),", packed.to_string_lossy()).map_err(io::Error::other)?;
    }
    table.push(']');
    fs::write(out.join("assets.rs"), table)
}

fn pack_json(file: &Path, packed: &Path) -> io::Result<()> {
    let text = fs::read_to_string(file)?;
    fs::write(packed, deflated(&minifier::json::minify(&text).to_string()))
}

/// The page is written to be read and served to be loaded: comments and blanks go, nothing is renamed.
fn pack(name: &str, text: &str) -> io::Result<String> {
    let bad = |problem: &dyn std::fmt::Display| io::Error::other(format!("page/{name}: {problem}"));
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("js") => minifier::js::minify(text).map(|packed| packed.to_string()).map_err(|e| bad(&e)),
        Some("css") => minifier::css::minify(text).map(|packed| packed.to_string()).map_err(|e| bad(&e)),
        Some(_) | None => Ok(text.to_owned()),
    }
}

/// As the component has it in itself, since it may not be large.
fn deflated(text: &str) -> Vec<u8> {
    miniz_oxide::deflate::compress_to_vec(text.as_bytes(), 10)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
