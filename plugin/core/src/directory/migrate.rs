//! To layout 4: entries as [`entry`] has them, under names that [`fold`](crate::scim::text::fold) makes and, for
//! `externalId`, with the number of the connection.
//!
//! Every entry is made anew from what it is about: first from the users, in the order of their slots, then from the groups,
//! then the entries of members' groups from the rosters of members. A piece takes a bounded number of them, and what it
//! stages is the same however often it is staged.
//!
//! Two users whose names were two by the earlier folding, and are one by now, both stay. The entry of the name has both,
//! the older first: so whoever looks for the name is told of both and takes neither for the other, and nobody else can have
//! the name. The log says so here, and `check` until one of them is renamed.
//!
//! Damage stops no migration, or nobody could repair it. A document that cannot be read has no entry afterwards but that of
//! its name, where its folding is what it was; who stands behind a part of a roster that cannot be read has the old ones.
//! The log says so, `check` names them, and the repair makes the entries.

use super::entry::{self, Entry};
use super::{Document, entries, roster};
use crate::keys::{EntryName, IndexKind, Kind, Roll};
use crate::ledger::{Error, HOLD, Migrate, Migration, Read as _};
use crate::scim::Resource;
use crate::scim::text::fold_before_layout_4;
use crate::tenant::state::{TenantState, TenantTurn};
use roster::{Seat, Way};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// Resources and members that one piece takes at most; a slow store ends it before. Each leaves a few old keys, and the
/// head remembers a few hundred of those.
const PIECE_MAX: usize = 100;

/// What comes next.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
enum MigrationPosition {
    /// The resources of a kind, from this slot on.
    Resources(Kind, u64),
    /// The members of the group in this slot, from this slot of its own roster on.
    Members(u64, u64),
}

/// The steps of a tenant.
impl Migrate for TenantState {
    const STEPS: &'static [Migration<TenantState>] =
        &[USERS_UNDER_THEIR_NAMES, BODIES_BEHIND_RECORDS, FOLDED_NAMES_AND_BOUNDED_ENTRIES];
}

/// Layout 2 keeps a user under its name, too. The id alone, which layout 1 had there, still reads, and gives way when the
/// user changes; so there is nothing to rewrite.
const USERS_UNDER_THEIR_NAMES: Migration<TenantState> = Migration::without_pieces(1);

/// Layout 3 keeps the bodies of a record behind its JSON. Those within it still read, and the ring wears them away.
const BODIES_BEHIND_RECORDS: Migration<TenantState> = Migration::without_pieces(2);

/// Layout 4 names index entries by full case folding and with the number of the connection, and bounds their size.
const FOLDED_NAMES_AND_BOUNDED_ENTRIES: Migration<TenantState> = Migration { from: 3, piece };

/// Stages one piece, from where the one before ended, and says where it ended itself; nothing after the last one.
fn piece(turn: &mut TenantTurn<'_>, ended: Option<String>) -> Result<Option<String>, Error> {
    let begun = ended.map(|ended| serde_json::from_str(&ended)).transpose();
    let begun =
        begun.map_err(|_| Error::Corrupt(format!("{}: a migration that does not read", turn.space().head())))?;
    let mut place = Some(begun.unwrap_or(MigrationPosition::Resources(Kind::User, 0)));
    let mut left = PIECE_MAX;
    while let Some(next) = place.filter(|_| left > 0 && !is_long(turn)) {
        place = match next {
            MigrationPosition::Resources(kind, from) => resources(turn, kind, from, &mut left)?,
            MigrationPosition::Members(group, from) => members(turn, group, from, &mut left)?,
        };
    }
    Ok(place.map(|place| serde_json::to_string(&place).expect("a place is plain data")))
}

/// Whether a piece has taken as long as one should.
fn is_long(turn: &TenantTurn<'_>) -> bool {
    turn.spent() > HOLD / 4
}

fn resources(
    turn: &mut TenantTurn<'_>,
    kind: Kind,
    from: u64,
    left: &mut usize,
) -> Result<Option<MigrationPosition>, Error> {
    let (seats, last) = seats(turn, &kind.roll(), from, *left)?;
    for (slot, id) in seats {
        resource(turn, kind, &id)?;
        *left -= 1;
        if is_long(turn) {
            return Ok(Some(MigrationPosition::Resources(kind, slot + 1)));
        }
    }
    Ok(Some(match (last, kind) {
        (Some(last), _) => MigrationPosition::Resources(kind, last + 1),
        (None, Kind::User) => MigrationPosition::Resources(Kind::Group, 0),
        (None, Kind::Group) => MigrationPosition::Members(0, 0),
    }))
}

