//! An extension of this host beyond Spin: batches with a condition, through Spin's own interface.
//!
//! A component opens the label `NAME+guarded` in `wasi:keyvalue/store`. Spin refuses that label, and so does this host
//! where the store cannot do it. The bucket is the store `NAME`, with one addition: a list of pairs given to
//! `batch.set-many` whose first key begins with `=` is one conditional batch.
//!
//! | pair | meaning |
//! | --- | --- |
//! | key `=K`, value `+V` | the condition: `K` has the value `V` |
//! | key `=K`, value empty | the condition: `K` is absent |
//! | key `!K`, value empty | delete `K` |
//! | key `K`, value `V` | write `V` under `K` |
//!
//! All of it is carried out at once, or none of it where the condition does not hold at that moment: then the call fails
//! with `other` and the text [`REFUSED`]. A runtime that opens any label and knows nothing of this would take `=K` for a
//! plain key, so a component asks `exists` for [`HANDSHAKE`] first, which is true in such a bucket alone.
//! Such a bucket also lists its keys in pages: `list-keys` takes the cursor `P=`, which asks for the first page of the keys
//! that begin with `P`, and answers with the cursor of the next one, `P=…`. `P` has no `=`. Without a cursor all keys are
//! listed, as in Spin.
//!
//! ```
//! use rollcall_host::keyvalue::guarded::{Batch, REFUSED};
//! let pairs = [("=head".to_owned(), b"+old".to_vec()), ("head".to_owned(), b"new".to_vec())];
//! let batch = Batch::read(&pairs).unwrap().unwrap();
//! assert_eq!(batch.condition.value.as_deref(), Some(&b"old"[..]));
//! assert_eq!(batch.changes, [("head".to_owned(), Some(b"new".to_vec()))]);
//! ```

use super::{Change, Condition, Pair, StoreError};

/// What a label ends with that asks for such a bucket.
pub const SUFFIX: &str = "+guarded";

/// A key that exists in such a bucket and nowhere else.
pub const HANDSHAKE: &str = "=";

/// What a batch is refused with whose condition does not hold.
pub const REFUSED: &str = "guarded: the condition does not hold";

/// A conditional batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// What has to hold.
    pub condition: Condition,
    /// What is carried out then.
    pub changes: Vec<Change>,
}

impl Batch {
    /// Reads the pairs of a call. Nothing where they are a batch without condition; an error where the pairs are no batch
    /// that has a meaning, such as a second condition.
    pub fn read(pairs: &[Pair<Vec<u8>>]) -> super::Result<Option<Self>> {
        let Some(((first, expected), rest)) = pairs.split_first() else {
            return Ok(None);
        };
        let Some(key) = first.strip_prefix('=') else {
            return match pairs.iter().find(|(key, _)| key.starts_with(['=', '!'])) {
                Some((key, _)) => Err(StoreError(format!("guarded: {key}: expected a condition before it"))),
                None => Ok(None),
            };
        };
        let value = match expected.split_first() {
            None => None,
            Some((b'+', value)) => Some(value.to_vec()),
            Some(_) => return Err(StoreError(format!("guarded: {first}: expected an empty value, or one behind +"))),
        };
        let condition = Condition { key: key.to_owned(), value };
        Ok(Some(Self { condition, changes: rest.iter().map(change).collect::<super::Result<_>>()? }))
    }
}

/// The prefix that a cursor asks for, and where the page begins; nothing for the first one.
pub(super) fn page_of(cursor: &str) -> super::Result<(&str, Option<&str>)> {
    match cursor.split_once('=') {
        Some((prefix, next)) => Ok((prefix, Some(next).filter(|next| !next.is_empty()))),
        None => Err(StoreError(format!("guarded: cursor: expected a prefix and =, found {cursor:?}"))),
    }
}

fn change((key, value): &Pair<Vec<u8>>) -> super::Result<Change> {
    match key.strip_prefix('!') {
        Some(deleted) if value.is_empty() => Ok((deleted.to_owned(), None)),
        Some(_) => Err(StoreError(format!("guarded: {key}: expected an empty value"))),
        None if key.starts_with('=') => Err(StoreError(format!("guarded: {key}: expected one condition"))),
        None => Ok((key.clone(), Some(value.clone()))),
    }
}

/// The label of the store behind a label that asks for such a bucket.
pub(super) fn label_of(label: &str) -> Option<&str> {
    label.strip_suffix(SUFFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> super::super::Result<Option<Batch>> {
        let pairs: Vec<_> = pairs.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect();
        Batch::read(&pairs)
    }

    #[test]
    fn a_batch_without_a_condition_is_a_plain_one() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("a", "1"), ("b", "")]), Ok(None));
    }

    #[test]
    fn a_condition_is_followed_by_writes_and_deletions() {
        let batch = read(&[("=a", "+"), ("a", "1"), ("!b", ""), ("c", "")]).unwrap().unwrap();
        assert_eq!(batch.condition, Condition { key: "a".to_owned(), value: Some(Vec::new()) });
        let expected = [("a", Some("1")), ("b", None), ("c", Some(""))];
        assert_eq!(batch.changes, expected.map(|(key, value)| (key.to_owned(), value.map(|v| v.as_bytes().to_vec()))));
        assert_eq!(read(&[("=a", "")]).unwrap().unwrap().condition.value, None);
    }

    #[test]
    fn pairs_without_a_meaning_are_refused_with_the_key() {
        for (pairs, said) in [
            (&[("=a", "1"), ("a", "")][..], "guarded: =a: expected an empty value, or one behind +"),
            (&[("=a", ""), ("=b", "")], "guarded: =b: expected one condition"),
            (&[("=a", ""), ("!b", "1")], "guarded: !b: expected an empty value"),
            (&[("a", ""), ("!b", "")], "guarded: !b: expected a condition before it"),
        ] {
            assert_eq!(read(pairs), Err(StoreError(said.to_owned())));
        }
    }

    #[test]
    fn a_cursor_says_the_prefix_and_where_the_page_begins() {
        assert_eq!(page_of("a.="), Ok(("a.", None)));
        assert_eq!(page_of("="), Ok(("", None)));
        assert_eq!(page_of("a.=a.b=c"), Ok(("a.", Some("a.b=c"))));
        let said = "guarded: cursor: expected a prefix and =, found \"a\"".to_owned();
        assert_eq!(page_of("a"), Err(StoreError(said)));
    }
}
