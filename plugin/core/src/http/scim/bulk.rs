//! Bulk requests, RFC 7644 §3.7. Each operation goes the way that a request of its own would go, with its own record, so
//! that whatever holds there holds here. Operations share turns, as requests do that wait together: each is refused or
//! carried out by itself, and all of a turn have failed where its commit does.

use super::body::{RequestBody, object};
use super::context::Context;
use super::describe::Event;
use super::prepare::{ChangeTarget, Conditions};
use super::span::Span;
use super::{Answer, Provision, Scim, refused_event};
use crate::http::respond::{self, Problem};
use crate::journal::Action;
use crate::ledger;
use crate::scim::JsonBody;
use crate::scim::bulk::{BulkOperation, BulkRequest, BulkStep, Made, Unresolved};
use crate::settings::LIMITS;
use crate::tenant::state::{TenantTurn, TenantView};
use http::header::{ETAG, IF_MATCH, IF_NONE_MATCH, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

impl Scim<'_> {
    /// RFC 7644 §3.7. The answer is 200 whatever becomes of the operations, §3.7.3.
    pub(super) fn bulk(&self, view: &TenantView<'_>, context: &Context<'_>, request: &Provision<'_>) -> Answer {
        let mut event = Event::of(Action::Bulk, "bulk request".to_owned());
        let types: Vec<_> = context.types().all().collect();
        let done = (|| {
            let (sent, _) = context.json_object(request.headers)?;
            let (count, max) = (BulkRequest::count(object(&sent)), LIMITS.bulk_operations_max);
            event.operation = format!("bulk request of {count} operations");
            if count > max {
                return Err(Problem::TooMuch(format!(
                    "maxOperations: expected at most {max} operations, found {count}"
                )));
            }
            let bulk = BulkRequest::parse(object(&sent), context.reading(), &types)?;
            let mut job = Job {
                scim: *self,
                view,
                context: *context,
                headers: unconditional(request.headers),
                request: &bulk,
                made: Made::new(),
                done: BTreeMap::new(),
                turn: None,
                staged: Vec::new(),
            };
            bulk.steps().into_iter().for_each(|step| job.step(step));
            job.commit_all();
            event.operation = format!("bulk request of {count} operations, {} failed", job.errors());
            Ok(json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkResponse"],
                "Operations": job.done.values().collect::<Vec<_>>(),
            }))
        })();
        Answer { response: done.map(|document| respond::scim_body(StatusCode::OK, &document)), event }
    }
}

/// What the client says of itself. Conditions are those of the operation, not of the request around it.
fn unconditional(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    headers.remove(IF_MATCH);
    headers.remove(IF_NONE_MATCH);
    headers
}

/// A bulk request being carried out.
struct Job<'j> {
    scim: Scim<'j>,
    view: &'j TenantView<'j>,
    context: Context<'j>,
    /// The headers of each operation.
    headers: HeaderMap,
    request: &'j BulkRequest<'j>,
    made: Made,
    /// What came of the operations, by their place in the request.
    done: BTreeMap<usize, Map<String, Value>>,
    /// The turn that operations share.
    turn: Option<TenantTurn<'j>>,
    /// What was staged into it.
    staged: Vec<Staged>,
}

/// A part of an operation that is carried out when its turn is committed.
#[derive(Clone, Copy, PartialEq)]
enum Staged {
    /// All of it, or the making of a resource without its references.
    Begun(usize),
    /// The references of what was made.
    Finished(usize),
}

/// Operations that share a turn.
const TOGETHER_MAX: usize = 50;

/// How long a turn takes in operations; others wait meanwhile.
const TURN_MAX: Duration = Duration::from_millis(500);

impl<'j> Job<'j> {
    fn step(&mut self, step: BulkStep) {
        match step {
            BulkStep::Whole(at) if !self.has_failed_enough() => self.perform(at, &BTreeSet::new()),
            BulkStep::Begin(at, without) if !self.has_failed_enough() => self.perform(at, &without),
            // §3.7: of what was not begun nothing is said.
            BulkStep::Whole(_) | BulkStep::Begin(..) => {}
            // What was begun is finished in any case.
            BulkStep::Finish(at) => self.finish(at),
        }
        let long = self.turn.as_ref().is_some_and(|turn| turn.spent() > TURN_MAX);
        if long || self.staged.len() >= TOGETHER_MAX {
            self.commit();
        }
    }

    /// Writes what operations have staged, and what is staged where that fails: the removal of what an earlier turn made.
    fn commit_all(&mut self) {
        while self.turn.is_some() {
            self.commit();
        }
    }

