//! Makes the component: the manifest's build command, and the compilation target that it needs.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, anyhow, ensure};

use crate::manifest::{Build, Manifest};

/// Runs the manifest's build command, if it has one. What it prints goes to the error output.
pub fn build(manifest: &Manifest) -> Result<()> {
    let Some(build) = &manifest.build else {
        return Ok(());
    };
    let directory = manifest.directory.join(&build.workdir);
    if build.command.contains(TARGET) {
        install_target(&directory)?;
    }
    run_build(build, &directory)
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

/// A compiler that did not come from rustup has to have the target itself; then the build says what is wrong.
fn install_target(directory: &Path) -> Result<()> {
    let installed = within(directory, "rustup").args(["target", "list", "--installed"]).stdout(Stdio::piped()).output();
    let Ok(installed) = installed else {
        return Ok(());
    };
    if String::from_utf8_lossy(&installed.stdout).lines().any(|line| line == TARGET) {
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
    fn a_build_command_that_fails_is_named() {
        assert!(run("exit 0").is_ok());
        assert_eq!(run("exit 3").unwrap_err().to_string(), "the build command failed: exit 3");
    }
}
