//! The registry: which tenants there are.

use crate::connection::Connection;
use crate::directory::roster;
use crate::keys::{Roll, Space, TENANT_ID_LEN, TenantId};
use crate::ledger::{self, Error, HOLD, Ledger, Read, capabilities};
use crate::settings::LIMITS;
use crate::tenant::state::{RegistryTurn, RegistryView, TenantHead, TenantTurn, TenantView};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A tenant as it is stored.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Tenant {
    /// As in the tenant's URLs.
    pub id: String,
    /// What the operator calls the organisation.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// How many users may be active at once; nothing for no limit.
    pub seats: Option<u64>,
    slot: u64,
}

/// Why the registry could not be changed as asked.
#[derive(Debug, PartialEq)]
pub enum TenantError {
    /// No tenant has this id.
    NoSuchTenant,
    /// The name is empty or too long.
    BadName,
    /// There are as many tenants as one installation may have.
    Full,
    /// Another tenant has the id.
    IdTaken,
    /// The tenant has a connection that has not been ended, or users or groups.
    NotEmpty,
    /// The ledger failed.
    Ledger(ledger::Error),
}

impl From<ledger::Error> for TenantError {
    fn from(error: ledger::Error) -> TenantError {
        TenantError::Ledger(error)
    }
}

/// Makes a tenant, with an id of the caller's where an export is to be restored: the tenant URL that the provider knows
/// stays as it is.
///
/// # Errors
/// The name is not valid, the id is taken, there are as many tenants as there may be, or the store does not answer.
pub fn create(ledger: Ledger<'_>, name: &str, id: Option<TenantId>) -> Result<Tenant, TenantError> {
    let Some(name) = proper(name) else {
        return Err(TenantError::BadName);
    };
    let mut turn = turn(ledger)?;
    if turn.head.state.tenants.members >= LIMITS.tenants_max {
        return Err(TenantError::Full);
    }
    let id = id.unwrap_or_else(|| {
        let mut random = [0; TENANT_ID_LEN];
        ledger.ports.entropy.fill(&mut random);
        TenantId::from_random(random)
    });
    if turn.get(&Space::registry().registered(&id))?.is_some() {
        return Err(TenantError::IdTaken);
    }
    let mut extent = turn.head.state.tenants;
    let slot = match roster::append(&mut turn, &Roll::Main, &mut extent, id.as_str()) {
        Err(Error::Damaged(found)) => {
            turn.undo();
            turn.close_to_mend(&found);
            turn.commit()?;
            return Err(Error::Damaged(found).into());
        }
        slot => slot?,
    };
    turn.head.state.tenants = extent;
    let tenant = Tenant { id: id.as_str().to_owned(), name, created_at: ledger.ports.clock.now(), seats: None, slot };
    turn.write(Space::registry().registered(&id), &tenant);
    turn.commit()?;
    Ok(tenant)
}

/// The tenant of this id.
///
/// # Errors
/// The store does not answer, or the tenant's data cannot be read.
pub fn read(ledger: Ledger<'_>, id: &TenantId) -> Result<Option<Tenant>, Error> {
    RegistryView::new(ledger, Space::registry()).read(&Space::registry().registered(id))
}

/// Tenants in the order in which they were made, and how many there are.
///
/// # Errors
/// The store does not answer, or the tenant's data cannot be read.
pub fn list(ledger: Ledger<'_>, skip: u64, limit: usize) -> Result<(Vec<Tenant>, u64), Error> {
    let view = RegistryView::new(ledger, Space::registry());
    let head = view.head()?;
    let mut tenants = Vec::new();
    for (_, id) in roster::page(&view, &Roll::Main, skip, limit)? {
        let id = TenantId::parse(&id).ok_or_else(|| Error::Corrupt("r.: a roster seat without a tenant id".into()))?;
        tenants.extend(view.read::<Tenant>(&Space::registry().registered(&id))?);
    }
    Ok((tenants, head.state.tenants.members))
}

