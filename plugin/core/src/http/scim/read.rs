//! Requests that read: lists, searches, single resources and what is served about the service itself.

use super::context::{Context, tags};
use super::describe::{Event, describe_query, name_of};
use super::{Answer, Rollcall, Scim, refused_event};
use crate::directory::{self, Document, Relations, Sieve};
use crate::http::respond::{self, Problem};
use crate::journal::Action;
use crate::ledger::View;
use crate::scim::{BoundFilter, ListQuery, messages};
use crate::space::Kind;
use http::header::IF_MATCH;
use http::{Method, StatusCode};
use serde_json::Value;

impl Rollcall {
    /// RFC 7644 §3.4.2 and §3.4.3; of several kinds, §3.4.2.1.
    pub(super) fn list<'a>(&'a self, view: &View<'_>, context: &Context<'_>, kinds: &[Kind]) -> Answer<'a> {
        let noun = if let [kind] = kinds { kind.noun() } else { "resource" };
        let mut event = Event::of(Action::List, format!("list {noun}s"));
        let listed = (|| {
            let query = context.query()?;
            let filters = filters(context, &query, kinds)?;
            let lookup = if let [(_, Some(filter))] = filters.as_slice() { filter.lookup() } else { None };
            let queries = queries(context, &query, &filters)?;
            let found = directory::search(view, &queries, query.descending, query.start_index - 1, query.count)?;
            describe_query(&mut event, noun, lookup.as_ref(), query.filter.as_deref(), &found);
            let mut relations = Relations::new(view, &context.base);
            let render = |(kind, document): &(Kind, Document)| {
                context.render(&mut relations, *kind, document, &query.projection(context.types.of(*kind)))
            };
            let resources = found.documents.iter().map(render).collect::<Result<_, Problem>>()?;
            Ok(messages::list_response(found.total, query.start_index, resources))
        })();
        Answer { response: listed.map(|document| respond::scim_body(StatusCode::OK, &document)), event, turn: None }
    }

    /// RFC 7644 §3.4.1.
    pub(super) fn read<'a>(&'a self, view: &View<'_>, context: &Context<'_>, kind: Kind, id: &str) -> Answer<'a> {
        let noun = kind.noun();
        let mut event = Event::of(Action::Read, format!("read {noun} {id}"));
        let read = (|| {
            let projection = context.projection(kind)?;
            let document = directory::get(view, kind, id)?;
            let resource = &document.resource;
            event.about(kind, resource);
            event.operation = format!("read {noun} {}", name_of(kind, resource));
            let version = resource.meta.version();
            if let Some(tags) = tags(context.request.headers, IF_MATCH)
                && !directory::names_version(&tags, &version)
            {
                return Err(directory::Error::Stale { expected: tags.join(", "), found: version }.into());
            }
            if context.has_already(&version) {
                return Err(Problem::NotModified(version));
            }
            let rendered = context.render(&mut Relations::new(view, &context.base), kind, &document, &projection)?;
            Ok(context.with_tag(respond::scim_body(StatusCode::OK, &rendered), kind, resource))
        })();
        Answer { response: read, event, turn: None }
    }
}

const NO_GROUPS: &str =
    "Groups: this connection synchronises no groups; disable group provisioning at the identity provider";
const NO_FILTER: &str = "filter: not applied here; what is served is served whole";

/// What is answered about groups where the connection synchronises none.
pub(super) fn no_groups<'a>(context: &Context<'_>, route: &Scim) -> Answer<'a> {
    let searched = matches!(route, Scim::Search(_));
    if context.request.method != Method::GET && !searched {
        return Answer::refused(refused_event(), Problem::NotImplemented(NO_GROUPS));
    }
    if matches!(route, Scim::Resource(..)) {
        let detail = "Groups: this connection synchronises no groups".to_owned();
        return Answer::refused(Event::of(Action::Read, "read group".to_owned()), Problem::NotFound(detail));
    }
    // Entra's connection test looks for a random group even where groups are off; anything but an empty list fails it.
    let event = Event::of(Action::List, "list groups".to_owned());
    let listed = context
        .query()
        .and_then(|query| {
            query.filter.as_deref().map(|text| BoundFilter::parse(text, context.types.of(Kind::Group))).transpose()?;
            Ok(messages::list_response(0, query.start_index, Vec::new()))
        })
        .map(|document| respond::scim_body(StatusCode::OK, &document));
    Answer { response: listed, event, turn: None }
}

/// The filter bound to each kind. RFC 7644 §3.4.2.1: of several kinds, one that does not know an attribute has no match.
fn filters<'c>(
    context: &'c Context<'_>,
    query: &ListQuery,
    kinds: &[Kind],
) -> Result<Vec<(Kind, Option<BoundFilter<'c>>)>, Problem> {
    let Some(text) = query.filter.as_deref() else {
        return Ok(kinds.iter().map(|kind| (*kind, None)).collect());
    };
    let mut filters = Vec::new();
    let mut refused = None;
    for kind in kinds {
        match BoundFilter::parse(text, context.types.of(*kind)) {
            Ok(filter) => filters.push((*kind, Some(filter))),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    match refused {
        Some(error) if filters.is_empty() => Err(error.into()),
        Some(_) | None => Ok(filters),
    }
}

/// The same of the order: resources of a kind that does not know the attribute have no value to sort by.
fn queries<'f>(
    context: &'f Context<'_>,
    query: &ListQuery,
    filters: &'f [(Kind, Option<BoundFilter<'f>>)],
) -> Result<Vec<directory::Query<'f>>, Problem> {
    let sorts: Vec<_> = filters.iter().map(|(kind, _)| query.sort(context.types.of(*kind))).collect();
    if let Some(Err(error)) = sorts.first()
        && sorts.iter().all(Result::is_err)
    {
        return Err(error.clone().into());
    }
    let mut queries = Vec::new();
    for ((kind, filter), sort) in filters.iter().zip(sorts) {
        let sieve = filter.as_ref().map(|filter| Sieve { filter, base: &context.base });
        queries.push(directory::Query { kind: *kind, sieve, sort: sort.unwrap_or_default() });
    }
    Ok(queries)
}

pub(super) fn discovered<'a>(context: &Context<'_>, what: &str, document: Option<Value>) -> Answer<'a> {
    let event = Event { action: Some(Action::Discover), operation: format!("discover {what}"), ..Event::default() };
    // RFC 7644 §4: a client must not take the whole for what its filter let through.
    let query = ListQuery::parse(context.request.query.unwrap_or_default());
    if query.is_ok_and(|query| query.filter.is_some()) {
        return Answer::refused(event, Problem::Forbidden(NO_FILTER));
    }
    let response = document
        .map(|document| respond::scim_body(StatusCode::OK, &document))
        .ok_or_else(|| Problem::NotFound(format!("{what}: nothing of this name is served")));
    Answer { response, event, turn: None }
}
