//! Who belongs to which group.
//!
//! A group's members stand in a roster of the group's own, so that they can be listed in order; an edge for each pair of
//! group and member holds the member's slot, so that one is found, added or removed without reading the others; and each
//! member has an [`entry`] of the groups that it is in, in the order of their slots. All three are written in the batch of
//! the change, together with the group's document. What a change costs is what it changes, however large the group is.

use super::ahead::DocumentsAhead;
use super::{Document, Error, Terms, entry, find, readable, roster};
use crate::directory::roster::Extent;
use crate::keys::{EntryName, Kind, Roll, is_id};
use crate::ledger::{self, Read};
use crate::ports::READS_MAX;
use crate::scim::filter::{ElementFilter, Reads};
use crate::scim::{self, Effort, RelationStep, Resource};
use crate::settings::LIMITS;
use crate::tenant::state::TenantTurn;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A user or group in its role as a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What it is.
    pub kind: Kind,
    /// Its id.
    pub id: String,
}

impl Member {
    /// What its seat in the roster says.
    pub(super) fn seat(&self) -> String {
        match self.kind {
            Kind::User => self.id.clone(),
            Kind::Group => format!("{GROUP_MARK}{}", self.id),
        }
    }

    pub(super) fn of_seat(seat: &str) -> Member {
        match seat.strip_prefix(GROUP_MARK) {
            Some(id) => Member { kind: Kind::Group, id: id.to_owned() },
            None => Member { kind: Kind::User, id: seat.to_owned() },
        }
    }
}

/// No id has a dot.
const GROUP_MARK: &str = "g.";

/// The members that a change adds and removes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// In the order in which they come.
    pub added: Vec<Member>,
    /// With their slots.
    pub removed: Vec<(u64, Member)>,
}

impl Difference {
    /// Whether anything changes.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

/// The steps that give a group these members and no others.
pub(super) fn exactly(ids: &[String]) -> Vec<RelationStep<'static>> {
    vec![RelationStep::Clear, RelationStep::Add(ids.to_vec())]
}

/// Works out what steps come to: for a group that is there, or for a new one.
pub(super) fn difference(
    view: &impl Read,
    terms: Terms<'_>,
    group: &str,
    present: Option<&Document>,
    steps: &[RelationStep],
) -> Result<Difference, Error> {
    let Terms { base, effort, .. } = terms;
    let mut desired = DesiredMembers::default();
    let mut cache = MemberCache { view, base, present, standing: None, elements: BTreeMap::new(), effort };
    for step in steps {
        match step {
            RelationStep::Add(ids) => ids.iter().for_each(|id| desired.set(id, true)),
            RelationStep::Remove(ids) => ids.iter().for_each(|id| desired.set(id, false)),
            RelationStep::Clear => desired = DesiredMembers { cleared: true, ..DesiredMembers::default() },
            RelationStep::RemoveFitting(filter) => {
                cache.fitting(filter, &desired)?.iter().for_each(|id| desired.set(id, false));
            }
        }
    }
    desired.against(view, group, present)
}

/// What shall be so in the end, by id, in the order in which the ids came.
#[derive(Default)]
struct DesiredMembers {
    cleared: bool,
    order: Vec<String>,
    there: BTreeMap<String, bool>,
}

impl DesiredMembers {
    fn set(&mut self, id: &str, there: bool) {
        if self.there.insert(id.to_owned(), there).is_none() {
            self.order.push(id.to_owned());
        }
    }

    fn wants(&self, id: &str) -> bool {
        self.there.get(id).copied().unwrap_or(!self.cleared)
    }

    fn against(&self, view: &impl Read, group: &str, present: Option<&Document>) -> Result<Difference, Error> {
        let mut difference = Difference::default();
        let mut old = BTreeMap::new();
        if self.cleared {
            for (slot, member) in all(view, present)? {
                old.insert(member.id.clone(), slot);
                if !self.wants(&member.id) {
                    difference.removed.push((slot, member));
                }
            }
        } else if present.is_some() {
            for id in self.order.iter().filter(|id| is_id(id)) {
                if let Some(slot) = edge(view, group, id)? {
                    old.insert(id.clone(), slot);
                }
            }
        }
        for id in &self.order {
            match (self.wants(id), old.get(id)) {
                (true, None) => difference.added.push(admitted(view, group, id)?),
                (false, Some(slot)) if !self.cleared => {
                    let kind = if exists(view, Kind::User, id)? { Kind::User } else { Kind::Group };
                    difference.removed.push((*slot, Member { kind, id: id.clone() }));
                }
                (true, Some(_)) | (false, _) => {}
            }
        }
        Ok(difference)
    }
}

