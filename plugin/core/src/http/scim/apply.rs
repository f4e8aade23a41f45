//! Changes that were prepared, carried out in a turn of their tenant.

use super::admitted::Admitted;
use super::body::RequestBody;
use super::caller::CallerRefusal;
use super::context::Context;
use super::describe::{Event, describe_change};
use super::prepare::{Act, ChangeRequest};
use super::span::Span;
use super::{Answer, Scim};
use crate::connection::Connection;
use crate::directory::{self, Document, Plan, Touched};
use crate::http::respond::{self, Problem};
use crate::keys::{Kind, TenantId};
use crate::ledger::{self, Read};
use crate::scim::{Effort, JsonBody};
use crate::tenant::registry;
use crate::tenant::schemas::Types;
use crate::tenant::state::{TenantTurn, TenantView};
use http::{Response, StatusCode};
use std::rc::Rc;
use std::time::Duration;

/// How long a request takes a resource out of groups before it is answered that the tenant is busy; the next one goes on.
const LEAVES_FOR: Duration = Duration::from_secs(5);

/// A change that needs nothing but a turn: read whole, checked against the schemas, and found to succeed as things were.
pub(super) struct Prepared {
    pub(super) admitted: Admitted,
    pub(super) span: Span<'static>,
    pub(super) request: ChangeRequest<'static>,
    /// What the record says where the change is refused after all.
    pub(super) event: Event,
    /// What the change will read in its turn, as things were.
    pub(super) touched: Touched,
}

/// Whether a turn finds what a change was prepared by.
enum Currency {
    /// The connection, its tokens and the schemas are as they were.
    Current,
    /// One of them has changed, so the change has to be prepared anew.
    Outdated,
}

impl Prepared {
    /// Whose users the change is about.
    pub(super) fn tenant(&self) -> &TenantId {
        &self.span.tenant
    }

    /// Carries the change out in a turn, and stages the record with it.
    pub(super) fn apply(&self, scim: &Scim<'_>, turn: &mut TenantTurn<'_>) -> Response<Vec<u8>> {
        match self.currency(scim, turn) {
            Ok(Currency::Current) => self.apply_current(scim, turn),
            Ok(Currency::Outdated) => match self.prepare_anew(scim, turn) {
                Ok(prepared) => prepared.apply_current(scim, turn),
                Err(refused) => refused,
            },
            Err(error) => self.failed(scim, &error),
        }
    }

    /// Answers the change where its turn never came or could not be committed, and keeps the record.
    pub(super) fn failed(&self, scim: &Scim<'_>, error: &ledger::Error) -> Response<Vec<u8>> {
        let answer = Answer::refused(self.event.clone(), error.clone());
        scim.recorder.answer(&self.admitted.mask(), &self.span, answer)
    }

    fn apply_current(&self, scim: &Scim<'_>, turn: &mut TenantTurn<'_>) -> Response<Vec<u8>> {
        let Prepared { admitted, span, request, event, .. } = self;
        let (mask, effort) = (&admitted.mask(), &Effort::default());
        let context = Context { admitted, span, mask, effort };
        let answer = scim.carry_out(turn, &context, request, event.clone());
        scim.recorder.answer_within(turn, mask, span, answer)
    }

    /// Whoever changes a connection or a schema takes a turn of the tenant, so nothing of them changes within this one.
    /// What this instance has seen of the connection within the last second, see [`cache`](crate::connection::cache), is
    /// not read again.
    fn currency(&self, scim: &Scim<'_>, turn: &TenantTurn<'_>) -> Result<Currency, ledger::Error> {
        let Admitted { connection, types, .. } = &self.admitted;
        let now = scim.ledger.ports.clock.elapsed();
        let same = match scim.connections.find(self.tenant(), now) {
            Some(remembered) => Rc::ptr_eq(&remembered, connection) || remembered == *connection,
            None => Connection::read(turn)?.is_some_and(|stored| stored == **connection),
        };
        // The connection says whether there are any of the tenant's own.
        let is_current = same && (!connection.own_schemas || Types::read(turn)? == *types);
        Ok(if is_current { Currency::Current } else { Currency::Outdated })
    }

    /// Prepares the change once more, by the connection and the schemas that the turn finds. Its body is not read again.
    /// Answers a change that these do not let in.
    fn prepare_anew(&self, scim: &Scim<'_>, turn: &TenantTurn<'_>) -> Result<Prepared, Response<Vec<u8>>> {
        let Prepared { admitted: Admitted { digest, base, .. }, span, request, event, .. } = self;
        let now = span.arrival.now;
        let found = scim.find(&span.tenant, Some(digest), scim.ledger.ports.clock.elapsed(), now);
        let found = found.map_err(|error| self.failed(scim, &error))?;
        let admitted = scim.admit_found(turn, &found, Some(digest.clone()), span.header, now, || base.clone());
        let admitted = admitted.map_err(|refused| match refused {
            CallerRefusal::Unrecorded(problem) => scim.recorder.unrecorded(&span.arrival, &problem),
            CallerRefusal::Stranger => scim.refuse_stranger(turn, span.without_token(), &found, span.header),
        })?;
        let mask = admitted.mask();
        let span = scim.recorder.kept_anew(&mask, span, &admitted);
        let body = match &span.body {
            RequestBody::Kept(kept) => Some(JsonBody::Shared(kept.json.clone())),
            RequestBody::Text(_) | RequestBody::Data(_) => None,
        };
        let context = Context { admitted: &admitted, span: &span, mask: &mask, effort: &Effort::default() };
        let target = &request.target;
        let prepared = target
            .expect_served(&admitted)
            .and_then(|()| scim.prepare(&context, target.clone(), request.conditions.clone(), body));
        match prepared {
            Ok(request) => {
                drop(mask);
                // The turn has begun, so there is nothing to read ahead of it.
                Ok(Prepared { admitted, span, request, event: event.clone(), touched: Touched::default() })
            }
            Err(problem) => Err(scim.recorder.answer(&mask, &span, Answer::refused(event.clone(), problem))),
        }
    }
}

