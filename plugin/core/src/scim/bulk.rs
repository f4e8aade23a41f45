//! Many operations in one request (RFC 7644 §3.7): what they are, in which order they are carried out, and what they mean
//! by `bulkId:…`. Carrying them out is somebody else's: each is a request of its own.

use super::dialect::Dialect;
use super::error::Error;
use super::value;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

const BULK_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";

/// What stands before the name of a resource that the same request makes.
const REFERENCE: &str = "bulkId:";

/// The operations of one request.
#[derive(Debug, Clone, PartialEq)]
pub struct BulkRequest {
    /// After how many errors nothing more is begun.
    pub fail_on_errors: Option<u64>,
    /// In the order of the request.
    pub operations: Vec<Operation>,
}

/// One operation. What is wrong with one is no reason to refuse the others.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// The method as it was sent.
    pub method: String,
    /// The path as it was sent.
    pub path: String,
    /// What a POST calls its resource for the rest of the request.
    pub bulk_id: Option<String>,
    /// The version that the client expects to change.
    pub version: Option<String>,
    /// What would be the body of a request of its own.
    pub data: Option<Map<String, Value>>,
    /// Why it cannot be carried out at all.
    pub problem: Option<Error>,
}

/// What is to be done with an operation, by its number.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// All of it.
    Whole(usize),
    /// A POST without its references to these, which refer to it themselves, RFC 7644 §3.7.1.
    Begin(usize, BTreeSet<String>),
    /// What was left out of it.
    Finish(usize),
}

/// The ids of the resources that were made, by bulkId; none where that failed.
pub type Made = BTreeMap<String, Option<String>>;

impl BulkRequest {
    /// Reads the body of a bulk request.
    pub fn parse(body: &Map<String, Value>, dialect: &Dialect) -> Result<BulkRequest, Error> {
        value::check_names(body, "body")?;
        let urns = member(body, "schemas").and_then(Value::as_array);
        if !dialect.any_schemas && !urns.is_some_and(|urns| urns.iter().any(|urn| urn == BULK_REQUEST)) {
            return Err(Error::syntax(format!("schemas: expected {BULK_REQUEST}, found none")));
        }
        let fail_on_errors = match member(body, "failOnErrors") {
            None | Some(Value::Null) => None,
            Some(number) => {
                let refused =
                    || Error::value("failOnErrors: expected a whole number of 0 or more, found something else");
                Some(number.as_u64().ok_or_else(refused)?)
            }
        };
        let Some(Value::Array(operations)) = member(body, "Operations") else {
            return Err(Error::syntax("Operations: expected an array of operations, found none"));
        };
        let mut operations: Vec<Operation> =
            (0..).zip(operations).map(|(at, json)| Operation::parse(at, json)).collect();
        refuse_twins(&mut operations);
        Ok(BulkRequest { fail_on_errors, operations })
    }

    /// The order in which everything is done: that of the request, but that a POST comes before whoever refers to it.
    /// Nothing else is moved, so that whatever the client wants done in turn is done in turn.
    pub fn steps(&self) -> Vec<Step> {
        let makers = self.operations.iter().enumerate().filter(|(_, operation)| operation.problem.is_none());
        let makers = makers.filter_map(|(at, operation)| Some((operation.bulk_id.as_deref()?, at))).collect();
        let mut order = Order { request: self, makers, seen: BTreeMap::new(), steps: Vec::new(), begun: Vec::new() };
        for at in 0..self.operations.len() {
            order.visit(at);
            order.steps.extend(order.begun.drain(..).map(Step::Finish));
        }
        order.steps
    }
}

/// A bulkId that two operations have means neither.
fn refuse_twins(operations: &mut [Operation]) {
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
    request: &'r BulkRequest,
    makers: BTreeMap<&'r str, usize>,
    /// Operations that were come to; true once they have their step.
    seen: BTreeMap<usize, bool>,
    steps: Vec<Step>,
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
        for reference in self.request.operations.get(at).map(Operation::references).unwrap_or_default() {
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
            self.steps.push(Step::Whole(at));
        } else {
            self.steps.push(Step::Begin(at, without));
            self.begun.push(at);
        }
    }
}

impl Operation {
    fn parse(at: usize, json: &Value) -> Operation {
        let nothing = Map::new();
        let object = json.as_object().unwrap_or(&nothing);
        let text = |name: &str| member(object, name).and_then(Value::as_str).map(str::to_owned);
        let mut operation = Operation {
            method: text("method").unwrap_or_default(),
            path: text("path").unwrap_or_default(),
            bulk_id: text("bulkId").filter(|id| !id.is_empty()),
            version: text("version"),
            data: member(object, "data").and_then(Value::as_object).cloned(),
            problem: None,
        };
        let place = format!("Operations[{at}]");
        let lacks = operation.lacks(object).map(|error| error.within(&format!("{place}.")));
        operation.problem = value::check_names(object, &place).err().or(lacks);
        operation
    }