/// Members as filters see them, each read once in a request, however many filters ask.
struct MemberCache<'c, V: Read> {
    view: &'c V,
    base: &'c str,
    present: Option<&'c Document>,
    /// Who is a member before the request, in order and to be found; nothing where no filter has asked.
    standing: Option<(Vec<String>, BTreeSet<String>)>,
    /// Nothing for an id that names neither user nor group.
    elements: BTreeMap<String, Option<Value>>,
    effort: &'c Effort,
}

impl<V: Read> MemberCache<'_, V> {
    /// The ids that are members by now and that fit.
    fn fitting(&mut self, filter: &ElementFilter<'_>, desired: &DesiredMembers) -> Result<Vec<String>, Error> {
        self.know(desired)?;
        let nobody = (Vec::new(), BTreeSet::new());
        let (old, known) = self.standing.as_ref().filter(|_| !desired.cleared).unwrap_or(&nobody);
        let new = desired.order.iter().filter(|id| !known.contains(*id));
        let mut fitting = Vec::new();
        for id in old.iter().chain(new).filter(|id| desired.wants(id)) {
            if let Some(Some(element)) = self.elements.get(id) {
                filter.spend(self.effort, std::slice::from_ref(element), MEMBERS)?;
                if filter.matches(element) {
                    fitting.push(id.clone());
                }
            }
        }
        Ok(fitting)
    }

    /// Reads whoever may be a member by now and was not read yet.
    fn know(&mut self, desired: &DesiredMembers) -> Result<(), Error> {
        let max = LIMITS.scan_max;
        if !desired.cleared && self.standing.is_none() {
            if self.present.is_some_and(|group| group.members.members > max) {
                return Err(scim::Error::too_many_to_look_at(max).into());
            }
            let all: Vec<String> = all(self.view, self.present)?.into_iter().map(|(_, member)| member.id).collect();
            let known = all.iter().cloned().collect();
            self.standing = Some((all, known));
        }
        let old = self.standing.as_ref().filter(|_| !desired.cleared).map_or(&[][..], |(all, _)| all);
        // Each is looked for, whether it fits or not.
        self.effort.spend(old.len() + desired.order.len());
        self.effort.check(MEMBERS)?;
        for id in old.iter().chain(&desired.order) {
            if desired.wants(id) && !self.elements.contains_key(id) {
                let found = resolve(self.view, id)?;
                self.effort.read(found.iter().flat_map(|(_, resource)| resource.attributes().values()));
                self.effort.check(MEMBERS)?;
                let element = found.map(|(member, resource)| element(&member, Some(&resource), Some(self.base)));
                self.elements.insert(id.clone(), element);
            }
        }
        Ok(())
    }
}

/// What is refused where looking at members costs too much.
const MEMBERS: &str = "members";

/// RFC 7643 §4.2: a member is a user or a group that we have. One that we do not know is refused by name: taking it on
/// trust would make a member that nobody can look up, and later perhaps somebody else.
fn admitted(view: &impl Read, group: &str, id: &str) -> Result<Member, Error> {
    let refused = |found: &str| {
        let id: String = id.chars().take(80).collect();
        scim::Error::value(format!("members: expected the id of a user or another group, found {id:?}, {found}"))
    };
    if id == group {
        return Err(refused("the group itself").into());
    }
    for kind in Kind::ALL {
        if exists(view, kind, id)? {
            return Ok(Member { kind, id: id.to_owned() });
        }
    }
    Err(refused("which names neither").into())
}

pub(super) fn exists(view: &impl Read, kind: Kind, id: &str) -> Result<bool, ledger::Error> {
    Ok(match view.space().document(kind, id) {
        Some(key) => view.get(&key)?.is_some(),
        None => false,
    })
}