impl Scim<'_> {
    /// Plans a change by what the turn finds and stages it. `event` is what the record says where the change is refused.
    pub(super) fn carry_out(
        &self,
        turn: &mut TenantTurn<'_>,
        context: &Context<'_>,
        request: &ChangeRequest<'_>,
        mut event: Event,
    ) -> Answer {
        let response = self.stage(turn, context, request).and_then(|(plan, document)| {
            describe_change(&mut event, &plan);
            context.changed(turn, &plan, document, request)
        });
        if let Err(Problem::Directory(directory::Error::Ledger(ledger::Error::Damaged(found)))) = &response {
            turn.undo();
            turn.close_to_mend(found);
            turn.keep();
        }
        Answer { response, event }
    }

    fn stage(
        &self,
        turn: &mut TenantTurn<'_>,
        context: &Context<'_>,
        request: &ChangeRequest<'_>,
    ) -> Result<(Plan, Option<Document>), Problem> {
        let plan = request.plan(turn, context, context.effort)?;
        self.expect_seat(&context.span.tenant, turn, &plan)?;
        if let Some(member) = plan.leaves_first(turn)? {
            // An operation of a bulk request, or groups that it came into just now. Whoever sends it again goes on.
            directory::leave_groups(turn, &member, context.terms(context.effort).now)?;
            turn.keep();
            return Err(ledger::Error::Busy.into());
        }
        let document = directory::carry_out(turn, &plan)?;
        if turn.stages_what_may_be_deleted() {
            return Err(ledger::Error::Busy.into());
        }
        Ok((plan, document))
    }

    /// Takes who is about to be deleted out of all groups but as many as one change may write, in turns of their own: one
    /// turn's work is bounded, however many groups there are. A request that takes too long leaves the rest to the next.
    pub(super) fn leave_groups(
        &self,
        view: &TenantView<'_>,
        context: &Context<'_>,
        plan: &Plan,
    ) -> Result<(), Problem> {
        let clock = &self.ledger.ports.clock;
        let begun = clock.elapsed();
        while let Some(member) = plan.leaves_first(view)? {
            if clock.elapsed().saturating_sub(begun) > LEAVES_FOR {
                return Err(ledger::Error::Busy.into());
            }
            let mut turn = self.turns.take(&context.span.tenant)?;
            directory::leave_groups(&mut turn, &member, context.terms(context.effort).now)?;
            turn.commit()?;
        }
        Ok(())
    }

    /// Refuses a user more than the tenant has seats for.
    fn expect_seat(&self, tenant: &TenantId, turn: &TenantTurn<'_>, plan: &Plan) -> Result<(), Problem> {
        if !plan.takes_seat() {
            return Ok(());
        }
        let seats = match turn.memo.seats.get() {
            Some(seats) => *seats,
            None => {
                let tenant = registry::read(self.ledger, tenant)?;
                *turn.memo.seats.get_or_init(|| tenant.and_then(|tenant| tenant.seats))
            }
        };
        match seats {
            Some(seats) if turn.head.state.active >= seats => {
                Err(directory::Error::NoSeat { used: turn.head.state.active, seats }.into())
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Context<'_> {
    /// RFC 7644 §3.3: 201 with the resource and its location. §3.5: 200 with the resource, which Entra needs on PATCH of a
    /// user; on PATCH of a group 204, unless the client says which attributes it wants, since nobody shall pay for members
    /// that are not asked for. §3.6: 204.
    pub(super) fn changed<V: Read>(
        &self,
        view: &V,
        plan: &Plan,
        written: Option<Document>,
        request: &ChangeRequest<'_>,
    ) -> Result<Response<Vec<u8>>, Problem> {
        let kind = plan.kind;
        let document = if plan.changes() { written } else { plan.before.clone() };
        let Some(document) = document else {
            return Ok(respond::empty(StatusCode::NO_CONTENT));
        };
        let projection = self.projection(kind)?;
        self.with_tag(kind, document, |document| {
            if kind == Kind::Group && matches!(request.target.act, Act::Patch(_)) && !projection.is_chosen() {
                return Ok(respond::empty(StatusCode::NO_CONTENT));
            }
            let status = if plan.before.is_none() { StatusCode::CREATED } else { StatusCode::OK };
            let rendered = self.render(&mut self.relations(view), kind, document, &projection)?;
            Ok(respond::scim_body(status, &rendered))
        })
    }
}
