//! How a change comes to its turn: by itself, or together with others of its tenant that came while it waited.

use super::Rollcall;
use crate::http::meet::Known;
use crate::http::{Body, respond};
use crate::keys::{Space, TenantId};
use crate::ledger::{self, Look, Waiter};
use crate::settings::LIMITS;
use crate::tenant::state::TenantTurn;
use http::{Request, Response};
use jiff::Timestamp;
use std::cell::OnceCell;
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

/// What became of a request at first sight.
pub enum Begun {
    /// It is answered.
    Answered(Response<Body>),
    /// It is a change that would succeed as things are now, and waits for the turn of its tenant.
    Waiting(Waiting),
}

/// A change that waits for its turn.
pub struct Waiting {
    tenant: TenantId,
    request: Request<Vec<u8>>,
    arrival: Arrival,
}

impl Waiting {
    /// Whose users it changes.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}

/// A place in the queue of a tenant, for whoever does not want to hold up its instance while it waits there.
pub struct Place {
    tenant: TenantId,
    waiter: Waiter,
}

/// How far a [`Place`] has come.
pub enum Progress<T> {
    /// Others come first; look again after this.
    Later(Duration),
    /// The turn came and is over. These are the answers, each with what came with its change.
    Answered(Vec<(T, Response<Body>)>),
}

/// When a request came, and what was drawn for it. Stays the same however often the request is gone through.
#[derive(Clone)]
pub(super) struct Arrival {
    pub(super) request_id: String,
    pub(super) now: Timestamp,
    pub(super) started: Duration,
    /// The id of what it makes.
    new_id: OnceCell<String>,
}

impl Arrival {
    /// A number drawn for it: a digest of its random id.
    pub(super) fn lot(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.request_id.hash(&mut hasher);
        hasher.finish()
    }
}

/// Where a request is on its way.
pub(super) enum Lane<'l, 'r> {
    /// A change takes a turn of its own, and waits for it.
    Own,
    /// A change that needs a turn stops before it.
    Ahead,
    /// The turn is there, and others share it.
    Shared(&'l mut TenantTurn<'r>),
    /// The turn was there, or never came, and nothing of it was kept.
    Lost(&'l ledger::Error),
}

impl Lane<'_, '_> {
    /// Whether the request is seen for the first time.
    pub(super) fn is_first(&self) -> bool {
        match self {
            Lane::Own | Lane::Ahead => true,
            Lane::Shared(_) | Lane::Lost(_) => false,
        }
    }
}

/// The turn in which an answer was made.
pub(super) enum Held<'l, 'r> {
    /// None was needed.
    Nothing,
    /// It has to wait for one.
    Awaited,
    /// The record is committed with it.
    Own(TenantTurn<'r>),
    /// The record is staged into it, and whoever lent it commits.
    Shared(&'l mut TenantTurn<'r>),
}

impl<'r> Held<'_, 'r> {
    pub(super) fn turn(&mut self) -> Option<&mut TenantTurn<'r>> {
        match self {
            Held::Nothing | Held::Awaited => None,
            Held::Own(turn) => Some(turn),
            Held::Shared(turn) => Some(turn),
        }
    }
}

impl Rollcall {
    /// Answers a request that came to a path below `/scim/v2/`, but for a change that has to wait for its turn.
    pub(in crate::http) fn begin_scim(&self, tenant: TenantId, request: Request<Vec<u8>>, known: Known) -> Begun {
        let arrival = self.arrival();
        let answer = self.over_http(&tenant, &request, &arrival, Lane::Ahead, known);
        match answer.map(|response| respond::to(request.method(), response)) {
            Some(response) => Begun::Answered(response.map(Body::Full)),
            None => Begun::Waiting(Waiting { tenant, request, arrival }),
        }
    }

    /// Waits for the turn of a change, and carries it out.
    pub(in crate::http) fn carry_out_now(&self, change: Waiting) -> Response<Body> {
        let tenant = change.tenant.clone();
        let turn = self.turn(&tenant);
        let mut answers = self.carry_out(&tenant, turn, &[change]);
        answers.pop().expect("there is an answer to each change")
    }

    /// Takes a place in the queue of a tenant. What waits in memory is written in its turn, too.
    pub fn queue(&self, tenant: &TenantId) -> Place {
        Place { tenant: tenant.clone(), waiter: Waiter::arrive(&self.ports, Space::tenant(tenant)) }
    }

    /// Looks whether the turn has come, and carries out the changes that stand in the line, the first
    /// [`Limits::changes_together_max`](crate::settings::Limits::changes_together_max) of them. Each of these is answered when
    /// all of them are in the store.
    pub fn advance<T>(&self, place: &Place, line: &mut VecDeque<(Waiting, T)>) -> Progress<T> {
        let turn = match place.waiter.look(self.ledger()) {
            Ok(Look::Later(pause)) => return Progress::Later(pause),
            Ok(Look::Turn(turn)) => Ok(turn),
            Err(ledger::Error::Mending) => self.turn(&place.tenant),
            Err(error) => Err(error),
        };
        let those = line.drain(..line.len().min(LIMITS.changes_together_max));
        let (changes, whose): (Vec<Waiting>, Vec<T>) = those.unzip();
        let answers = self.carry_out(&place.tenant, turn, &changes);
        Progress::Answered(whose.into_iter().zip(answers).collect())
    }

    /// Carries out changes of one tenant in one turn, one after the other: each sees those before it, and is undone
    /// without them where it is refused. Where the commit fails, all of them have failed.
    fn carry_out<'r>(
        &'r self,
        tenant: &TenantId,
        turn: Result<TenantTurn<'r>, ledger::Error>,
        changes: &[Waiting],
    ) -> Vec<Response<Body>> {
        let carried = turn.and_then(|turn| {
            self.commit_waiting(tenant, turn, |turn| {
                changes.iter().map(|change| self.arrived(change, Lane::Shared(turn))).collect()
            })
        });
        carried.unwrap_or_else(|error| changes.iter().map(|change| self.arrived(change, Lane::Lost(&error))).collect())
    }

    fn arrived<'r>(&'r self, change: &Waiting, lane: Lane<'_, 'r>) -> Response<Body> {
        let response = self.over_http(&change.tenant, &change.request, &change.arrival, lane, Known::Nothing);
        response.expect("nothing waits for a turn that was there").map(Body::Full)
    }

    pub(super) fn arrival(&self) -> Arrival {
        self.arrival_of(self.request_id())
    }

    /// An operation of a bulk request, which comes when those before it are done.
    pub(super) fn arrival_within(&self, arrival: &Arrival) -> Arrival {
        self.arrival_of(arrival.request_id.clone())
    }

    fn arrival_of(&self, request_id: String) -> Arrival {
        let (now, started) = (self.ports.clock.now(), self.ports.clock.elapsed());
        Arrival { request_id, now, started, new_id: OnceCell::new() }
    }

    pub(super) fn new_id_of(&self, arrival: &Arrival) -> String {
        arrival.new_id.get_or_init(|| self.new_id()).clone()
    }
}