/// A group as its members are told of it.
#[derive(Clone, Copy)]
pub(super) struct Group<'g> {
    /// Its place in the roster of groups.
    pub(super) slot: u64,
    /// Its id.
    pub(super) id: &'g str,
}

/// Writes a difference, and brings the extent of the group's roster forward.
pub(super) fn write(
    turn: &mut TenantTurn<'_>,
    group: Group<'_>,
    extent: &mut Extent,
    difference: &Difference,
) -> Result<(), Error> {
    let roll = Roll::MembersOf(group.id.to_owned());
    let slots: Vec<u64> = difference.removed.iter().map(|(slot, _)| *slot).collect();
    roster::remove_many(turn, &roll, extent, &slots)?;
    for (_, member) in &difference.removed {
        unlink(turn, group, &member.id)?;
    }
    for member in &difference.added {
        let slot = roster::append(turn, &roll, extent, &member.seat())?;
        link(turn, group, &member.id, slot)?;
    }
    Ok(())
}

/// Notes a member's slot, and the group among the member's groups.
pub(super) fn link(turn: &mut TenantTurn<'_>, group: Group<'_>, member: &str, slot: u64) -> Result<(), ledger::Error> {
    turn.write(turn.space().edge(group.id, member), &slot);
    entry::join(turn, &EntryName::groups_of(member), group.slot, group.id)
}

/// Whether a resource is in more groups than one change takes it out of.
pub(super) fn is_in_many_groups(view: &impl Read, id: &str) -> Result<bool, ledger::Error> {
    let groups = entry::read(view, &EntryName::groups_of(id))?.map_or(0, |groups| groups.len());
    Ok(groups > u64::try_from(LIMITS.groups_left_max).unwrap_or(u64::MAX))
}

/// Takes a resource out of the groups that it is in, of as many as one change may write; each of them gets its next
/// revision. Nobody is left a member of something who is not there.
pub(super) fn leave_groups(turn: &mut TenantTurn<'_>, id: &str, now: jiff::Timestamp) -> Result<(), Error> {
    for (slot, group) in groups_of(turn, id, LIMITS.groups_left_max)? {
        entry::leave(turn, &EntryName::groups_of(id), slot, &group)?;
        let Some(mut document) = find(turn, Kind::Group, &group)? else {
            continue;
        };
        if let Some(slot) = edge(turn, &group, id)? {
            roster::remove(turn, &Roll::MembersOf(group.clone()), &mut document.members, slot)?;
            turn.remove(turn.space().edge(&group, id));
            document.resource.meta.revision += 1;
            document.resource.meta.last_modified = now.max(document.resource.meta.last_modified);
            super::put(turn, Kind::Group, &document)?;
        }
    }
    Ok(())
}

/// Lets every member of a group go, which itself is about to.
pub(super) fn dissolve(turn: &mut TenantTurn<'_>, group: &Document) -> Result<(), Error> {
    let of = Group { slot: group.slot, id: &group.resource.id };
    for (_, member) in all(turn, Some(group))? {
        unlink(turn, of, &member.id)?;
    }
    let mut extent = group.members;
    roster::raze(turn, &Roll::MembersOf(of.id.to_owned()), &mut extent);
    Ok(())
}

fn unlink(turn: &mut TenantTurn<'_>, group: Group<'_>, member: &str) -> Result<(), ledger::Error> {
    turn.remove(turn.space().edge(group.id, member));
    entry::leave(turn, &EntryName::groups_of(member), group.slot, group.id)
}

/// The slot of a member, if it is one.
pub(super) fn edge(view: &impl Read, group: &str, member: &str) -> Result<Option<u64>, ledger::Error> {
    view.read(&view.space().edge(group, member))
}

/// Slots and ids of the groups that a user or group is a member of, `limit` of them at most.
fn groups_of(view: &impl Read, member: &str, limit: usize) -> Result<Vec<roster::Seat>, ledger::Error> {
    entry::first(view, &EntryName::groups_of(member), limit)
}

