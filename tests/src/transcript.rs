//! A conversation over HTTP in a text file.
//!
//! ```text
//! # What the conversation shows.
//! # given: connected            another transcript of the folder `given` that comes first
//! # set: journal_capacity=3     a variable of the component
//!
//! ### What this exchange shows
//! >>> GET /scim/v2/abcdefghjk/Users
//! authorization: Bearer rollcall_…
//!
//! <<< 200 OK
//! content-type: application/scim+json; charset=utf-8
//!
//! {"schemas": […]}
//!
//! ### after 60 s: the clock went on before this exchange
//! ```
//!
//! A request without `host` is for `scim.example.com`. In a request's body `«x*1000»` stands for a thousand `x`.
//! An answer holds all headers but those of the connection itself, in alphabetical order, and its body as
//! [`pretty::lay_out`] shows it.

use crate::pretty;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A file.
#[derive(Clone, Debug, PartialEq)]
pub struct Transcript {
    /// What it shows.
    pub about: Vec<String>,
    /// The transcript that comes first.
    pub given: Option<String>,
    /// Variables of the component.
    pub variables: Vec<(String, String)>,
    /// The conversation.
    pub exchanges: Vec<Exchange>,
}

/// A request and its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// What it shows.
    pub title: String,
    /// What was sent.
    pub request: Request,
    /// What is to come back.
    pub answer: Answer,
}

/// What is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Headers in their order.
    pub headers: Vec<(String, String)>,
    /// The body, not yet expanded.
    pub body: String,
}

/// What comes back.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Headers by name.
    pub headers: Vec<(String, String)>,
    /// The body, laid out.
    pub body: String,
}

/// Headers that belong to the connection or to the listener.
const NOT_OURS: [&str; 5] = ["connection", "content-length", "date", "keep-alive", "transfer-encoding"];

impl Transcript {
    /// Reads a file.
    pub fn parse(text: &str) -> Result<Transcript, String> {
        let mut transcript =
            Transcript { about: Vec::new(), given: None, variables: Vec::new(), exchanges: Vec::new() };
        let mut sections = text.split("\n### ");
        transcript.head(sections.next().unwrap_or_default())?;
        for section in sections {
            let exchange = Exchange::parse(section)
                .map_err(|problem| format!("{}: {problem}", section.lines().next().unwrap_or_default()))?;
            transcript.exchanges.push(exchange);
        }
        Ok(transcript)
    }

    fn head(&mut self, text: &str) -> Result<(), String> {
        for line in text.lines().filter(|line| !line.is_empty()) {
            let line = line.strip_prefix('#').ok_or_else(|| format!("expected \"#\", found {line:?}"))?.trim();
            if let Some(given) = line.strip_prefix("given: ") {
                self.given = Some(given.to_owned());
            } else if let Some(variable) = line.strip_prefix("set: ") {
                let (name, value) = variable.split_once('=').ok_or("set: expected name=value")?;
                self.variables.push((name.to_owned(), value.to_owned()));
            } else {
                self.about.push(line.to_owned());
            }
        }
        Ok(())
    }
}

impl Exchange {
    fn parse(section: &str) -> Result<Exchange, String> {
        let (title, rest) = section.split_once('\n').ok_or("expected a request after the title")?;
        let request = rest.strip_prefix(">>> ").ok_or("expected \">>> \" after the title")?;
        let (request, answer) = request.split_once("\n<<< ").ok_or("expected \"<<< \" after the request")?;
        let (line, headers, body) = message(request)?;
        let (method, target) = line.split_once(' ').ok_or("expected a method and a target")?;
        let request = Request { method: method.to_owned(), target: target.to_owned(), headers, body };
        let (line, headers, body) = message(answer)?;
        let status = line.split(' ').next().and_then(|status| status.parse().ok()).ok_or("expected a status")?;
        Ok(Exchange { title: title.to_owned(), request, answer: Answer { status, headers, body } })
    }

    /// How long the clock goes on before the request.
    pub fn wait(&self) -> Option<Duration> {
        let seconds = self.title.strip_prefix("after ")?.split_once(" s")?.0;
        seconds.parse().ok().map(Duration::from_secs)
    }
}

/// Headers in their order.
type Headers = Vec<(String, String)>;

fn message(text: &str) -> Result<(String, Headers, String), String> {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.trim_end().lines();
    let first = lines.next().unwrap_or_default().to_owned();
    let headers = lines
        .map(|line| {
            let (name, value) = line.split_once(':').ok_or_else(|| format!("expected a header, found {line:?}"))?;
            Ok((name.to_owned(), value.trim().to_owned()))
        })
        .collect::<Result<_, String>>()?;
    Ok((first, headers, body.trim_end_matches('\n').to_owned()))
}

