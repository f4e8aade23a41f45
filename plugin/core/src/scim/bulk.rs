//! Many operations in one request (RFC 7644 §3.7): what they are, in which order they are carried out, and what they mean
//! by `bulkId:…`. Carrying them out is somebody else's: each is a request of its own.
//!
//! RFC 7644 §3.7.2 does not say where a reference may stand. We look for it at the end of a path, and in attributes whose
//! values point to something: those with a `$ref`, such as `members` and `manager`, and those of the type reference. In any
//! other attribute, a `title` for example, it is text like any other.

use super::error::Error;
use super::reading::{self, Leniency, Reading, member};
use super::schema::{ResourceType, Schema, Target, Type};
use super::value;
use crate::settings::LIMITS;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

const BULK_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";

/// What stands before the name of a resource that the same request makes.
const REFERENCE: &str = "bulkId:";

/// The operations of one request.
#[derive(Debug, Clone, PartialEq)]
pub struct BulkRequest<'s> {
    /// After how many errors nothing more is begun.
    pub fail_on_errors: Option<u64>,
    /// In the order of the request.
    pub operations: Vec<BulkOperation<'s>>,
}

/// One operation. What is wrong with one is no reason to refuse the others.
#[derive(Debug, Clone, PartialEq)]
pub struct BulkOperation<'s> {
    /// The method as it was sent.
    pub method: String,
    /// The path as it was sent.
    pub path: String,
    /// What a POST calls its resource for the rest of the request.
    pub bulk_id: Option<String>,
    /// The version that the client expects to change.
    pub version: Option<String>,
    /// What would be the body of a request of its own: an object, which stays where it is in the body of the bulk request.
    pub data: Option<Cow<'s, Value>>,
    /// Why it cannot be carried out at all.
    pub problem: Option<Error>,
    /// What its path is about; nothing where that is none of the types.
    of: Option<&'s ResourceType>,
}

/// What is to be done with an operation, by its number.
#[derive(Debug, Clone, PartialEq)]
pub enum BulkStep {
    /// All of it.
    Whole(usize),
    /// A POST without its references to these, which refer to it themselves, RFC 7644 §3.7.1.
    Begin(usize, BTreeSet<String>),
    /// What was left out of it.
    Finish(usize),
}

/// The ids of the resources that were made, by bulkId; none where that failed.
pub type Made = BTreeMap<String, Option<String>>;

impl<'s> BulkRequest<'s> {
    /// How many operations the body of a bulk request has: to be looked at before any of them is read.
    pub fn count(body: &Map<String, Value>) -> usize {
        operations(body, &Reading::lenient()).map_or(0, <[Value]>::len)
    }

    /// Reads the body of a bulk request about resources of these types.
    ///
    /// # Errors
    /// What of the body was expected and what was found, with the `scimType`.
    pub fn parse(
        body: &'s Map<String, Value>,
        reading: &Reading,
        types: &[&'s ResourceType],
    ) -> Result<BulkRequest<'s>, Error> {
        value::check_names(body, "body")?;
        reading::message_schemas(body, BULK_REQUEST, reading)?;
        let fail_on_errors = match member(body, "failOnErrors") {
            None | Some(Value::Null) => None,
            Some(number) => {
                let refused =
                    || Error::value("failOnErrors: expected a whole number of 0 or more, found something else");
                Some(whole_number(number, reading).ok_or_else(refused)?)
            }
        };
        let Some(operations) = operations(body, reading) else {
            return Err(Error::syntax("Operations: expected an array of operations, found none"));
        };
        let mut texts = Texts { left: TEXT_BYTES_MAX, reading };
        let mut operations: Vec<BulkOperation> =
            (0..).zip(operations).map(|(at, json)| BulkOperation::parse(at, json, &mut texts, types)).collect();
        refuse_twins(&mut operations);
        Ok(BulkRequest { fail_on_errors, operations })
    }

