//! Requests that change a resource: RFC 7644 §3.3, §3.5, §3.6.

use super::body::object;
use super::context::{Context, cap, tags};
use super::describe::{Event, describe_change, name_of};
use super::lane::{Held, Lane};
use super::{Answer, Rollcall};
use crate::directory::{self, Change, Document, IfMatch, Plan};
use crate::http::respond::{self, Problem};
use crate::journal::Action;
use crate::keys::Kind;
use crate::ledger::{self, Read};
use crate::scim::{Effort, PatchRequest, Projection, ResourceBody};
use crate::tenant::registry;
use crate::tenant::state::{TenantTurn, TenantView};
use http::header::IF_MATCH;
use http::{Method, Response, StatusCode};
use serde_json::Value;
use std::time::Duration;

/// How long a request takes a resource out of groups before it is answered that the tenant is busy; the next one goes on.
const LEAVES_FOR: Duration = Duration::from_secs(5);

impl Rollcall {
    /// RFC 7644 §3.3.
    pub(super) fn create<'l, 'r>(
        &'r self,
        view: &TenantView<'_>,
        context: &Context<'_>,
        kind: Kind,
        lane: Lane<'l, 'r>,
    ) -> Answer<'l, 'r> {
        let of = context.types.of(kind);
        let mut event = Event::of(Action::Create, format!("create {}", kind.noun()));
        let change = (|| {
            let sent = context.json_object()?;
            // A create that is refused shall still say in the journal whom it was about.
            if let Some(name) = sent.get(of.naming).and_then(Value::as_str) {
                event.operation = format!("create {} {}", kind.noun(), cap(name));
            }
            let body = ResourceBody::parse(of, object(&sent), context.reading)?;
            Ok(Change::Create { id: self.new_id_of(context.arrival), body })
        })();
        self.change(view, context, kind, event, change, lane)
    }

    /// RFC 7644 §3.5.1, §3.5.2, §3.6.
    pub(super) fn modify<'l, 'r>(
        &'r self,
        view: &TenantView<'_>,
        context: &Context<'_>,
        kind: Kind,
        id: &str,
        lane: Lane<'l, 'r>,
    ) -> Answer<'l, 'r> {
        let (id, of, noun) = (id.to_owned(), context.types.of(kind), kind.noun());
        let (action, words) = match *context.request.method {
            Method::DELETE => (Action::Delete, "delete"),
            _ => (Action::Update, "update"),
        };
        let event = Event::of(action, format!("{words} {noun} {id}"));
        // What a PATCH is about to set stays in its body, and is copied by no one.
        let sent_body;
        let sent = if context.request.method == Method::DELETE { None } else { Some(context.json_object()) };
        let reading = context.reading;
        let wished = id.clone();
        let change = match sent.transpose() {
            Err(refused) => Err(refused),
            Ok(None) => Ok(Change::Delete { id: wished }),
            Ok(Some(body)) => {
                sent_body = body;
                match *context.request.method {
                    Method::PUT => ResourceBody::parse(of, object(&sent_body), reading)
                        .map(|body| Change::Replace { id: wished, body }),
                    _ => PatchRequest::parse(&sent_body, reading).map(|request| Change::Patch { id: wished, request }),
                }
                .map_err(Problem::from)
            }
        };
        let mut answer = self.change(view, context, kind, event, change, lane);
        // A request that is refused shall still say in the journal whom it was about.
        if answer.response.is_err()
            && let Ok(document) = directory::get(view, kind, &id)
        {
            answer.event.about(kind, &document.resource);
            answer.event.operation = format!("{words} {noun} {}", name_of(kind, &document.resource));
        }
        answer
    }

