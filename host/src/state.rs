//! What the host keeps between two starts: the data, and the secret that it made itself.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};

use crate::keyvalue::{Database, Stores};

/// Where the state is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nowhere: it ends with the process.
    Memory,
    /// In this directory.
    Directory(PathBuf),
}

impl State {
    /// Opens the stores, creating them on the first start.
    pub fn stores(&self) -> Result<Stores> {
        let database = match self {
            Self::Memory => Database::in_memory()?,
            Self::Directory(directory) => {
                create(directory)?;
                Database::open(&directory.join(Database::FILE_NAME))?
            }
        };
        Ok(Stores::default_only(database.store(Stores::DEFAULT)))
    }

    /// The secret beside the data, made on the first start; in memory a new one each time.
    pub fn admin_secret(&self) -> Result<String> {
        let directory = match self {
            Self::Memory => return new_secret(),
            Self::Directory(directory) => directory,
        };
        create(directory)?;
        let path = directory.join("admin_secret");
        let secret = match fs::read_to_string(&path) {
            Ok(text) => text.trim().to_owned(),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let secret = new_secret()?;
                write_private(&path, &secret).with_context(|| format!("cannot write {}", path.display()))?;
                secret
            }
            Err(error) => return Err(anyhow!("cannot read {}: {error}", path.display())),
        };
        ensure!(!secret.is_empty(), "{}: expected a secret, found nothing", path.display());
        Ok(secret)
    }
}

fn create(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("cannot create the state directory {}", directory.display()))
}

/// 256 random bits, in hexadecimal.
fn new_secret() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("no random numbers: {error}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// For the owner's eyes from the first moment on.
fn write_private(path: &Path, secret: &str) -> std::io::Result<()> {
    let mut options = fs::File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{secret}")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_made_once_and_is_the_owners() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::Directory(directory.path().join("below"));
        let secret = state.admin_secret().unwrap();
        assert_eq!(secret.len(), 64);
        assert_eq!(state.admin_secret().unwrap(), secret);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let file = fs::metadata(directory.path().join("below/admin_secret")).unwrap();
            assert_eq!(file.permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn memory_has_a_new_secret_each_time() {
        let memory = State::Memory;
        assert_ne!(memory.admin_secret().unwrap(), memory.admin_secret().unwrap());
    }

    #[test]
    fn an_empty_secret_is_no_secret() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        fs::write(directory.join("admin_secret"), "\n").unwrap();
        let error = State::Directory(directory.to_owned()).admin_secret().unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{}/admin_secret: expected a secret, found nothing", directory.display())
        );
    }
}
