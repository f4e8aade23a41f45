//! A damaged tenant is mended by whoever comes next, without anybody asking for it: see [`ledger`](crate::ledger).
//!
//! As long as that goes on, the tenant is closed for changes: they are answered 503, to be sent again. What is mended is
//! everything that can be made anew from the documents, a portion in each turn. The head keeps where the next portion
//! begins, so that further requests, of any instance, go on with it. So does the instance itself, for a while after a
//! request that had to leave something: whoever runs it may end one that nobody asks anything for longer.

use super::{Rollcall, request_id};
use crate::directory::audit::Position;
use crate::directory::repair;
use crate::journal;
use crate::keys::{Space, TenantId};
use crate::ledger::{Error, Ledger};
use crate::tenant::state::TenantTurn;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a request mends before it is answered that the tenant is closed; the next one goes on.
const REQUEST_REPAIR_FOR: Duration = Duration::from_secs(5);

/// How long after such a request its instance goes on by itself. Our host ends an instance that is still at work 30 seconds
/// after its last answer.
pub const SELF_REPAIR_FOR: Duration = Duration::from_secs(20);

/// Tenants that an instance mends, and when a request had to leave them so.
pub(super) type UnderRepair = RefCell<BTreeMap<TenantId, Duration>>;

impl Rollcall {
    /// [`Turns::take`]
    pub(super) fn turn(&self, tenant: &TenantId) -> Result<TenantTurn<'_>, Error> {
        self.turns().take(tenant)
    }

    /// [`Turns::while_open`]
    pub(super) fn while_open<T, E: From<Error> + PartialEq>(
        &self,
        tenant: &TenantId,
        act: impl Fn() -> Result<T, E>,
    ) -> Result<T, E> {
        self.turns().while_open(tenant, act)
    }

    /// Whether tenants are left that this instance has begun to mend, and goes on with by itself.
    pub fn has_repairs(&self) -> bool {
        let now = self.ports.clock.elapsed();
        self.mending.borrow_mut().retain(|_, left| now.saturating_sub(*left) < SELF_REPAIR_FOR);
        !self.mending.borrow().is_empty()
    }

    /// Mends a portion of each of these tenants. Where that fails, the next request sees to it.
    pub fn repair_next_portions(&self) {
        let tenants: Vec<TenantId> = self.mending.borrow().keys().cloned().collect();
        for tenant in tenants {
            match self.turns().repair_portion(&tenant) {
                Ok(false) => continue,
                Ok(true) => {}
                Err(error) => {
                    self.ports.log.line(&format!("tenant {tenant}: its mending is left to others: {error:?}"))
                }
            }
            self.mending.borrow_mut().remove(&tenant);
        }
    }

    pub(super) fn turns(&self) -> Turns<'_> {
        Turns { ledger: self.ledger(), mending: &self.mending }
    }
}

/// Where turns of tenants come from.
#[derive(Clone, Copy)]
pub(super) struct Turns<'r> {
    ledger: Ledger<'r>,
    mending: &'r UnderRepair,
}

impl<'r> Turns<'r> {
    /// Waits for a turn of a tenant, and mends the tenant first where that is needed.
    pub(super) fn take(self, tenant: &TenantId) -> Result<TenantTurn<'r>, Error> {
        self.while_open(tenant, || TenantTurn::take(self.ledger, Space::tenant(tenant)))
    }

    /// Does what takes turns of a tenant, and once more after the tenant was mended where it was closed. What is done has
    /// to bear being repeated.
    pub(super) fn while_open<T, E: From<Error> + PartialEq>(
        self,
        tenant: &TenantId,
        act: impl Fn() -> Result<T, E>,
    ) -> Result<T, E> {
        match act() {
            Err(error) if error == E::from(Error::Mending) => {
                self.mend(tenant)?;
                act()
            }
            done => done,
        }
    }

    /// Mends a damaged tenant and opens it again. [`Error::Mending`] where there is more to mend than one request may.
    fn mend(self, tenant: &TenantId) -> Result<(), Error> {
        let clock = &self.ledger.ports.clock;
        let begun = clock.elapsed();
        while clock.elapsed().saturating_sub(begun) < REQUEST_REPAIR_FOR {
            if self.repair_portion(tenant)? {
                return Ok(());
            }
        }
        self.mending.borrow_mut().insert(tenant.clone(), clock.elapsed());
        Err(Error::Mending)
    }

    /// Mends a portion of a damaged tenant, and opens it again after the last one. Whether it is open.
    fn repair_portion(self, tenant: &TenantId) -> Result<bool, Error> {
        let ports = self.ledger.ports;
        let mut turn = TenantTurn::take_to_mend(self.ledger, Space::tenant(tenant))?;
        let Some(damage) = turn.head.damage().cloned() else {
            return Ok(true);
        };
        turn.replay_trail()?;
        let portion = repair::portion(&mut turn, damage.position().unwrap_or_else(Position::start))?;
        let values = turn.note_mended(portion.mended, portion.next.as_ref());
        for left in portion.left.iter().chain(&portion.unlooked) {
            ports.log.line(&format!("tenant {tenant}: not mended: {left}"));
        }
        if portion.next.is_some() {
            turn.commit()?;
            return Ok(false);
        }
        turn.open_again();
        journal::append_mended(&mut turn, &damage, values, ports.clock.now(), request_id(ports));
        turn.commit()?;
        self.ledger.memory.turn_counts.repairs.count();
        ports.log.line(&format!("tenant {tenant}: mended, {values} values; open again"));
        Ok(true)
    }
}
