//! Many users at once, written by the directory itself, since as many requests would take minutes.

use crate::world::World;
use jiff::Timestamp;
use rollcall_core::directory::{self, Change, Terms};
use rollcall_core::ledger::Turn;
use rollcall_core::ports::Ports;
use rollcall_core::schemas::Types;
use rollcall_core::scim::{Dialect, ResourceBody, ResourceType};
use rollcall_core::settings::Settings;
use rollcall_core::space::{Kind, Space, TenantId};
use serde_json::{Value, json};
use std::ops::Range;

/// Users that one turn makes.
pub const AT_ONCE: usize = 1_000;

/// Makes users `user0@contoso.com`, `user1@contoso.com` and so on, and answers their ids in that order.
pub fn gather(world: &World, tenant: &str, count: usize) -> Vec<String> {
    let tenant = TenantId::parse(tenant).unwrap();
    let ports = world.ports();
    let mut ids = Vec::with_capacity(count);
    while ids.len() < count {
        let numbers = ids.len()..count.min(ids.len() + AT_ONCE);
        ids.extend(gather_on(&ports, world.settings(), &tenant, numbers));
        world.store.forget_calls();
    }
    ids
}

/// Makes the users of these numbers in one turn, on any store.
pub fn gather_on(ports: &Ports, settings: &Settings, tenant: &TenantId, numbers: Range<usize>) -> Vec<String> {
    let mut turn = Turn::take(ports, settings, Space::tenant(tenant)).unwrap();
    let mut made = Vec::with_capacity(numbers.len());
    for number in numbers {
        let id = format!("00000000-0000-4000-8000-{number:012}");
        join(&mut turn, &id, number, ports.clock.now());
        made.push(id);
    }
    turn.commit().unwrap();
    made
}

fn join(turn: &mut Turn<'_>, id: &str, number: usize, now: Timestamp) {
    let Value::Object(body) = json!({
        "userName": format!("user{number}@contoso.com"),
        "displayName": format!("User {number}"),
        "externalId": format!("object-{number}"),
    }) else {
        unreachable!()
    };
    let dialect = Dialect::entra();
    let body = ResourceBody::parse(ResourceType::user(), &body, &dialect).unwrap();
    let change = Change::Create { id: id.to_owned(), body };
    let terms = Terms { types: &Types::built_in(), dialect: &dialect, base: "", now };
    let plan = directory::plan(turn, Kind::User, &change, &None, terms).unwrap();
    directory::carry_out(turn, &plan).unwrap();
}