    /// Writes what operations have staged. Where that fails they have failed, whatever was noted of them.
    fn commit(&mut self) {
        let Some(turn) = self.turn.take() else {
            return;
        };
        let staged = std::mem::take(&mut self.staged);
        let Err(error) = self.scim.recorder.commit_waiting(&self.context.span.tenant, turn, |_| ()) else {
            return;
        };
        for part in &staged {
            match *part {
                Staged::Begun(at) => self.fail(at, &error),
                // It was made by an earlier turn, and goes again.
                Staged::Finished(at) if !staged.contains(&Staged::Begun(at)) => self.give_up(at, &error),
                Staged::Finished(_) => {}
            }
        }
    }

    fn fail(&mut self, at: usize, error: &ledger::Error) {
        let Some(operation) = self.request.operations.get(at) else {
            return;
        };
        let response = self.refuse(&operation.method, &operation.path, operation.data.as_deref(), error.clone().into());
        self.made.extend(operation.bulk_id.clone().map(|bulk_id| (bulk_id, None)));
        self.note(at, operation, &response);
    }

    fn give_up(&mut self, at: usize, error: &ledger::Error) {
        let operation = self.request.operations.get(at);
        let bulk_id = operation.and_then(|operation| operation.bulk_id.as_deref());
        let id = bulk_id.and_then(|bulk_id| self.made.get(bulk_id)).cloned().flatten();
        if let (Some(operation), Some(id)) = (operation, id) {
            self.send("DELETE", &format!("{}/{id}", operation.path), None, None);
        }
        self.fail(at, error);
    }

    /// §3.7: `failOnErrors` is how many errors are accepted before nothing more is done.
    fn has_failed_enough(&self) -> bool {
        self.request.fail_on_errors.is_some_and(|accepted| self.errors() >= accepted.max(1))
    }

    fn errors(&self) -> u64 {
        self.done.values().map(|outcome| u64::from(outcome.contains_key("response"))).sum()
    }

    fn perform(&mut self, at: usize, without: &BTreeSet<String>) {
        let Some(operation) = self.request.operations.get(at) else {
            return;
        };
        let (method, path) = (operation.method.as_str(), &operation.path);
        let response = match self.prepared(operation, without) {
            Ok((path, data)) => {
                self.staged.push(Staged::Begun(at));
                self.send(method, &path, operation.version.as_deref(), data.as_deref())
            }
            Err(problem) => self.refuse(method, path, operation.data.as_deref(), problem),
        };
        if let Some(bulk_id) = operation.bulk_id.clone().filter(|_| method == "POST") {
            self.made.insert(bulk_id, id_of(&response));
        }
        self.note(at, operation, &response);
    }

    fn prepared(
        &self,
        operation: &'j BulkOperation<'j>,
        without: &BTreeSet<String>,
    ) -> Result<(String, Option<Cow<'j, Value>>), Problem> {
        if let Some(problem) = &operation.problem {
            return Err(problem.clone().into());
        }
        let passed = self.scim.ledger.ports.clock.elapsed().saturating_sub(self.context.span.arrival.started);
        if passed > Duration::from_secs(LIMITS.bulk_seconds_max) {
            return Err(ledger::Error::Busy.into());
        }
        let path = operation.resolved_path(&self.made).map_err(unresolved)?;
        Ok((path, operation.resolved_data(&self.made, without).map_err(unresolved)?))
    }

    /// §3.7.1: the resource is made, and so are those that refer to it; now its own references can be resolved. Where one
    /// cannot, the resource goes again, since an operation is carried out whole or not at all.
    fn finish(&mut self, at: usize) {
        let operation = self.request.operations.get(at);
        let bulk_id = operation.and_then(|operation| operation.bulk_id.as_deref());
        let id = bulk_id.and_then(|bulk_id| self.made.get(bulk_id)).cloned().flatten();
        let (Some(operation), Some(id)) = (operation, id) else {
            return;
        };
        let path = format!("{}/{id}", operation.path);
        let response = match operation.resolved_data(&self.made, &BTreeSet::new()) {
            Ok(data) => {
                self.staged.push(Staged::Finished(at));
                self.send("PUT", &path, None, data.as_deref())
            }
            Err(error) => self.refuse("PUT", &path, operation.data.as_deref(), unresolved(error)),
        };
        if response.status().is_success() {
            if let (Some(outcome), Some(version)) = (self.done.get_mut(&at), header(&response, ETAG)) {
                outcome.insert("version".to_owned(), json!(version));
            }
            return;
        }
        self.send("DELETE", &path, None, None);
        self.made.extend(bulk_id.map(|bulk_id| (bulk_id.to_owned(), None)));
        self.note(at, operation, &response);
    }