    /// RFC 7644 §3.7: what each operation must have, and that it is about resources: not about another bulk request, a
    /// search or what the server says of itself.
    fn lacks(&self, object: &Map<String, Value>) -> Option<Error> {
        let shown = |text: &str| text.chars().take(80).collect::<String>();
        let depth = self.path.strip_prefix('/').map(|path| path.split('/').count());
        let makes = self.method == "POST";
        let about = ["/Users", "/Groups"].iter().any(|endpoint| {
            self.path.strip_prefix(endpoint).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        if !matches!(self.method.as_str(), "POST" | "PUT" | "PATCH" | "DELETE") {
            let found = shown(&self.method);
            return Some(Error::syntax(format!("method: expected POST, PUT, PATCH or DELETE, found {found:?}")));
        }
        if !about || depth != Some(if makes { 1 } else { 2 }) || self.path.contains('?') {
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

    /// The bulkIds that it refers to.
    fn references(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        found.extend(self.path.rsplit('/').next().and_then(|id| id.strip_prefix(REFERENCE)).map(str::to_owned));
        self.data.iter().flat_map(Map::values).for_each(|value| references(value, &mut found));
        found
    }

    /// The path with an id in the place of a bulkId.
    pub fn resolved_path(&self, made: &Made) -> Result<String, Unresolved> {
        match self.path.rsplit_once('/') {
            Some((endpoint, id)) if id.starts_with(REFERENCE) => Ok(format!("{endpoint}/{}", resolved(id, made)?)),
            Some(_) | None => Ok(self.path.clone()),
        }
    }

    /// The data with ids in the place of bulkIds; `without` some of them, which takes out the values that they stand in.
    pub fn resolved_data(&self, made: &Made, without: &BTreeSet<String>) -> Result<Option<Value>, Unresolved> {
        match &self.data {
            Some(data) => Ok(resolve(&Value::Object(data.clone()), made, without)?),
            None => Ok(None),
        }
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

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => found.extend(text.strip_prefix(REFERENCE).map(str::to_owned)),
        Value::Array(elements) => elements.iter().for_each(|element| references(element, found)),
        Value::Object(object) => object.values().for_each(|value| references(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn resolved(text: &str, made: &Made) -> Result<String, Unresolved> {
    let Some(bulk_id) = text.strip_prefix(REFERENCE) else {
        return Ok(text.to_owned());
    };
    match made.get(bulk_id) {
        Some(Some(id)) => Ok(id.clone()),
        known => Err(Unresolved { bulk_id: bulk_id.to_owned(), failed: known.is_some() }),
    }
}

/// Nothing comes out of what is to be left out: an element whose `value` refers to it, or an attribute that does.
fn resolve(value: &Value, made: &Made, without: &BTreeSet<String>) -> Result<Option<Value>, Unresolved> {
    Ok(match value {
        Value::String(text) if text.strip_prefix(REFERENCE).is_some_and(|id| without.contains(id)) => None,
        Value::String(text) => Some(Value::String(resolved(text, made)?)),
        Value::Array(elements) => {
            let elements = elements.iter().filter_map(|element| resolve(element, made, without).transpose());
            Some(Value::Array(elements.collect::<Result<_, _>>()?))
        }
        Value::Object(object) => {
            let mut kept = Map::new();
            for (name, value) in object {
                match resolve(value, made, without)? {
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

fn member<'v>(object: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(operations: Value) -> BulkRequest {
        let body = json!({"schemas": [BULK_REQUEST], "Operations": operations});
        BulkRequest::parse(body.as_object().unwrap(), &Dialect::strict()).unwrap()
    }

    fn post(bulk_id: &str, members: &[&str]) -> Value {
        let members: Vec<Value> = members.iter().map(|id| json!({"value": format!("bulkId:{id}")})).collect();
        json!({"method": "POST", "path": "/Groups", "bulkId": bulk_id, "data": {"displayName": bulk_id, "members": members}})
    }

    fn steps(operations: Value) -> String {
        let step = |step: Step| match step {
            Step::Whole(at) => at.to_string(),
            Step::Begin(at, without) => format!("{at} without {}", Vec::from_iter(without).join(" ")),
            Step::Finish(at) => format!("rest of {at}"),
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

    #[test]
    fn references_are_resolved_wherever_they_stand() {
        let request = read(json!([{"method": "PATCH", "path": "/Users/bulkId:a", "data": {
            "manager": {"value": "bulkId:b"}, "members": [{"value": "bulkId:a"}, "bulkId:b", {"value": "1"}], "title": "not bulkId:a",
        }}]));
        let operation = &request.operations[0];
        let made = Made::from([("a".to_owned(), Some("1a".to_owned())), ("b".to_owned(), Some("2b".to_owned()))]);
        assert_eq!(operation.resolved_path(&made).unwrap(), "/Users/1a");
        let data = |without: &[&str], made: &Made| {
            operation.resolved_data(made, &without.iter().map(|id| (*id).to_owned()).collect())
        };
        assert_eq!(
            data(&[], &made).unwrap().unwrap(),
            json!({"manager": {"value": "2b"}, "members": [{"value": "1a"}, "2b", {"value": "1"}], "title": "not bulkId:a"})
        );
        assert_eq!(
            data(&["b"], &made).unwrap().unwrap(),
            json!({"members": [{"value": "1a"}, {"value": "1"}], "title": "not bulkId:a"})
        );
        let failed = Made::from([("a".to_owned(), None)]);
        assert_eq!(operation.resolved_path(&failed), Err(Unresolved { bulk_id: "a".into(), failed: true }));
        assert_eq!(data(&["a"], &failed), Err(Unresolved { bulk_id: "b".into(), failed: false }));
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
        let refused =
            |body: Value| BulkRequest::parse(body.as_object().unwrap(), &Dialect::strict()).unwrap_err().to_string();
        assert_eq!(refused(json!({"Operations": []})), format!("schemas: expected {BULK_REQUEST}, found none"));
        let with = |name: &str, value: Value| json!({"schemas": [BULK_REQUEST], "Operations": [], name: value});
        for wrong in [json!(-1), json!(1.5), json!("1")] {
            assert!(refused(with("failOnErrors", wrong)).starts_with("failOnErrors: expected a whole number"));
        }
        assert_eq!(refused(with("Operations", json!({}))), "Operations: expected an array of operations, found none");
    }
}
