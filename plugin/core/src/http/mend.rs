//! A damaged tenant is mended by whoever comes next, without anybody asking for it: see [`ledger`](crate::ledger).
//!
//! As long as that goes on, the tenant is closed for changes: they are answered 503, to be sent again. What is mended is
//! everything that can be made anew from the documents, a portion in each turn. The head keeps where the next portion
//! begins, so that further requests, of any instance, go on with it.

use super::Rollcall;
use crate::directory::audit::Position;
use crate::directory::repair;
use crate::journal;
use crate::keys::{Space, TenantId};
use crate::ledger::Error;
use crate::tenant::state::TenantTurn;
use std::time::Duration;

/// How long a request mends before it is answered that the tenant is closed; the next one goes on.
const MENDS_FOR: Duration = Duration::from_secs(5);

impl Rollcall {
    /// Waits for a turn of a tenant, and mends the tenant first where that is needed.
    pub(super) fn turn(&self, tenant: &TenantId) -> Result<TenantTurn<'_>, Error> {
        self.while_open(tenant, || TenantTurn::take(self.ledger(), Space::tenant(tenant)))
    }

    /// Does what takes turns of a tenant, and once more after the tenant was mended where it was closed. What is done has to
    /// bear being repeated.
    pub(super) fn while_open<T, E: From<Error> + PartialEq>(
        &self,
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
    pub(super) fn mend(&self, tenant: &TenantId) -> Result<(), Error> {
        let begun = self.ports.clock.elapsed();
        while self.ports.clock.elapsed().saturating_sub(begun) < MENDS_FOR {
            let mut turn = TenantTurn::take_to_mend(self.ledger(), Space::tenant(tenant))?;
            let Some(damage) = turn.head.damage().cloned() else {
                return Ok(());
            };
            turn.replay_trail()?;
            let portion = repair::portion(&mut turn, damage.position().unwrap_or_else(Position::start))?;
            let values = turn.note_mended(portion.mended, portion.next.as_ref());
            for left in portion.left.iter().chain(&portion.unlooked) {
                self.ports.log.line(&format!("tenant {tenant}: not mended: {left}"));
            }
            if portion.next.is_some() {
                turn.commit()?;
                continue;
            }
            turn.open_again();
            let (now, id) = (self.ports.clock.now(), self.request_id());
            journal::append_mended(&mut turn, &damage, values, now, id);
            turn.commit()?;
            self.ports.log.line(&format!("tenant {tenant}: mended, {values} values; open again"));
            return Ok(());
        }
        Err(Error::Mending)
    }
}
