//! A list page by page, from place to place (RFC 9865).
//!
//! A place is a slot, and slots never move: whoever is there all the while is met exactly once, whoever comes or leaves
//! meanwhile. In an order of the client's choice the place is what the next resource is sorted by, and then its slot. A
//! page reads what it shows, a filter without an index up to
//! [`Limits::cursor_scan_max`](crate::settings::Limits::cursor_scan_max) resources. An order has to read everything, as it
//! has to where pages are counted, and is refused where that is refused.

use super::search::{Hit, Leads, Sheet, hits};
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
pub struct CursorPage {
    /// The one behind the place, or the one ahead of it.
    forth: bool,
    place: SortPosition,
    /// Whether the walk met anything on the other side of the place.
    met: bool,
}

/// A page of a walk.
pub struct WalkedPage {
    /// The resources of the page, as they are stored.
    pub documents: Vec<(Kind, Document)>,
    /// How many there are on all pages, where that is known without reading them.
    pub total: Option<u64>,
    /// The page behind this one, if there is any.
    pub next: Option<CursorPage>,
    /// The page ahead of this one, if there is any.
    pub previous: Option<CursorPage>,
}

/// The page that is asked for, or the first one: `count` resources, fewer where a filter has looked at enough.
pub fn walk(
    view: &TenantView<'_>,
    queries: &[Query<'_>],
    descending: bool,
    page: Option<&CursorPage>,
    count: usize,
    effort: &Effort,
) -> Result<WalkedPage, Error> {
    if count == 0 {
        let total = super::search(view, queries, descending, 0, 0, effort)?.total;
        return Ok(WalkedPage { documents: Vec::new(), total: Some(total), next: None, previous: None });
    }
    let sorted = queries.iter().any(|query| query.sort.is_some());
    let leads = Leads::of_all(view, queries)?;
    if sorted || leads.iter().all(Leads::are_few) {
        through_all(view, queries, leads, descending, page, count, effort)
    } else {
        through_slots(view, queries, &leads, page, count, effort)
    }
}

/// Where every match is at hand, because they are few or have to be sorted.
fn through_all(
    view: &TenantView<'_>,
    queries: &[Query<'_>],
    leads: Vec<Leads>,
    descending: bool,
    page: Option<&CursorPage>,
    count: usize,
    effort: &Effort,
) -> Result<WalkedPage, Error> {
    let place = |hit: Hit| (SortPosition { kind: hit.kind, slot: hit.slot, key: hit.key.clone() }, hit);
    let mut all: Vec<(SortPosition, Hit)> = hits(view, queries, leads, effort)?.into_iter().map(place).collect();
    all.sort_by(|(one, _), (other, _)| one.compare(other, descending));
    let at =
        |place: &SortPosition| all.partition_point(|(other, _)| other.compare(place, descending) == Ordering::Less);
    let (start, end) = match page {
        None => (0, count),
        Some(CursorPage { forth: true, place, .. }) => (at(place), at(place) + count),
        Some(CursorPage { forth: false, place, .. }) => (at(place).saturating_sub(count), at(place)),
    };
    let (mut start, mut end) = (start, end.min(all.len()));
    let mut sheet = Sheet::new(count);
    let forth = page.is_none_or(|page| page.forth);
    let nearest: Vec<usize> = if forth { (start..end).collect() } else { (start..end).rev().collect() };
    for at in nearest {
        if sheet.is_full() {
            // The page has enough, and whoever goes on in its direction begins here.
            (start, end) = if forth { (start, at) } else { (at + 1, end) };
            break;
        }
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
    let next = next.map(|place| CursorPage { forth: true, place, met: end > 0 });
    let previous = previous.map(|place| CursorPage { forth: false, place, met: start < all.len() });
    Ok(WalkedPage { documents, total: u64::try_from(all.len()).ok(), next, previous })
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
    leads: &[Leads],
    page: Option<&CursorPage>,
    count: usize,
    effort: &Effort,
) -> Result<WalkedPage, Error> {
    let (forth, place, met) = page.map_or((true, None, false), |page| (page.forth, Some(&page.place), page.met));
    let mut leg = Leg { sheet: Sheet::new(count), left: LIMITS.cursor_scan_max, stop: None, effort };
    leg.go(view, queries, leads, forth, place)?;
    let mut documents = leg.sheet.documents;
    // What the pages that follow have behind them, each on its side: onward, and back to where this page was come from.
    let shown = !documents.is_empty();
    let onward = leg.stop.take().map(|stop| (stop, shown || met));
    let back = place.filter(|_| met).map(|place| (place.clone(), shown || onward.is_some()));
    let (next, previous) = if forth {
        (onward, back)
    } else {
        documents.reverse();
        (back, onward.map(|(stop, met)| (stop.behind(), met)))
    };
    let counted = queries.iter().zip(leads).all(|(query, leads)| leads.are_matches(query));
    let total = match (counted, &place, &next) {
        (true, ..) => Some(population(view, queries, leads)?),
        (false, None, None) => u64::try_from(documents.len()).ok(),
        (false, ..) => None,
    };
    let next = next.map(|(place, met)| CursorPage { forth: true, place, met });
    let previous = previous.map(|(place, met)| CursorPage { forth: false, place, met });
    Ok(WalkedPage { documents, total, next, previous })
}

fn population(view: &TenantView<'_>, queries: &[Query<'_>], leads: &[Leads]) -> Result<u64, Error> {
    let counts = queries.iter().zip(leads).map(|(query, leads)| leads.count(view, query.kind));
    Ok(counts.sum::<Result<_, _>>()?)
}

/// What was met on the way from a place.
struct Leg<'e> {
    sheet: Sheet,
    /// How many more may be looked at.
    left: usize,
    /// The first match beyond the page, or where enough was looked at.
    stop: Option<SortPosition>,
    effort: &'e Effort,
}

impl Leg<'_> {
    fn go(
        &mut self,
        view: &TenantView<'_>,
        queries: &[Query<'_>],
        leads: &[Leads],
        forth: bool,
        place: Option<&SortPosition>,
    ) -> Result<(), Error> {
        let ahead = |(query, _): &(&Query<'_>, &Leads)| match place {
            Some(place) if forth => query.kind >= place.kind,
            Some(place) => query.kind <= place.kind,
            None => true,
        };
        let mut queries: Vec<(&Query<'_>, &Leads)> = queries.iter().zip(leads).filter(ahead).collect();
        if !forth {
            queries.reverse();
        }
        for (query, leads) in queries {
            let slot = place.filter(|place| place.kind == query.kind).map(|place| place.slot);
            let way = if forth { Way::From(slot.unwrap_or(0)) } else { Way::Before(slot.unwrap_or(u64::MAX)) };
            if self.look(view, query, leads, way)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn look(
        &mut self,
        view: &TenantView<'_>,
        query: &Query<'_>,
        leads: &Leads,
        way: Way,
    ) -> Result<ControlFlow<()>, Error> {
        let kind = query.kind;
        let base = query.sieve.as_ref().map_or("", |sieve| sieve.base);
        let mut relations = Relations::new(view, base).counting(self.effort);
        leads.visit(view, kind, way, &mut |slot, id| {
            let full = self.sheet.is_full();
            // A walk is never refused: where it has computed enough the page ends, full or not.
            if self.left == 0 || !self.effort.affords(1) || full && query.sieve.is_none() {
                self.stop = Some(SortPosition { kind, slot, key: None });
                return Ok(ControlFlow::Break(()));
            }
            self.left -= 1;
            let Some(document) = listed(view, kind, id)? else {
                return Ok(ControlFlow::Continue(()));
            };
            self.effort.read(document.resource.attributes().values());
            let kept = match &query.sieve {
                Some(sieve) => sieve.keep(&mut relations, kind, document, self.effort)?,
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
            Ok(ControlFlow::Continue(()))
        })
    }
}