/// What may be changed of a tenant.
#[derive(Default, Debug)]
pub struct TenantChange {
    /// A new name.
    pub name: Option<String>,
    /// A new limit, or none.
    pub seats: Option<Option<u64>>,
}

/// Changes a tenant.
///
/// # Errors
/// There is no such tenant, a value is not valid, or the store does not answer.
pub fn change(ledger: Ledger<'_>, id: &TenantId, change: TenantChange) -> Result<Tenant, TenantError> {
    let name = match change.name.as_deref().map(proper) {
        Some(None) => return Err(TenantError::BadName),
        Some(name) => name,
        None => None,
    };
    let key = Space::registry().registered(id);
    let mut turn = turn(ledger)?;
    let Some(mut tenant) = turn.read::<Tenant>(&key)? else {
        return Err(TenantError::NoSuchTenant);
    };
    if let Some(name) = name {
        tenant.name = name;
    }
    if let Some(seats) = change.seats {
        tenant.seats = seats;
    }
    turn.write(key, &tenant);
    turn.commit()?;
    Ok(tenant)
}

/// Gives a tenant the name, the age and the seats that an export says it had.
pub(crate) fn restore(ledger: Ledger<'_>, id: &TenantId, as_it_was: &Profile) -> Result<(), Error> {
    let key = Space::registry().registered(id);
    let mut turn = turn(ledger)?;
    let Some(tenant) = turn.read::<Tenant>(&key)? else {
        return turn.release();
    };
    let Profile { name, created_at, seats } = as_it_was.clone();
    turn.write(key, &Tenant { name, created_at, seats, ..tenant });
    turn.commit()
}

/// What an export says of the tenant itself.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Profile {
    name: String,
    created_at: Timestamp,
    seats: Option<u64>,
}

impl Profile {
    /// Whether the name is one that a tenant may have.
    pub(crate) fn is_proper(&self) -> bool {
        proper(&self.name).is_some_and(|name| name == self.name)
    }
}

impl From<&Tenant> for Profile {
    fn from(tenant: &Tenant) -> Profile {
        Profile { name: tenant.name.clone(), created_at: tenant.created_at, seats: tenant.seats }
    }
}

/// Takes a tenant out that has neither a connection nor users nor groups, and with it its journal.
///
/// The tenant's own turn is held meanwhile, so nobody starts a connection between the look and the removal.
///
/// # Errors
/// There is no such tenant, it still has a connection, users or groups, or the store does not answer.
pub fn delete(ledger: Ledger<'_>, id: &TenantId) -> Result<(), TenantError> {
    let mut own = TenantTurn::take(ledger, Space::tenant(id))?;
    let connected = Connection::read(&own)?.is_some_and(|connection| connection.ended_at.is_none());
    let connected = connected || own.head.state.being_restored;
    if connected || own.head.state.main.members > 0 || own.head.state.groups.members > 0 {
        return Err(TenantError::NotEmpty);
    }
    let key = Space::registry().registered(id);
    let mut turn = turn(ledger)?;
    let Some(tenant) = turn.read::<Tenant>(&key)? else {
        return Err(TenantError::NoSuchTenant);
    };
    let mut extent = turn.head.state.tenants;
    roster::remove(&mut turn, &Roll::Main, &mut extent, tenant.slot)?;
    turn.head.state.tenants = extent;
    turn.remove(key);
    // A waiter that took the holder of the tenant's turn for dead may have started a connection meanwhile.
    if own.spent() > HOLD {
        return Err(Error::Busy.into());
    }
    turn.commit()?;
    own.remove(own.space().connection());
    own.remove(own.space().schemas());
    let head = own.head.clone();
    // The tenant is gone with its entry in the registry; what follows only gives back room.
    if let Err(error) = own.commit() {
        ledger.ports.log.line(&format!("store: the connection of a removed tenant was not given back: {error:?}"));
    }
    sweep(ledger, &TenantView::new(ledger, Space::tenant(id)), &head);
    Ok(())
}

