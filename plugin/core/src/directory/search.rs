//! Lists: the resources that a filter lets through, in an order, page by page.
//!
//! Resources are visited one after the other, and of those that are not on the page nothing stays in memory but what they
//! are put in order by. So a list takes the memory of its page, however large the resources are that it looks at.

use super::ahead::DocumentsAhead;
use super::entry::{self, Entry};
use super::membership::{Relations, Wanted};
use super::{Document, Error, extent, find, listed, roster};
use crate::keys::{EntryName, IndexKind, Kind, Roll, is_id};
use crate::ledger::{self, Read};
use crate::scim::effort::text_bytes;
use crate::scim::filter::Lookup;
use crate::scim::text::fold;
use crate::scim::{BoundFilter, Effort, FullScanReason, Resource, Sort, sort};
use crate::settings::LIMITS;
use crate::tenant::state::TenantView;
use roster::{Seat, Way};
use std::ops::ControlFlow;

/// A page of resources.
pub struct ResourcePage {
    /// The resources of the page, as they are stored.
    pub documents: Vec<(Kind, Document)>,
    /// How many there are on all pages.
    pub total: u64,
}

/// A filter, and the tenant URL for what it may ask of places, members and groups.
pub struct Predicate<'f> {
    /// The filter.
    pub filter: &'f BoundFilter<'f>,
    /// [`BoundFilter::lookup`] of it.
    pub lookup: Option<Lookup>,
    /// The tenant URL.
    pub base: &'f str,
}

impl<'f> Predicate<'f> {
    /// The predicate of a filter.
    pub fn new(filter: &'f BoundFilter<'f>, base: &'f str) -> Predicate<'f> {
        Predicate { filter, lookup: filter.lookup(), base }
    }

    /// The document, if the filter lets it through.
    pub(super) fn keep<V: Read>(
        &self,
        relations: &mut Relations<'_, V>,
        kind: Kind,
        document: Document,
        effort: &Effort,
    ) -> Result<Option<Document>, Error> {
        let wanted = Wanted::from(self.filter.reads());
        let (keeps, document) = match wanted {
            Wanted::Nothing => (self.filter.matches_at(&document.resource, self.base, effort), document),
            Wanted::Ids(_) | Wanted::Whole => {
                let (slot, members) = (document.slot, document.members);
                let mut resource = relations.complete(kind, document, &wanted)?;
                let keeps = self.filter.matches_at(&resource, self.base, effort);
                resource.attributes_mut().shift_remove(kind.resource_type().relation);
                (keeps, Document { slot, members, resource })
            }
        };
        effort.check("filter")?;
        Ok(keeps.then_some(document))
    }
}

/// What is looked for among the resources of one kind.
pub struct Query<'f> {
    /// Which.
    pub kind: Kind,
    /// Only those; all where there is none.
    pub predicate: Option<Predicate<'f>>,
    /// In this order; in that of their creation where there is none.
    pub sort: Option<Sort<'f>>,
}

impl Query<'_> {
    /// All of a kind in the order of their creation.
    pub fn all(kind: Kind) -> Query<'static> {
        Query { kind, predicate: None, sort: None }
    }

    pub(super) fn lookup(&self) -> Option<&Lookup> {
        self.predicate.as_ref().and_then(|predicate| predicate.lookup.as_ref())
    }
}

