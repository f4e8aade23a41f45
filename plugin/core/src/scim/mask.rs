//! Takes secrets out of what is about to be written down. Who masks too much loses a word of the journal, who masks too
//! little a password; so a name only has to contain a secret attribute's name.

use super::parameters::Parameters;
use super::schema::{ResourceType, Schema};
use memchr::memchr2_iter;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::LazyLock;

/// What stands in the place of a secret.
pub const MASK: &str = "***";

/// Parameters that have no business in a query and are nevertheless found there.
const PARAMETERS: &[&str] = &["token", "secret", "password", "authorization", "api_key", "apikey"];

/// The names of the secrets of some resource types, beside those of the built-in schemas.
///
/// A tenant's own names count where they stand as a whole word, the built-in ones anywhere: a tenant may call a secret `pin`
/// and still read in its journal of the shipping department.
pub struct Mask<'s> {
    as_words: Vec<&'s str>,
}

/// The names of the secrets of the built-in schemas.
static ANYWHERE: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let built_in = [ResourceType::user(), ResourceType::group()];
    built_in.into_iter().flat_map(ResourceType::schemas).flat_map(secret_names).collect()
});

impl<'s> Mask<'s> {
    /// The mask of these types.
    pub fn of(types: impl IntoIterator<Item = &'s ResourceType>) -> Mask<'s> {
        Mask { as_words: types.into_iter().flat_map(|of| &of.own).flat_map(secret_names).collect() }
    }

    /// Masks the values of attributes that nobody may read, wherever they stand in a document: as an attribute of a
    /// resource, in a PATCH value, or as the value of a PATCH operation whose path names the attribute. The depth is that of
    /// the document, which serde_json bounds.
    pub fn secrets(&self, document: &mut Value) {
        match document {
            Value::Array(elements) => elements.iter_mut().for_each(|element| self.secrets(element)),
            Value::Object(object) => {
                let secret_path = object.iter().any(|(name, value)| is(name, "path") && self.is_secret(&text(value)));
                for (name, value) in object.iter_mut() {
                    if self.is_secret(name) || secret_path && is(name, "value") {
                        cover(value);
                    } else if secret_path && is(name, "path")
                        || (is(name, "detail") || is(name, "filter")) && self.is_secret(&text(value))
                    {
                        // A search has its filter in the body, and an error's detail quotes what was wrong.
                        *value = Value::String(self.up_to_name(&text(value)).into_owned());
                    } else {
                        self.secrets(value);
                    }
                }
                // A name in a PATCH value may be a whole path with a filter in it.
                if object.keys().any(|name| self.up_to_name(name) != *name) {
                    let named = std::mem::take(object);
                    object.extend(named.into_iter().map(|(name, value)| (self.up_to_name(&name).into_owned(), value)));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Masks what follows the name of a secret in a text of ours: a filter in words, an error's detail.
    pub fn words<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.up_to_name(text)
    }

    /// The same where a text in quotes follows the name: what only says that a password was wrong shall say so.
    pub fn literals<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let masked = self.words(text);
        let hidden = masked.strip_suffix(MASK).and_then(|kept| text.get(kept.len().saturating_sub(1)..));
        if hidden.is_some_and(|hidden| hidden.contains('"')) { masked } else { Cow::Borrowed(text) }
    }

    /// Masks the literals of a filter that asks for a secret, and parameters that are named like one. What has no secret is
    /// given back as it is.
    pub fn query<'q>(&self, parameters: &Parameters<'q>) -> Option<Cow<'q, str>> {
        let sent = parameters.text()?;
        let named = |name: &str| PARAMETERS.iter().any(|parameter| find(name, parameter).is_some());
        if !parameters.iter().any(|(name, value)| named(name) || self.is_secret(value)) {
            return Some(Cow::Borrowed(sent));
        }
        let mut masked = form_urlencoded::Serializer::new(String::new());
        for (name, value) in parameters.iter() {
            let value = if named(name) { Cow::Borrowed(MASK) } else { self.up_to_name(value) };
            masked.append_pair(name, &value);
        }
        Some(Cow::Owned(masked.finish()))
    }

    /// Whether a secret attribute's name stands in a text.
    pub fn mentions(&self, text: &str) -> bool {
        self.is_secret(text)
    }

    /// Keeps a filter up to the name of the secret: a literal behind it may lack its quotes, which is then the client's
    /// mistake and still its secret.
    fn up_to_name<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.ends(text).min().and_then(|end| text.get(..end)) {
            Some(kept) if kept.len() < text.len() => Cow::Owned([kept, " ", MASK].concat()),
            Some(_) | None => Cow::Borrowed(text),
        }
    }

    fn is_secret(&self, name: &str) -> bool {
        self.ends(name).next().is_some()
    }

    /// Behind the first place of each secret name in a text.
    fn ends(&self, text: &str) -> impl Iterator<Item = usize> {
        let anywhere = ANYWHERE.iter().filter_map(move |name| Some(find(text, name)? + name.len()));
        anywhere.chain(self.as_words.iter().filter_map(move |name| Some(find_word(text, name)? + name.len())))
    }
}

/// A null stays: that nothing was sent is no secret, and is often what is looked for.
fn cover(value: &mut Value) {
    if !value.is_null() {
        *value = Value::String(MASK.to_owned());
    }
}

fn secret_names(schema: &Schema) -> impl Iterator<Item = &str> {
    let parts = schema.attributes.iter().flat_map(|attribute| attribute.sub_attributes.iter());
    schema.attributes.iter().chain(parts).filter(|attribute| attribute.is_hidden()).map(|attribute| &*attribute.name)
}

/// Where a word of ASCII letters stands, without case.
fn find(text: &str, word: &str) -> Option<usize> {
    // Whole answers are looked through, so the first letter has to rule nearly all places out.
    let (text, word) = (text.as_bytes(), word.as_bytes());
    let first = word.first()?;
    let starts = memchr2_iter(first.to_ascii_lowercase(), first.to_ascii_uppercase(), text);
    let fits = |start: &usize| {
        let found = text.get(*start..).and_then(|rest| rest.get(..word.len()));
        found.is_some_and(|found| found.eq_ignore_ascii_case(word))
    };
    starts.into_iter().find(fits)
}

/// The same, where what is before and behind it belongs to no name.
fn find_word(text: &str, word: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let part = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at)).is_some_and(|byte| byte.is_ascii_alphanumeric() || b"-_$".contains(byte))
    };
    let fits = |(at, window): (usize, &[u8])| {
        window.eq_ignore_ascii_case(word.as_bytes()) && !part(at.checked_sub(1)) && !part(at.checked_add(word.len()))
    };
    bytes.windows(word.len()).enumerate().position(fits)
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

    fn built_in() -> Mask<'static> {
        Mask::of([ResourceType::user()])
    }

    fn query(query: &str) -> Cow<'_, str> {
        built_in().query(&Parameters::of(Some(query))).unwrap()
    }

    fn words(text: &str) -> Cow<'_, str> {
        built_in().words(text)
    }

    fn literals(text: &str) -> Cow<'_, str> {
        built_in().literals(text)
    }

    fn check(mut document: Value, expected: Value) {
        built_in().secrets(&mut document);
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
