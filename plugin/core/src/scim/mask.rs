//! Takes secrets out of what is about to be written down. Who masks too much loses a word of the journal, who masks too
//! little a password; so a name only has to contain a secret attribute's name.

use super::schema::{Attribute, Mutability, ResourceType, Returned, Schema};
use serde_json::Value;
use std::borrow::Cow;

/// What stands in the place of a secret.
pub const MASK: &str = "***";

/// Parameters that have no business in a query and are nevertheless found there.
const PARAMETERS: &[&str] = &["token", "secret", "password", "authorization", "api_key", "apikey"];

/// Masks the values of attributes that nobody may read, wherever they stand in a document: as an attribute of a
/// resource, in a PATCH value, or as the value of a PATCH operation whose path names the attribute. The depth is that of
/// the document, which serde_json bounds.
pub fn secrets(of: &ResourceType, document: &mut Value) {
    match document {
        Value::Array(elements) => elements.iter_mut().for_each(|element| secrets(of, element)),
        Value::Object(object) => {
            let secret_path = object.iter().any(|(name, value)| is(name, "path") && is_secret(of, &text(value)));
            for (name, value) in object.iter_mut() {
                if is_secret(of, name) || secret_path && is(name, "value") {
                    cover(value);
                } else if secret_path && is(name, "path")
                    || (is(name, "detail") || is(name, "filter")) && is_secret(of, &text(value))
                {
                    // A search has its filter in the body, and an error's detail quotes what was wrong.
                    *value = Value::String(up_to_name(of, &text(value)));
                } else {
                    secrets(of, value);
                }
            }
            // A name in a PATCH value may be a whole path with a filter in it.
            if object.keys().any(|name| up_to_name(of, name) != *name) {
                let named = std::mem::take(object);
                object.extend(named.into_iter().map(|(name, value)| (up_to_name(of, &name), value)));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Masks what follows the name of a secret in a text of ours: a filter in words, an error's detail.
pub fn words(text: &str) -> String {
    up_to_name(ResourceType::user(), text)
}

/// The same where a text in quotes follows the name: what only says that a password was wrong shall say so.
pub fn literals(text: &str) -> Cow<'_, str> {
    let masked = words(text);
    let hidden = masked.strip_suffix(MASK).and_then(|kept| text.get(kept.len().saturating_sub(1)..));
    if hidden.is_some_and(|hidden| hidden.contains('"')) { Cow::Owned(masked) } else { Cow::Borrowed(text) }
}

/// Masks the literals of a filter that asks for a secret, and parameters that are named like one. What has no secret is
/// given back as it is.
pub fn query(query: &str) -> Cow<'_, str> {
    let of = ResourceType::user();
    let hides = |(name, value): &(Cow<'_, str>, Cow<'_, str>)| {
        PARAMETERS.iter().any(|parameter| contains(name, parameter)) || is_secret(of, value)
    };
    if !form_urlencoded::parse(query.as_bytes()).any(|pair| hides(&pair)) {
        return Cow::Borrowed(query);
    }
    let mut masked = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let named = PARAMETERS.iter().any(|parameter| contains(&name, parameter));
        let value = match (named, is_secret(of, &value)) {
            (true, _) => Cow::Borrowed(MASK),
            (false, true) => Cow::Owned(up_to_name(of, &value)),
            (false, false) => value,
        };
        masked.append_pair(&name, &value);
    }
    Cow::Owned(masked.finish())
}

/// A null stays: that nothing was sent is no secret, and is often what is looked for.
fn cover(value: &mut Value) {
    if !value.is_null() {
        *value = Value::String(MASK.to_owned());
    }
}

/// Keeps a filter up to the name of the secret: a literal behind it may lack its quotes, which is then the client's
/// mistake and still its secret.
fn up_to_name(of: &ResourceType, text: &str) -> String {
    let ends = of.schemas().flat_map(secret_names).filter_map(|secret| Some(find(text, secret)? + secret.len()));
    match ends.min().and_then(|end| text.get(..end)) {
        Some(kept) if kept.len() < text.len() => format!("{kept} {MASK}"),
        Some(_) | None => text.to_owned(),
    }
}

fn is_secret(of: &ResourceType, name: &str) -> bool {
    of.schemas().flat_map(secret_names).any(|secret| contains(name, secret))
}

fn secret_names(schema: &Schema) -> impl Iterator<Item = &str> {
    let parts = schema.attributes.iter().flat_map(|attribute| attribute.sub_attributes.iter());
    schema.attributes.iter().chain(parts).filter(|attribute| hidden(attribute)).map(|attribute| &*attribute.name)
}

fn hidden(attribute: &Attribute) -> bool {
    attribute.returned == Returned::Never || attribute.mutability == Mutability::WriteOnly
}

fn contains(text: &str, word: &str) -> bool {
    find(text, word).is_some()
}

/// Where a word of ASCII letters stands, without case.
fn find(text: &str, word: &str) -> Option<usize> {
    text.as_bytes().windows(word.len()).position(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

fn is(name: &str, expected: &str) -> bool {
    name.eq_ignore_ascii_case(expected)
}

/// A path is text; one that is not is still looked at.
fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Cow::Owned(value.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(mut document: Value, expected: Value) {
        secrets(ResourceType::user(), &mut document);
        assert_eq!(document, expected);
    }

    #[test]
    fn a_password_is_masked_in_a_resource() {
        check(json!({"userName": "alice", "password": "s3cret"}), json!({"userName": "alice", "password": "***"}));
        check(json!({"PassWord": {"value": "s"}}), json!({"PassWord": "***"}));
        check(json!({"password": null}), json!({"password": null}));
        check(
            json!({"urn:ietf:params:scim:schemas:core:2.0:User:password": "s3cret"}),
            json!({"urn:ietf:params:scim:schemas:core:2.0:User:password": "***"}),
        );
    }

    #[test]
    fn a_password_is_masked_in_an_operation_with_a_path() {
        let operation =
            |path: &str, value: Value| json!({"Operations": [{"op": "replace", "path": path, "value": value}]});
        for path in ["password", "PASSWORD", " password", "urn:ietf:params:scim:schemas:core:2.0:User:password"] {
            check(operation(path, json!("s3cret")), operation(path, json!("***")));
        }
        check(operation("title", json!("password")), operation("title", json!("password")));
        check(
            json!({"OP": "add", "Path": ["password"], "Value": "s3cret"}),
            json!({"OP": "add", "Path": "[\"password ***", "Value": "***"}),
        );
    }

    #[test]
    fn a_password_is_masked_in_an_operation_without_a_path() {
        check(
            json!({"Operations": [{"op": "replace", "value": {"title": "x", "password": "s3cret"}}]}),
            json!({"Operations": [{"op": "replace", "value": {"title": "x", "password": "***"}}]}),
        );
    }

    #[test]
    fn a_password_is_masked_in_the_filter_of_a_path() {
        check(
            json!({"op": "remove", "path": "emails[password eq \"s3cret\" or value eq \"x\"].type"}),
            json!({"op": "remove", "path": "emails[password ***"}),
        );
    }

    #[test]
    fn a_password_is_masked_in_the_filter_of_a_name() {
        check(
            json!({"op": "add", "value": {"emails[password eq \"s3cret\"].value": "x", "title": "y"}}),
            json!({"op": "add", "value": {"emails[password ***": "***", "title": "y"}}),
        );
    }

    #[test]
    fn a_password_is_masked_in_a_search() {
        check(json!({"Filter": "title pr or password eq \"s3cret\""}), json!({"Filter": "title pr or password ***"}));
        check(json!({"filter": "title eq \"x\""}), json!({"filter": "title eq \"x\""}));
    }

    #[test]
    fn a_password_is_masked_in_an_error() {
        check(
            json!({"status": "400", "detail": "Operations[0].path emails[password eq \"s3cret\"]: filter: wrong"}),
            json!({"status": "400", "detail": "Operations[0].path emails[password ***"}),
        );
        check(json!({"detail": "title: expected a string"}), json!({"detail": "title: expected a string"}));
        assert_eq!(
            words("list users where title pr and password eq \"s3cret\""),
            "list users where title pr and password ***"
        );
        assert_eq!(words("list users"), "list users");
        let wrong = "password: expected a string, found the number 3";
        assert_eq!(
            (literals(wrong), literals("title \"***\"")),
            (Cow::Borrowed(wrong), Cow::Borrowed("title \"***\""))
        );
        assert_eq!(literals("a[password eq \"s3cret\"]: filter: wrong"), "a[password ***");
    }

    #[test]
    fn a_query_without_a_secret_stays_as_it_is() {
        let plain = "filter=userName+eq+%22alice%40contoso.com%22&aadOptscim062020";
        assert!(matches!(query(plain), Cow::Borrowed(text) if text == plain));
    }

    #[test]
    fn a_password_is_masked_in_a_query() {
        assert_eq!(query("filter=password+eq+%22s3cret%22"), "filter=password+***");
        assert_eq!(query("filter=a+pr+and+pass%77ord+sw+%22s&count=1"), "filter=a+pr+and+password+***&count=1");
        assert_eq!(query("access_token=s3cret&count=1"), "access_token=***&count=1");
    }
}
