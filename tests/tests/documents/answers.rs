//! What a document says that a request answers, compared with what it answers.
//!
//! A document leaves things out: `…` stands for any members of an object, any elements, any value, or any part of a text.
//! What is different in each run, such as an id or a time, has to be of the same form, and from then on the one stands for
//! the other.

use serde_json::Value;
use std::collections::BTreeMap;

const ANY: &str = "…";

/// The JSON of a document as a value, in which each `…` outside of a text has become the text `…`.
pub(crate) fn read(text: &str) -> Value {
    let mut json = String::new();
    let (mut in_text, mut escaped, mut open) = (false, false, Vec::new());
    let mut before = ' ';
    for c in text.trim().chars() {
        match c {
            _ if in_text => {
                in_text = escaped || c != '"';
                escaped = c == '\\' && !escaped;
            }
            '"' => in_text = true,
            '{' | '[' => open.push(c),
            '}' | ']' => drop(open.pop()),
            '…' if open.last() == Some(&'{') && before != ':' => {
                // Several of them may stand in one object.
                json.push_str(&format!("\"…{}\":\"…\"", json.len()));
                before = '"';
                continue;
            }
            '…' => {
                json.push_str("\"…\"");
                before = '"';
                continue;
            }
            _ => {}
        }
        if !c.is_whitespace() {
            before = c;
        }
        json.push(c);
    }
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Whether an answer is what the document says. `known` has what the document calls by another name than the answers do.
pub(crate) fn fits(written: &Value, found: &Value, known: &mut BTreeMap<String, String>) -> Result<(), String> {
    match (written, found) {
        (Value::String(any), _) if any == ANY => Ok(()),
        (Value::String(written), Value::String(found)) => text_fits(written, found, known),
        (Value::Object(written), Value::Object(found)) => {
            let partial = written.keys().any(|name| name.starts_with(ANY));
            for (name, written) in written.iter().filter(|(name, _)| !name.starts_with(ANY)) {
                let found = found.get(name).ok_or_else(|| format!("{name}: expected {written}, found nothing"))?;
                fits(written, found, known).map_err(|error| format!("{name}: {error}"))?;
            }
            let unsaid = found.keys().find(|name| !partial && !written.contains_key(*name));
            unsaid.map_or(Ok(()), |name| Err(format!("{name}: the document does not have it")))
        }
        (Value::Array(written), Value::Array(found)) => {
            let partial = written.last().is_some_and(|last| last == ANY);
            let said = if partial { &written[..written.len() - 1] } else { &written[..] };
            if found.len() < said.len() || (!partial && found.len() > said.len()) {
                return Err(format!("expected {} elements, found {}", said.len(), found.len()));
            }
            said.iter().zip(found).try_for_each(|(written, found)| fits(written, found, known))
        }
        (written, found) if written == found => Ok(()),
        (written, found) => Err(format!("expected {written}, found {found}")),
    }
}

fn text_fits(written: &str, found: &str, known: &mut BTreeMap<String, String>) -> Result<(), String> {
    let said = renamed(written, known);
    if let Some((start, end)) = said.split_once(ANY) {
        // Of several marks the first and the last one count.
        let end = end.rsplit(ANY).next().unwrap_or_default();
        let fits = found.starts_with(start) && found.ends_with(end);
        return if fits { Ok(()) } else { Err(format!("expected {said:?}, found {found:?}")) };
    }
    if said == found || (is_time(&said) && is_time(found)) {
        return Ok(());
    }
    if is_made_up(written) && form(written) == form(found) {
        known.insert(written.to_owned(), found.to_owned());
        return Ok(());
    }
    Err(format!("expected {said:?}, found {found:?}"))
}

/// A text of the document with everything that the answers call otherwise.
pub(crate) fn renamed(text: &str, known: &BTreeMap<String, String>) -> String {
    known.iter().fold(text.to_owned(), |text, (written, found)| text.replace(written, found))
}

fn is_time(text: &str) -> bool {
    text.parse::<jiff::Timestamp>().is_ok()
}

/// Whether a text is one that the server makes up: a resource's id, a tenant's id, a token.
fn is_made_up(text: &str) -> bool {
    let is_id = text.len() == 36 && text.bytes().filter(|byte| *byte == b'-').count() == 4;
    let is_tenant = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    is_id || is_tenant || text.starts_with("rollcall_")
}

/// What two made-up texts of one kind have in common.
fn form(text: &str) -> (usize, bool, Vec<usize>) {
    let token = text.starts_with("rollcall_");
    let dashes = text.bytes().enumerate().filter(|(_, byte)| *byte == b'-' && !token);
    (text.len(), token, dashes.map(|(place, _)| place).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(written: &str, found: &Value) -> Result<(), String> {
        fits(&read(written), found, &mut BTreeMap::new())
    }

    #[test]
    fn an_answer_fits_what_a_document_says_of_it_and_nothing_else() {
        let found = json!({"id": "9w30ny3rrb", "at": "2026-11-29T01:42:39.368Z", "list": [{"a": 1}, 2], "null": null});
        for written in [
            r#"{"id":"2222222222","at":"2020-01-01T00:00:00Z","list":[{"a":1},2],"null":null}"#,
            r#"{"id":"2222222222",…}"#,
            r#"{…,"list":[{…},…],…}"#,
            r#"{"at":…,"list":[…],…}"#,
            r#"{"id":"9w…rrb",…,"null":null}"#,
        ] {
            assert_eq!(check(written, &found), Ok(()), "{written}");
        }
        for written in [
            r#"{"id":"9w30ny3rrb"}"#,
            r#"{"id":"9w30ny3rr",…}"#,
            r#"{"list":[],…}"#,
            r#"{"list":[{"a":2},…],…}"#,
            r#"{"null":1,…}"#,
            r#"{"absent":…,…}"#,
            r#"{"id":"9x…",…}"#,
        ] {
            assert!(check(written, &found).is_err(), "{written}");
        }
    }

    #[test]
    fn what_a_document_calls_otherwise_is_called_so_from_then_on() {
        let mut known = BTreeMap::new();
        let found = json!({"id": "abcdefghjk", "url": "http://x/abcdefghjk"});
        let written = |url: &str| read(&format!(r#"{{"id":"9w30ny3rrb","url":"http://x/{url}"}}"#));
        assert_eq!(fits(&written("9w30ny3rrb"), &found, &mut known), Ok(()));
        assert!(fits(&written("9w30ny3rrc"), &found, &mut known).is_err());
        assert_eq!(renamed("/9w30ny3rrb", &known), "/abcdefghjk");
    }
}