/// All members of a group in their order, with their slots.
pub(super) fn all(view: &impl Read, group: Option<&Document>) -> Result<Vec<(u64, Member)>, ledger::Error> {
    let Some(group) = group.filter(|group| group.members.members > 0) else {
        return Ok(Vec::new());
    };
    let roll = Roll::MembersOf(group.resource.id.clone());
    let seats = roster::page(view, &roll, 0, usize::MAX)?;
    Ok(seats.into_iter().map(|(slot, seat)| (slot, Member::of_seat(&seat))).collect())
}

fn resolve(view: &impl Read, id: &str) -> Result<Option<(Member, Resource)>, Error> {
    for kind in Kind::ALL {
        if let Some(document) = find(view, kind, id)? {
            return Ok(Some((Member { kind, id: id.to_owned() }, document.resource)));
        }
    }
    Ok(None)
}

/// How much of what belongs to a resource an answer or a filter needs.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// Nothing.
    Nothing,
    /// Whether these are among the members; all groups of a user.
    Ids(Vec<String>),
    /// All of it.
    Whole,
}

impl From<Reads> for Wanted {
    fn from(reads: Reads) -> Wanted {
        match reads {
            Reads::Ids(ids) if ids.is_empty() => Wanted::Nothing,
            Reads::Ids(ids) => Wanted::Ids(ids),
            Reads::Whole => Wanted::Whole,
        }
    }
}

/// Completes resources by what is kept apart from them: the members of groups, the groups of users. It lives as long as
/// one request, and remembers what it read.
pub struct Relations<'v, V: Read> {
    view: &'v V,
    /// The tenant URL, for `$ref`.
    base: &'v str,
    /// Whether members are shown with their names.
    named: bool,
    groups: BTreeMap<String, (Option<String>, Vec<String>)>,
    read: u64,
    /// What the request may still compute; nothing where nobody counts.
    effort: Option<&'v Effort>,
}

