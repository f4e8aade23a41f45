//! How a change comes to its turn: by itself, or together with others of its tenant that came while it waited.

use super::apply::Prepared;
use super::arrival::Arrival;
use super::caller::Caller;
use super::first_sight::FirstSight;
use super::{Provision, Scim};
use crate::directory::Touched;
use crate::http::{Body, respond, tenant_url};
use crate::keys::{Space, TenantId};
use crate::ledger::{self, Look, Waiter};
use crate::settings::LIMITS;
use crate::tenant::state::TenantTurn;
use http::{Request, Response};
use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// What became of a request at first sight.
pub enum Begun {
    /// It is answered.
    Answered(Response<Body>),
    /// It is a change that would succeed as things are now, and waits for the turn of its tenant.
    Waiting(Waiting),
}

/// A change that waits for its turn. What was read and worked out of the request is kept, and not the request.
pub struct Waiting {
    prepared: Prepared,
    _room: Room,
}

impl Waiting {
    /// Whose users it changes.
    pub fn tenant(&self) -> &TenantId {
        self.prepared.tenant()
    }
}

/// Values in the bodies of all changes that wait in one instance. A body within
/// [`Limits::body_values_max`](crate::settings::Limits::body_values_max) always finds room in an instance where no other
/// waits; one that finds none is refused as too much at once. So the trees of waiting changes take no more than 26 MB in
/// the component, beside their texts, which are bounded by
/// [`Limits::body_bytes_max`](crate::settings::Limits::body_bytes_max) each. The resource that a POST or PUT is read into
/// takes no more again than its tree.
pub const WAITING_VALUES_MAX: usize = 4 * LIMITS.body_values_max;

const _: () = assert!(WAITING_VALUES_MAX >= LIMITS.body_values_max);

/// What the changes that wait in one instance take of [`WAITING_VALUES_MAX`].
#[derive(Default)]
pub(in crate::http) struct WaitingValues(Rc<Cell<usize>>);

impl WaitingValues {
    /// Room for so many values until it is dropped; nothing where there is not so much.
    fn room(&self, values: usize) -> Option<Room> {
        let taken = self.0.get() + values;
        (taken <= WAITING_VALUES_MAX).then(|| {
            self.0.set(taken);
            Room { taken: self.0.clone(), values }
        })
    }
}

/// What one change takes of [`WAITING_VALUES_MAX`].
struct Room {
    taken: Rc<Cell<usize>>,
    values: usize,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.taken.set(self.taken.get() - self.values);
    }
}

/// A position in the queue of a tenant, for a caller that does not want to hold up its instance while it waits there.
pub struct QueuePosition {
    tenant: TenantId,
    waiter: Waiter,
}

/// How far a [`QueuePosition`] has come.
pub enum Progress<T> {
    /// Other callers come first; the caller is to look again after this time.
    Later(Duration),
    /// The turn came and is over. These are the answers, each with what came with its change.
    Answered(Vec<(T, Response<Body>)>),
}

impl<'r> Scim<'r> {
    /// Answers a request that came to a path below `/scim/v2/`, but for a change that has to wait for its turn.
    pub(in crate::http) fn begin(&self, tenant: &TenantId, request: &Request<Vec<u8>>, known: Option<Caller>) -> Begun {
        let provision = Provision {
            tenant,
            tenant_url: Some(&tenant_url(self.ledger.settings, tenant, request.uri(), request.headers())),
            method: request.method(),
            path: super::below(request.uri().path()),
            query: request.uri().query(),
            headers: request.headers(),
            body: request.body(),
        };
        let response = match self.process(&provision, Arrival::new(self.ledger.ports, request.headers()), known) {
            FirstSight::Answered(response) => response,
            FirstSight::Due(prepared, values) => match self.waiting_values.room(values) {
                Some(room) => return Begun::Waiting(Waiting { prepared, _room: room }),
                None => prepared.failed(self, &ledger::Error::Busy),
            },
        };
        Begun::Answered(respond::to(request.method(), response).map(Body::Full))
    }

    /// Answers a SCIM request and leaves its record. A change waits for its turn here.
    pub(in crate::http) fn provision(&self, request: &Provision<'_>) -> Response<Vec<u8>> {
        let response = match self.process(request, Arrival::new(self.ledger.ports, request.headers), None) {
            FirstSight::Answered(response) => response,
            FirstSight::Due(prepared, _) => self.apply_now(&prepared),
        };
        respond::to(request.method, response)
    }

    /// Waits for the turn of a change, and carries it out.
    pub(in crate::http) fn carry_out_now(&self, change: &Waiting) -> Response<Body> {
        self.apply_now(&change.prepared).map(Body::Full)
    }

    fn apply_now(&self, prepared: &Prepared) -> Response<Vec<u8>> {
        let tenant = prepared.tenant();
        let applied = self.turns.take(tenant).and_then(|turn| {
            self.recorder.commit_waiting(tenant, turn, |turn| {
                Touched::read_ahead(turn, std::iter::once(&prepared.touched));
                prepared.apply(self, turn)
            })
        });
        applied.unwrap_or_else(|error| prepared.failed(self, &error))
    }

    /// Takes a position in the queue of a tenant.
    pub(in crate::http) fn queue(&self, tenant: &TenantId) -> QueuePosition {
        QueuePosition { tenant: tenant.clone(), waiter: Waiter::arrive(self.ledger.ports, Space::tenant(tenant)) }
    }

    /// Looks whether the turn has come, and carries out the first changes of the line in it.
    pub(in crate::http) fn advance<T>(
        &self,
        position: &QueuePosition,
        line: &mut VecDeque<(Waiting, T)>,
    ) -> Progress<T> {
        let turn = match position.waiter.look(self.ledger) {
            Ok(Look::Later(pause)) => return Progress::Later(pause),
            Ok(Look::Turn(turn)) => Ok(turn),
            Err(ledger::Error::Mending) => self.turns.take(&position.tenant),
            Err(error) => Err(error),
        };
        let those = line.drain(..line.len().min(LIMITS.changes_together_max));
        let (changes, whose): (Vec<Waiting>, Vec<T>) = those.unzip();
        let answers = self.carry_out_together(&position.tenant, turn, &changes);
        Progress::Answered(whose.into_iter().zip(answers).collect())
    }

    /// Carries out changes of one tenant in one turn, one after the other: each sees those before it, and is undone
    /// without them where it is refused. Where the commit fails, all of them have failed.
    fn carry_out_together(
        &self,
        tenant: &TenantId,
        turn: Result<TenantTurn<'r>, ledger::Error>,
        changes: &[Waiting],
    ) -> Vec<Response<Body>> {
        let all = || changes.iter().map(|change| &change.prepared);
        let carried = turn.and_then(|turn| {
            self.recorder.commit_waiting(tenant, turn, |turn| {
                Touched::read_ahead(turn, all().map(|prepared| &prepared.touched));
                all().map(|prepared| prepared.apply(self, turn).map(Body::Full)).collect()
            })
        });
        carried.unwrap_or_else(|error| all().map(|prepared| prepared.failed(self, &error).map(Body::Full)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_changes_find_room_up_to_the_limit_and_none_above_it_until_one_has_gone() {
        let values = WaitingValues::default();
        let most = values.room(WAITING_VALUES_MAX - 1);
        assert!(most.is_some() && values.room(2).is_none());
        let last = values.room(1);
        assert!(last.is_some() && values.room(1).is_none());
        drop(most);
        assert!(values.room(WAITING_VALUES_MAX - 1).is_some());
    }
}