/// Resources that a filter lets through, `count` of them from the `skip`-th on; of several kinds one after the other, or
/// in one order.
///
/// A filter with an indexed value on one side costs those who have it, and its page where it asks for that value alone;
/// neither filter nor order costs its page. Any other filter or order reads resources until
/// [`Limits::scan_max`](crate::settings::Limits::scan_max) is reached in a kind, and then says so. What it costs is counted
/// in `effort`.
///
/// # Errors
/// More would have to be read or compared than one request may, or the store does not answer.
pub fn search(
    view: &TenantView<'_>,
    queries: &[Query<'_>],
    descending: bool,
    skip: u64,
    count: usize,
    effort: &Effort,
) -> Result<ResourcePage, Error> {
    let candidates = Candidates::of_all(view, queries)?;
    if queries.iter().zip(&candidates).all(|(query, candidates)| query.sort.is_none() && candidates.are_matches(query))
    {
        return pages(view, queries, &candidates, skip, count);
    }
    let mut page = Window::new(skip, count);
    if queries.iter().any(|query| query.sort.is_some()) {
        let mut hits = hits(view, queries, candidates, effort)?;
        hits.sort_by(|one, other| sort::compare(one.key.as_ref(), other.key.as_ref(), descending));
        let mut ahead = DocumentsAhead::new();
        for at in 0..hits.len() {
            if page.is_open() {
                Hit::ahead(&mut ahead, view, hits[at..].iter().take(page.page.open()));
            }
            let hit = &mut hits[at];
            page.pass(hit.kind, || hit.document(view))?;
        }
        return Ok(page.into());
    }
    for (query, candidates) in queries.iter().zip(candidates) {
        each(view, query, candidates, effort, &mut |document| page.pass(query.kind, || Ok(Some(document))))?;
    }
    Ok(page.into())
}

/// Among which resources all matches of a query are, in the order of their slots. They may match or not: the caller looks.
pub(super) enum Candidates {
    /// All of its kind.
    All,
    /// The one that stands under its name, or has the id.
    Whole(Box<Document>),
    /// Those of a short entry.
    Few(Vec<Seat>),
    /// Those of a long entry, which has so many.
    Many(EntryName, u64),
}

impl Candidates {
    pub(super) fn of_all(view: &impl Read, queries: &[Query<'_>]) -> Result<Vec<Candidates>, Error> {
        queries.iter().map(|query| Candidates::of(view, query)).collect()
    }

    fn of(view: &impl Read, query: &Query<'_>) -> Result<Candidates, Error> {
        let kind = query.kind;
        let Some(lookup) = query.lookup() else {
            return Ok(Candidates::All);
        };
        let name = match lookup {
            Lookup::Id(id) => {
                let found = find(view, kind, id)?;
                return Ok(found.map_or(Candidates::Few(Vec::new()), |document| Candidates::Whole(Box::new(document))));
            }
            Lookup::Name(name) => EntryName::of_value(IndexKind::of_names(kind), &fold(name)),
            Lookup::ExternalId(id) => EntryName::of_value(IndexKind::of_external_ids(kind), id),
            Lookup::Email(address) => EntryName::of_value(IndexKind::Email, &fold(address)),
            Lookup::Member(id) if is_id(id) => EntryName::groups_of(id),
            Lookup::Member(_) => return Ok(Candidates::Few(Vec::new())),
        };
        Ok(match entry::read(view, &name)? {
            None => Candidates::Few(Vec::new()),
            Some(Entry::Whole(document)) => Candidates::Whole(document),
            Some(Entry::Short(seats)) => Candidates::Few(seats),
            Some(long @ Entry::Long(_)) => Candidates::Many(name, long.len()),
        })
    }

    /// Whether they are what the query asks for, all of them and in its order, so that a page can be cut out of them
    /// unread.
    pub(super) fn are_matches(&self, query: &Query<'_>) -> bool {
        match (self, &query.predicate) {
            (Candidates::All, None) => true,
            (Candidates::Many(..), Some(predicate)) => predicate.filter.is_lookup(),
            (Candidates::All | Candidates::Whole(_) | Candidates::Few(_), Some(_)) => false,
            (Candidates::Whole(_) | Candidates::Few(_) | Candidates::Many(..), None) => false,
        }
    }

    /// Whether they are no more than one key has.
    pub(super) fn are_few(&self) -> bool {
        match self {
            Candidates::Whole(_) | Candidates::Few(_) => true,
            Candidates::All | Candidates::Many(..) => false,
        }
    }

    /// How many they are.
    pub(super) fn count(&self, view: &TenantView<'_>, kind: Kind) -> Result<u64, ledger::Error> {
        Ok(match self {
            Candidates::All => extent(&mut view.head()?, kind).members,
            Candidates::Whole(_) => 1,
            Candidates::Few(seats) => u64::try_from(seats.len()).unwrap_or(u64::MAX),
            Candidates::Many(_, members) => *members,
        })
    }

    /// Slots and ids of so many of them.
    fn page(&self, view: &impl Read, kind: Kind, skip: u64, limit: usize) -> Result<Vec<Seat>, ledger::Error> {
        match self {
            Candidates::All => roster::page(view, &kind.roll(), skip, limit),
            Candidates::Many(name, _) => roster::page(view, &Roll::Entry(name.clone()), skip, limit),
            Candidates::Whole(document) => Ok(vec![(document.slot, document.resource.id.clone())]),
            Candidates::Few(seats) => Ok(seats.clone()),
        }
    }

    /// Shows them run by run; those of so many leaves of a roster first.
    pub(super) fn visit(
        &self,
        view: &impl Read,
        kind: Kind,
        way: Way,
        leaves: usize,
        visitor: &mut impl FnMut(&[Seat]) -> Result<ControlFlow<()>, Error>,
    ) -> Result<ControlFlow<()>, Error> {
        let mut few = match self {
            Candidates::All => return roster::visit_runs(view, &kind.roll(), way, leaves, visitor),
            Candidates::Many(name, _) => {
                return roster::visit_runs(view, &Roll::Entry(name.clone()), way, leaves, visitor);
            }
            Candidates::Whole(document) => vec![(document.slot, document.resource.id.clone())],
            Candidates::Few(seats) => seats.clone(),
        };
        match way {
            Way::From(bound) => few.retain(|(slot, _)| *slot >= bound),
            Way::Before(bound) => {
                few.retain(|(slot, _)| *slot < bound);
                few.reverse();
            }
        }
        visitor(&few)
    }
}

/// The page that is asked for, while what is before, on and behind it passes by.
struct Window {
    skip: u64,
    page: PageBuilder,
    total: u64,
}

impl Window {
    fn new(skip: u64, count: usize) -> Window {
        Window { skip, page: PageBuilder::new(count), total: 0 }
    }

    /// Whether what passes by next is on the page.
    fn is_open(&self) -> bool {
        self.total >= self.skip && !self.page.is_full()
    }

    fn pass(&mut self, kind: Kind, document: impl FnOnce() -> Result<Option<Document>, Error>) -> Result<(), Error> {
        if self.is_open() {
            // Deleted since it was met: the page is one shorter.
            document()?.into_iter().for_each(|document| self.page.put(kind, document));
        }
        self.total += 1;
        Ok(())
    }
}

impl From<Window> for ResourcePage {
    fn from(window: Window) -> ResourcePage {
        ResourcePage { documents: window.page.documents, total: window.total }
    }
}

/// The resources of one page: as many as are asked for, or as
/// [`Limits::page_bytes_max`](crate::settings::Limits::page_bytes_max) lets it have.
pub(super) struct PageBuilder {
    pub(super) documents: Vec<(Kind, Document)>,
    count: usize,
    bytes: usize,
}

impl PageBuilder {
    pub(super) fn new(count: usize) -> PageBuilder {
        PageBuilder { documents: Vec::new(), count, bytes: 0 }
    }

    /// How many resources it may have beyond those that it has.
    pub(super) fn open(&self) -> usize {
        self.count.saturating_sub(self.documents.len())
    }

    pub(super) fn is_full(&self) -> bool {
        self.documents.len() >= self.count || self.bytes >= LIMITS.page_bytes_max
    }

    pub(super) fn put(&mut self, kind: Kind, document: Document) {
        self.bytes += document.resource.attributes().values().map(text_bytes).sum::<usize>();
        self.documents.push((kind, document));
    }
}

/// A resource that fits.
pub(super) struct Hit {
    /// What it is sorted by.
    pub(super) key: Option<sort::Key>,
    pub(super) kind: Kind,
    pub(super) slot: u64,
    id: String,
    /// Itself, where there are so few that all of them may stay.
    document: Option<Document>,
}

impl Hit {
    /// Goes ahead of the first of some that are about to be read, unless it is at hand.
    pub(super) fn ahead<'h>(ahead: &mut DocumentsAhead, view: &TenantView<'_>, rest: impl Iterator<Item = &'h Hit>) {
        let mut rest = rest.peekable();
        if rest.peek().is_some_and(|hit| hit.document.is_none()) {
            let apart = rest.filter(|hit| hit.document.is_none());
            ahead.before(view, apart.map(|hit| (hit.kind, hit.id.as_str())));
        }
    }

    /// The resource, if it is still there.
    pub(super) fn document(&mut self, view: &TenantView<'_>) -> Result<Option<Document>, Error> {
        match self.document.take() {
            Some(document) => Ok(Some(document)),
            None => listed(view, self.kind, &self.id),
        }
    }
}

/// All that fit, kind by kind in the order of their creation.
pub(super) fn hits(
    view: &TenantView<'_>,
    queries: &[Query<'_>],
    candidates: Vec<Candidates>,
    effort: &Effort,
) -> Result<Vec<Hit>, Error> {
    let mut hits = Vec::new();
    for (query, candidates) in queries.iter().zip(candidates) {
        let kind = query.kind;
        each(view, query, candidates, effort, &mut |document| {
            let key = query.sort.as_ref().and_then(|sort| sort.key(&document.resource));
            let (slot, id) = (document.slot, document.resource.id.clone());
            let stays = query.lookup().is_some() && hits.len() < LIMITS.page_max;
            hits.push(Hit { key, kind, slot, id, document: stays.then_some(document) });
            Ok(())
        })?;
    }
    effort.sort(hits.len());
    effort.check("sortBy")?;
    Ok(hits)
}

/// Shows all resources of a query one after the other; each is read when the one before it has been looked at.
fn each(
    view: &TenantView<'_>,
    query: &Query<'_>,
    candidates: Candidates,
    effort: &Effort,
    visitor: &mut dyn FnMut(Document) -> Result<(), Error>,
) -> Result<(), Error> {
    let kind = query.kind;
    let base = query.predicate.as_ref().map_or("", |predicate| predicate.base);
    let mut relations = Relations::new(view, base).counting(effort);
    let mut look = |document: Option<Document>| {
        let Some(document) = document else {
            return Ok(());
        };
        effort.read(document.resource.attributes().values());
        let kept = match &query.predicate {
            Some(predicate) => predicate.keep(&mut relations, kind, document, effort)?,
            None => Some(document),
        };
        kept.map_or(Ok(()), &mut *visitor)
    };
    let why = match &candidates {
        Candidates::Whole(_) | Candidates::Few(_) | Candidates::Many(..) => FullScanReason::Shared,
        Candidates::All if query.sort.is_some() => FullScanReason::Order,
        Candidates::All => FullScanReason::Filter,
    };
    match candidates {
        Candidates::Whole(document) => look(Some(*document)),
        Candidates::Few(seats) => {
            let mut ahead = DocumentsAhead::new();
            for (at, (_, id)) in seats.iter().enumerate() {
                ahead.before(view, of_kind(kind, &seats[at..]));
                look(listed(view, kind, id)?)?;
            }
            Ok(())
        }
        candidates @ (Candidates::All | Candidates::Many(..)) => {
            everything(view, kind, &candidates, why, &mut |document| look(Some(document)))
        }
    }
}

/// Users that a test lets through, found by reading all of them: refused where there are too many for that.
///
/// # Errors
/// More users would have to be read than one request may, or the store does not answer.
pub fn filter_users(
    view: &TenantView<'_>,
    keeps: impl Fn(&Resource) -> bool,
    skip: u64,
    count: usize,
) -> Result<ResourcePage, Error> {
    let mut page = Window::new(skip, count);
    everything(view, Kind::User, &Candidates::All, FullScanReason::Search, &mut |document| {
        if keeps(&document.resource) { page.pass(Kind::User, || Ok(Some(document))) } else { Ok(()) }
    })?;
    Ok(page.into())
}

/// Shows all resources that a query leads to, where these are not too many.
fn everything(
    view: &TenantView<'_>,
    kind: Kind,
    candidates: &Candidates,
    why: FullScanReason,
    visitor: &mut dyn FnMut(Document) -> Result<(), Error>,
) -> Result<(), Error> {
    if candidates.count(view, kind)? > LIMITS.scan_max {
        return Err(kind.resource_type().too_many(LIMITS.scan_max, why).into());
    }
    let mut ahead = DocumentsAhead::new();
    let mut show = |seats: &[Seat]| -> Result<ControlFlow<()>, Error> {
        for (at, (_, id)) in seats.iter().enumerate() {
            ahead.before(view, of_kind(kind, &seats[at..]));
            // Deleted since its place in the roster was read, or there.
            listed(view, kind, id)?.map_or(Ok(()), &mut *visitor)?;
        }
        Ok(ControlFlow::Continue(()))
    };
    candidates.visit(view, kind, Way::From(0), roster::LEAVES_AT_ONCE, &mut show).map(|_| ())
}

/// The resources of a kind that have these seats.
pub(super) fn of_kind(kind: Kind, seats: &[Seat]) -> impl Iterator<Item = (Kind, &str)> {
    seats.iter().map(move |(_, id)| (kind, id.as_str()))
}

/// Where a roster has what is asked for and nothing else: nothing is read but the page.
fn pages(
    view: &TenantView<'_>,
    queries: &[Query<'_>],
    candidates: &[Candidates],
    mut skip: u64,
    count: usize,
) -> Result<ResourcePage, Error> {
    let (mut page, mut total) = (PageBuilder::new(count), 0);
    for (Query { kind, .. }, candidates) in queries.iter().zip(candidates) {
        let members = candidates.count(view, *kind)?;
        if !page.is_full() {
            let seats = candidates.page(view, *kind, skip, count - page.documents.len())?;
            let mut ahead = DocumentsAhead::new();
            for (at, (_, id)) in seats.iter().enumerate() {
                ahead.before(view, of_kind(*kind, &seats[at..]));
                // Deleted since the roster was read: the page is one shorter.
                if let Some(document) = listed(view, *kind, id)? {
                    page.put(*kind, document);
                }
                if page.is_full() {
                    break;
                }
            }
        }
        skip = skip.saturating_sub(members);
        total += members;
    }
    Ok(ResourcePage { documents: page.documents, total })
}
