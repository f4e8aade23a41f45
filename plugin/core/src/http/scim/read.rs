//! Requests that read: lists, searches, single resources and what is served about the service itself.

use super::context::{Context, names, tags};
use super::describe::{Event, describe_query, name_of};
use super::{Answer, Provision, Scim};
use crate::directory::{self, Document, Predicate, Wanted};
use crate::http::respond::{self, Problem};
use crate::http::route;
use crate::journal::Action;
use crate::keys::Kind;
use crate::scim::messages::ListResponse;
use crate::scim::{self, BoundFilter, ListQuery, Sent};
use crate::tenant::state::TenantView;
use http::StatusCode;
use http::header::{CONTENT_LOCATION, IF_MATCH, IF_NONE_MATCH};
use serde_json::Value;

impl Scim<'_> {
    /// RFC 7644 §3.4.2 and §3.4.3; of several kinds, §3.4.2.1.
    pub(super) fn list(
        &self,
        view: &TenantView<'_>,
        context: &Context<'_>,
        request: &Provision<'_>,
        kinds: &[Kind],
    ) -> Answer {
        let noun = if let [kind] = kinds { kind.noun() } else { "resource" };
        let mut event = Event::of(Action::List, ["list ", noun, "s"].concat());
        let listed = (|| {
            let query = context.query(request)?;
            let projections = kinds.iter().map(|kind| query.projection(context.types().of(*kind)));
            let projections = projections.collect::<Result<Vec<_>, _>>()?;
            let filters = filters(context, &query, kinds)?;
            let queries = queries(context, &query, &filters)?;
            let only = if let [only] = queries.as_slice() { only.predicate.as_ref() } else { None };
            let page = self.page(view, context, &query, kinds, &queries)?;
            describe_query(
                &mut event,
                context.mask,
                noun,
                only.and_then(|predicate| predicate.lookup.as_ref()),
                query.filter.as_deref(),
                &page.documents,
                page.is_of_none(),
            );
            let mut relations = context.relations(view);
            for (kind, projection) in kinds.iter().zip(&projections) {
                if *kind == Kind::User && context.wanted(projection) == Wanted::Whole {
                    relations.ahead_of_users(&page.documents);
                }
            }
            let render = |(kind, document): (Kind, Document)| {
                let projection = kinds.iter().zip(&projections).find(|(asked, _)| **asked == kind);
                let (_, projection) = projection.expect("only the kinds that were asked for are listed");
                context.render(&mut relations, kind, document, projection)
            };
            let resources = page.documents.into_iter().map(render).collect::<Result<_, Problem>>()?;
            let response = match page.found {
                PageLinks::ByIndex(total) => ListResponse::by_index(total, query.start_index, resources),
                PageLinks::ByCursor { total, next, previous } => {
                    ListResponse::by_cursor(total, next, previous, resources)
                }
            };
            Ok(respond::scim_body(StatusCode::OK, &response))
        })();
        let left_out = view.left_out();
        if !left_out.is_empty() {
            let named: Vec<&str> = left_out.iter().take(LEFT_OUT_NAMED_MAX).map(String::as_str).collect();
            let more = if left_out.len() > named.len() { ", …" } else { "" };
            let words = format!("; {} cannot be read: {}{more}", left_out.len(), named.join(", "));
            event.operation.push_str(&words);
        }
        Answer { response: listed, event }
    }

    /// Pages by index, or by cursor where the client says so.
    fn page(
        &self,
        view: &TenantView<'_>,
        context: &Context<'_>,
        query: &ListQuery,
        kinds: &[Kind],
        queries: &[directory::Query<'_>],
    ) -> Result<ListPage, Problem> {
        let Some(cursor) = query.cursor.as_deref() else {
            let found =
                directory::search(view, queries, query.descending, query.start_index - 1, query.count, context.effort)?;
            return Ok(ListPage { documents: found.documents, found: PageLinks::ByIndex(found.total) });
        };
        let seal = self.cursor_seal(context, query, kinds);
        let page = seal.open(cursor)?;
        let found =
            directory::search_by_cursor(view, queries, query.descending, page.as_ref(), query.count, context.effort)?;
        let (next, previous) = (found.next.map(|page| seal.close(page)), found.previous.map(|page| seal.close(page)));
        Ok(ListPage { documents: found.documents, found: PageLinks::ByCursor { total: found.total, next, previous } })
    }

    /// RFC 7644 §3.4.1.
    pub(super) fn read(
        &self,
        view: &TenantView<'_>,
        context: &Context<'_>,
        request: &Provision<'_>,
        kind: Kind,
        id: &str,
    ) -> Answer {
        let noun = kind.noun();
        let mut event = Event::of(Action::Read, ["read ", noun, " ", id].concat());
        let read = (|| {
            let projection = context.projection(kind)?;
            let document = directory::get(view, kind, id)?;
            let resource = &document.resource;
            event.about(kind, resource);
            event.operation = ["read ", noun, " ", name_of(kind, resource)].concat();
            let version = resource.meta.version();
            if let Some(tags) = tags(request.headers, IF_MATCH)
                && !directory::names_version(&tags, &version)
            {
                return Err(directory::Error::Stale { expected: tags.join(", "), found: version }.into());
            }
            let is_known = names(&tags(request.headers, IF_NONE_MATCH), &version);
            if is_known && !context.depends_on_other_resources(kind, &projection) {
                return Err(Problem::NotModified(version));
            }
            context.with_tag(kind, document, |document| {
                let rendered = context.render(&mut context.relations(view), kind, document, &projection)?;
                Ok(respond::scim_body(StatusCode::OK, &rendered))
            })
        })();
        Answer { response: read, event }
    }
}

