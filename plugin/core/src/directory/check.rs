//! The invariants of a tenant, looked at one by one. What is found is named; nothing is changed.
//!
//! - Every seat of a roster has a document, and every document its seat.
//! - No two resources of a kind have the same name without case.
//! - Every resource stands in each of its index entries, and an index entry names only those that belong into it. What
//!   stands under the name of a user is its present state.
//! - A group's roster of members, its edges and the entries of its members' groups say the same, and each member is there.
//! - The head counts what is there.
//! - The schemas that the tenant has of its own can be read, and its connection says whether there are any.
//!
//! A check takes no turn as long as it finds nothing. What it finds while others change the tenant may be half of a change
//! that it saw; so the portion is looked at once more within a turn, and what differs then is the answer.

use super::audit::{self, Portion, Position, Scene};
use crate::keys::{Space, TenantId};
use crate::ledger::{Error, Ledger};
use crate::tenant::state::{TenantTurn, TenantView};

/// Looks at the portion of a tenant that begins at a position. It changes nothing and takes a turn only where it has to.
///
/// # Errors
/// The store does not answer, or the tenant's data cannot be read.
pub fn portion(ledger: Ledger<'_>, tenant: &TenantId, position: Position) -> Result<Portion, Error> {
    let space = Space::tenant(tenant);
    let view = TenantView::new(ledger, space.clone());
    let before = view.head()?;
    let seen = audit::portion(Scene::View(&view, Box::new(before.clone())), position.clone())?;
    let moved = TenantView::new(ledger, space.clone()).head()?.moment() != before.moment();
    let is_certain = seen.findings.is_empty() && seen.doubled.is_empty() && seen.left.is_empty() && seen.next.is_some();
    if !moved || is_certain {
        return Ok(seen);
    }
    let turn = TenantTurn::take_to_mend(ledger, space)?;
    let portion = audit::portion(Scene::Still(&turn), position)?;
    turn.release()?;
    Ok(portion)
}
