//! The memory that a portion of a check or repair takes does not grow with the tenant. One test in one program, because the
//! allocator counts for all of it.

use acceptance::crowd;
use acceptance::life::{self, Tenant};
use acceptance::native::Native;
use acceptance::store::Backend;
use acceptance::world::World;
use rollcall_core::directory::audit::Position;
use rollcall_core::directory::{check, repair};
use rollcall_core::keys::{Space, TenantId};
use rollcall_core::ledger::{Ledger, Memory};
use rollcall_core::tenant::state::TenantTurn;
use serde_json::{Value, json};
use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What is allocated, and the most that was.
static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Counting;

#[expect(unsafe_code, reason = "the trait is unsafe; everything is handed on as it is")]
// SAFETY: the system's allocator keeps the contract, and nothing else is done with what it gives.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(held, Ordering::Relaxed);
        // SAFETY: as the caller has promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller has promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most that was allocated at a time beyond what there was before.
fn peak<T>(act: impl FnOnce() -> T) -> (usize, T) {
    let before = HELD.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let result = act();
    (PEAK.load(Ordering::Relaxed).saturating_sub(before), result)
}

/// A user of more than 2 KB.
fn large(number: usize) -> Value {
    let mut user = crowd::user(number);
    user["title"] = json!("x".repeat(2_000));
    user
}

/// The peaks of the portions of a check and of a repair, both of them with damage in each entry of an externalId.
fn peaks(users: usize) -> (usize, usize) {
    let mut server = Native::within(&World::on(Backend::GUARDED_SQLITE, &BTreeMap::new()));
    let tenant = Tenant::connect(&mut server);
    crowd::gather_as(&server.world, &tenant.id, 0..users, large);
    life::admin(&mut server, "GET", "/store", None);
    let store = server.world.store.clone();
    let entries = store.keys().into_iter().filter(|key| key.contains(".x.")).collect::<Vec<_>>();
    assert_eq!(entries.len(), users);
    entries.iter().for_each(|key| store.plant(key, None));
    let (ports, memory) = (server.world.ports(), Memory::default());
    let ledger = Ledger { ports: &ports, settings: server.world.settings(), memory: &memory };
    let id = TenantId::parse(&tenant.id).unwrap();

    let (mut checked, mut found, mut next) = (0, 0, Some(Position::start()));
    while let Some(position) = next {
        store.forget_calls();
        let (most, portion) = peak(|| check::portion(ledger, &id, position).unwrap());
        checked = checked.max(most);
        found += portion.findings.len();
        next = portion.next;
    }
    assert_eq!(found, users);

    let (mut repaired, mut mended, mut next) = (0, 0, Some(Position::start()));
    while let Some(position) = next {
        store.forget_calls();
        let mut turn = TenantTurn::take(ledger, Space::tenant(&id)).unwrap();
        let (most, portion) = peak(|| repair::portion(&mut turn, position).unwrap());
        turn.commit().unwrap();
        repaired = repaired.max(most);
        mended += portion.mended;
        next = portion.next;
    }
    assert_eq!(mended, users);
    (checked, repaired)
}

#[test]
fn a_portion_takes_no_more_memory_in_a_tenant_eight_times_as_large() {
    let (few, many) = (peaks(1_500), peaks(12_000));
    println!("check {} and {} bytes, repair {} and {} bytes", few.0, many.0, few.1, many.1);
    for (what, few, many) in [("check", few.0, many.0), ("repair", few.1, many.1)] {
        assert!(many < few * 3 / 2, "{what}: {few} bytes, then {many}");
        assert!(many < 8 * 1024 * 1024, "{what}: {many} bytes");
    }
}
