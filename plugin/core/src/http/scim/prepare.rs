//! From a request that changes a resource (RFC 7644 §3.3, §3.5, §3.6) to a change that can be carried out, without a look
//! at the resource itself.

use super::admitted::Admitted;
use super::body::object;
use super::context::{Context, names, tags};
use super::describe::{Event, cap, name_of};
use super::read::NO_GROUPS;
use super::{Scim, route_of};
use crate::directory::{self, Change, IfMatch, Plan};
use crate::http::new_id;
use crate::http::respond::Problem;
use crate::http::route::{self, Misrouted};
use crate::journal::Action;
use crate::keys::Kind;
use crate::ledger::Read;
use crate::scim::{self, Effort, JsonBody, PatchRequest, Reading, ResourceBody};
use crate::tenant::state::TenantView;
use http::header::{IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, Method};
use serde_json::Value;

/// What a request changes.
#[derive(Clone)]
pub(super) struct ChangeTarget {
    pub(super) kind: Kind,
    pub(super) act: Act,
}

/// How a request changes it.
#[derive(Clone)]
pub(super) enum Act {
    /// POST to a collection.
    Create,
    /// PUT of the resource of this id.
    Replace(String),
    /// PATCH of the resource of this id.
    Patch(String),
    /// DELETE of the resource of this id.
    Delete(String),
}

impl ChangeTarget {
    /// What a request changes; nothing where the method reads.
    pub(super) fn of(route: &route::ScimRoute, method: &Method) -> Option<ChangeTarget> {
        let target = |kind: &Kind, act: Act| Some(ChangeTarget { kind: *kind, act });
        match (route, method.as_str()) {
            (route::ScimRoute::Resources(kind), "POST") => target(kind, Act::Create),
            (route::ScimRoute::Resource(kind, id), "PUT") => target(kind, Act::Replace(id.clone())),
            (route::ScimRoute::Resource(kind, id), "PATCH") => target(kind, Act::Patch(id.clone())),
            (route::ScimRoute::Resource(kind, id), "DELETE") => target(kind, Act::Delete(id.clone())),
            (_, _) => None,
        }
    }

    /// What an operation of a bulk request changes.
    pub(super) fn of_operation(path: &str, method: &Method, reading: &Reading) -> Result<ChangeTarget, Misrouted> {
        let route = route_of(path, reading);
        route::check_method(method, route.methods())?;
        ChangeTarget::of(&route, method).ok_or(Misrouted::NotFound)
    }

    /// Refuses what the connection does not synchronise.
    pub(super) fn expect_served(&self, admitted: &Admitted) -> Result<(), Problem> {
        match self.kind {
            Kind::Group if !admitted.groups() => Err(Problem::NotImplemented(NO_GROUPS)),
            Kind::Group | Kind::User => Ok(()),
        }
    }

    /// The id of a resource that is there already.
    pub(super) fn id(&self) -> Option<&str> {
        match &self.act {
            Act::Create => None,
            Act::Replace(id) | Act::Patch(id) | Act::Delete(id) => Some(id),
        }
    }

    /// Whether the request has to have a body.
    pub(super) fn has_body(&self) -> bool {
        match self.act {
            Act::Create | Act::Replace(_) | Act::Patch(_) => true,
            Act::Delete(_) => false,
        }
    }

    /// What the record says where the request is refused.
    pub(super) fn event(&self) -> Event {
        let (noun, (action, words)) = (self.kind.noun(), self.words());
        let operation =
            self.id().map_or_else(|| [words, " ", noun].concat(), |id| [words, " ", noun, " ", id].concat());
        Event::of(action, operation)
    }

    /// Says in the event of a create whom the body is about: nobody else knows, where the create is refused.
    pub(super) fn name_by_body(&self, event: &mut Event, body: &Value) {
        let name = body.get(self.kind.resource_type().naming).and_then(Value::as_str);
        if let (Act::Create, Some(name)) = (&self.act, name) {
            event.operation = format!("create {} {}", self.kind.noun(), cap(name));
        }
    }