/// Resources that cannot be read and are named in the record of a list.
const LEFT_OUT_NAMED_MAX: usize = 10;

/// A page of a list.
struct ListPage {
    documents: Vec<(Kind, Document)>,
    found: PageLinks,
}

impl ListPage {
    /// Whether the list has nothing on any page.
    fn is_of_none(&self) -> bool {
        match self.found {
            PageLinks::ByIndex(total) => total == 0,
            PageLinks::ByCursor { total, .. } => total == Some(0),
        }
    }
}

/// What the answer says of the other pages.
enum PageLinks {
    ByIndex(u64),
    ByCursor { total: Option<u64>, next: Option<String>, previous: Option<String> },
}

pub(super) const NO_GROUPS: &str =
    "Groups: this connection synchronises no groups; disable group provisioning at the identity provider";
const NO_FILTER: &str = "filter: not applied here; what is served is served whole";

/// What is answered about groups where the connection synchronises none.
pub(super) fn no_groups(context: &Context<'_>, request: &Provision<'_>, route: &route::ScimRoute) -> Answer {
    if matches!(route, route::ScimRoute::Resource(..)) {
        let detail = "Groups: this connection synchronises no groups".to_owned();
        return Answer::refused(Event::of(Action::Read, "read group".to_owned()), Problem::NotFound(detail));
    }
    // Entra's connection test looks for a random group even where groups are off; anything but an empty list fails it.
    let event = Event::of(Action::List, "list groups".to_owned());
    let listed = context
        .query(request)
        .and_then(|query| {
            query
                .filter
                .as_deref()
                .map(|text| BoundFilter::parse(text, context.types().of(Kind::Group), context.reading()))
                .transpose()?;
            match query.cursor.as_deref() {
                None => Ok(ListResponse::<Sent<'_>>::by_index(0, query.start_index, Vec::new())),
                Some("") => Ok(ListResponse::by_cursor(Some(0), None, None, Vec::new())),
                Some(_) => Err(scim::Error::cursor().into()),
            }
        })
        .map(|document| respond::scim_body(StatusCode::OK, &document));
    Answer { response: listed, event }
}

/// The filter bound to each kind, without the kinds of which it lets nothing through.
fn filters<'c>(
    context: &'c Context<'_>,
    query: &ListQuery,
    kinds: &[Kind],
) -> Result<Vec<(Kind, Option<BoundFilter<'c>>)>, Problem> {
    let Some(text) = query.filter.as_deref() else {
        return Ok(kinds.iter().map(|kind| (*kind, None)).collect());
    };
    let types: Vec<_> = kinds.iter().map(|kind| context.types().of(*kind)).collect();
    let bound = BoundFilter::parse_for(text, &types, context.reading())?;
    let predicate = |(kind, filter): (&Kind, BoundFilter<'c>)| match filter.always() {
        Some(true) => Some((*kind, None)),
        Some(false) => None,
        None => Some((*kind, Some(filter))),
    };
    Ok(kinds.iter().zip(bound).filter_map(predicate).collect())
}

/// The order of each kind: resources of one that does not know the attribute have no value to sort by.
fn queries<'f>(
    context: &'f Context<'_>,
    query: &ListQuery,
    filters: &'f [(Kind, Option<BoundFilter<'f>>)],
) -> Result<Vec<directory::Query<'f>>, Problem> {
    let sorts: Vec<_> =
        filters.iter().map(|(kind, _)| query.sort(context.types().of(*kind), &context.admitted.base)).collect();
    if let Some(Err(error)) = sorts.first()
        && sorts.iter().all(Result::is_err)
    {
        return Err(error.clone().into());
    }
    let mut queries = Vec::new();
    for ((kind, filter), sort) in filters.iter().zip(sorts) {
        let predicate = filter.as_ref().map(|filter| Predicate::new(filter, &context.admitted.base));
        queries.push(directory::Query { kind: *kind, predicate, sort: sort.unwrap_or_default() });
    }
    Ok(queries)
}

/// What may be asked of a resource, RFC 9110 §9.3.7.
pub(super) fn options(route: &route::ScimRoute) -> Answer {
    let event = Event::of(Action::Discover, "discover methods".to_owned());
    Answer { response: Ok(respond::options(route.methods())), event }
}

pub(super) fn discovered(context: &Context<'_>, what: &str, document: Option<Value>) -> Answer {
    let event = Event { action: Some(Action::Discover), operation: format!("discover {what}"), ..Event::default() };
    // RFC 7644 §4: a client must not take the whole for what its filter let through.
    if context.span.parameters.first_filled("filter").is_some() {
        return Answer::refused(event, Problem::Forbidden(NO_FILTER));
    }
    let render = |document: Value| {
        let mut response = respond::scim_body(StatusCode::OK, &document);
        // As of any other resource; a list has no place of its own.
        if let Some(Value::String(location)) = document.pointer("/meta/location") {
            respond::set(&mut response, CONTENT_LOCATION, location);
        }
        response
    };
    let response =
        document.map(render).ok_or_else(|| Problem::NotFound(format!("{what}: nothing of this name is served")));
    Answer { response, event }
}
