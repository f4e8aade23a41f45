//! A component of the release candidate of WASI 0.3, which Spin 4.0 runs, as one of WASI 0.3.0.
//!
//! HTTP, clocks and random numbers are the same in both but for the version in the names of their interfaces, so those
//! names are written anew. Where a component uses something that differs, the linker says so.

use std::borrow::Cow;

/// What the names end with, and what they end with afterwards.
const CANDIDATE: &[u8] = b"@0.3.0-rc-2026-03-15";
const FINAL: &[u8] = b"@0.3.0";

/// The magic number of WebAssembly, the version of components and the layer.
const PREAMBLE: &[u8] = b"\0asm\x0d\0\x01\0";

/// The sections whose names are those of interfaces. What lies within a component has names of its own.
const IMPORTS: u8 = 10;
const EXPORTS: u8 = 11;

/// The component under the final names. What is no component stays as it is, for others to refuse.
pub(crate) fn as_final(bytes: &[u8]) -> Cow<'_, [u8]> {
    match renamed(bytes) {
        Some(renamed) => Cow::Owned(renamed),
        None => Cow::Borrowed(bytes),
    }
}

/// Nothing where no name changes, or where the sections cannot be told apart.
fn renamed(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes.strip_prefix(PREAMBLE)?;
    let mut out = PREAMBLE.to_vec();
    let mut changes = false;
    while let Some((id, after)) = rest.split_first() {
        let (size, after) = number(after)?;
        let (section, after) = after.split_at_checked(size)?;
        let names = match *id {
            IMPORTS | EXPORTS => with_final_names(section),
            _ => None,
        };
        changes |= names.is_some();
        let section = names.as_deref().unwrap_or(section);
        out.push(*id);
        push_number(&mut out, section.len());
        out.extend_from_slice(section);
        rest = after;
    }
    changes.then_some(out)
}

/// A section with those names; nothing where it has none of the others. A name has its length, which is below 128, before
/// it.
fn with_final_names(section: &[u8]) -> Option<Vec<u8>> {
    let mut out: Vec<u8> = Vec::with_capacity(section.len());
    let mut changes = false;
    let mut rest = section;
    while let Some((first, after)) = rest.split_first() {
        let stem = after
            .get(..usize::from(*first))
            .filter(|name| *first < 128 && name.starts_with(b"wasi:"))
            .and_then(|name| name.strip_suffix(CANDIDATE));
        if let Some(stem) = stem {
            push_number(&mut out, stem.len() + FINAL.len());
            out.extend_from_slice(stem);
            out.extend_from_slice(FINAL);
            changes = true;
            rest = &after[usize::from(*first)..];
        } else {
            out.push(*first);
            rest = after;
        }
    }
    changes.then_some(out)
}

/// An unsigned number in LEB128, and what follows it.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let length = bytes.iter().take(5).position(|byte| byte & 0x80 == 0)? + 1;
    let (digits, rest) = bytes.split_at(length);
    let value = digits.iter().rev().fold(0_u64, |value, digit| value << 7 | u64::from(digit & 0x7f));
    Some((usize::try_from(value).ok()?, rest))
}

fn push_number(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).expect("seven bits fit") | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).expect("seven bits fit"));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component of one section with these names, each of an instance of type 0.
    fn component(id: u8, names: &[&str]) -> Vec<u8> {
        let mut section = vec![u8::try_from(names.len()).unwrap()];
        for name in names {
            section.extend([0, u8::try_from(name.len()).unwrap()]);
            section.extend(name.as_bytes());
            section.extend([5, 0]);
        }
        let mut bytes = PREAMBLE.to_vec();
        bytes.push(id);
        push_number(&mut bytes, section.len());
        bytes.extend(section);
        bytes
    }

    #[test]
    fn names_of_the_candidate_become_those_of_the_final_version() {
        let candidate =
            ["wasi:http/types@0.3.0-rc-2026-03-15", "wasi:io/poll@0.2.6", "wasi:clocks/types@0.3.0-rc-2026-03-15"];
        let same = ["wasi:http/types@0.3.0", "wasi:io/poll@0.2.6", "wasi:clocks/types@0.3.0"];
        for id in [IMPORTS, EXPORTS] {
            assert_eq!(*as_final(&component(id, &candidate)), component(id, &same));
            assert_eq!(*as_final(&component(id, &same)), component(id, &same));
        }
    }

    #[test]
    fn other_sections_versions_and_files_stay_as_they_are() {
        let name = "wasi:http/types@0.3.0-rc-2026-03-15";
        let cut = &component(IMPORTS, &[name])[..20];
        for bytes in [
            &component(5, &[name])[..],
            &component(IMPORTS, &["wasi:http/types@0.3.0-rc-2026-01-06", "spin:http/types@0.3.0-rc-2026-03-15"]),
            cut,
            b"(component)",
            b"",
        ] {
            assert_eq!(*as_final(bytes), *bytes);
        }
    }

    #[test]
    fn a_size_of_several_digits_is_read_as_it_is_written() {
        for value in [0, 127, 128, 16_383, 16_384, 3_000_000, usize::try_from(u32::MAX).unwrap()] {
            let mut bytes = Vec::new();
            push_number(&mut bytes, value);
            assert_eq!(number(&bytes), Some((value, &[][..])));
        }
        assert_eq!(number(&[0x80; 9]), None);
    }
}
