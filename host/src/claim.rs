//! One host for one directory of data: a lock that the operating system gives back when the process ends, however it ends.

use std::fs::{File, TryLockError};
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};

use crate::state::private;

/// Who else may serve the data of a directory while a host does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Nobody: a second host is most often a start by mistake.
    Alone,
    /// Other hosts on the machine that are started with the permission to share, too.
    Shared,
}

/// The right to serve the data of a directory, until the value is dropped or the process ends.
#[derive(Debug)]
pub struct Claim {
    _file: File,
}

/// The name of the locked file in the directory of the data. The file stays empty, and stays.
const LOCK_FILE: &str = "host.lock";

impl Claim {
    /// Claims a directory that exists. The error names the directory and what to do where another host has it.
    pub fn take(directory: &Path, sharing: Sharing) -> Result<Self> {
        let path = directory.join(LOCK_FILE);
        let mut options = File::options();
        options.create(true).append(true);
        private(&mut options);
        let file = options.open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        let locked = match sharing {
            Sharing::Alone => file.try_lock(),
            Sharing::Shared => file.try_lock_shared(),
        };
        match locked {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => bail!(
                "another host serves the data in {}; stop it, choose another directory with --state, \
                 or start both with --share-data",
                directory.display()
            ),
            Err(TryLockError::Error(error)) => Err(anyhow!("cannot lock {}: {error}", path.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_host_or_several_that_all_share() {
        let directory = tempfile::tempdir().unwrap();
        let take = |sharing| Claim::take(directory.path(), sharing);
        let alone = take(Sharing::Alone).unwrap();
        for sharing in [Sharing::Alone, Sharing::Shared] {
            assert_eq!(
                take(sharing).unwrap_err().to_string(),
                format!(
                    "another host serves the data in {}; stop it, choose another directory with --state, \
                     or start both with --share-data",
                    directory.path().display()
                )
            );
        }
        drop(alone);
        let shared = (take(Sharing::Shared).unwrap(), take(Sharing::Shared).unwrap());
        assert!(take(Sharing::Alone).is_err());
        drop(shared);
        take(Sharing::Alone).unwrap();
    }
}