impl<'v, V: Read> Relations<'v, V> {
    /// For the resources of one request.
    pub fn new(view: &'v V, base: &'v str) -> Relations<'v, V> {
        Relations { view, base, named: true, groups: BTreeMap::new(), read: 0, effort: None }
    }

    /// These relations, with the names of members or without.
    pub fn naming(self, named: bool) -> Relations<'v, V> {
        Relations { named, ..self }
    }

    /// These relations, which count what is read and told.
    pub fn counting(self, effort: &'v Effort) -> Relations<'v, V> {
        Relations { effort: Some(effort), ..self }
    }

    /// Reads at once which groups the users of a page are in.
    pub fn ahead_of_users(&self, page: &[(Kind, Document)]) {
        let users: Vec<&Document> =
            page.iter().filter(|(kind, _)| *kind == Kind::User).map(|(_, document)| document).collect();
        for some in users.chunks(READS_MAX) {
            let space = self.view.space();
            let key = |user: &&Document| space.entry(&EntryName::groups_of(&user.resource.id));
            self.view.read_ahead(some.iter().map(key).collect());
        }
    }

    /// Names cost a read each. They are told while half of the budget is left: members without their names are an answer,
    /// too.
    fn affords_names(&self, count: u64) -> bool {
        let afforded = |effort: &Effort| effort.affords(usize::try_from(count).unwrap_or(usize::MAX));
        self.named && count <= LIMITS.members_named_max && self.effort.is_none_or(afforded)
    }

    /// The resource with the wanted part of its relation, as its type's schema has it.
    ///
    /// # Errors
    /// The budget of the request is spent, or the store does not answer.
    pub fn complete(&mut self, kind: Kind, document: Document, wanted: &Wanted) -> Result<Resource, Error> {
        let elements = match (kind, wanted) {
            (_, Wanted::Nothing) => Vec::new(),
            (Kind::User, Wanted::Ids(_) | Wanted::Whole) => self.groups_of_user(&document.resource.id)?,
            (Kind::Group, Wanted::Ids(ids)) => self.named_members(&document, ids)?,
            (Kind::Group, Wanted::Whole) => self.members(&document)?,
        };
        if let Some(effort) = self.effort {
            effort.spend(elements.len() / TOLD_A_UNIT);
            effort.check(kind.resource_type().relation)?;
        }
        let mut resource = document.resource;
        if !elements.is_empty() {
            let relation = kind.resource_type().relation;
            resource.attributes_mut().insert(relation.to_owned(), Value::Array(elements));
        }
        Ok(resource)
    }

    fn members(&mut self, group: &Document) -> Result<Vec<Value>, Error> {
        let count = group.members.members;
        self.read += count;
        if self.read > LIMITS.members_answered_max {
            return Err(scim::Error::too_many_members(LIMITS.members_answered_max).into());
        }
        let named = self.affords_names(count);
        let mut elements = Vec::new();
        let members = all(self.view, Some(group))?;
        let mut ahead = DocumentsAhead::new();
        for (at, (_, member)) in members.iter().enumerate() {
            let resource = if named {
                let rest = members.get(at..).unwrap_or_default();
                ahead.before(self.view, rest.iter().map(|(_, member)| (member.kind, member.id.as_str())));
                readable(find(self.view, member.kind, &member.id))?.map(|found| found.resource)
            } else {
                None
            };
            if let (Some(effort), Some(resource)) = (self.effort, &resource) {
                effort.read(resource.attributes().values());
            }
            elements.push(element(member, resource.as_ref(), Some(self.base)));
        }
        Ok(elements)
    }

    fn named_members(&mut self, group: &Document, ids: &[String]) -> Result<Vec<Value>, Error> {
        let mut elements = Vec::new();
        for id in ids.iter().filter(|id| is_id(id)) {
            if edge(self.view, &group.resource.id, id)?.is_some() {
                elements.push(json!({"value": id}));
            }
        }
        Ok(elements)
    }

    /// RFC 7643 §4.1.2: the groups that a user is a member of, `direct`, and those that these are members of, `indirect`.
    /// Groups may contain each other; each is listed once, and looked at once.
    fn groups_of_user(&mut self, user: &str) -> Result<Vec<Value>, Error> {
        let mut seen = BTreeSet::new();
        let mut elements = Vec::new();
        let mut level = self.groups_of(user)?;
        for depth in 0..LIMITS.group_depth_max {
            let mut above = Vec::new();
            for id in level {
                if elements.len() >= LIMITS.user_groups_max || !seen.insert(id.clone()) {
                    continue;
                }
                if let (Some(name), parents) = self.group(&id)? {
                    let kind = if depth == 0 { "direct" } else { "indirect" };
                    let place = format!("{}/Groups/{id}", self.base);
                    elements.push(json!({"value": id, "$ref": place, "display": name, "type": kind}));
                    above.extend(parents);
                }
            }
            level = above;
        }
        Ok(elements)
    }

    /// A group's name, if it is there, and the groups that it is in.
    fn group(&mut self, id: &str) -> Result<(Option<String>, Vec<String>), Error> {
        if let Some(known) = self.groups.get(id) {
            return Ok(known.clone());
        }
        let group = readable(find(self.view, Kind::Group, id))?;
        let name = group.and_then(|group| group.resource.display_name().map(str::to_owned));
        let found = (name, self.groups_of(id)?);
        self.groups.insert(id.to_owned(), found.clone());
        Ok(found)
    }

    /// The ids of the groups that a resource is in, as many as an answer may have.
    fn groups_of(&self, id: &str) -> Result<Vec<String>, Error> {
        let groups = groups_of(self.view, id, LIMITS.user_groups_max)?;
        Ok(groups.into_iter().map(|(_, id)| id).collect())
    }
}

/// Members or groups that are told in the time of one comparison.
const TOLD_A_UNIT: usize = 4;

/// A member as a group shows it. `display` is the displayName, or a user's userName where it has none.
fn element(member: &Member, resource: Option<&Resource>, base: Option<&str>) -> Value {
    let of = member.kind.resource_type();
    let mut element = Map::new();
    element.insert("value".to_owned(), json!(member.id));
    if let Some(base) = base {
        element.insert("$ref".to_owned(), json!(format!("{base}{}/{}", of.endpoint, member.id)));
    }
    if let Some(name) = resource.and_then(|resource| resource.display_name().or_else(|| resource.name(of))) {
        element.insert("display".to_owned(), json!(name));
    }
    element.insert("type".to_owned(), json!(of.name));
    Value::Object(element)
}
