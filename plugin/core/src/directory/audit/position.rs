//! Where an audit stands between two portions.

use crate::keys::{Kind, Space};
use crate::settings::LIMITS;
use crate::tenant::state::TenantHead;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The text of a position that is given back.
const TEXT_BYTES_MAX: usize = 1_024;

/// What comes next.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub(super) enum AuditPosition {
    /// All keys, from this cursor on, for the documents among them; for a repair also the edges, which put lost members
    /// back.
    Documents(Option<String>),
    /// The roster of a kind and its documents, from this slot on.
    Seats(Kind, u64),
    /// The members of the first group from this slot on, from this leaf of its roster on.
    Members(u64, u64),
    /// All keys, from this cursor on, for those whose values are made from documents.
    Strays(Option<String>),
    /// What the head counts.
    Close,
}

/// Where an audit stands. As text it is opaque; whoever gets one gives it back as it is.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Position {
    /// Nothing at the end.
    pub(super) place: Option<AuditPosition>,
    /// Active users up to here.
    pub(super) active: u64,
    /// Whether there may be more of them, where nobody can look.
    pub(super) uncounted: bool,
    /// How often users were changed by the time that the audit began; nothing where others have changed any since.
    steady: Option<u64>,
    /// What the keys of the tenant begin with; nothing before the first portion.
    of_space: Option<String>,
    /// Whether the store does not list its keys.
    pub(super) unlisted: bool,
    looked: u64,
    of: u64,
}

impl Position {
    /// The beginning.
    pub fn start() -> Position {
        Position {
            place: Some(AuditPosition::Documents(None)),
            active: 0,
            uncounted: false,
            steady: None,
            of_space: None,
            unlisted: false,
            looked: 0,
            of: 0,
        }
    }

    /// Resources and keys that were looked at.
    pub fn looked(&self) -> u64 {
        self.looked
    }

    /// About how many there are to be looked at, in both directions.
    pub fn of(&self) -> u64 {
        self.of.max(self.looked.saturating_add(1))
    }

    /// Whether nobody else has changed a user since the audit began.
    pub(super) fn is_steady(&self) -> bool {
        self.steady.is_some()
    }

    /// Goes on here in a space, or at the beginning where the position is that of another one.
    pub(super) fn begin(&mut self, space: &Space, head: &TenantHead) {
        if self.of_space.as_deref() != Some(space.prefix()) {
            let steady = Some(head.state.user_changes);
            *self = Position { of_space: Some(space.prefix().to_owned()), steady, ..Position::start() };
        }
        let resources = head.state.main.members.saturating_add(head.state.groups.members);
        // A document, its seat, and an entry each for its name, its externalId and its address.
        self.of = resources.saturating_mul(if self.unlisted { 1 } else { 5 });
        self.steady = self.steady.filter(|changes| *changes == head.state.user_changes);
    }

    pub(super) fn end(&mut self, looked: u64, head: &TenantHead) {
        self.looked = self.looked.saturating_add(looked);
        // Changes of this portion are the audit's own.
        self.steady = self.steady.map(|_| head.state.user_changes);
    }
}

/// A text that is no position.
#[derive(Debug, PartialEq, Eq)]
pub struct NoPosition;

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Position, NoPosition> {
        let bytes = Some(text).filter(|text| text.len() <= TEXT_BYTES_MAX).map(|text| URL_SAFE_NO_PAD.decode(text));
        let bytes = bytes.and_then(Result::ok).ok_or(NoPosition)?;
        let position: Position = serde_json::from_slice(&bytes).map_err(|_| NoPosition)?;
        let slots_max = LIMITS.slots_max;
        let is_within = match position.place {
            Some(AuditPosition::Seats(_, slot)) => slot <= slots_max,
            Some(AuditPosition::Members(group, leaf)) => group <= slots_max && leaf <= slots_max,
            Some(AuditPosition::Documents(_) | AuditPosition::Strays(_) | AuditPosition::Close) | None => true,
        };
        if is_within { Ok(position) } else { Err(NoPosition) }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).expect("a position is plain data")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_reads_as_what_it_was() {
        let position = Position { place: Some(AuditPosition::Members(7, 3)), active: 5, ..Position::start() };
        assert_eq!(position.to_string().parse(), Ok(position));
    }

    #[test]
    fn a_text_that_is_no_position_is_refused() {
        let far = Position { place: Some(AuditPosition::Seats(Kind::User, u64::MAX)), ..Position::start() };
        for wrong in ["", "AAAA", "%", &"A".repeat(TEXT_BYTES_MAX + 4), &far.to_string()] {
            assert_eq!(wrong.parse::<Position>(), Err(NoPosition), "{wrong}");
        }
    }
}
