//! The query of a request (RFC 7644 §3.4.2 and §3.9, RFC 9865 §2).
//!
//! Parameters of other names are passed over; Entra adds `aadOptscim062020` to whatever it asks. One without a value
//! counts as absent, but for `cursor`, which asks for the first page then. Of one that is repeated, the first counts.

use super::error::{Error, ScimType};
use super::parameters::Parameters;
use super::projection::Projection;
use super::reading::{self, Reading};
use super::schema::ResourceType;
use super::sort::Sort;
use super::value;
use crate::settings::LIMITS;
use serde_json::{Map, Value, json};

/// The schema of a search's body.
const SEARCH_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/// What a client asks of a list or of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// The filter as it was sent.
    pub filter: Option<String>,
    /// The first match of the page, counted from 1.
    pub start_index: u64,
    /// The most resources that the page may have.
    pub count: usize,
    /// Where to go on, RFC 9865: empty for the first page, absent where the client pages by index.
    pub cursor: Option<String>,
    /// Whether the last comes first.
    pub descending: bool,
    sort_by: Option<String>,
    attributes: Option<String>,
    excluded_attributes: Option<String>,
}

impl ListQuery {
    /// Reads the parameters of a URL, or what a search says instead.
    ///
    /// # Errors
    /// The parameter, what was expected of it, and what was found.
    pub fn parse(parameters: &Parameters<'_>) -> Result<ListQuery, Error> {
        let parameter = |name: &str| parameters.first_filled(name);
        let (index, cursor) = (parameter("startIndex"), parameters.first("cursor"));
        // RFC 9865 §2.4 has clients choose one of them. Whichever we passed over, the client would get another page than
        // it thinks.
        if cursor.is_some() && index.is_some() {
            return Err(Error::value("startIndex: expected startIndex or cursor, found both"));
        }
        let owned = |name: &str| parameter(name).map(str::to_owned);
        let refused =
            |error: Error| if cursor.is_some() { error.with_scim_type(ScimType::InvalidCount) } else { error };
        Ok(ListQuery {
            filter: owned("filter"),
            start_index: start_index(index)?,
            count: count(parameter("count")).map_err(refused)?,
            cursor: cursor.map(str::to_owned),
            descending: descending(parameter("sortOrder"))?,
            sort_by: owned("sortBy"),
            attributes: owned("attributes"),
            excluded_attributes: owned("excludedAttributes"),
        })
    }

    /// Which attributes the answer about one resource has. RFC 7644 §3.9: of a query nothing else concerns it, so nothing
    /// else is read.
    ///
    /// # Errors
    /// One of the lists has more names than it may.
    pub fn projection_of<'s>(parameters: &Parameters<'_>, of: &'s ResourceType) -> Result<Projection<'s>, Error> {
        Projection::parse(of, parameters.first_filled("attributes"), parameters.first_filled("excludedAttributes"))
    }

    /// Reads the body of a search, RFC 7644 §3.4.3. What a URL lists behind commas may be an array here.
    ///
    /// # Errors
    /// The member, what was expected of it, and what was found.
    pub fn parse_body(body: &Map<String, Value>, reading: &Reading) -> Result<ListQuery, Error> {
        value::check_names(body, "body")?;
        let member = |name: &str| reading::member(body, name);
        reading::message_schemas(body, SEARCH_REQUEST, reading)?;
        let mut members = Vec::new();
        for name in ["filter", "startIndex", "count", "sortBy", "sortOrder", "attributes", "excludedAttributes"] {
            if let Some(text) = member(name).map(|value| text(name, value)).transpose()? {
                members.push((name, text));
            }
        }
        match member("cursor") {
            None | Some(Value::Null) => {}
            Some(Value::String(cursor)) => members.push(("cursor", cursor.clone())),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => return Err(Error::cursor()),
        }
        ListQuery::parse(&Parameters::of_body(members))
    }

    /// What all pages of one walk have in common, RFC 9865 §2: everything but the cursor and the count, which has an error
    /// of its own.
    pub fn common(&self) -> Value {
        json!([self.filter, self.sort_by, self.descending, self.attributes, self.excluded_attributes])
    }

    /// The order that the client wants, at the tenant URL `base`. `sortOrder` says nothing without `sortBy`.
    ///
    /// # Errors
    /// `sortBy` names nothing of the schema, what is never returned or kept apart, or a whole object.
    pub fn sort<'s>(&self, of: &'s ResourceType, base: &'s str) -> Result<Option<Sort<'s>>, Error> {
        self.sort_by.as_deref().map(|by| Sort::parse(of, by, self.descending, base)).transpose()
    }

    /// Which attributes the answer has.
    ///
    /// # Errors
    /// One of the lists has more names than it may.
    pub fn projection<'s>(&self, of: &'s ResourceType) -> Result<Projection<'s>, Error> {
        Projection::parse(of, self.attributes.as_deref(), self.excluded_attributes.as_deref())
    }
}

/// A member of a search's body as the text that it would be in a URL.
fn text(name: &str, value: &Value) -> Result<String, Error> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Array(names) if names.iter().all(Value::is_string) => {
            Ok(names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","))
        }
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Err(Error::value(format!("{name}: expected text, a number or an array of names, found something else")))
        }
    }
}

/// RFC 7644 §3.4.2.3: ascending where nothing is said.
fn descending(text: Option<&str>) -> Result<bool, Error> {
    match text {
        None => Ok(false),
        Some(text) if text.eq_ignore_ascii_case("ascending") => Ok(false),
        Some(text) if text.eq_ignore_ascii_case("descending") => Ok(true),
        Some(text) => {
            let shown: String = text.chars().take(40).collect();
            Err(Error::value(format!("sortOrder: expected ascending or descending, found {shown:?}")))
        }
    }
}

