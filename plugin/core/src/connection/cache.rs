//! Connections that this instance has read a moment ago, so that not every request reads its tenant's once more.
//!
//! What another instance changes is seen [`FRESH`] later at the latest: a token that was ended or rotated out works no
//! longer than that. A token that is new works at once, since whatever does not fit what is remembered is read again.

use super::Connection;
use crate::keys::TenantId;
use crate::settings::LIMITS;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// How long a connection counts as it was read.
pub const FRESH: Duration = Duration::from_secs(1);

/// The memory of one instance.
#[derive(Default)]
pub(crate) struct Cache(RefCell<BTreeMap<TenantId, CachedConnection>>);

struct CachedConnection {
    /// Before it was read: a change that came later is younger than this.
    at: Duration,
    connection: Rc<Connection>,
}

impl Cache {
    /// The connection of a tenant, if it is remembered and fresh.
    pub(crate) fn find(&self, tenant: &TenantId, now: Duration) -> Option<Rc<Connection>> {
        let seen = self.0.borrow();
        let seen = seen.get(tenant).filter(|seen| now.saturating_sub(seen.at) < FRESH)?;
        Some(seen.connection.clone())
    }

    /// Remembers a connection whose reading began then.
    pub(crate) fn keep(&self, tenant: &TenantId, at: Duration, connection: &Rc<Connection>) {
        let mut seen = self.0.borrow_mut();
        if seen.len() >= LIMITS.connections_remembered_max {
            seen.retain(|_, seen| at.saturating_sub(seen.at) < FRESH);
        }
        if seen.len() < LIMITS.connections_remembered_max {
            seen.insert(tenant.clone(), CachedConnection { at, connection: connection.clone() });
        }
    }

    /// Forgets a connection that this instance is about to change.
    pub(crate) fn forget(&self, tenant: &TenantId) {
        self.0.borrow_mut().remove(tenant);
    }
}
