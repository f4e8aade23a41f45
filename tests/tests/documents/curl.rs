//! The curl commands of a document, carried out against the core.

use super::answers::{self, fits};
use super::markdown::Document;
use super::shell::{Step, assignments, steps, words};
use acceptance::life::{Tenant, admin};
use acceptance::native::Native;
use acceptance::run::Server;
use acceptance::world::ADMIN_SECRET;
use http::{Request, Response};
use rollcall_core::http::route;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The tenant that every document may speak of. A document that adds one of this name itself means that one.
const TENANT: &str = "9w30ny3rrb";

/// The services that the documents speak to.
const SERVICES: [&str; 2] = ["http://127.0.0.1:3000", "https://scim.example.com"];

/// A command line of curl.
#[derive(Default)]
struct Curl {
    method: Option<String>,
    url: String,
    headers: Vec<(String, String)>,
    data: Vec<String>,
    upload: Option<String>,
    output: Option<String>,
    get: bool,
}

impl Curl {
    fn read(words: &[String]) -> Curl {
        let mut curl = Curl::default();
        let mut words = words.iter().cloned();
        while let Some(word) = words.next() {
            let mut argument = || words.next().unwrap_or_else(|| panic!("{word}: expected an argument"));
            match word.as_str() {
                "-f" | "-s" => {}
                "-G" => curl.get = true,
                "-X" => curl.method = Some(argument()),
                "-H" => {
                    let header = argument();
                    let (name, value) = header.split_once(": ").unwrap_or_else(|| panic!("{header}: no header"));
                    curl.headers.push((name.to_owned(), value.to_owned()));
                }
                "-d" => curl.data.push(argument()),
                "--data-urlencode" => curl.data.push(encoded(&argument())),
                "-T" => curl.upload = Some(argument()),
                "-o" => curl.output = Some(argument()),
                _ if word.starts_with('-') => panic!("{word}: this option of curl is not known here"),
                _ => curl.url = word,
            }
        }
        curl
    }

    /// The request that curl would send.
    fn request(&self, files: &BTreeMap<String, Vec<u8>>) -> Request<Vec<u8>> {
        let service = SERVICES.iter().find(|service| self.url.starts_with(**service));
        let service = service.unwrap_or_else(|| panic!("{}: expected one of {SERVICES:?}", self.url));
        let mut target = self.url[service.len()..].to_owned();
        let data = self.data.join("&");
        if self.get {
            target = format!("{target}{}{data}", if target.contains('?') { '&' } else { '?' });
        }
        let body = match &self.upload {
            Some(file) => files.get(file).unwrap_or_else(|| panic!("{file}: no command has made it")).clone(),
            None if self.get => Vec::new(),
            None => data.into_bytes(),
        };
        let usual = if self.upload.is_some() {
            "PUT"
        } else if body.is_empty() {
            "GET"
        } else {
            "POST"
        };
        let method = self.method.as_deref().unwrap_or(usual);
        expect_route(method, &target);
        let (_, host) = service.split_once("://").unwrap();
        let mut request = Request::builder().method(method).uri(target).header("host", host);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if !body.is_empty() && self.headers.iter().all(|(name, _)| !name.eq_ignore_ascii_case("content-type")) {
            request = request.header("content-type", "application/x-www-form-urlencoded");
        }
        request.body(body).unwrap()
    }
}

/// `name=value` with the value as it stands in a query.
fn encoded(pair: &str) -> String {
    let (name, value) = pair.split_once('=').unwrap_or_else(|| panic!("{pair}: expected name=value"));
    form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish()
}

/// Fails where the route table has no such method and path. The OpenAPI document has the same, as another test says.
fn expect_route(method: &str, target: &str) {
    let path: Vec<&str> = target.split('?').next().unwrap().split('/').collect();
    let is_there = route::table().iter().any(|row| {
        let template: Vec<&str> = row.template.split('/').collect();
        template.len() == path.len()
            && template.iter().zip(&path).all(|(part, segment)| part.starts_with('{') || part == segment)
            && row.methods.iter().any(|known| known == method)
    });
    assert!(is_there, "{method} {target}: there is no such route");
}

/// A reader of a document at a shell.
pub(crate) struct Reader {
    server: Native,
    variables: BTreeMap<String, String>,
    files: BTreeMap<String, Vec<u8>>,
    /// What the document calls by another name than the answers do.
    known: BTreeMap<String, String>,
    /// The curl commands that were carried out.
    pub(crate) sent: usize,
}

impl Reader {
    /// A reader with the tenant that the documents speak of, connected and with groups.
    pub(crate) fn new() -> Reader {
        let mut server = Native::new(&BTreeMap::new());
        admin(&mut server, "POST", "/tenants", Some(&json!({"name": "Contoso", "id": TENANT}))).expect(201);
        let token = Tenant::start(&mut server, TENANT).expect(201).text("/secretToken");
        let connection = format!("/tenants/{TENANT}/connection");
        admin(&mut server, "PATCH", &connection, Some(&json!({"groups": true}))).expect(200);
        let variables = [("(cat .spin/admin_secret)", ADMIN_SECRET.to_owned()), ("token", token)];
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Reader { server, variables, files: BTreeMap::new(), known: BTreeMap::new(), sent: 0 }
    }

    /// Goes through a document and does what it says.
    pub(crate) fn follow(&mut self, document: &Document) {
        for block in document.blocks.iter().filter(|block| block.language == "console") {
            for step in steps(block) {
                let place = document.place(step.line);
                self.take(&step, &place);
            }
        }
    }

    fn take(&mut self, step: &Step, place: &str) {
        let words: Vec<String> = words(&step.written, &self.variables);
        let set = assignments(&words);
        match words.get(set.len()).map(String::as_str) {
            Some("curl") => self.send(&words[set.len() + 1..], step, place),
            Some(_) => {}
            None => {
                // A text that the document leaves out is the one that the reader has.
                let said = set.into_iter().filter(|(_, value)| !value.contains('…'));
                self.variables.extend(said);
            }
        }
    }

    fn send(&mut self, words: &[String], step: &Step, place: &str) {
        let words: Vec<String> = words.iter().map(|word| answers::renamed(word, &self.known)).collect();
        let curl = Curl::read(&words);
        let response = self.server.answer(curl.request(&self.files));
        self.sent += 1;
        if let Some(file) = &curl.output {
            self.files.insert(file.clone(), response.body().clone());
        }
        let written = (!step.output.trim().is_empty()).then(|| answers::read(&step.output));
        let is_error = written.as_ref().is_some_and(|written| written.get("error").is_some());
        let shown = String::from_utf8_lossy(response.body()).into_owned();
        assert_eq!(response.status().is_success(), !is_error, "{place}: {}\n{shown}", step.written);
        let found = answer(&response);
        match written {
            Some(written) => {
                let fit = fits(&written, &found, &mut self.known);
                fit.unwrap_or_else(|error| panic!("{place}: {}\n{error}\nthe answer was {shown}", step.written));
            }
            None => assert!(
                curl.output.is_some() || found == Value::Null,
                "{place}: the document does not say that the answer is {shown}"
            ),
        }
    }
}

fn answer(response: &Response<Vec<u8>>) -> Value {
    serde_json::from_slice(response.body()).unwrap_or_default()
}
