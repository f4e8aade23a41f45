//! What the host keeps between two starts: the data, and the secret that it made itself.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};

use crate::claim::{Claim, Sharing};
use crate::keyvalue::{Database, Stores};

/// Where the state is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nowhere: it ends with the process.
    Memory,
    /// In this directory.
    Directory(PathBuf),
}

/// The admin secret that the host made itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// The secret.
    pub text: String,
    /// Whether it was made just now.
    pub made: bool,
    /// Where it stands; nowhere, if it ends with the process.
    pub path: Option<PathBuf>,
}

/// The name of the secret's file in the state directory.
const SECRET_FILE: &str = "admin_secret";

impl State {
    /// Opens the stores, creating them on the first start.
    pub fn stores(&self) -> Result<Stores> {
        let database = match self {
            Self::Memory => Database::in_memory()?,
            Self::Directory(directory) => {
                create(directory)?;
                let path = directory.join(Database::FILE_NAME);
                make_private_file(&path)?;
                Database::open(&path)?
            }
        };
        Ok(Stores::default_only(database.store(Stores::DEFAULT)))
    }

    /// Claims the data for this process. Nothing where no other process could see them.
    pub fn claim(&self, sharing: Sharing) -> Result<Option<Claim>> {
        match self {
            Self::Memory => Ok(None),
            Self::Directory(directory) => {
                create(directory)?;
                Claim::take(directory, sharing).map(Some)
            }
        }
    }

    /// The secret beside the data, made on the first start; in memory a new one each time.
    pub fn admin_secret(&self) -> Result<Secret> {
        let directory = match self {
            Self::Memory => return Ok(Secret { text: new_secret()?, made: true, path: None }),
            Self::Directory(directory) => directory,
        };
        create(directory)?;
        let path = directory.join(SECRET_FILE);
        let (text, made) = match fs::read_to_string(&path) {
            Ok(text) => {
                if make_private(&path)? {
                    say(&format!(
                        "{} could be read by others, who may know the secret: make a new one",
                        path.display()
                    ));
                }
                (text.trim().to_owned(), false)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let secret = new_secret()?;
                write_private(&path, &secret).with_context(|| format!("cannot write {}", path.display()))?;
                (secret, true)
            }
            Err(error) => return Err(anyhow!("cannot read {}: {error}", path.display())),
        };
        ensure!(!text.is_empty(), "{}: expected a secret, found nothing", path.display());
        Ok(Secret { text, made, path: Some(path) })
    }
}

/// Makes the directory, for the owner alone. One that is there may hold what is meant for others, so it stays as it is.
fn create(directory: &Path) -> Result<()> {
    let context = || format!("cannot create the state directory {}", directory.display());
    if directory.is_dir() {
        return Ok(());
    }
    if let Some(parent) = directory.parent() {
        fs::create_dir_all(parent).with_context(context)?;
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).with_context(context)
}

/// Sees to it that the database's files are the owner's alone, whatever the umask. SQLite gives its log the mode of the
/// database, so this has its mode before it is opened.
fn make_private_file(path: &Path) -> Result<()> {
    let mut options = fs::File::options();
    options.write(true).create_new(true);
    private(&mut options);
    match options.open(path) {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).with_context(|| format!("cannot create {}", path.display())),
    }
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let path = PathBuf::from(name);
        if path.exists() && make_private(&path)? {
            say(&format!("{} could be read by others, and is the owner's alone now", path.display()));
        }
    }
    if fs::metadata(path).is_ok_and(|file| file.len() == 0) {
        say(&format!(
            "{} is there and empty, so there are no tenants; is this the file that was meant?",
            path.display()
        ));
    }
    Ok(())
}

/// Takes a file from all but its owner. Whether anybody else could read or write it.
#[cfg(unix)]
fn make_private(path: &Path) -> Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    let context = || format!("cannot make {} the owner's alone", path.display());
    let mode = fs::metadata(path).with_context(context)?.permissions().mode();
    let is_open = mode & 0o077 != 0;
    if is_open {
        fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700)).with_context(context)?;
    }
    Ok(is_open)
}

#[cfg(not(unix))]
fn make_private(_: &Path) -> Result<bool> {
    Ok(false)
}

/// Lets a file that is made be the owner's alone.
pub(crate) fn private(options: &mut fs::OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(not(unix))]
    let _ = options;
}

fn say(sentence: &str) {
    eprintln!("rollcall-host: {sentence}");
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
    private(&mut options);
    let mut file = options.open(path)?;
    writeln!(file, "{secret}")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    fn mode(path: &Path) -> u32 {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_secret_is_made_once_and_is_the_owners() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::Directory(directory.path().join("below"));
        let first = state.admin_secret().unwrap();
        assert_eq!((first.text.len(), first.made), (64, true));
        let again = state.admin_secret().unwrap();
        assert!(!again.made && again.text == first.text && again.path == first.path);
        #[cfg(unix)]
        assert_eq!((mode(&first.path.unwrap()), mode(&directory.path().join("below"))), (0o600, 0o700));
    }

    /// The umask of a test is the usual one, 022, which leaves reading to everybody.
    #[cfg(unix)]
    #[test]
    fn the_files_of_the_database_are_the_owners() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().join("above/state");
        let stores = State::Directory(directory.clone()).stores().unwrap();
        assert_eq!((mode(&directory), mode(&directory.join(Database::FILE_NAME))), (0o700, 0o600));
        for suffix in ["-wal", "-shm"] {
            assert_eq!(mode(&directory.join(format!("{}{suffix}", Database::FILE_NAME))), 0o600);
        }
        drop(stores);
    }

    #[cfg(unix)]
    #[test]
    fn files_that_others_could_read_are_taken_from_them() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let state = State::Directory(directory.to_owned());
        drop((state.stores().unwrap(), state.admin_secret().unwrap()));
        for name in [Database::FILE_NAME, SECRET_FILE] {
            fs::set_permissions(directory.join(name), fs::Permissions::from_mode(0o644)).unwrap();
        }
        drop((state.stores().unwrap(), state.admin_secret().unwrap()));
        for name in [Database::FILE_NAME, SECRET_FILE] {
            assert_eq!(mode(&directory.join(name)), 0o600, "{name}");
        }
    }

    #[test]
    fn memory_has_a_new_secret_each_time() {
        let memory = State::Memory;
        assert!(memory.admin_secret().unwrap() != memory.admin_secret().unwrap());
    }

    #[test]
    fn an_empty_secret_is_no_secret() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        fs::write(directory.join("admin_secret"), "\n").unwrap();
        let error = State::Directory(directory.to_owned()).admin_secret().err().unwrap();
        assert_eq!(
            error.to_string(),
            format!("{}/admin_secret: expected a secret, found nothing", directory.display())
        );
    }
}
