//! Documents that are about to be read one after the other, read several at once.
//!
//! A store that is far away is waited for once for each call, so a list of a hundred users must not cost a hundred calls.
//! How many documents are read at once is bounded by their size: few at first, then twice as many each time, as long as
//! they are small. So a list of users with large photos holds no more of them than the instance has room for.

use crate::keys::Kind;
use crate::ledger::Read;

/// Documents that are read at once at first, and at least.
const FEW: usize = 16;

/// Documents that are read at once at most.
const MANY: usize = 64;

/// Bytes of documents read at once up to which the next time twice as many are read, and above which half as many are.
const BYTES: usize = 256 * 1024;

/// How a reader of documents goes ahead.
pub(crate) struct DocumentsAhead {
    size: usize,
    /// Documents that were read and not asked for yet.
    left: usize,
}

impl DocumentsAhead {
    /// Nothing was read yet.
    pub(crate) fn new() -> DocumentsAhead {
        DocumentsAhead { size: FEW, left: 0 }
    }

    /// Goes ahead, where the document that is about to be read was not read ahead. It is the first of `rest`; the others
    /// are those behind it, in the order in which they will be asked for.
    pub(crate) fn before<'i>(&mut self, view: &impl Read, rest: impl Iterator<Item = (Kind, &'i str)>) {
        if self.left > 0 {
            self.left -= 1;
            return;
        }
        let keys: Vec<String> = rest.take(self.size).filter_map(|(kind, id)| view.space().document(kind, id)).collect();
        self.left = keys.len().saturating_sub(1);
        let bytes = view.read_ahead(keys);
        self.size = if bytes > BYTES { self.size / 2 } else { self.size * 2 }.clamp(FEW, MANY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{Space, TenantId};
    use crate::ledger;
    use std::cell::RefCell;

    /// A reader whose documents all have one size, and that notes how many were read at once.
    struct Sized {
        space: Space,
        bytes: usize,
        windows: RefCell<Vec<usize>>,
    }

    impl Read for Sized {
        fn space(&self) -> &Space {
            &self.space
        }

        fn get(&self, _: &str) -> Result<Option<Vec<u8>>, ledger::Error> {
            Ok(None)
        }

        fn read_ahead(&self, keys: Vec<String>) -> usize {
            self.windows.borrow_mut().push(keys.len());
            keys.len() * self.bytes
        }
    }

    fn windows(bytes: usize, documents: usize) -> Vec<usize> {
        let space = Space::tenant(&TenantId::parse("abcdefghjk").unwrap());
        let view = Sized { space, bytes, windows: RefCell::default() };
        let ids: Vec<String> = (0..documents).map(|n| format!("id{n}")).collect();
        let mut ahead = DocumentsAhead::new();
        for at in 0..ids.len() {
            ahead.before(&view, ids[at..].iter().map(|id| (Kind::User, id.as_str())));
        }
        view.windows.take()
    }

    #[test]
    fn small_documents_are_read_more_and_more_at_once_up_to_the_limit() {
        assert_eq!(windows(300, 1), [1]);
        assert_eq!(windows(300, 100), [16, 32, 52]);
        assert_eq!(windows(300, 240), [16, 32, 64, 64, 64]);
        assert_eq!(windows(300, 241), [16, 32, 64, 64, 64, 1]);
    }

    #[test]
    fn large_documents_are_read_few_at_once() {
        assert_eq!(windows(BYTES / FEW, 64), [16, 32, 16], "at the limit, and then above it");
        assert_eq!(windows(BYTES / FEW + 1, 64), [16, 16, 16, 16]);
    }
}