    /// One operation as a request of its own.
    fn send(&mut self, method: &str, path: &str, version: Option<&str>, data: Option<&Value>) -> Response<Vec<u8>> {
        let mut headers = self.headers.clone();
        if let Some(version) = version {
            // One that cannot stand in a header names no version.
            headers.insert(IF_MATCH, HeaderValue::from_str(version).unwrap_or(HeaderValue::from_static("\"\"")));
        }
        let turn = self.turn.take();
        let span = self.span(method, path, data);
        let context = Context { span: &span, ..self.context };
        let mut turn = turn.map_or_else(|| self.scim.turns.take(&span.tenant), Ok);
        if let Ok(turn) = &mut turn {
            self.scim.recorder.stage_waiting(&span.tenant, turn);
        }
        let response = self.carry_out(&context, &mut turn, Conditions::of(&headers), data);
        self.turn = turn.ok();
        response
    }

    /// What was refused without a look at the turn has its record in the buffer, what the turn decided in the turn.
    fn carry_out(
        &self,
        context: &Context<'_>,
        turn: &mut Result<TenantTurn<'j>, ledger::Error>,
        conditions: Conditions,
        data: Option<&Value>,
    ) -> Response<Vec<u8>> {
        let Context { span, mask, admitted, .. } = *context;
        let recorder = &self.scim.recorder;
        let target = ChangeTarget::of_operation(&span.path, &span.method, &span.reading).map_err(Problem::from);
        let target = target.and_then(|target| target.expect_served(admitted).map(|()| target));
        let target = match target {
            Ok(target) => target,
            Err(problem) => return recorder.answer(mask, span, Answer::refused(refused_event(), problem)),
        };
        let mut event = target.event();
        if let Some(data) = data {
            target.name_by_body(&mut event, data);
        }
        let request = self.scim.prepare(context, target.clone(), conditions, data.map(JsonBody::Lent));
        let refused = match (request, turn) {
            (Ok(request), Ok(turn)) => {
                let mut answer = self.scim.carry_out(turn, context, &request, event);
                if answer.response.is_err() {
                    target.look_up_name(&mut answer.event, self.view);
                }
                return recorder.answer_within(turn, mask, span, answer);
            }
            (Ok(_), Err(error)) => error.clone().into(),
            (Err(problem), _) => problem,
        };
        target.look_up_name(&mut event, self.view);
        recorder.answer(mask, span, Answer::refused(event, refused))
    }

    fn refuse(&self, method: &str, path: &str, data: Option<&Value>, problem: Problem) -> Response<Vec<u8>> {
        let span = self.span(method, path, data);
        self.scim.recorder.answer(self.context.mask, &span, Answer::refused(refused_event(), problem))
    }

    /// What the record of an operation needs.
    fn span<'s>(&'s self, method: &str, path: &'s str, data: Option<&'s Value>) -> Span<'s> {
        // A method that is none was refused; its record says what it was as a part of the bulk request.
        let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::POST);
        let arrival = self.context.span.arrival.of_operation(self.scim.ledger.ports);
        let body = data.map_or(RequestBody::NONE, RequestBody::Data);
        self.context.span.of_operation(method, path, &self.headers, body, arrival)
    }

    /// §3.7, §3.7.3: the location, but for a POST that failed; the body of an error, and of a success what is to be had
    /// from the location.
    fn note(&mut self, at: usize, operation: &BulkOperation<'_>, response: &Response<Vec<u8>>) {
        let success = response.status().is_success();
        let path = operation.resolved_path(&self.made).unwrap_or_else(|_| operation.path.clone());
        // Of one that failed it is what the client has sent.
        let asked = || format!("{}{}", self.context.admitted.base, self.context.mask.path(&path));
        let location = match header(response, LOCATION) {
            Some(location) => Some(location),
            None => (operation.method != "POST" && operation.names_resource()).then(asked),
        };
        let mut outcome = Map::new();
        let mut put = |name: &str, value: Option<String>| {
            outcome.extend(value.map(|value| (name.to_owned(), Value::String(value))));
        };
        put("location", location);
        put("method", Some(operation.method.clone()));
        put("bulkId", operation.bulk_id.clone());
        put("version", header(response, ETAG).filter(|_| success));
        put("status", Some(response.status().as_str().to_owned()));
        if !success {
            let body = serde_json::from_slice(response.body()).unwrap_or_default();
            outcome.insert("response".to_owned(), body);
        }
        self.done.insert(at, outcome);
    }
}

fn unresolved(Unresolved { bulk_id, failed }: Unresolved) -> Problem {
    let bulk_id: String = bulk_id.chars().take(80).collect();
    let what =
        if failed { "a POST that succeeded, found one that failed" } else { "a POST of this request, found none" };
    Problem::Unresolved(format!("bulkId:{bulk_id}: expected {what}"))
}

fn header(response: &Response<Vec<u8>>, name: HeaderName) -> Option<String> {
    response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// The id of what a POST made.
fn id_of(response: &Response<Vec<u8>>) -> Option<String> {
    header(response, LOCATION)?.rsplit('/').next().map(str::to_owned).filter(|_| response.status().is_success())
}
