//! Users, groups and members as an export has them: with their ids, slots, versions and times. Each is refused, in words,
//! where the tenant could not have had it.

use super::membership::{self, Group, Member};
use super::{Document, entry, extent, find, index, put, roster};
use crate::directory::roster::Extent;
use crate::keys::{EntryName, IndexKind, Kind, Roll, is_id};
use crate::ledger::Error;
use crate::scim::Resource;
use crate::scim::text::{fold, fold_before_layout_4};
use crate::settings::LIMITS;
use crate::tenant::state::TenantTurn;

/// Why a resource, or a member, was not written.
#[derive(Debug, PartialEq)]
pub(crate) enum RestoreError {
    /// The tenant could not have had it: where, what was expected, what was found.
    Refused(String),
    /// The ledger failed.
    Ledger(Error),
}

impl From<Error> for RestoreError {
    fn from(error: Error) -> RestoreError {
        RestoreError::Ledger(error)
    }
}

/// Done, or why not.
pub(crate) type Restored = Result<(), RestoreError>;

/// Writes a user or group, a group without its members.
pub(crate) fn resource(turn: &mut TenantTurn<'_>, kind: Kind, mut document: Document) -> Restored {
    fits(turn, kind, &document)?;
    let (id, slot) = (document.resource.id.clone(), document.slot);
    let mut whole = *extent(&mut turn.head, kind);
    if slot >= whole.next_slot {
        return Err(RestoreError::Refused(format!("slot: expected one below {}, found {slot}", whole.next_slot)));
    }
    if !roster::seat(turn, &kind.roll(), &mut whole, slot, &id)? {
        return Err(RestoreError::Refused(format!(
            "slot: expected one behind those of the lines before, found {slot}"
        )));
    }
    *extent(&mut turn.head, kind) = whole;
    document.members = match kind {
        Kind::User => Extent::default(),
        Kind::Group => Extent { members: 0, ..document.members },
    };
    index(turn, kind, slot, None, Some(&document.resource)).map_err(of_ledger)?;
    put(turn, kind, &document)?;
    if kind == Kind::User {
        turn.head.state.active += u64::from(document.resource.active());
    }
    Ok(())
}

/// Writes some members of a group that is there.
pub(crate) fn members(turn: &mut TenantTurn<'_>, group: &str, seats: &[(u64, String)]) -> Restored {
    let Some(mut document) = find_group(turn, group)? else {
        return Err(RestoreError::Refused(format!("group: expected the id of a group of this file, found {group:?}")));
    };
    let roll = Roll::MembersOf(group.to_owned());
    for (at, (slot, seat)) in seats.iter().enumerate() {
        let member = Member::of_seat(seat);
        if !membership::exists(turn, member.kind, &member.id)? {
            let noun = member.kind.noun();
            return Err(RestoreError::Refused(format!(
                "seats[{at}]: expected the id of a {noun} of this file, found {seat:?}"
            )));
        }
        if membership::edge(turn, group, &member.id)?.is_some() {
            return Err(RestoreError::Refused(format!("seats[{at}]: expected each member once, found {seat:?} again")));
        }
        let Extent { next_slot, .. } = document.members;
        if *slot >= next_slot || !roster::seat(turn, &roll, &mut document.members, *slot, seat)? {
            return Err(RestoreError::Refused(format!(
                "seats[{at}]: expected a slot below {next_slot} and behind those before, found {slot}"
            )));
        }
        let of = Group { slot: document.slot, id: group };
        membership::link(turn, of, &member.id, *slot)?;
    }
    put(turn, Kind::Group, &document)?;
    Ok(())
}

fn find_group(turn: &TenantTurn<'_>, id: &str) -> Result<Option<Document>, Error> {
    find(turn, Kind::Group, id).map_err(of_ledger)
}

fn fits(turn: &TenantTurn<'_>, kind: Kind, document: &Document) -> Restored {
    let (resource, of) = (&document.resource, kind.resource_type());
    let Resource { id, meta, .. } = resource;
    if !is_id(id) {
        return Err(RestoreError::Refused(format!(
            "id: expected letters, digits and hyphens, at most 64, found {:?}",
            short(id)
        )));
    }
    if meta.revision == 0 || meta.created > meta.last_modified {
        return Err(RestoreError::Refused(
            "meta: expected a revision of 1 or more, and lastModified not before created".to_owned(),
        ));
    }
    if document.members.next_slot > LIMITS.slots_max {
        let found = document.members.next_slot;
        return Err(RestoreError::Refused(format!(
            "members.nextSlot: expected at most {}, found {found}",
            LIMITS.slots_max
        )));
    }
    if let Err(error) = resource.check_stored(of) {
        return Err(RestoreError::Refused(format!("attributes: {error}")));
    }
    for kind in Kind::ALL {
        if membership::exists(turn, kind, id)? {
            return Err(RestoreError::Refused(format!("id: expected one that no line before has, found {id:?}")));
        }
    }
    match resource.name(of).filter(|name| !name.is_empty()) {
        None => return Err(RestoreError::Refused(format!("attributes.{}: expected a text, found none", of.naming))),
        Some(name) => {
            if let Some(other) = namesake(turn, kind, name)? {
                let naming = of.naming;
                return Err(RestoreError::Refused(format!(
                    "attributes.{naming}: expected one that no line before has, found that of {other}"
                )));
            }
        }
    }
    Ok(())
}

/// The id of one who keeps a resource from having a name. Names that were two by the folding of an earlier layout are no
/// hindrance: its stores have both, and so have the files that came of them. [`check`](super::check) names them.
fn namesake(turn: &TenantTurn<'_>, kind: Kind, name: &str) -> Result<Option<String>, Error> {
    let entry = EntryName::of_value(IndexKind::of_names(kind), &fold(name));
    let (of, most) = (kind.resource_type(), LIMITS.entry_short_max);
    let others = entry::first(turn, &entry, most)?;
    let full = others.len() == most;
    for (_, id) in others {
        let Some(other) = find(turn, kind, &id).map_err(of_ledger)? else {
            continue;
        };
        let same = |other: &str| fold_before_layout_4(other) == fold_before_layout_4(name);
        if full || other.resource.name(of).is_some_and(same) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// Reads of what is there fail in the ledger alone.
fn of_ledger(error: super::Error) -> Error {
    match error {
        super::Error::Ledger(error) => error,
        super::Error::NotFound(..)
        | super::Error::NameTaken(_)
        | super::Error::Stale { .. }
        | super::Error::NoSeat { .. }
        | super::Error::BeingRestored
        | super::Error::Scim(_) => Error::Corrupt(format!("restore: {error:?}")),
    }
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}
