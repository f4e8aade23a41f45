//! The page's files. They are part of the component, and their address changes with their content.

use super::packed::inflated;
use super::{openapi, respond};
use crate::settings::Settings;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::X_CONTENT_TYPE_OPTIONS;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY};
use http::{HeaderName, Request, Response, StatusCode};
use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;

/// Name below `page/`, deflated content.
static ASSETS: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

const FOLDER: &str = "assets/";

/// What browsers may do with the page: run and show what it brings, talk to its own origin, nothing else.
fn policy(frame_ancestors: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors {frame_ancestors}"
    )
}

/// Answers a request for a file. `assets/<digest>/…` never changes and may be kept for ever; the page itself is asked
/// for again each time, and names the present digest.
pub(super) fn answer(file: &str, request: &Request<Vec<u8>>, settings: &Settings) -> Response<Vec<u8>> {
    let digest = digest();
    let fixed = file.strip_prefix(FOLDER).and_then(|rest| rest.strip_prefix(&format!("{digest}/")));
    let name = fixed.map_or_else(|| file.to_owned(), |rest| format!("{FOLDER}{rest}"));
    let Some((_, packed)) = ASSETS.iter().find(|(asset, _)| *asset == name) else {
        return respond::empty(StatusCode::NOT_FOUND);
    };
    let content = inflated(packed);
    let content = if name == "index.html" { with_digest(&content, digest) } else { content };
    let cache = if fixed.is_some() { "public, max-age=31536000, immutable" } else { "no-cache" };
    serve(content, media_type(&name), cache, request, settings)
}

/// The OpenAPI document.
pub(super) fn openapi(request: &Request<Vec<u8>>, settings: &Settings) -> Response<Vec<u8>> {
    serve(openapi::document().to_vec(), "application/json; charset=utf-8", "no-cache", request, settings)
}

fn serve(
    content: Vec<u8>,
    media_type: &str,
    cache: &str,
    request: &Request<Vec<u8>>,
    settings: &Settings,
) -> Response<Vec<u8>> {
    if let Some(response) = respond::unless_file_method(request.method()) {
        return response;
    }
    let tag = format!("\"{}\"", short(&Sha256::digest(&content)));
    let known = request.headers().get_all(IF_NONE_MATCH).iter().any(|value| value.as_bytes() == tag.as_bytes());
    let mut response = respond::empty(if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK });
    let headers: [(HeaderName, &str); 6] = [
        (ETAG, &tag),
        (CACHE_CONTROL, cache),
        (CONTENT_TYPE, media_type),
        (CONTENT_SECURITY_POLICY, &policy(&settings.frame_ancestors)),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "same-origin"),
    ];
    for (name, value) in headers {
        respond::set(&mut response, name, value);
    }
    if !known {
        *response.body_mut() = content;
    }
    respond::to(request.method(), response)
}

/// One digest over all files: modules import each other by relative addresses and so stay within one state of the page.
/// The files are fixed, so an instance makes it once.
fn digest() -> &'static str {
    static DIGEST: LazyLock<String> = LazyLock::new(|| {
        let mut hasher = Sha256::new();
        for (name, content) in ASSETS {
            hasher.update(name.as_bytes());
            hasher.update(content);
        }
        short(&hasher.finalize())
    });
    &DIGEST
}

fn short(digest: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(&digest[..9])
}

fn with_digest(page: &[u8], digest: &str) -> Vec<u8> {
    String::from_utf8_lossy(page).replace("=\"assets/", &format!("=\"assets/{digest}/")).into_bytes()
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some(_) | None => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_and_all_its_files_are_under_170_kb() {
        let bytes: usize = ASSETS.iter().map(|(_, packed)| inflated(packed).len()).sum();
        assert!(bytes < 170_000, "{bytes}");
    }

    #[test]
    fn the_page_names_its_files_by_their_digest_and_nobody_else() {
        let page = ASSETS.iter().find(|(name, _)| *name == "index.html").unwrap().1;
        let text = String::from_utf8(with_digest(&inflated(page), digest())).unwrap();
        assert!(text.contains(&format!("\"assets/{}/", digest())), "{text}");
        assert!(!text.contains("\"assets/\"") && !text.contains("http://") && !text.contains("https://"), "{text}");
    }
}