/// Gives back the room of a removed tenant. The head stays, so that turns go on where they stood if the id is ever asked
/// for again; what a crash leaves here belongs to no user.
fn sweep(ledger: Ledger<'_>, view: &TenantView<'_>, head: &TenantHead) {
    let space = view.space();
    let records = 0..head.state.next_record.min(head.state.journal_capacity);
    let mut keys: Vec<String> = records.map(|slot| space.journal(slot)).collect();
    keys.extend(roster::keys(space, &Roll::Main, head.state.main.next_slot));
    keys.extend(roster::keys(space, &Roll::Groups, head.state.groups.next_slot));
    keys.extend(ledger::leavings(view, head));
    keys.extend([space.import(), space.rush()]);
    for batch in keys.chunks(100) {
        if let Err(error) = capabilities::delete(ledger, batch) {
            ledger.ports.log.line(&format!("store: the room of a removed tenant was not given back: {error}"));
            return;
        }
    }
}

/// Waits for a turn of the registry, and mends the registry first where that is needed.
pub(crate) fn turn(ledger: Ledger<'_>) -> Result<RegistryTurn<'_>, Error> {
    match RegistryTurn::take(ledger, Space::registry()) {
        Err(Error::Mending) => {
            mend(ledger)?;
            RegistryTurn::take(ledger, Space::registry())
        }
        taken => taken,
    }
}

/// Makes the roster anew, in one turn: an installation has a bounded number of tenants. A tenant keeps its slot; of two in
/// one slot the second moves to the end.
fn mend(ledger: Ledger<'_>) -> Result<(), Error> {
    let mut turn = RegistryTurn::take_to_mend(ledger, Space::registry())?;
    if turn.head.damage().is_none() {
        return turn.release();
    }
    turn.replay_trail()?;
    let mut seats: BTreeMap<u64, String> = BTreeMap::new();
    let mut displaced: Vec<(String, Tenant)> = Vec::new();
    let prefix = Space::registry().registered_prefix();
    for key in keys(&turn)?.into_iter().filter(|key| key.starts_with(&prefix)) {
        match turn.read::<Tenant>(&key)? {
            Some(tenant) if seats.contains_key(&tenant.slot) => displaced.push((key, tenant)),
            Some(tenant) => drop(seats.insert(tenant.slot, tenant.id)),
            None => {}
        }
    }
    let mut next = seats.last_key_value().map_or(0, |(slot, _)| slot + 1).max(turn.head.state.tenants.next_slot);
    for (key, tenant) in displaced {
        seats.insert(next, tenant.id.clone());
        turn.write(key, &Tenant { slot: next, ..tenant });
        next += 1;
    }
    let values = roster::values(turn.space(), &Roll::Main, &seats);
    for key in roster::keys(turn.space(), &Roll::Main, next) {
        match values.iter().find(|(of, _)| *of == key) {
            Some((_, value)) => turn.write(key, value),
            None if turn.get(&key)?.is_some() => turn.remove(key),
            None => {}
        }
    }
    turn.head.state.tenants.members = u64::try_from(seats.len()).unwrap_or(u64::MAX);
    turn.head.state.tenants.next_slot = next;
    turn.open_again();
    turn.commit()?;
    ledger.ports.log.line(&format!("registry: mended, {} tenants; open again", seats.len()));
    Ok(())
}

/// All keys of the registry.
fn keys(turn: &RegistryTurn<'_>) -> Result<Vec<String>, Error> {
    let (mut keys, mut cursor) = (Vec::new(), None);
    loop {
        let page = turn.keys(cursor.as_deref())?;
        let page = page
            .ok_or_else(|| Error::Unfit("expected a list of the keys, found more than the store lists".to_owned()))?;
        keys.extend(page.keys);
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(keys),
        }
    }
}

fn proper(name: &str) -> Option<String> {
    let name = name.trim();
    let fits = !name.is_empty() && name.len() <= LIMITS.tenant_name_bytes_max && !name.chars().any(char::is_control);
    fits.then(|| name.to_owned())
}
