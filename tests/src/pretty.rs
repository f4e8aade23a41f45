//! Bodies as people read them, without losing a byte.

use serde_json::Value;

/// Lines longer than this are broken.
const WIDTH: usize = 110;

/// What every line of a body starts with that is not compact JSON.
const MARGIN: &str = "| ";

/// Lays out a body. Compact JSON is spread over lines and can be put together again; anything else keeps its lines
/// behind a margin, where carriage returns can be seen.
pub fn lay_out(body: &[u8]) -> String {
    if body.is_empty() {
        return String::new();
    }
    match serde_json::from_slice::<Value>(body) {
        Ok(value) if serde_json::to_vec(&value).is_ok_and(|bytes| bytes == body) => json(&value),
        Ok(_) | Err(_) => {
            let text = String::from_utf8_lossy(body).replace('\r', "␍");
            let lines: Vec<String> = text.split('\n').map(|line| format!("{MARGIN}{line}")).collect();
            lines.join("\n")
        }
    }
}

/// Lays out a JSON value: what fits into a line stands in one.
pub fn json(value: &Value) -> String {
    let mut text = String::new();
    write(value, 0, 0, &mut text);
    text
}

fn write(value: &Value, indent: usize, used: usize, text: &mut String) {
    let line = one_line(value);
    if indent + used + line.chars().count() <= WIDTH {
        text.push_str(&line);
        return;
    }
    let inner = indent + 2;
    match value {
        Value::Object(members) if !members.is_empty() => {
            let members = members.iter().map(|(name, value)| (format!("{}: ", Value::from(name.as_str())), value));
            block(['{', '}'], members, indent, inner, text);
        }
        Value::Array(elements) if !elements.is_empty() => {
            block(['[', ']'], elements.iter().map(|value| (String::new(), value)), indent, inner, text);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            text.push_str(&line);
        }
    }
}

fn block<'v>(
    brackets: [char; 2],
    members: impl Iterator<Item = (String, &'v Value)>,
    indent: usize,
    inner: usize,
    text: &mut String,
) {
    text.push(brackets[0]);
    for (place, (name, value)) in members.enumerate() {
        text.push_str(if place == 0 { "\n" } else { ",\n" });
        text.push_str(&" ".repeat(inner));
        text.push_str(&name);
        write(value, inner, name.chars().count() + 1, text);
    }
    text.push('\n');
    text.push_str(&" ".repeat(indent));
    text.push(brackets[1]);
}

fn one_line(value: &Value) -> String {
    match value {
        Value::Object(members) if !members.is_empty() => {
            let members: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{}: {}", Value::from(name.as_str()), one_line(value)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        Value::Array(elements) => {
            let elements: Vec<String> = elements.iter().map(one_line).collect();
            format!("[{}]", elements.join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_json_is_spread_and_anything_else_keeps_its_bytes() {
        assert_eq!(lay_out(br#"{"a":[1,{}],"b":"c"}"#), r#"{"a": [1, {}], "b": "c"}"#);
        assert_eq!(lay_out(br#"{"a": 1}"#), r#"| {"a": 1}"#);
        assert_eq!(lay_out(b"a,b\r\nc\n"), "| a,b␍\n| c\n| ");
        assert_eq!(lay_out(b""), "");
    }

    #[test]
    fn what_does_not_fit_into_a_line_is_broken() {
        let long = "x".repeat(100);
        let body = format!(r#"{{"a":"{long}","b":[]}}"#);
        assert_eq!(lay_out(body.as_bytes()), format!("{{\n  \"a\": \"{long}\",\n  \"b\": []\n}}"));
    }
}
