//! What [`check`](super::check) names, mended: everything that can be made anew from the documents is compared with what
//! they say, and written where it differs.
//!
//! Each portion within one turn, so that nothing moves meanwhile: whoever asks repeats it until nothing remains. What only
//! a person can decide is left, and named: a document that cannot be read keeps its seat and its entries, and two resources
//! with one name both stay.
//!
//! The members of a group are in no document. The leaves of its roster are the truth about them; where a leaf is gone, an
//! edge and the entry of the member's groups are, together.

use super::audit::{self, Portion, Position, Scene};
use crate::ledger::Error;
use crate::tenant::state::TenantTurn;

/// Stages what differs in the portion that begins at a position, as much as one turn takes.
///
/// # Errors
/// The store does not answer, the turn was lost, or the tenant's data cannot be read.
pub fn portion(turn: &mut TenantTurn<'_>, position: Position) -> Result<Portion, Error> {
    audit::portion(Scene::Mended(turn), position)
}