    /// The order in which everything is done: that of the request, but that a POST comes before whoever refers to it.
    /// Nothing else is moved, so that whatever the client wants done in turn is done in turn.
    pub fn steps(&self) -> Vec<BulkStep> {
        let makers = self.operations.iter().enumerate().filter(|(_, operation)| operation.problem.is_none());
        let makers = makers.filter_map(|(at, operation)| Some((operation.bulk_id.as_deref()?, at))).collect();
        let mut order = Order { request: self, makers, seen: BTreeMap::new(), steps: Vec::new(), begun: Vec::new() };
        for at in 0..self.operations.len() {
            order.visit(at);
            order.steps.extend(order.begun.drain(..).map(BulkStep::Finish));
        }
        order.steps
    }
}

/// The operations of a body: an array, or where the reading has it so the only one.
fn operations<'s>(body: &'s Map<String, Value>, reading: &Reading) -> Option<&'s [Value]> {
    match member(body, "Operations")? {
        Value::Array(operations) => Some(operations),
        one @ Value::Object(_) => {
            reading.reads(Leniency::SingleForArray, "Operations").then(|| std::slice::from_ref(one))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// The data of operations that are JSON within texts: they are held together, so that together they are bounded as one
/// body.
struct Texts<'r> {
    left: usize,
    reading: &'r Reading,
}

/// No value of JSON takes less than two bytes.
const TEXT_BYTES_MAX: usize = 2 * LIMITS.body_values_max;

impl Texts<'_> {
    fn object<'s>(&mut self, value: &'s Value) -> Option<Cow<'s, Value>> {
        if let Value::String(text) = value {
            self.left = self.left.checked_sub(text.len())?;
        }
        reading::object(value, "data", self.reading)
    }
}

/// `failOnErrors`, which may be a text.
fn whole_number(value: &Value, reading: &Reading) -> Option<u64> {
    let text = || value.as_str()?.trim().parse().ok().filter(|_| reading.reads(Leniency::NumberAsText, "failOnErrors"));
    value.as_u64().or_else(text)
}

/// A bulkId that two operations have means neither.
fn refuse_twins(operations: &mut [BulkOperation<'_>]) {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for id in operations.iter().filter_map(|operation| operation.bulk_id.clone()) {
        *count.entry(id).or_default() += 1;
    }
    for (at, operation) in operations.iter_mut().enumerate() {
        let twice = operation.bulk_id.as_ref().is_some_and(|id| count.get(id).is_some_and(|count| *count > 1));
        if twice && operation.problem.is_none() {
            let detail = "expected a name of its own, found one that another operation has, too";
            operation.problem = Some(Error::value(format!("Operations[{at}].bulkId: {detail}")));
        }
    }
}

struct Order<'r> {
    request: &'r BulkRequest<'r>,
    makers: BTreeMap<&'r str, usize>,
    /// Operations that were come to; true once they have their step.
    seen: BTreeMap<usize, bool>,
    steps: Vec<BulkStep>,
    begun: Vec<usize>,
}

impl Order<'_> {
    /// As deep as there are operations, which is bounded.
    fn visit(&mut self, at: usize) {
        if self.seen.contains_key(&at) {
            return;
        }
        self.seen.insert(at, false);
        let mut without = BTreeSet::new();
        for reference in self.request.operations.get(at).map(BulkOperation::references).unwrap_or_default() {
            let Some(maker) = self.makers.get(reference.as_str()).copied() else {
                continue;
            };
            self.visit(maker);
            if self.seen.get(&maker) == Some(&false) {
                without.insert(reference);
            }
        }
        self.seen.insert(at, true);
        if without.is_empty() {
            self.steps.push(BulkStep::Whole(at));
        } else {
            self.steps.push(BulkStep::Begin(at, without));
            self.begun.push(at);
        }
    }
}

