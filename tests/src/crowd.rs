//! Many users at once, written by the directory itself, since as many requests would take minutes.

use crate::world::World;
use jiff::Timestamp;
use rollcall_core::directory::{self, Change, Terms};
use rollcall_core::keys::{Kind, Space, TenantId};
use rollcall_core::ledger::{Ledger, Memory};
use rollcall_core::ports::Ports;
use rollcall_core::scim::{Dialect, Effort, Reading, ResourceBody, ResourceType};
use rollcall_core::settings::Settings;
use rollcall_core::tenant::schemas::Types;
use rollcall_core::tenant::state::TenantTurn;
use serde_json::{Value, json};
use std::ops::Range;

/// Users that one turn makes.
pub const AT_ONCE: usize = 1_000;

/// Makes users `user0@contoso.com`, `user1@contoso.com` and so on, and answers their ids in that order.
pub fn gather(world: &World, tenant: &str, count: usize) -> Vec<String> {
    gather_as(world, tenant, 0..count, user)
}

/// Makes the users of these numbers, each of which is what a function says.
pub fn gather_as(world: &World, tenant: &str, numbers: Range<usize>, body: fn(usize) -> Value) -> Vec<String> {
    let tenant = TenantId::parse(tenant).unwrap();
    let ports = world.ports();
    let mut ids = Vec::with_capacity(numbers.len());
    for first in numbers.clone().step_by(AT_ONCE) {
        let some = first..numbers.end.min(first + AT_ONCE);
        ids.extend(made_on(&ports, world.settings(), &tenant, some, body));
        world.store.forget_calls();
    }
    ids
}

/// Makes the users of these numbers in one turn, on any store.
pub fn gather_on(ports: &Ports, settings: &Settings, tenant: &TenantId, numbers: Range<usize>) -> Vec<String> {
    made_on(ports, settings, tenant, numbers, user)
}

/// User `user7@contoso.com`, if that is the number.
pub fn user(number: usize) -> Value {
    json!({
        "userName": format!("user{number}@contoso.com"),
        "displayName": format!("User {number}"),
        "externalId": format!("object-{number}"),
    })
}

fn made_on(
    ports: &Ports,
    settings: &Settings,
    tenant: &TenantId,
    numbers: Range<usize>,
    body: fn(usize) -> Value,
) -> Vec<String> {
    let memory = Memory::default();
    let mut turn = TenantTurn::take(Ledger { ports, settings, memory: &memory }, Space::tenant(tenant)).unwrap();
    let mut made = Vec::with_capacity(numbers.len());
    for number in numbers {
        let id = format!("00000000-0000-4000-8000-{number:012}");
        join(&mut turn, &id, &body(number), ports.clock.now());
        made.push(id);
    }
    turn.commit().unwrap();
    made
}

fn join(turn: &mut TenantTurn<'_>, id: &str, body: &Value, now: Timestamp) {
    let reading = Reading::of(Dialect::entra());
    let body = ResourceBody::parse(ResourceType::user(), body.as_object().unwrap(), &reading).unwrap();
    let change = Change::Create { id: id.to_owned(), body };
    let terms = Terms { types: &Types::built_in(), reading: &reading, base: "", now, effort: &Effort::default() };
    let plan = directory::plan(turn, Kind::User, &change, &None, terms).unwrap();
    directory::carry_out(turn, &plan).unwrap();
}