    fn words(&self) -> (Action, &'static str) {
        match self.act {
            Act::Create => (Action::Create, "create"),
            Act::Replace(_) | Act::Patch(_) => (Action::Update, "update"),
            Act::Delete(_) => (Action::Delete, "delete"),
        }
    }

    /// Says in an event whom the request is about.
    pub(super) fn name(&self, event: &mut Event, document: &directory::Document) {
        let (_, words) = self.words();
        event.about(self.kind, &document.resource);
        event.operation = format!("{words} {} {}", self.kind.noun(), name_of(self.kind, &document.resource));
    }

    /// Says in the event of a refused request whom it is about, where that is there.
    pub(super) fn look_up_name(&self, event: &mut Event, view: &TenantView<'_>) {
        if let Some(Ok(document)) = self.id().map(|id| directory::get(view, self.kind, id)) {
            self.name(event, &document);
        }
    }
}

/// The conditions of a request, RFC 9110 §13.1.
#[derive(Clone)]
pub(super) struct Conditions {
    if_match: IfMatch,
    if_none_match: IfMatch,
}

impl Conditions {
    pub(super) fn of(headers: &HeaderMap) -> Conditions {
        Conditions { if_match: tags(headers, IF_MATCH), if_none_match: tags(headers, IF_NONE_MATCH) }
    }
}

/// What is to be changed, and on which condition.
pub(super) struct ChangeRequest<'b> {
    pub(super) target: ChangeTarget,
    pub(super) change: Change<'b>,
    pub(super) conditions: Conditions,
}

impl ChangeRequest<'_> {
    /// What the change would do to the resources as a view has them.
    pub(super) fn plan(&self, view: &impl Read, context: &Context<'_>, effort: &Effort) -> Result<Plan, Problem> {
        let Conditions { if_match, .. } = &self.conditions;
        let plan = directory::plan(view, self.target.kind, &self.change, if_match, context.terms(effort))?;
        self.check_unwanted(&plan)?;
        Ok(plan)
    }

    /// RFC 9110 §13.1.2: a change of a version that the client does not want to meet is refused. A create meets none: it
    /// is sent to the collection, which has no version.
    fn check_unwanted(&self, plan: &Plan) -> Result<(), Problem> {
        match plan.before.as_ref().map(|document| document.resource.meta.version()) {
            Some(version) if names(&self.conditions.if_none_match, &version) => Err(Problem::Unwanted(version)),
            Some(_) | None => Ok(()),
        }
    }
}

impl Scim<'_> {
    /// Makes a change of what was sent: every name is one of the tenant's schemas, every value passes them, and every bound
    /// holds.
    pub(super) fn prepare<'b>(
        &self,
        context: &Context<'_>,
        target: ChangeTarget,
        conditions: Conditions,
        body: Option<JsonBody<'b>>,
    ) -> Result<ChangeRequest<'b>, Problem> {
        let (of, reading) = (context.types().of(target.kind), context.reading());
        let resource = |body: JsonBody<'b>| ResourceBody::parse(of, object(&body), reading);
        let change = match (&target.act, body) {
            (Act::Create, body) => {
                let body = resource(expected(body)?)?;
                Change::Create { id: new_id(self.ledger.ports), body }
            }
            (Act::Replace(id), body) => Change::Replace { id: id.clone(), body: resource(expected(body)?)? },
            (Act::Patch(id), body) => {
                Change::Patch { id: id.clone(), request: PatchRequest::parse(expected(body)?, reading)? }
            }
            (Act::Delete(id), _) => Change::Delete { id: id.clone() },
        };
        // The names are bound to the schemas once more where the answer is made.
        context.projection(target.kind)?;
        Ok(ChangeRequest { target, change, conditions })
    }
}

/// A body where the method has to have one.
fn expected(body: Option<JsonBody<'_>>) -> Result<JsonBody<'_>, Problem> {
    body.ok_or_else(|| scim::Error::syntax("body: expected a JSON object, found none").into())
}
