//! What a request came to, in words and values for the journal.

use crate::connection::sign::is_guid;
use crate::directory::{Document, Member, Plan};
use crate::journal::{Action, GroupSubject, Subject};
use crate::keys::Kind;
use crate::scim::filter::Lookup;
use crate::scim::{Mask, Resource, diff};
use http::Method;
use serde_json::{Map, Value, json};

/// What a request came to, beside its answer.
#[derive(Clone, Default)]
pub(super) struct Event {
    pub(super) action: Option<Action>,
    pub(super) operation: String,
    pub(super) subject: Option<Subject>,
    pub(super) group: Option<GroupSubject>,
    pub(super) changed: bool,
    pub(super) before: Option<Map<String, Value>>,
    pub(super) after: Option<Map<String, Value>>,
}

impl Event {
    pub(super) fn of(action: Action, operation: String) -> Event {
        Event { action: Some(action), operation, ..Event::default() }
    }

    /// Whether the request set out to read.
    pub(super) fn reads(&self, method: &Method) -> bool {
        match self.action {
            Some(Action::Read | Action::Match | Action::Probe | Action::List | Action::Discover) => true,
            Some(
                Action::Create
                | Action::Update
                | Action::Rename
                | Action::Disable
                | Action::Enable
                | Action::Delete
                | Action::Bulk
                | Action::Refused
                | Action::Mend,
            )
            | None => method.is_safe(),
        }
    }

    /// Whom it is about.
    pub(super) fn about(&mut self, kind: Kind, resource: &Resource) {
        let (id, name) = (resource.id.clone(), name_of(kind, resource).to_owned());
        match kind {
            Kind::User => self.subject = Some(Subject { id, user_name: name }),
            Kind::Group => self.group = Some(GroupSubject { id, display_name: name }),
        }
    }
}

/// Says what a query was for. Providers look for a resource by a unique attribute before they create or change it, and
/// Entra tests the connection by looking for one whose name is a random GUID.
pub(super) fn describe_query(
    event: &mut Event,
    mask: &Mask<'_>,
    noun: &str,
    lookup: Option<&Lookup>,
    filter: Option<&str>,
    documents: &[(Kind, Document)],
    none: bool,
) {
    match (lookup, filter) {
        (Some(Lookup::Name(name)), _) if none && is_guid(name) => {
            event.action = Some(Action::Probe);
            event.operation = "test connection".to_owned();
        }
        (Some(_), Some(filter)) => {
            event.action = Some(Action::Match);
            event.operation = ["look up ", noun, " by ", cap(&mask.text(filter))].concat();
            if let [(kind, only)] = documents {
                event.about(*kind, &only.resource);
            }
        }
        (None, Some(filter)) => event.operation = format!("list {noun}s where {}", cap(&mask.text(filter))),
        (_, None) => {}
    }
}

/// Says what a change did.
pub(super) fn describe_change(event: &mut Event, plan: &Plan) {
    let (kind, noun) = (plan.kind, plan.kind.noun());
    let before = plan.before.as_ref().map(|document| &document.resource);
    let after = plan.after.as_ref();
    event.changed = plan.changes();
    if let Some(resource) = after.or(before) {
        event.about(kind, resource);
    }
    let (mut old, mut new) = diff(before, after);
    let (action, operation) = match (before, after) {
        (None, Some(after)) => (Action::Create, format!("create {noun} {}{}", name_of(kind, after), joined(plan))),
        (Some(before), None) => (Action::Delete, format!("delete {noun} {}", name_of(kind, before))),
        (Some(_), Some(after)) if !plan.changes() => {
            (Action::Update, format!("leave {noun} {} as it is", name_of(kind, after)))
        }
        (Some(_), Some(after)) if old.is_empty() && new.is_empty() => (Action::Update, member_words(plan, after)),
        (Some(before), Some(after)) => {
            let (action, words) = changed_words(kind, before, after, &new, &old);
            (action, words + &joined(plan))
        }
        (None, None) => return,
    };
    event.action = Some(action);
    event.operation = operation;
    if event.changed {
        let removed: Vec<&Member> = plan.members.removed.iter().map(|(_, member)| member).collect();
        name_members(&mut old, &removed);
        name_members(&mut new, &plan.members.added.iter().collect::<Vec<_>>());
        event.before = (!old.is_empty()).then_some(old);
        event.after = (!new.is_empty()).then_some(new);
    }
}

/// Members in one record beyond which it only says how many there were.
const MEMBERS_NAMED_MAX: usize = 20;

/// Members that went, or came, beside the attributes that differ.
fn name_members(attributes: &mut Map<String, Value>, members: &[&Member]) {
    if (1..=MEMBERS_NAMED_MAX).contains(&members.len()) {
        let named = members.iter().map(|member| json!({"value": member.id, "type": member.kind.resource_type().name}));
        attributes.insert("members".to_owned(), named.collect());
    }
}

/// What a change did to a group's members, behind what else it did.
fn joined(plan: &Plan) -> String {
    let (added, removed) = (plan.members.added.len(), plan.members.removed.len());
    match (added, removed) {
        (0, 0) => String::new(),
        (added, 0) => format!(" with {} added", members(added)),
        (0, removed) => format!(" with {} removed", members(removed)),
        (added, removed) => format!(" with {} added and {removed} removed", members(added)),
    }
}

fn member_words(plan: &Plan, group: &Resource) -> String {
    let name = name_of(plan.kind, group);
    match (plan.members.added.len(), plan.members.removed.len()) {
        (added, 0) => format!("add {} to group {name}", members(added)),
        (0, removed) => format!("remove {} from group {name}", members(removed)),
        (added, removed) => format!("add {} to group {name} and remove {removed}", members(added)),
    }
}

fn members(count: usize) -> String {
    if count == 1 { "1 member".to_owned() } else { format!("{count} members") }
}

fn changed_words(
    kind: Kind,
    before: &Resource,
    after: &Resource,
    new: &Map<String, Value>,
    old: &Map<String, Value>,
) -> (Action, String) {
    let (of, noun) = (kind.resource_type(), kind.noun());
    let renamed = before.name(of) != after.name(of);
    let name = if renamed {
        format!("{} to {}", name_of(kind, before), name_of(kind, after))
    } else {
        name_of(kind, after).to_owned()
    };
    match (before.active(), after.active()) {
        (true, false) if renamed => (Action::Disable, format!("disable {noun} and rename {name}")),
        (false, true) if renamed => (Action::Enable, format!("enable {noun} and rename {name}")),
        (true, false) => (Action::Disable, format!("disable {noun} {name}")),
        (false, true) => (Action::Enable, format!("enable {noun} {name}")),
        _ if renamed => (Action::Rename, format!("rename {noun} {name}")),
        _ => {
            let mut names: Vec<&str> = old.keys().chain(new.keys()).map(|name| short(name)).collect();
            names.sort_unstable();
            names.dedup();
            (Action::Update, format!("update {noun} {name} ({})", names.join(", ")))
        }
    }
}

/// An attribute without the URN of its extension.
fn short(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, name)| name)
}

pub(super) fn name_of(kind: Kind, resource: &Resource) -> &str {
    resource.name(kind.resource_type()).unwrap_or_default()
}

/// The beginning of a text that somebody is to read.
pub(super) fn cap(text: &str) -> &str {
    text.char_indices().nth(200).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}