    /// Plans the change on what is there now; where that leads to a write, plans it again within a turn and stages it.
    fn change<'l, 'r>(
        &'r self,
        view: &TenantView<'_>,
        context: &Context<'_>,
        kind: Kind,
        mut event: Event,
        change: Result<Change<'_>, Problem>,
        lane: Lane<'l, 'r>,
    ) -> Answer<'l, 'r> {
        let prepared = change.and_then(|change| {
            let projection = context.projection(kind)?;
            Ok((Request { kind, change, if_match: tags(context.request.headers, IF_MATCH) }, projection))
        });
        let (request, projection) = match prepared {
            Ok(prepared) => prepared,
            Err(problem) => return Answer::refused(event, problem),
        };
        if lane.is_first() {
            // Counted for itself: what is planned again within the turn is the work of the same request.
            match request.plan(view, context, &Effort::default()) {
                Ok(plan) if plan.changes() => {
                    if let Err(problem) = self.leave_groups(view, context, &plan) {
                        return Answer::refused(event, problem);
                    }
                }
                Ok(plan) => {
                    describe_change(&mut event, &plan);
                    return Answer::without_turn(event, context.changed(view, &plan, None, &projection));
                }
                Err(problem) => return Answer::refused(event, problem),
            }
        }
        let mut held = match lane {
            Lane::Ahead => Held::Awaited,
            Lane::Lost(error) => return Answer::refused(event, error.clone()),
            Lane::Shared(turn) => Held::Shared(turn),
            Lane::Own => match self.turn(context.request.tenant) {
                Ok(turn) => Held::Own(turn),
                Err(error) => return Answer::refused(event, error),
            },
        };
        let Some(turn) = held.turn() else {
            return Answer { response: Ok(Response::default()), event, held };
        };
        let response = self.stage(turn, context, &request).and_then(|(plan, document)| {
            describe_change(&mut event, &plan);
            context.changed(turn, &plan, document, &projection)
        });
        if let Err(Problem::Directory(directory::Error::Ledger(ledger::Error::Damaged(found)))) = &response {
            turn.undo();
            turn.close_to_mend(found);
            turn.keep();
        }
        Answer { response, event, held }
    }

    fn stage(
        &self,
        turn: &mut TenantTurn<'_>,
        context: &Context<'_>,
        request: &Request<'_>,
    ) -> Result<(Plan, Option<Document>), Problem> {
        let plan = request.plan(turn, context, context.effort)?;
        self.seat(context, turn, &plan)?;
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
    fn leave_groups(&self, view: &TenantView<'_>, context: &Context<'_>, plan: &Plan) -> Result<(), Problem> {
        let begun = self.ports.clock.elapsed();
        while let Some(member) = plan.leaves_first(view)? {
            if self.ports.clock.elapsed().saturating_sub(begun) > LEAVES_FOR {
                return Err(ledger::Error::Busy.into());
            }
            let mut turn = self.turn(context.request.tenant)?;
            directory::leave_groups(&mut turn, &member, context.terms(context.effort).now)?;
            turn.commit()?;
        }
        Ok(())
    }

    /// Refuses a user more than the tenant has seats for.
    fn seat(&self, context: &Context<'_>, turn: &TenantTurn<'_>, plan: &Plan) -> Result<(), Problem> {
        if !plan.takes_seat() {
            return Ok(());
        }
        let seats = match turn.memo.seats.get() {
            Some(seats) => *seats,
            None => {
                let tenant = registry::read(self.ledger(), context.request.tenant)?;
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

/// What is to be changed, and on which condition.
struct Request<'b> {
    kind: Kind,
    change: Change<'b>,
    if_match: IfMatch,
}

impl Request<'_> {
    fn plan(&self, view: &impl Read, context: &Context<'_>, effort: &Effort) -> Result<Plan, Problem> {
        let plan = directory::plan(view, self.kind, &self.change, &self.if_match, context.terms(effort))?;
        context.check_unwanted(&plan)?;
        Ok(plan)
    }
}

impl Context<'_> {
    /// RFC 9110 §13.1.2: a change of a version that the client does not want to meet is refused. A create meets none: it
    /// is sent to the collection, which has no version.
    fn check_unwanted(&self, plan: &Plan) -> Result<(), Problem> {
        match plan.before.as_ref().map(|document| document.resource.meta.version()) {
            Some(version) if self.has_already(&version) => Err(Problem::Unwanted(version)),
            Some(_) | None => Ok(()),
        }
    }

    /// RFC 7644 §3.3: 201 with the resource and its location. §3.5: 200 with the resource, which Entra needs on PATCH of a
    /// user; on PATCH of a group 204, unless the client says which attributes it wants, since nobody shall pay for members
    /// that are not asked for. §3.6: 204.
    fn changed<V: Read>(
        &self,
        view: &V,
        plan: &Plan,
        written: Option<Document>,
        projection: &Projection<'_>,
    ) -> Result<Response<Vec<u8>>, Problem> {
        let kind = plan.kind;
        let document = if plan.changes() { written } else { plan.before.clone() };
        let Some(document) = document else {
            return Ok(respond::empty(StatusCode::NO_CONTENT));
        };
        self.with_tag(kind, document, |document| {
            if kind == Kind::Group && self.request.method == Method::PATCH && !projection.is_chosen() {
                return Ok(respond::empty(StatusCode::NO_CONTENT));
            }
            let status = if plan.before.is_none() { StatusCode::CREATED } else { StatusCode::OK };
            let rendered = self.render(&mut self.relations(view), kind, document, projection)?;
            Ok(respond::scim_body(status, &rendered))
        })
    }
}
