//! Holds a server to a transcript.

use crate::transcript::{Answer, Exchange, Transcript};
use http::{Request, Response};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Whoever answers requests, one after the other.
pub trait Server {
    /// Answers.
    fn answer(&mut self, request: Request<Vec<u8>>) -> Response<Vec<u8>>;

    /// Lets time pass.
    fn pass(&mut self, duration: Duration);
}

/// The transcripts of the folder `given`, by name.
pub type Given = BTreeMap<String, Transcript>;

/// Sorts the transcripts into those that come first in others, and all.
pub fn given(all: &[(String, Transcript)]) -> Given {
    let named = |(name, transcript): &(String, Transcript)| {
        name.strip_prefix("given/").map(|name| (name.to_owned(), transcript.clone()))
    };
    all.iter().filter_map(named).collect()
}

/// The variables that a transcript wants set.
pub fn variables(transcript: &Transcript) -> BTreeMap<String, String> {
    transcript.variables.iter().cloned().collect()
}

/// What differs, exchange by exchange; nothing when all is as the transcript says. What is given has a check of its own.
pub fn check(server: &mut dyn Server, given: &Given, transcript: &Transcript) -> Vec<String> {
    for exchange in first(given, transcript) {
        send(server, exchange);
    }
    let mut problems = Vec::new();
    for exchange in &transcript.exchanges {
        let answer = send(server, exchange);
        if answer != exchange.answer {
            problems.push(difference(exchange, &answer));
        }
    }
    problems
}

/// The transcript as the server answers it now. Where an answer holds another `id`, `secretToken` or cursor than the
/// transcript, the later requests follow.
pub fn renew(server: &mut dyn Server, given: &Given, transcript: &Transcript) -> Transcript {
    let mut renames = Vec::new();
    let mut renewed = transcript.clone();
    for exchange in first(given, transcript) {
        renew_exchange(server, &mut exchange.clone(), &mut renames);
    }
    for exchange in &mut renewed.exchanges {
        renew_exchange(server, exchange, &mut renames);
    }
    renewed
}

fn renew_exchange(server: &mut dyn Server, exchange: &mut Exchange, renames: &mut Vec<(String, String)>) {
    for (from, to) in renames.iter() {
        exchange.request.rename(from, to);
    }
    let answer = send(server, exchange);
    let body = |answer: &Answer| serde_json::from_str::<Value>(&answer.body).unwrap_or_default();
    learn(&body(&exchange.answer), &body(&answer), renames);
    exchange.answer = answer;
}

fn learn(old: &Value, new: &Value, renames: &mut Vec<(String, String)>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (name, old) in old {
                match (name.as_str(), old, new.get(name)) {
                    (
                        "id" | "secretToken" | "nextCursor" | "previousCursor",
                        Value::String(old),
                        Some(Value::String(new)),
                    ) if old != new => {
                        renames.push((old.clone(), new.clone()));
                    }
                    (_, old, Some(new)) => learn(old, new, renames),
                    (_, _, None) => {}
                }
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            for (old, new) in old.iter().zip(new) {
                learn(old, new, renames);
            }
        }
        _ => {}
    }
}

fn first<'t>(given: &'t Given, transcript: &Transcript) -> &'t [Exchange] {
    match &transcript.given {
        Some(name) => &given.get(name).unwrap_or_else(|| panic!("given: no transcript given/{name}")).exchanges,
        None => &[],
    }
}

/// A second passes before each request, so that times can be told apart.
fn send(server: &mut dyn Server, exchange: &Exchange) -> Answer {
    server.pass(Duration::from_secs(1) + exchange.wait().unwrap_or_default());
    Answer::of(&server.answer(exchange.request.to_http()))
}

/// The answer with the lines marked that differ.
fn difference(exchange: &Exchange, answer: &Answer) -> String {
    let (expected, found) = (exchange.answer.to_string(), answer.to_string());
    let expected: Vec<&str> = expected.lines().collect();
    let found: Vec<&str> = found.lines().collect();
    let same = |(a, b): &(&&str, &&str)| a == b;
    let head = expected.iter().zip(&found).take_while(same).count();
    let tail = expected[head..].iter().rev().zip(found[head..].iter().rev()).take_while(same).count();
    let mut lines = vec![format!("### {}", exchange.title)];
    lines.push(format!(">>> {} {}", exchange.request.method, exchange.request.target));
    lines.extend(expected[..head].iter().map(|line| format!("  {line}")));
    lines.extend(expected[head..expected.len() - tail].iter().map(|line| format!("- {line}")));
    lines.extend(found[head..found.len() - tail].iter().map(|line| format!("+ {line}")));
    lines.extend(expected[expected.len() - tail..].iter().map(|line| format!("  {line}")));
    lines.join("\n")
}