impl Request {
    /// The request as it is sent.
    pub fn to_http(&self) -> http::Request<Vec<u8>> {
        let mut request = http::Request::new(expand(&self.body).into_bytes());
        *request.method_mut() = self.method.parse().unwrap();
        *request.uri_mut() = self.target.parse().unwrap();
        request.headers_mut().insert("host", HeaderValue::from_static("scim.example.com"));
        for (name, value) in &self.headers {
            let name: HeaderName = name.parse().unwrap();
            if name == "host" {
                request.headers_mut().remove("host");
            }
            request.headers_mut().append(name, value.parse().unwrap());
        }
        request
    }

    /// Replaces text wherever it stands.
    pub fn rename(&mut self, from: &str, to: &str) {
        let texts = self.headers.iter_mut().map(|(_, value)| value).chain([&mut self.target, &mut self.body]);
        for text in texts {
            *text = text.replace(from, to);
        }
    }
}

/// Writes out `«x*3»` as `xxx`.
fn expand(text: &str) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('«') {
        let (run, after) = after.split_once('»').unwrap();
        let (piece, times) = run.rsplit_once('*').unwrap();
        expanded.push_str(before);
        expanded.push_str(&piece.repeat(times.parse().unwrap()));
        rest = after;
    }
    expanded + rest
}

impl Answer {
    /// What came back.
    pub fn of(response: &Response<Vec<u8>>) -> Answer {
        let mut headers = ours(response.headers());
        headers.sort();
        Answer { status: response.status().as_u16(), headers, body: pretty::lay_out(response.body()) }
    }
}

fn ours(headers: &HeaderMap) -> Headers {
    headers
        .iter()
        .filter(|(name, _)| !NOT_OURS.contains(&name.as_str()))
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.about {
            writeln!(f, "# {line}")?;
        }
        if let Some(given) = &self.given {
            writeln!(f, "# given: {given}")?;
        }
        for (name, value) in &self.variables {
            writeln!(f, "# set: {name}={value}")?;
        }
        for exchange in &self.exchanges {
            write!(f, "\n{exchange}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request = &self.request;
        let first = format!(">>> {} {}", request.method, request.target);
        write!(f, "### {}\n{}", self.title, print(&first, &request.headers, &request.body))?;
        write!(f, "\n{}", self.answer)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = StatusCode::from_u16(self.status).ok();
        let reason = status.and_then(|status| status.canonical_reason()).unwrap_or_default();
        f.write_str(&print(&format!("<<< {} {reason}", self.status), &self.headers, &self.body))
    }
}

fn print(first: &str, headers: &Headers, body: &str) -> String {
    let mut text = format!("{first}\n");
    for (name, value) in headers {
        writeln!(text, "{name}: {value}").expect("a string takes everything");
    }
    if !body.is_empty() {
        write!(text, "\n{body}\n").expect("a string takes everything");
    }
    text
}

/// Where the transcripts are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts")
}

/// Reads all transcripts, by their path below the folder and without the ending, in order.
pub fn all() -> Vec<(String, Transcript)> {
    let mut found = Vec::new();
    for group in std::fs::read_dir(folder()).unwrap() {
        let group = group.unwrap().path();
        for file in std::fs::read_dir(&group).unwrap() {
            let path = file.unwrap().path();
            assert_eq!(path.extension().and_then(|ending| ending.to_str()), Some("http"), "{}", path.display());
            let name = path.strip_prefix(folder()).unwrap().with_extension("").display().to_string();
            let text = std::fs::read_to_string(&path).unwrap();
            let transcript = Transcript::parse(&text).unwrap_or_else(|problem| panic!("{name}: {problem}"));
            found.push((name, transcript));
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# About.\n# given: connected\n# set: a=b=c\n\n### Title\n>>> POST /a?b HTTP\nx: y: z\n\n{\"a\":\n\n 1}\n\n\
                        <<< 200 OK\nc: d\n\n{\"e\": 1}\n\n### after 60 s: later\n>>> GET /\n\n<<< 204 No Content\n";

    #[test]
    fn a_file_is_read_and_written_without_a_change() {
        let transcript = Transcript::parse(FILE).unwrap();
        assert_eq!(transcript.to_string(), FILE);
        assert_eq!(transcript.exchanges[0].request.body, "{\"a\":\n\n 1}");
        assert_eq!(transcript.exchanges[0].wait(), None);
        assert_eq!(transcript.exchanges[1].wait(), Some(Duration::from_secs(60)));
    }

    #[test]
    fn a_repetition_is_written_out() {
        assert_eq!(expand("a«xy*3»b« *2»"), "axyxyxyb  ");
    }
}
