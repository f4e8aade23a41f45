//! Turns of the registry, which is mended by whoever comes next where a write that came too late has damaged it, see
//! [`ledger`](crate::ledger): its roster and its count are made anew from the entries of the tenants.

use super::Tenant;
use crate::directory::roster;
use crate::ledger::{Error, Read as _, Turn};
use crate::ports::Ports;
use crate::settings::Settings;
use crate::space::{Roll, Space};
use std::collections::BTreeMap;

/// Waits for a turn of the registry, and mends the registry first where that is needed.
pub(crate) fn turn<'a>(ports: &'a Ports, settings: &'a Settings) -> Result<Turn<'a>, Error> {
    match Turn::take(ports, settings, Space::registry()) {
        Err(Error::Mending) => {
            mend(ports, settings)?;
            Turn::take(ports, settings, Space::registry())
        }
        taken => taken,
    }
}

/// Makes the roster anew, in one turn: an installation has a bounded number of tenants. A tenant keeps its slot; of two in
/// one slot the second moves to the end.
fn mend(ports: &Ports, settings: &Settings) -> Result<(), Error> {
    let mut turn = Turn::take_to_mend(ports, settings, Space::registry())?;
    if turn.head.damage().is_none() {
        return turn.release();
    }
    turn.replay_trail()?;
    let mut seats: BTreeMap<u64, String> = BTreeMap::new();
    let mut displaced: Vec<Tenant> = Vec::new();
    let prefix = Space::registry().registered_prefix();
    for key in keys(&turn)?.into_iter().filter(|key| key.starts_with(&prefix)) {
        match turn.read::<Tenant>(&key)? {
            Some(tenant) if seats.contains_key(&tenant.slot) => displaced.push(tenant),
            Some(tenant) => drop(seats.insert(tenant.slot, tenant.id)),
            None => {}
        }
    }
    let mut next = seats.last_key_value().map_or(0, |(slot, _)| slot + 1).max(turn.head.main.next_slot);
    for tenant in displaced {
        let key = [prefix.as_str(), &tenant.id].concat();
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
    turn.head.main.members = u64::try_from(seats.len()).unwrap_or(u64::MAX);
    turn.head.main.next_slot = next;
    turn.open_again();
    turn.commit()?;
    ports.log.line(&format!("registry: mended, {} tenants; open again", seats.len()));
    Ok(())
}

/// All keys of the registry.
fn keys(turn: &Turn<'_>) -> Result<Vec<String>, Error> {
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
