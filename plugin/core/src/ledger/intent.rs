//! What a turn is about to write, written down first: for stores that do not write a batch whole.
//!
//! The head takes the intent in with one write of one key, and that decides the change. From then on readers see it
//! through the intent, wherever its values have not arrived yet, and whoever ends the epoch of a holder that died
//! writes them once more. A small intent stands in the head itself, a large one in keys of its own, which are written
//! before the head names them.

use super::Error;
use super::head::{Head, HeadState, TurnProgress};
use super::lease::Lease;
use crate::keys::Space;
use crate::ports::Ports;
use crate::ports::{BATCH_MAX, VALUE_BYTES_MAX};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A key and what it is to hold.
pub(super) type Pair = (String, Vec<u8>);

/// Bytes up to which an intent stands in the head.
const INLINE_BYTES_MAX: usize = 96 * 1024;

/// Bytes in one of the keys that a larger intent is spread over. A single pair may be larger: as large as a value may be.
const PART_BYTES_MAX: usize = 256 * 1024;

/// A head beside what it carries.
const HEAD_BYTES_MAX: usize = 60 * 1024;

// An intent stands in base64 in the head, with the head that follows; a part is a value of its own.
const _: () = assert!(INLINE_BYTES_MAX * 4 / 3 + 2 * HEAD_BYTES_MAX < VALUE_BYTES_MAX);
const _: () = assert!(PART_BYTES_MAX < VALUE_BYTES_MAX);

/// A change that is decided.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(bound = "S: HeadState")]
pub(super) struct Intent<S> {
    /// Where the space stands when all is written.
    pub(super) next: Box<Head<S>>,
    /// The turn that names the keys which hold the values. Layouts before 4 gave every turn the same names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    turn: Option<TurnProgress>,
    /// Keys that hold the values; none where they stand here.
    #[serde(default)]
    parts: u64,
    #[serde(default)]
    inline: String,
}

/// An intent on its way into the store.
pub(super) struct IntentWrite<S> {
    pub(super) intent: Intent<S>,
    /// What has to be written before the intent itself.
    pub(super) parts: Vec<Pair>,
}

/// Puts values into an intent. Its own keys are left to the turn after it to delete.
pub(super) fn plan<S: HeadState>(space: &Space, pairs: &[Pair], mut next: Head<S>) -> IntentWrite<S> {
    let parts = framed(pairs);
    if let [part] = parts.as_slice()
        && part.len() <= INLINE_BYTES_MAX
    {
        let inline = STANDARD_NO_PAD.encode(part);
        return IntentWrite {
            intent: Intent { next: Box::new(next), turn: None, parts: 0, inline },
            parts: Vec::new(),
        };
    }
    let turn = Some(next.progress());
    let parts: Vec<Pair> = (0..).zip(parts).map(|(number, part)| (key(space, turn, number), part)).collect();
    next.emptied.extend(parts.iter().map(|(key, _)| key.clone()));
    let count = u64::try_from(parts.len()).unwrap_or(u64::MAX);
    IntentWrite { intent: Intent { next: Box::new(next), turn, parts: count, inline: String::new() }, parts }
}

/// No two turns name the same key, so that a part which arrives late is none of a later intent.
fn key(space: &Space, turn: Option<TurnProgress>, number: u64) -> String {
    space.intent(turn.map(|turn| (turn.epoch, turn.done)), number)
}

impl<S> Intent<S> {
    /// What is to be written.
    pub(super) fn pairs(&self, ports: &Ports, space: &Space) -> Result<BTreeMap<String, Vec<u8>>, Error> {
        let broken = || Error::Corrupt(format!("{}: an intent that does not read", space.head()));
        let mut pairs = BTreeMap::new();
        let inline = STANDARD_NO_PAD.decode(&self.inline).map_err(|_| broken())?;
        unframe(&inline, &mut pairs).ok_or_else(broken)?;
        for number in 0..self.parts {
            let part = ports.store.get(&key(space, self.turn, number))?.unwrap_or_default();
            unframe(&part, &mut pairs).filter(|()| !part.is_empty()).ok_or_else(broken)?;
        }
        Ok(pairs)
    }
}

/// Writes values in batches that every store takes, as long as others do not take the turn for dead. Answers whether a try
/// failed that may still arrive.
pub(super) fn write(lease: &Lease<'_>, pairs: &[Pair]) -> Result<bool, Error> {
    let mut failed = false;
    for batch in pairs.chunks(BATCH_MAX) {
        lease.renew();
        // Writing the same once more is no harm, and a store that writes in parts fails in parts.
        if lease.carry_out(batch).is_err() {
            failed = true;
            lease.carry_out(batch)?;
        }
    }
    Ok(failed)
}

/// Pairs as values of a bounded size, each of whole pairs. A single pair may be larger: as large as a value may be.
pub(super) fn framed(pairs: &[Pair]) -> Vec<Vec<u8>> {
    let mut parts: Vec<Vec<u8>> = Vec::new();
    for (key, bytes) in pairs {
        let size = 8 + key.len() + bytes.len();
        match parts.last_mut().filter(|part| part.len() + size <= PART_BYTES_MAX) {
            Some(part) => frame(part, key, bytes),
            None => {
                let mut part = Vec::with_capacity(size);
                frame(&mut part, key, bytes);
                parts.push(part);
            }
        }
    }
    parts
}

fn frame(part: &mut Vec<u8>, key: &str, bytes: &[u8]) {
    for field in [key.as_bytes(), bytes] {
        let length = u32::try_from(field.len()).expect("a value is far below four gigabytes");
        part.extend(length.to_le_bytes());
        part.extend(field);
    }
}

pub(super) fn unframe(mut part: &[u8], pairs: &mut BTreeMap<String, Vec<u8>>) -> Option<()> {
    while !part.is_empty() {
        let key = String::from_utf8(field(&mut part)?.to_vec()).ok()?;
        pairs.insert(key, field(&mut part)?.to_vec());
    }
    Some(())
}

fn field<'p>(part: &mut &'p [u8]) -> Option<&'p [u8]> {
    let (length, rest) = part.split_first_chunk::<4>()?;
    let (field, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    *part = rest;
    Some(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unframed(part: &[u8]) -> Option<Vec<Pair>> {
        let mut pairs = BTreeMap::new();
        unframe(part, &mut pairs)?;
        Some(pairs.into_iter().collect())
    }

    #[test]
    fn a_frame_reads_as_what_was_put_in() {
        let pairs = [("a".to_owned(), Vec::new()), ("b".to_owned(), vec![0, 255]), ("ü".to_owned(), vec![7; 70_000])];
        let mut part = Vec::new();
        pairs.iter().for_each(|(key, bytes)| frame(&mut part, key, bytes));
        assert_eq!(unframed(&part).unwrap(), pairs);
    }

    #[test]
    fn a_frame_that_was_cut_or_overwritten_is_refused() {
        let mut part = Vec::new();
        frame(&mut part, "key", b"value");
        for end in 1..part.len() {
            assert_eq!(unframed(&part[..end]), None, "{end}");
        }
        assert_eq!(unframed(&[255; 40]), None);
    }
}