/// RFC 7644 §3.4.2.4: a value below 1 is taken as 1.
fn start_index(text: Option<&str>) -> Result<u64, Error> {
    let number = text.map(|text| whole_number("startIndex", text)).transpose()?.unwrap_or(1);
    Ok(u64::try_from(number).unwrap_or(0).max(1))
}

/// RFC 7644 §3.4.2.4: a negative value is taken as 0, and a server may return fewer than the client asks for.
fn count(text: Option<&str>) -> Result<usize, Error> {
    let Some(text) = text else {
        return Ok(LIMITS.page_default);
    };
    let number = whole_number("count", text)?.max(0);
    Ok(usize::try_from(number).unwrap_or(usize::MAX).min(LIMITS.page_max))
}

/// A number of any length: one that is too long for us is the nearest that is not.
fn whole_number(name: &str, text: &str) -> Result<i64, Error> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let shown: String = text.chars().take(40).collect();
        return Err(Error::value(format!("{name}: expected a whole number, found {shown:?}")));
    }
    let magnitude: i64 = digits.parse().unwrap_or(i64::MAX);
    Ok(if negative { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<ListQuery, Error> {
        ListQuery::parse(&Parameters::of(Some(query)))
    }

    fn page(query: &str) -> (u64, usize) {
        let query = parse(query).unwrap();
        (query.start_index, query.count)
    }

    fn filter(query: &str) -> Option<String> {
        parse(query).unwrap().filter
    }

    fn refusal(query: &str) -> String {
        parse(query).unwrap_err().to_string()
    }

    #[test]
    fn a_blank_in_a_filter_is_a_plus_sign_or_percent_20() {
        let expected = Some(r#"userName eq "alice+x@contoso.com""#.to_owned());
        assert_eq!(filter("filter=userName+eq+%22alice%2Bx%40contoso.com%22"), expected);
        assert_eq!(filter("filter=userName%20eq%20%22alice%2Bx@contoso.com%22"), expected);
    }

    #[test]
    fn parameters_of_other_names_are_passed_over() {
        assert_eq!(filter("aadOptscim062020&filter=a+pr&aadOptscim062020=true").as_deref(), Some("a pr"));
        assert_eq!(filter("Filter=a+pr"), None);
    }

    #[test]
    fn a_parameter_without_a_value_is_absent() {
        assert_eq!(filter("filter=&startIndex=&count="), None);
        assert_eq!(page("startIndex=&count="), (1, LIMITS.page_default));
        assert_eq!(page(""), (1, LIMITS.page_default));
    }

    #[test]
    fn a_search_says_in_its_body_what_a_query_says_in_a_url() {
        let body = serde_json::json!({
            "schemas": [SEARCH_REQUEST], "filter": "userName pr", "StartIndex": 3, "count": 5,
            "sortBy": "userName", "sortOrder": "descending", "attributes": ["userName", "id"],
        });
        let url = "filter=userName+pr&startIndex=3&count=5&sortBy=userName&sortOrder=descending&attributes=userName,id";
        let parse_body = |body: &Value| ListQuery::parse_body(body.as_object().unwrap(), &Reading::strict());
        assert_eq!(parse_body(&body), parse(url));
        let refused = |body: Value| parse_body(&body).unwrap_err().to_string();
        let with = |name: &str, value: Value| serde_json::json!({"schemas": [SEARCH_REQUEST], name: value});
        assert_eq!(refused(serde_json::json!({})), format!("schemas: expected {SEARCH_REQUEST}, found none"));
        assert_eq!(refused(with("count", 1.5.into())), "count: expected a whole number, found \"1.5\"");
        assert_eq!(
            refused(with("filter", true.into())),
            "filter: expected text, a number or an array of names, found something else"
        );
        assert_eq!(
            refused(with("sortOrder", "up".into())),
            "sortOrder: expected ascending or descending, found \"up\""
        );
    }

    #[test]
    fn what_concerns_lists_alone_is_not_read_for_one_resource() {
        let query = "count=abc&startIndex=x&sortOrder=up&attributes=title&filter=(";
        assert!(parse(query).is_err());
        let projection = ListQuery::projection_of(&Parameters::of(Some(query)), ResourceType::user());
        assert!(projection.unwrap().is_chosen());
    }

    #[test]
    fn a_page_starts_at_1_or_above() {
        assert_eq!(page("startIndex=1").0, 1);
        assert_eq!(page("startIndex=0").0, 1);
        assert_eq!(page("startIndex=-5").0, 1);
        assert_eq!(page("startIndex=201").0, 201);
        assert_eq!(page("startIndex=99999999999999999999999").0, i64::MAX.unsigned_abs());
    }

    #[test]
    fn a_page_is_as_long_as_asked_and_no_longer_than_the_limit() {
        let max = LIMITS.page_max;
        assert_eq!(page("count=0").1, 0);
        assert_eq!(page("count=-1").1, 0);
        assert_eq!(page(&format!("count={max}")).1, max);
        assert_eq!(page(&format!("count={}", max + 1)).1, max);
        assert_eq!(page("count=99999999999999999999999").1, max);
        assert_eq!(page("count=-99999999999999999999999").1, 0);
    }

    #[test]
    fn what_is_not_a_whole_number_is_refused() {
        assert_eq!(refusal("startIndex=one"), r#"startIndex: expected a whole number, found "one""#);
        assert_eq!(refusal("count=1.5"), r#"count: expected a whole number, found "1.5""#);
        assert_eq!(refusal("count=-"), r#"count: expected a whole number, found "-""#);
        assert_eq!(refusal("count=+1"), r#"count: expected a whole number, found " 1""#);
    }
}