/// A method of HTTP, which has capitals.
fn method(text: String, reading: &Reading) -> String {
    let capitals = text.trim().to_ascii_uppercase();
    let is_method = matches!(capitals.as_str(), "POST" | "PUT" | "PATCH" | "DELETE");
    if is_method && capitals != text && reading.reads(Leniency::LetterCase, "method") { capitals } else { text }
}

impl<'s> BulkOperation<'s> {
    fn parse(at: usize, json: &'s Value, texts: &mut Texts<'_>, types: &[&'s ResourceType]) -> BulkOperation<'s> {
        let nothing = Map::new();
        let object = json.as_object().unwrap_or(&nothing);
        let text = |name: &str| member(object, name).and_then(Value::as_str).map(str::to_owned);
        let mut operation = BulkOperation {
            method: method(text("method").unwrap_or_default(), texts.reading),
            path: text("path").unwrap_or_default(),
            bulk_id: text("bulkId").filter(|id| !id.is_empty()),
            version: text("version"),
            data: json.as_object().and_then(|object| member(object, "data")).and_then(|data| texts.object(data)),
            problem: None,
            of: None,
        };
        operation.of = types.iter().copied().find(|of| below(&operation.path, of).is_some());
        let place = format!("Operations[{at}]");
        let lacks = operation.lacks(object).map(|error| error.within(&format!("{place}.")));
        operation.problem = value::check_names(object, &place).err().or(lacks);
        operation
    }

    /// RFC 7644 §3.7: what each operation must have, and that it is about resources: not about another bulk request, a
    /// search or what the server says of itself.
    fn lacks(&self, object: &Map<String, Value>) -> Option<Error> {
        let shown = |text: &str| text.chars().take(80).collect::<String>();
        let makes = self.method == "POST";
        let fits = if makes { self.names_collection() } else { self.names_resource() };
        if !matches!(self.method.as_str(), "POST" | "PUT" | "PATCH" | "DELETE") {
            let found = shown(&self.method);
            return Some(Error::syntax(format!("method: expected POST, PUT, PATCH or DELETE, found {found:?}")));
        }
        if !fits {
            let example = if makes { "/Users or /Groups" } else { "a resource such as /Users/2819c223" };
            return Some(Error::value(format!("path: expected {example}, found {:?}", shown(&self.path))));
        }
        if makes && self.bulk_id.is_none() {
            return Some(Error::value("bulkId: expected a name for what the POST makes, found none"));
        }
        if self.data.is_none() && self.method != "DELETE" {
            return Some(Error::syntax("data: expected a JSON object, found none"));
        }
        match member(object, "version") {
            None | Some(Value::Null | Value::String(_)) => None,
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                Some(Error::value("version: expected an entity tag such as W/\"1\", found something else"))
            }
        }
    }

    fn names_collection(&self) -> bool {
        self.of.is_some_and(|of| self.path == of.endpoint)
    }

    /// Whether its path is that of one resource, as §3.7 wants it of whatever is no POST.
    pub fn names_resource(&self) -> bool {
        let id = self.of.and_then(|of| below(&self.path, of)).and_then(|rest| rest.strip_prefix('/'));
        id.is_some_and(|id| !id.is_empty() && !id.contains(['/', '?']))
    }

    /// Where its data begin.
    fn place(&self) -> DataPlace<'s> {
        match self.of {
            Some(of) if self.method == "PATCH" => DataPlace::Patch(of),
            Some(of) => DataPlace::Resource(of, None),
            None => DataPlace::Value { refers: false },
        }
    }

    /// The bulkIds that it refers to.
    fn references(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        found.extend(self.path.rsplit('/').next().and_then(|id| id.strip_prefix(REFERENCE)).map(str::to_owned));
        if let Some(data) = self.data.as_deref() {
            references(data, self.place(), &mut found);
        }
        found
    }

