//! A list page by page, from place to place (RFC 9865).
//!
//! A place is a slot, and slots never move: whoever is there all the while is met exactly once, whoever comes or leaves
//! meanwhile. In an order of the client's choice the place is what the next resource is sorted by, and then its slot. A
//! page reads what it shows, a filter without an index up to
//! [`Limits::cursor_scan_max`](crate::settings::Limits::cursor_scan_max) resources. An order has to read everything, as it
//! has to where pages are counted, and is refused where that is refused.

use super::ahead::DocumentsAhead;
use super::search::{Candidates, Hit, PageBuilder, hits, of_kind};
use super::{Document, Error, Query, Relations, listed, roster};
use crate::keys::Kind;
use crate::scim::Effort;
use crate::scim::sort::{self, Key};
use crate::settings::LIMITS;
use crate::tenant::state::TenantView;
use roster::Way;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::ops::ControlFlow;

/// A place in a list, ahead of the resource that is there.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct SortPosition {
    /// Among which resources.
    kind: Kind,
    /// At which slot of their roster.
    slot: u64,
    /// What is sorted by there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Key>,
}

/// Which page.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct PageCursor {
    /// The one behind the place, or the one ahead of it.
    forth: bool,
    place: SortPosition,
    /// Whether there is a match on the other side of the position.
    #[serde(rename = "met")]
    has_more_behind: bool,
}

/// A page of a walk.
pub struct CursorPage {
    /// The resources of the page, as they are stored.
    pub documents: Vec<(Kind, Document)>,
    /// How many there are on all pages, where that is known without reading them.
    pub total: Option<u64>,
    /// The page behind this one, if there is any.
    pub next: Option<PageCursor>,
    /// The page ahead of this one, if there is any.
    pub previous: Option<PageCursor>,
}