fn members(
    turn: &mut TenantTurn<'_>,
    group: u64,
    from: u64,
    left: &mut usize,
) -> Result<Option<MigrationPosition>, Error> {
    let Some((slot, id)) = seats(turn, &Roll::Groups, group, 1)?.0.pop() else {
        return Ok(None);
    };
    let from = if slot == group { from } else { 0 };
    let (seats, last) = seats(turn, &Roll::MembersOf(id.clone()), from, *left)?;
    // A group without members is looked at, too.
    *left -= 1.min(*left);
    for (member_slot, seat) in seats {
        let member = super::Member::of_seat(&seat);
        let groups = EntryName::groups_of(&member.id);
        readable(turn, &groups)?;
        entry::join(turn, &groups, slot, &id)?;
        *left = left.saturating_sub(1);
        if is_long(turn) {
            return Ok(Some(MigrationPosition::Members(slot, member_slot + 1)));
        }
    }
    Ok(Some(last.map_or(MigrationPosition::Members(slot + 1, 0), |last| MigrationPosition::Members(slot, last + 1))))
}

/// So many seats from a slot on; and the slot of the last one, unless nobody is behind it who can be read.
fn seats(turn: &TenantTurn<'_>, roll: &Roll, from: u64, count: usize) -> Result<(Vec<Seat>, Option<u64>), Error> {
    let mut seats: Vec<Seat> = Vec::with_capacity(count);
    let way = roster::visit(turn, roll, Way::From(from), &mut |slot, member| {
        if seats.len() >= count {
            return Ok::<_, Error>(ControlFlow::Break(()));
        }
        seats.push((slot, member.to_owned()));
        Ok(ControlFlow::Continue(()))
    });
    let further = match way {
        Ok(way) => way.is_break(),
        Err(Error::Corrupt(what)) => {
            turn.log(&format!("layout: {what}; who stands there or behind it waits for a repair"));
            false
        }
        Err(error) => return Err(error),
    };
    let last = seats.last().map(|(slot, _)| *slot).filter(|_| further);
    Ok((seats, last))
}

/// Takes a resource out of the entries of the earlier layout and puts it into those of this one.
fn resource(turn: &mut TenantTurn<'_>, kind: Kind, id: &str) -> Result<(), Error> {
    let key = turn.space().document(kind, id);
    let document = match key.map(|key| turn.read::<Document>(&key)).transpose() {
        Ok(Some(Some(document))) => document,
        Ok(_) => return Ok(()),
        Err(Error::Corrupt(what)) => {
            turn.log(&format!("layout: {what}; it stands in no index until it is restored and a repair was made"));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let new: Vec<EntryName> =
        entries(kind, &document.resource).iter().map(|(kind, value)| EntryName::of_value(*kind, value)).collect();
    for name in earlier(kind, &document.resource).into_iter().filter(|name| !new.contains(name)) {
        turn.remove(turn.space().entry(&name));
    }
    for (index, value) in entries(kind, &document.resource) {
        join(turn, kind, index, &EntryName::of_value(index, &value), &document)?;
    }
    Ok(())
}

/// The entries that a resource stood in.
fn earlier(kind: Kind, resource: &Resource) -> Vec<EntryName> {
    let name = resource.name(kind.resource_type()).map(|name| (IndexKind::of_names(kind), fold_before_layout_4(name)));
    let external_id = resource.external_id.clone().map(|id| (IndexKind::of_external_ids(kind), id));
    let emails = resource.emails().map(|address| (IndexKind::Email, fold_before_layout_4(address)));
    let all = name.into_iter().chain(external_id).chain(emails);
    all.map(|(kind, value)| EntryName::before_layout_4(kind, &value)).collect()
}

fn join(
    turn: &mut TenantTurn<'_>,
    kind: Kind,
    index: IndexKind,
    name: &EntryName,
    document: &Document,
) -> Result<(), Error> {
    let (slot, id) = (document.slot, document.resource.id.as_str());
    let found = readable(turn, name)?;
    if let Some(Entry::Whole(user)) = &found
        && **user == *document
    {
        return Ok(());
    }
    if let Some(found) = found.filter(|_| index == IndexKind::of_names(kind)) {
        let others = found.page(turn, name, 0, 1)?.into_iter().map(|(_, id)| id);
        for other in others.filter(|other| other != id) {
            let noun = kind.noun();
            turn.log(&format!("layout: {noun}s {other} and {id} have one name by full case folding; both stay"));
        }
    }
    if index == IndexKind::UserName {
        entry::give_name(turn, name, slot, id, Some(&document.stored()))
    } else {
        entry::join(turn, name, slot, id)
    }
}

/// What an entry says; one that cannot be read gives way.
fn readable(turn: &mut TenantTurn<'_>, name: &EntryName) -> Result<Option<Entry>, Error> {
    match entry::read(turn, name) {
        Err(Error::Corrupt(_)) => {
            turn.remove(turn.space().entry(name));
            Ok(None)
        }
        read => read,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::LAYOUT;
    use crate::tenant::state::RegistryState;

    #[test]
    fn the_steps_of_this_version_lead_from_each_layout_to_the_next() {
        let of_tenants: Vec<u32> = TenantState::STEPS.iter().map(|step| step.from).collect();
        let of_the_registry: Vec<u32> = RegistryState::STEPS.iter().map(|step| step.from).collect();
        assert_eq!((&of_tenants, &of_the_registry), (&(1..LAYOUT).collect(), &(1..LAYOUT).collect()));
    }
}