    /// The path with an id in the place of a bulkId.
    ///
    /// # Errors
    /// The bulkId that names nothing, or something that was not made.
    pub fn resolved_path(&self, made: &Made) -> Result<String, Unresolved> {
        let reference =
            self.path.rsplit_once('/').and_then(|(endpoint, id)| Some((endpoint, id.strip_prefix(REFERENCE)?)));
        match reference {
            Some((endpoint, bulk_id)) => Ok(format!("{endpoint}/{}", resolved(bulk_id, made)?)),
            None => Ok(self.path.clone()),
        }
    }

    /// The data with ids in the place of bulkIds; `without` some of them, which takes out the values that they stand in.
    /// Data that refer to nothing are lent.
    ///
    /// # Errors
    /// The bulkId that names nothing, or something that was not made.
    pub fn resolved_data(&self, made: &Made, without: &BTreeSet<String>) -> Result<Option<Cow<'_, Value>>, Unresolved> {
        let Some(data) = self.data.as_deref() else {
            return Ok(None);
        };
        let mut found = BTreeSet::new();
        references(data, self.place(), &mut found);
        if found.is_empty() {
            return Ok(Some(Cow::Borrowed(data)));
        }
        Ok(resolve(data, self.place(), made, without)?.map(Cow::Owned))
    }
}

/// A bulkId that leads to no resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Unresolved {
    /// The bulkId.
    pub bulk_id: String,
    /// Whether there was a POST of that name, which failed.
    pub failed: bool,
}

/// What follows a type's endpoint in a path.
fn below<'p>(path: &'p str, of: &ResourceType) -> Option<&'p str> {
    path.strip_prefix(of.endpoint).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Where in the data of an operation a value stands.