/// The page that is asked for, or the first one: `count` resources, fewer where a filter has looked at enough.
///
/// # Errors
/// The budget of the request is spent, the order may not be paged by cursor, or the store does not answer.
pub fn search_by_cursor(
    view: &TenantView<'_>,
    queries: &[Query<'_>],
    descending: bool,
    page: Option<&PageCursor>,
    count: usize,
    effort: &Effort,
) -> Result<CursorPage, Error> {
    if count == 0 {
        let total = super::search(view, queries, descending, 0, 0, effort)?.total;
        return Ok(CursorPage { documents: Vec::new(), total: Some(total), next: None, previous: None });
    }
    let sorted = queries.iter().any(|query| query.sort.is_some());
    let candidates = Candidates::of_all(view, queries)?;
    if sorted || candidates.iter().all(Candidates::are_few) {
        through_all(view, queries, candidates, descending, page, count, effort)
    } else {
        through_slots(view, queries, &candidates, page, count, effort)
    }
}

/// Where every match is at hand, because they are few or have to be sorted.
fn through_all(
    view: &TenantView<'_>,
    queries: &[Query<'_>],
    candidates: Vec<Candidates>,
    descending: bool,
    page: Option<&PageCursor>,
    count: usize,
    effort: &Effort,
) -> Result<CursorPage, Error> {
    let place = |hit: Hit| (SortPosition { kind: hit.kind, slot: hit.slot, key: hit.key.clone() }, hit);
    let mut all: Vec<(SortPosition, Hit)> = hits(view, queries, candidates, effort)?.into_iter().map(place).collect();
    all.sort_by(|(one, _), (other, _)| one.compare(other, descending));
    let at =
        |place: &SortPosition| all.partition_point(|(other, _)| other.compare(place, descending) == Ordering::Less);
    let (start, end) = match page {
        None => (0, count),
        Some(PageCursor { forth: true, place, .. }) => (at(place), at(place) + count),
        Some(PageCursor { forth: false, place, .. }) => (at(place).saturating_sub(count), at(place)),
    };
    let (mut start, mut end) = (start, end.min(all.len()));
    let mut sheet = PageBuilder::new(count);
    let forth = page.is_none_or(|page| page.forth);
    let nearest: Vec<usize> = if forth { (start..end).collect() } else { (start..end).rev().collect() };
    let mut ahead = DocumentsAhead::new();
    for (nth, at) in nearest.iter().copied().enumerate() {
        if sheet.is_full() {
            // The page has enough, and whoever goes on in its direction begins here.
            (start, end) = if forth { (start, at) } else { (at + 1, end) };
            break;
        }
        Hit::ahead(&mut ahead, view, nearest[nth..].iter().filter_map(|at| all.get(*at)).map(|(_, hit)| hit));
        if let Some((place, hit)) = all.get_mut(at)
            && let Some(document) = hit.document(view)?
        {
            sheet.put(place.kind, document);
        }
    }
    let mut documents = sheet.documents;
    if !forth {
        documents.reverse();
    }
    let next = all.get(end).map(|(place, _)| place.clone());
    let previous = start.checked_sub(1).and_then(|last| all.get(last)).map(|(place, _)| place.behind());
    let next = next.map(|place| PageCursor { forth: true, place, has_more_behind: end > 0 });
    let previous = previous.map(|place| PageCursor { forth: false, place, has_more_behind: start < all.len() });
    Ok(CursorPage { documents, total: u64::try_from(all.len()).ok(), next, previous })
}

impl SortPosition {
    fn compare(&self, other: &SortPosition, descending: bool) -> Ordering {
        let order = sort::compare(self.key.as_ref(), other.key.as_ref(), descending);
        order.then(self.kind.cmp(&other.kind)).then(self.slot.cmp(&other.slot))
    }

    /// The place behind the resource that is here.
    fn behind(&self) -> SortPosition {
        SortPosition { slot: self.slot.saturating_add(1), ..self.clone() }
    }
}

/// In the order of the rosters, one kind after the other.
fn through_slots(
    view: &TenantView<'_>,
    queries: &[Query<'_>],
    candidates: &[Candidates],
    page: Option<&PageCursor>,
    count: usize,
    effort: &Effort,
) -> Result<CursorPage, Error> {
    let (forth, place, has_more_behind) =
        page.map_or((true, None, false), |page| (page.forth, Some(&page.place), page.has_more_behind));
    let mut scan = CursorScan { sheet: PageBuilder::new(count), left: LIMITS.cursor_scan_max, stop: None, effort };
    scan.go(view, queries, candidates, forth, place)?;
    let mut documents = scan.sheet.documents;
    // What the pages that follow have behind them, each on its side: onward, and back to where this page was come from.
    let shown = !documents.is_empty();
    let onward = scan.stop.take().map(|stop| (stop, shown || has_more_behind));
    let back = place.filter(|_| has_more_behind).map(|place| (place.clone(), shown || onward.is_some()));
    let (next, previous) = if forth {
        (onward, back)
    } else {
        documents.reverse();
        (back, onward.map(|(stop, has_more_behind)| (stop.behind(), has_more_behind)))
    };
    let counted = queries.iter().zip(candidates).all(|(query, candidates)| candidates.are_matches(query));
    let total = match (counted, &place, &next) {
        (true, ..) => Some(population(view, queries, candidates)?),
        (false, None, None) => u64::try_from(documents.len()).ok(),
        (false, ..) => None,
    };
    let next = next.map(|(place, has_more_behind)| PageCursor { forth: true, place, has_more_behind });
    let previous = previous.map(|(place, has_more_behind)| PageCursor { forth: false, place, has_more_behind });
    Ok(CursorPage { documents, total, next, previous })
}

fn population(view: &TenantView<'_>, queries: &[Query<'_>], candidates: &[Candidates]) -> Result<u64, Error> {
    let counts = queries.iter().zip(candidates).map(|(query, candidates)| candidates.count(view, query.kind));
    Ok(counts.sum::<Result<_, _>>()?)
}

/// What was met on the way from a place.
struct CursorScan<'e> {
    sheet: PageBuilder,
    /// How many more may be looked at.
    left: usize,
    /// The first match beyond the page, or where enough was looked at.
    stop: Option<SortPosition>,
    effort: &'e Effort,
}

impl CursorScan<'_> {
    fn go(
        &mut self,
        view: &TenantView<'_>,
        queries: &[Query<'_>],
        candidates: &[Candidates],
        forth: bool,
        place: Option<&SortPosition>,
    ) -> Result<(), Error> {
        let ahead = |(query, _): &(&Query<'_>, &Candidates)| match place {
            Some(place) if forth => query.kind >= place.kind,
            Some(place) => query.kind <= place.kind,
            None => true,
        };
        let mut queries: Vec<(&Query<'_>, &Candidates)> = queries.iter().zip(candidates).filter(ahead).collect();
        if !forth {
            queries.reverse();
        }
        for (query, candidates) in queries {
            let slot = place.filter(|place| place.kind == query.kind).map(|place| place.slot);
            let way = if forth { Way::From(slot.unwrap_or(0)) } else { Way::Before(slot.unwrap_or(u64::MAX)) };
            if self.look(view, query, candidates, way)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn look(
        &mut self,
        view: &TenantView<'_>,
        query: &Query<'_>,
        candidates: &Candidates,
        way: Way,
    ) -> Result<ControlFlow<()>, Error> {
        let kind = query.kind;
        let base = query.predicate.as_ref().map_or("", |predicate| predicate.base);
        let mut relations = Relations::new(view, base).counting(self.effort);
        // A page without a filter needs the leaves that its resources are in.
        let of_page = 1 + self.sheet.open() as u64 / roster::LEAF_SLOTS;
        let leaves = if query.predicate.is_some() { 1 } else { usize::try_from(of_page).unwrap_or(usize::MAX) };
        let mut ahead = DocumentsAhead::new();
        candidates.visit(view, kind, way, leaves, &mut |seats| {
            for (at, (slot, id)) in seats.iter().enumerate() {
                let (slot, full) = (*slot, self.sheet.is_full());
                // A walk is never refused: where it has computed enough the page ends, full or not.
                if self.left == 0 || !self.effort.affords(1) || full && query.predicate.is_none() {
                    self.stop = Some(SortPosition { kind, slot, key: None });
                    return Ok(ControlFlow::Break(()));
                }
                let wanted = if query.predicate.is_some() { self.left } else { self.left.min(self.sheet.open()) };
                ahead.before(view, of_kind(kind, &seats[at..]).take(wanted));
                self.left -= 1;
                let Some(document) = listed(view, kind, id)? else {
                    continue;
                };
                self.effort.read(document.resource.attributes().values());
                let kept = match &query.predicate {
                    Some(predicate) => predicate.keep(&mut relations, kind, document, self.effort)?,
                    None => Some(document),
                };
                match kept {
                    Some(_) if full => {
                        // There is another page, and this is where it begins.
                        self.stop = Some(SortPosition { kind, slot, key: None });
                        return Ok(ControlFlow::Break(()));
                    }
                    Some(document) => self.sheet.put(kind, document),
                    None => {}
                }
            }
            Ok(ControlFlow::Continue(()))
        })
    }
}
