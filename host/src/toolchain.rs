//! Makes the component: the manifest's build command, and the compilation target that it needs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, anyhow, bail, ensure};

use crate::manifest::{Build, Manifest};

/// Runs the manifest's build command, if it has one, and returns the component's file. What the command prints goes to
/// the error output. Where this machine has no compiler for components, the file is a finished one beside the manifest,
/// such as `rollcall.wasm` of a release; without that the error says what is missing.
pub fn build(manifest: &Manifest) -> Result<PathBuf> {
    let Some(build) = &manifest.build else {
        return Ok(manifest.source.clone());
    };
    let directory = manifest.directory.join(&build.workdir);
    if build.command.contains(TARGET)
        && let Err(missing) = expect_target(&directory)
    {
        return finished(manifest, &missing.to_string());
    }
    eprintln!("Building the component, which takes a minute or two the first time: {}", build.command);
    run_build(build, &directory)?;
    Ok(manifest.source.clone())
}

/// The component that came with the manifest, of the same name as the one that the build makes.
fn finished(manifest: &Manifest, missing: &str) -> Result<PathBuf> {
    let Some(name) = manifest.source.file_name() else {
        bail!("{missing}");
    };
    let path = manifest.directory.join(name);
    ensure!(path.is_file(), "{missing}; put a finished {} beside the manifest to do without", name.display());
    eprintln!("{missing}, so the finished component {} is taken", path.display());
    Ok(path)
}

const TARGET: &str = "wasm32-wasip2";

fn run_build(build: &Build, directory: &Path) -> Result<()> {
    let (shell, option) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
    let status = within(directory, shell)
        .args([option, &build.command])
        .status()
        .map_err(|error| anyhow!("cannot run the build command: {error}"))?;
    ensure!(status.success(), "the build command failed: {}", build.command);
    Ok(())
}

/// Installs the compilation target where it is missing and rustup can. The error says what is missing.
fn expect_target(directory: &Path) -> Result<()> {
    if has_target(directory)? {
        return Ok(());
    }
    eprintln!("Installing the compilation target: rustup target add {TARGET}");
    let status = within(directory, "rustup").args(["target", "add", TARGET]).status();
    ensure!(
        status.is_ok_and(|status| status.success()),
        "the compilation target is missing and could not be installed: rustup target add {TARGET}"
    );
    Ok(())
}

/// Whether the compiler has the standard library of the target, whoever installed it.
fn has_target(directory: &Path) -> Result<bool> {
    let library = within(directory, "rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .stdout(Stdio::piped())
        .output()
        .map_err(|error| anyhow!("there is no Rust compiler: cannot run rustc: {error}"))?;
    let path = String::from_utf8_lossy(&library.stdout);
    Ok(library.status.success() && Path::new(path.trim()).is_dir())
}

fn within(directory: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    // The first line of our own output belongs to whoever waits for the host to be ready.
    command.stdin(Stdio::null()).stdout(std::io::stderr());
    if !directory.as_os_str().is_empty() {
        command.current_dir(directory);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(command: &str) -> Result<()> {
        let build = Build { command: command.to_owned(), workdir: Default::default() };
        run_build(&build, &std::env::temp_dir())
    }

    #[test]
    fn a_finished_component_beside_the_manifest_is_taken_where_there_is_no_compiler() {
        let directory = tempfile::tempdir().unwrap();
        let manifest = directory.path().join("spin.toml");
        std::fs::write(
            &manifest,
            "spin_manifest_version = 2\napplication = { name = \"app\" }\n\
             [component.main]\nsource = \"target/deep/main.wasm\"\nkey_value_stores = [\"default\"]\n",
        )
        .unwrap();
        let manifest = Manifest::read(&manifest).unwrap();
        assert_eq!(
            finished(&manifest, "there is no compiler").unwrap_err().to_string(),
            "there is no compiler; put a finished main.wasm beside the manifest to do without"
        );
        let path = directory.path().join("main.wasm");
        std::fs::write(&path, "").unwrap();
        assert_eq!(finished(&manifest, "there is no compiler").unwrap(), path);
    }

    #[test]
    fn a_build_command_that_fails_is_named() {
        assert!(run("exit 0").is_ok());
        assert_eq!(run("exit 3").unwrap_err().to_string(), "the build command failed: exit 3");
    }
}