#[derive(Clone, Copy)]
enum DataPlace<'s> {
    /// The body of a PATCH.
    Patch(&'s ResourceType),
    /// One of its operations.
    Operation(&'s ResourceType),
    /// A resource, or what it has of an extension: every name is an attribute.
    Resource(&'s ResourceType, Option<&'s Schema>),
    /// The value of an attribute.
    Value {
        /// Whether it points to something.
        refers: bool,
    },
}

impl<'s> DataPlace<'s> {
    /// Where a member of an object stands that stands here.
    fn member(self, object: &Map<String, Value>, name: &str) -> DataPlace<'s> {
        match self {
            DataPlace::Patch(of) if name.eq_ignore_ascii_case("Operations") => DataPlace::Operation(of),
            DataPlace::Operation(of) if name.eq_ignore_ascii_case("value") => {
                let path = member(object, "path").and_then(Value::as_str).filter(|path| !path.is_empty());
                path.map_or(DataPlace::Resource(of, None), |path| DataPlace::attribute(of, path))
            }
            DataPlace::Patch(_) | DataPlace::Operation(_) => DataPlace::Value { refers: false },
            DataPlace::Resource(of, None) => DataPlace::attribute(of, name),
            DataPlace::Resource(of, Some(schema)) => DataPlace::attribute(of, &format!("{}:{name}", schema.id)),
            DataPlace::Value { .. } => self,
        }
    }

    /// Where the value of an attribute stands, which may be named by a whole path.
    fn attribute(of: &'s ResourceType, path: &str) -> DataPlace<'s> {
        let name = path.split('[').next().unwrap_or_default().trim();
        match of.resolve(name) {
            Ok(Target::Extension(schema)) => DataPlace::Resource(of, Some(schema)),
            Ok(Target::Attribute { attribute, .. }) => {
                DataPlace::Value { refers: attribute.is_reference() || attribute.kind == Type::Reference }
            }
            Err(_) => DataPlace::Value { refers: false },
        }
    }

    /// The bulkId that a text means here.
    fn reference(self, text: &str) -> Option<&str> {
        match self {
            DataPlace::Value { refers: true } => text.strip_prefix(REFERENCE),
            DataPlace::Value { refers: false }
            | DataPlace::Patch(_)
            | DataPlace::Operation(_)
            | DataPlace::Resource(..) => None,
        }
    }
}

fn references(value: &Value, place: DataPlace<'_>, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => found.extend(place.reference(text).map(str::to_owned)),
        Value::Array(elements) => elements.iter().for_each(|element| references(element, place, found)),
        Value::Object(object) => references_of(object, place, found),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn references_of(object: &Map<String, Value>, place: DataPlace<'_>, found: &mut BTreeSet<String>) {
    object.iter().for_each(|(name, value)| references(value, place.member(object, name), found));
}

fn resolved(bulk_id: &str, made: &Made) -> Result<String, Unresolved> {
    match made.get(bulk_id) {
        Some(Some(id)) => Ok(id.clone()),
        known => Err(Unresolved { bulk_id: bulk_id.to_owned(), failed: known.is_some() }),
    }
}

/// Nothing comes out of what is to be left out: an element whose `value` refers to it, or an attribute that does.
fn resolve(
    value: &Value,
    place: DataPlace<'_>,
    made: &Made,
    without: &BTreeSet<String>,
) -> Result<Option<Value>, Unresolved> {
    Ok(match value {
        Value::String(text) => match place.reference(text) {
            Some(bulk_id) if without.contains(bulk_id) => None,
            Some(bulk_id) => Some(Value::String(resolved(bulk_id, made)?)),
            None => Some(value.clone()),
        },
        Value::Array(elements) => {
            let elements = elements.iter().filter_map(|element| resolve(element, place, made, without).transpose());
            Some(Value::Array(elements.collect::<Result<_, _>>()?))
        }
        Value::Object(object) => {
            let mut kept = Map::new();
            for (name, value) in object {
                match resolve(value, place.member(object, name), made, without)? {
                    Some(value) => drop(kept.insert(name.clone(), value)),
                    None if name.eq_ignore_ascii_case("value") => return Ok(None),
                    None => {}
                }
            }
            Some(Value::Object(kept))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Some(value.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    static TYPES: [&ResourceType; 2] = [ResourceType::user(), ResourceType::group()];

    /// A request whose body stays.
    fn read(operations: Value) -> BulkRequest<'static> {
        let body = Box::leak(Box::new(json!({"schemas": [BULK_REQUEST], "Operations": operations})));
        BulkRequest::parse(body.as_object().unwrap(), &Reading::strict(), &TYPES).unwrap()
    }

    fn post(bulk_id: &str, members: &[&str]) -> Value {
        let members: Vec<Value> = members.iter().map(|id| json!({"value": format!("bulkId:{id}")})).collect();
        json!({"method": "POST", "path": "/Groups", "bulkId": bulk_id, "data": {"displayName": bulk_id, "members": members}})
    }

    fn steps(operations: Value) -> String {
        let step = |step: BulkStep| match step {
            BulkStep::Whole(at) => at.to_string(),
            BulkStep::Begin(at, without) => format!("{at} without {}", Vec::from_iter(without).join(" ")),
            BulkStep::Finish(at) => format!("rest of {at}"),
        };
        read(operations).steps().into_iter().map(step).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn the_order_is_that_of_the_request() {
        let delete = json!({"method": "DELETE", "path": "/Users/1"});
        assert_eq!(steps(json!([post("a", &[]), delete, post("b", &["a"])])), "0, 1, 2");
        assert_eq!(steps(json!([])), "");
    }

    #[test]
    fn what_is_referred_to_comes_first_and_nothing_else_moves() {
        let add = json!({"method": "PATCH", "path": "/Groups/1", "data": {"Operations": [{"op": "add", "path": "members", "value": [{"value": "bulkId:c"}]}]}});
        let clear = json!({"method": "PATCH", "path": "/Groups/1", "data": {"Operations": [{"op": "remove", "path": "members"}]}});
        assert_eq!(steps(json!([add, clear, post("b", &[]), post("c", &["b"])])), "2, 3, 0, 1");
        let path = json!({"method": "DELETE", "path": "/Groups/bulkId:b"});
        assert_eq!(steps(json!([path, post("b", &[])])), "1, 0");
        let unknown = json!({"method": "DELETE", "path": "/Groups/bulkId:x"});
        assert_eq!(steps(json!([unknown])), "0");
    }

    #[test]
    fn a_circle_is_begun_without_and_then_completed() {
        assert_eq!(steps(json!([post("a", &["b"]), post("b", &["a"])])), "1 without a, 0, rest of 1");
        assert_eq!(steps(json!([post("a", &["a"])])), "0 without a, rest of 0");
        let three = json!([post("a", &["b", "c"]), post("b", &["c", "a"]), post("c", &["a"]), post("d", &[])]);
        assert_eq!(steps(three), "2 without a, 1 without a, 0, rest of 2, rest of 1, 3");
    }

    const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

    /// What becomes of the data of an operation on a user or group, where `a` and `b` were made.
    fn sent(method: &str, endpoint: &str, data: Value, without: &[&str]) -> Option<Value> {
        let request = read(json!([{"method": method, "path": format!("{endpoint}/1"), "data": data}]));
        let made = Made::from(["a", "b"].map(|name| (name.to_owned(), Some(format!("{name}1")))));
        let without = without.iter().map(|id| (*id).to_owned()).collect();
        request.operations[0].resolved_data(&made, &without).unwrap().map(Cow::into_owned)
    }

    #[test]
    fn references_are_resolved_where_a_value_points_to_something() {
        let user = |id: &str| {
            json!({"manager": id, "profileUrl": id, ENTERPRISE: {"manager": {"value": id, "$ref": id}},
                format!("{ENTERPRISE}:manager"): {"value": id}})
        };
        assert_eq!(sent("PUT", "/Users", user("bulkId:b"), &[]), Some(user("b1")));
        let group = |one: &str, other: &str| json!({"members": [{"value": one}, other, {"value": "1"}]});
        assert_eq!(sent("PUT", "/Groups", group("bulkId:a", "bulkId:b"), &[]), Some(group("a1", "b1")));
        let without = sent("PUT", "/Groups", group("bulkId:a", "bulkId:b"), &["a"]);
        assert_eq!(without, Some(json!({"members": ["b1", {"value": "1"}]})));
        let patch = |id: &str| {
            json!({"operations": [{"op": "add", "path": "manager", "value": id},
                {"op": "add", "path": format!("{ENTERPRISE}:manager.value"), "value": id},
                {"op": "add", "value": {"manager": {"value": id}}},
                {"op": "add", "path": ENTERPRISE, "value": {"manager": id}}]})
        };
        assert_eq!(sent("PATCH", "/Users", patch("bulkId:a"), &[]), Some(patch("a1")));
    }

    #[test]
    fn elsewhere_a_text_that_looks_like_a_reference_is_text() {
        let user = json!({"title": "bulkId:x", "emails": [{"value": "bulkId:a"}], ENTERPRISE: {"department": "bulkId:a"},
            "members": [{"value": "bulkId:a"}], "nonsense": "bulkId:a"});
        assert_eq!(sent("PUT", "/Users", user.clone(), &["a"]), Some(user));
        let patch = json!({"Operations": [{"op": "replace", "path": "title", "value": "bulkId:a"},
            {"op": "bulkId:a", "value": {"title": "bulkId:a", "emails": [{"value": "bulkId:a"}]}},
            {"op": "replace", "path": "emails[value eq \"x\"].value", "value": "bulkId:a"}]});
        assert_eq!(sent("PATCH", "/Users", patch.clone(), &["a"]), Some(patch));
        assert_eq!(
            steps(json!([post("a", &[]), {"method": "PUT", "path": "/Users/1", "data": {"title": "bulkId:b"}},
            post("b", &[])])),
            "0, 1, 2"
        );
    }

    #[test]
    fn a_reference_that_leads_nowhere_is_named() {
        let path = |made: &Made| {
            let request = read(json!([{"method": "DELETE", "path": "/Users/bulkId:a"}]));
            request.operations[0].resolved_path(made)
        };
        let made = |id: Option<&str>| Made::from([("a".to_owned(), id.map(str::to_owned))]);
        assert_eq!(path(&made(Some("1"))).unwrap(), "/Users/1");
        assert_eq!(path(&made(None)), Err(Unresolved { bulk_id: "a".into(), failed: true }));
        assert_eq!(path(&Made::new()), Err(Unresolved { bulk_id: "a".into(), failed: false }));
    }

    #[test]
    fn an_operation_that_lacks_something_says_what() {
        let problem =
            |operation: Value| read(json!([operation])).operations[0].problem.clone().map(|error| error.to_string());
        let data = json!({});
        for (operation, expected) in [
            (json!(1), r#"Operations[0].method: expected POST, PUT, PATCH or DELETE, found """#),
            (
                json!({"method": "GET", "path": "/Users/1"}),
                r#"Operations[0].method: expected POST, PUT, PATCH or DELETE, found "GET""#,
            ),
            (
                json!({"method": "post", "path": "/Users"}),
                r#"Operations[0].method: expected POST, PUT, PATCH or DELETE, found "post""#,
            ),
            (
                json!({"method": "POST", "path": "/Bulk", "bulkId": "a", "data": data}),
                r#"Operations[0].path: expected /Users or /Groups, found "/Bulk""#,
            ),
            (
                json!({"method": "POST", "path": "/Users/.search", "bulkId": "a", "data": data}),
                r#"Operations[0].path: expected /Users or /Groups, found "/Users/.search""#,
            ),
            (
                json!({"method": "PUT", "path": "/Users", "data": data}),
                r#"Operations[0].path: expected a resource such as /Users/2819c223, found "/Users""#,
            ),
            (
                json!({"method": "PUT", "path": "Users/1", "data": data}),
                r#"Operations[0].path: expected a resource such as /Users/2819c223, found "Users/1""#,
            ),
            (
                json!({"method": "DELETE", "path": "/Users/1?x"}),
                r#"Operations[0].path: expected a resource such as /Users/2819c223, found "/Users/1?x""#,
            ),
            (
                json!({"method": "POST", "path": "/Users", "data": data}),
                "Operations[0].bulkId: expected a name for what the POST makes, found none",
            ),
            (json!({"method": "PATCH", "path": "/Users/1"}), "Operations[0].data: expected a JSON object, found none"),
            (
                json!({"method": "DELETE", "path": "/Users/1", "version": 1}),
                "Operations[0].version: expected an entity tag such as W/\"1\", found something else",
            ),
        ] {
            assert_eq!(problem(operation).as_deref(), Some(expected));
        }
        assert_eq!(problem(json!({"Method": "DELETE", "PATH": "/Groups/1", "version": "W/\"1\""})), None);
    }

    #[test]
    fn a_name_that_two_have_is_nobodys() {
        let request = read(json!([post("a", &[]), post("a", &[]), post("b", &["a"])]));
        let problems: Vec<bool> = request.operations.iter().map(|operation| operation.problem.is_some()).collect();
        assert_eq!(problems, [true, true, false]);
    }

    #[test]
    fn a_body_that_is_no_bulk_request_is_refused() {
        let refused = |body: Value| {
            BulkRequest::parse(body.as_object().unwrap(), &Reading::strict(), &TYPES).unwrap_err().to_string()
        };
        assert_eq!(refused(json!({"Operations": []})), format!("schemas: expected {BULK_REQUEST}, found none"));
        let with = |name: &str, value: Value| json!({"schemas": [BULK_REQUEST], "Operations": [], name: value});
        for wrong in [json!(-1), json!(1.5), json!("1")] {
            assert!(refused(with("failOnErrors", wrong)).starts_with("failOnErrors: expected a whole number"));
        }
        assert_eq!(refused(with("Operations", json!({}))), "Operations: expected an array of operations, found none");
    }
}
