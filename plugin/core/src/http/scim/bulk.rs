//! Bulk requests, RFC 7644 §3.7. Each operation goes the way that a request of its own would go, with its own record, so that
//! whatever holds there holds here. Operations share turns, as requests do that wait together: each is refused or carried
//! out by itself, and all of a turn have failed where its commit does.

use super::body::{Body, object};
use super::context::Context;
use super::describe::Event;
use super::lane::Lane;
use super::record::Span;
use super::{Answer, Provision, Rollcall, refused_event};
use crate::http::respond::{self, Problem};
use crate::journal::Action;
use crate::ledger;
use crate::scim::bulk::{BulkRequest, Made, Operation, Step, Unresolved};
use crate::scim::{Parameters, Reading};
use crate::settings::LIMITS;
use crate::tenant::state::{TenantTurn, TenantView};
use http::header::{CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

impl Rollcall {
    /// RFC 7644 §3.7. The answer is 200 whatever becomes of the operations, §3.7.3.
    pub(super) fn bulk<'l, 'r>(
        &'r self,
        view: &TenantView<'_>,
        context: &Context<'_>,
        span: &Span<'_>,
    ) -> Answer<'l, 'r> {
        let mut event = Event::of(Action::Bulk, "bulk request".to_owned());
        let types: Vec<_> = context.types.all().collect();
        let done = (|| {
            let sent = context.json_object()?;
            let (count, max) = (BulkRequest::count(object(&sent)), LIMITS.bulk_operations_max);
            event.operation = format!("bulk request of {count} operations");
            if count > max {
                return Err(Problem::TooMuch(format!(
                    "maxOperations: expected at most {max} operations, found {count}"
                )));
            }
            let request = BulkRequest::parse(object(&sent), context.reading, &types)?;
            let mut job = Job {
                rollcall: self,
                view,
                context,
                span,
                request: &request,
                made: Made::new(),
                done: BTreeMap::new(),
                turn: None,
                staged: Vec::new(),
            };
            request.steps().into_iter().for_each(|step| job.step(step));
            job.commit_all();
            event.operation = format!("bulk request of {count} operations, {} failed", job.errors());
            Ok(json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkResponse"],
                "Operations": job.done.values().collect::<Vec<_>>(),
            }))
        })();
        Answer::without_turn(event, done.map(|document| respond::scim_body(StatusCode::OK, &document)))
    }
}

/// A bulk request being carried out.
struct Job<'j> {
    rollcall: &'j Rollcall,
    view: &'j TenantView<'j>,
    context: &'j Context<'j>,
    span: &'j Span<'j>,
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
    fn step(&mut self, step: Step) {
        match step {
            Step::Whole(at) if !self.has_failed_enough() => self.perform(at, &BTreeSet::new()),
            Step::Begin(at, without) if !self.has_failed_enough() => self.perform(at, &without),
            // §3.7: of what was not begun nothing is said.
            Step::Whole(_) | Step::Begin(..) => {}
            // What was begun is finished in any case.
            Step::Finish(at) => self.finish(at),
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
        let Err(error) = self.rollcall.commit_waiting(self.span.request.tenant, turn, |_| ()) else {
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
        operation: &'j Operation<'j>,
        without: &BTreeSet<String>,
    ) -> Result<(String, Option<Cow<'j, Value>>), Problem> {
        if let Some(problem) = &operation.problem {
            return Err(problem.clone().into());
        }
        let passed = self.rollcall.ports.clock.elapsed().saturating_sub(self.span.arrival.started);
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
        let mut headers = self.headers();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/scim+json"));
        if let Some(version) = version {
            // One that cannot stand in a header names no version.
            headers.insert(IF_MATCH, HeaderValue::from_str(version).unwrap_or(HeaderValue::from_static("\"\"")));
        }
        let body = data.map_or(Body::NONE, Body::Data);
        let Job { rollcall, view, span, .. } = *self;
        let tenant = span.request.tenant;
        let turn = match self.turn.take() {
            Some(turn) => Ok(turn),
            None => rollcall.turn(tenant),
        };
        match turn {
            Ok(mut turn) => {
                rollcall.stage_waiting(tenant, &mut turn);
                let response = self.request(method, path, &headers, body, |context, span| {
                    rollcall.answer(view, context, span, Lane::Shared(&mut turn))
                });
                self.turn = Some(turn);
                response
            }
            Err(error) => self.request(method, path, &headers, body, |context, span| {
                rollcall.answer(view, context, span, Lane::Lost(&error))
            }),
        }
    }

    fn refuse(&self, method: &str, path: &str, data: Option<&Value>, problem: Problem) -> Response<Vec<u8>> {
        let body = data.map_or(Body::NONE, Body::Data);
        let refused = |_: &Context<'_>, _: &Span<'_>| Answer::refused(refused_event(), problem);
        self.request(method, path, &self.headers(), body, refused)
    }

    /// What the client says of itself. Conditions are those of the operation, not of the request around it.
    fn headers(&self) -> HeaderMap {
        let mut headers = self.context.request.headers.clone();
        headers.remove(IF_MATCH);
        headers.remove(IF_NONE_MATCH);
        headers
    }

    fn request<'l>(
        &self,
        method: &str,
        path: &str,
        headers: &HeaderMap,
        body: Body<'_>,
        answer: impl FnOnce(&Context<'_>, &Span<'_>) -> Answer<'l, 'j>,
    ) -> Response<Vec<u8>>
    where
        'j: 'l,
    {
        let Provision { tenant, tenant_url, .. } = *self.context.request;
        // A method that is none was refused; its record says what it was as a part of the bulk request.
        let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::POST);
        let request = Provision { tenant, tenant_url, method: &method, path, query: None, headers, body: b"" };
        let arrival = &self.rollcall.arrival_within(self.span.arrival);
        let base = self.context.base.clone();
        let parameters = &Parameters::of(None);
        let reading = &Reading::of(*self.context.reading.dialect());
        let context = Context { request: &request, body, parameters, arrival, base, reading, ..*self.context };
        let span = Span { request: &request, body, parameters, arrival, reading, ..*self.span };
        let answer = answer(&context, &span);
        self.rollcall.finish(span, answer)
    }

    /// §3.7, §3.7.3: the location, but for a POST that failed; the body of an error, and of a success what is to be had
    /// from the location.
    fn note(&mut self, at: usize, operation: &Operation<'_>, response: &Response<Vec<u8>>) {
        let success = response.status().is_success();
        let path = operation.resolved_path(&self.made).unwrap_or_else(|_| operation.path.clone());
        // Of one that failed it is what the client has sent.
        let asked = || format!("{}{}", self.context.base, self.context.mask.path(&path));
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
