//! Secrets out of texts: what the journal keeps and a client is told has no token in it.

use crate::scim::mask::MASK;
use crate::secrets::TOKEN_PREFIX;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use memchr::memmem::Finder;
use std::borrow::Cow;
use std::sync::LazyLock;

/// Takes the presented secret out of a text, and whatever looks like one of our tokens, wherever the client may have put
/// it. A text without either, as nearly all are, is given back as it is.
///
/// Both are found in base64, too: as they stand in the header of another scheme, or within a longer text.
pub(crate) fn scrub<'t>(text: &'t str, presented: Option<&str>) -> Cow<'t, str> {
    static PACKED: LazyLock<Vec<Finder<'_>>> =
        LazyLock::new(|| packed(TOKEN_PREFIX).iter().map(|core| Finder::new(core).into_owned()).collect());
    let foreign = presented.filter(|secret| secret.len() >= 8 && !secret.starts_with(TOKEN_PREFIX));
    let plain = scrub_plain(text, presented);
    let has_packed = PACKED.iter().any(|core| core.find(plain.as_bytes()).is_some());
    let foreign: Vec<String> = foreign.map(|secret| packed(head(secret))).unwrap_or_default();
    let foreign: Vec<&String> = foreign.iter().filter(|core| plain.contains(core.as_str())).collect();
    if !has_packed && foreign.is_empty() {
        return plain;
    }
    let own = packed(TOKEN_PREFIX);
    let clean = own.iter().chain(foreign).fold(plain.into_owned(), |text, core| without_packed(&text, core));
    Cow::Owned(clean)
}

/// What a secret looks like in base64 of either alphabet, at each of the three places where it may begin in a group of
/// three bytes: the characters that are made of nothing else.
fn packed(secret: &str) -> Vec<String> {
    let mut cores = Vec::new();
    for (before, engine) in (0..3).flat_map(|before| [(before, STANDARD_NO_PAD), (before, URL_SAFE_NO_PAD)]) {
        let text = engine.encode([&[0; 2][..before], secret.as_bytes()].concat());
        let (start, end) = ((before * 8).div_ceil(6), (before + secret.len()) * 8 / 6);
        let core = text.get(start..end).unwrap_or_default().to_owned();
        if !cores.contains(&core) {
            cores.push(core);
        }
    }
    cores
}

/// A text without base64 from such characters on.
fn without_packed(text: &str, core: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, found)) = rest.find(core).map(|place| rest.split_at(place)) {
        let end = found.find(|c: char| !(c.is_ascii_alphanumeric() || "+/-_=".contains(c))).unwrap_or(found.len());
        clean.push_str(before);
        clean.push_str(MASK);
        rest = found.get(end..).unwrap_or_default();
    }
    clean.push_str(rest);
    clean
}

fn scrub_plain<'t>(text: &'t str, presented: Option<&str>) -> Cow<'t, str> {
    static TOKEN: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(TOKEN_PREFIX));
    // Whoever presents a word of everyday language has no secret.
    let presented = presented.filter(|secret| secret.len() >= 8);
    // What begins like our tokens is not there where nothing does.
    let foreign = presented.filter(|secret| !secret.starts_with(TOKEN_PREFIX));
    let has_token = TOKEN.find(text.as_bytes()).is_some();
    if !has_token && !foreign.is_some_and(|secret| text.contains(head(secret))) {
        return Cow::Borrowed(text);
    }
    let text = presented.map_or(Cow::Borrowed(text), |secret| Cow::Owned(hide(text, secret)));
    let mut parts = text.split(TOKEN_PREFIX);
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).unwrap_or(part.len());
        let (_, rest) = part.split_at(end);
        // Shorter ones tell too little of a token, and are more likely a name.
        let (stands, rest) = if end < 8 { (TOKEN_PREFIX, part) } else { (MASK, rest) };
        clean.push_str(stands);
        clean.push_str(rest);
    }
    Cow::Owned(clean)
}

/// Takes a secret out of a text, and its beginning where somebody has cut it off.
fn hide(text: &str, secret: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, found)) = rest.find(head(secret)).map(|place| rest.split_at(place)) {
        let same = found.chars().zip(secret.chars()).take_while(|(a, b)| a == b);
        let (_, behind) = found.split_at(same.map(|(c, _)| c.len_utf8()).sum());
        clean.push_str(before);
        clean.push_str(MASK);
        rest = behind;
    }
    clean.push_str(rest);
    clean
}

/// As much of a secret as is taken for it: our tokens' prefix and as much again.
fn head(secret: &str) -> &str {
    secret.get(..HEAD_BYTES).unwrap_or(secret)
}

const HEAD_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_token_is_scrubbed_and_the_rest_stays() {
        let stray = format!("{TOKEN_PREFIX}{}", "A1-_".repeat(11));
        assert_eq!(scrub(&format!("a {stray}, b {stray}"), None), "a ***, b ***");
        assert_eq!(scrub("rollcall_app of rollcall_", None), "rollcall_app of rollcall_");
        assert_eq!(scrub("é secret-of-theirs é", Some("secret-of-theirs")), "é *** é");
        let secret = Some("the-secret-of-theirs-é-whole");
        assert_eq!(scrub("the-secret-of-theirs-é-whole, \"the-secret-of-theirs-é-w\"", secret), "***, \"***\"");
    }

    #[test]
    fn a_token_is_found_in_base64_wherever_it_begins() {
        let ours = format!("{TOKEN_PREFIX}{}", "A1-_".repeat(11));
        for secret in [ours.as_str(), "ghp_somebody-elses-secret-0123456789", "ÿþ~?>~?>~?>~?>~?>"] {
            for before in ["", "u", "u:", "user", "user:"] {
                for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
                    let packed = engine.encode(format!("{before}{secret} and more"));
                    let clean = scrub(&format!("a {packed}== b"), Some(secret)).into_owned();
                    assert!(clean.ends_with("*** b") && clean.starts_with("a "), "{before}{secret}: {clean}");
                    // At most what is before it, and the bits of its first character that share one with that.
                    assert!(clean.len() <= "a *** b".len() + (before.len() + 1) * 8 / 6 + 1, "{before}: {clean}");
                }
            }
        }
        assert_eq!(scrub("cm9sbGNhbGw and cm9s", Some("x")), "cm9sbGNhbGw and cm9s");
    }
}
