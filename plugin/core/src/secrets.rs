//! Everything that is made from the installation's secrets: sealing, sessions, comparison.

use crate::connection::TOKEN_PREFIX;
use crate::scim::mask::MASK;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use memchr::memmem::Finder;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;
use subtle::{Choice, ConstantTimeEq as _};

/// How many random bytes a sealed text starts with.
pub(crate) const NONCE_LEN: usize = 24;

/// The keys of this installation. Each purpose has its own, so that none tells anything of another.
#[derive(Clone)]
pub struct Secrets {
    admin: Digest,
    seal: [u8; 32],
    session: [u8; 32],
}

impl Secrets {
    /// Derives all keys. Without an `encryption_key`, what is sealed can be opened only as long as the admin secret
    /// stays the same; sessions end with a change of the admin secret in any case.
    pub fn derive(admin_secret: &str, encryption_key: Option<&str>) -> Secrets {
        let sealing = encryption_key.unwrap_or(admin_secret);
        Secrets {
            admin: Digest::of(admin_secret),
            seal: expand(sealing, "rollcall seal 1"),
            session: expand(admin_secret, "rollcall session 1"),
        }
    }

    /// Whether this is the admin secret.
    pub fn is_admin(&self, presented: &str) -> bool {
        Digest::of(presented).same(&self.admin).into()
    }

    /// Seals a text for one place; it opens only under the same place's name.
    pub fn seal(&self, place: &str, text: &str, nonce: [u8; NONCE_LEN]) -> String {
        let payload = Payload { msg: text.as_bytes(), aad: place.as_bytes() };
        let sealed = XChaCha20Poly1305::new(&self.seal.into())
            .encrypt(&XNonce::from(nonce), payload)
            .expect("what we seal is shorter than the cipher's limit");
        URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat())
    }

    /// Opens a sealed text; nothing where the key has changed or the text was moved or altered.
    pub fn open(&self, place: &str, sealed: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let payload = Payload { msg: sealed, aad: place.as_bytes() };
        let text = XChaCha20Poly1305::new(&self.seal.into()).decrypt(&XNonce::from(*nonce), payload).ok()?;
        String::from_utf8(text).ok()
    }

    /// Signs a session's text.
    pub(crate) fn sign(&self, text: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.session).expect("HMAC takes keys of any length");
        mac.update(text.as_bytes());
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }

    /// Whether the signature is ours.
    pub(crate) fn signed(&self, text: &str, signature: &str) -> bool {
        self.sign(text).as_bytes().ct_eq(signature.as_bytes()).into()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(…)")
    }
}

/// The digest that stands for a secret in memory and in the store. Our tokens carry 256 random bits, so a slow hash adds
/// nothing.
///
/// The bytes are out of everybody's reach, so that digests can be compared in constant time and in no other way: neither
/// the length nor the content of what was presented shows in the time.
#[derive(Clone)]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    /// The digest of a secret.
    pub(crate) fn of(secret: &str) -> Digest {
        Digest(Sha256::digest(secret.as_bytes()).into())
    }

    /// Whether both stand for one secret.
    pub(crate) fn same(&self, other: &Digest) -> Choice {
        #[cfg(test)]
        COMPARED.set(COMPARED.get() + 1);
        self.0.ct_eq(&other.0)
    }
}

#[cfg(test)]
thread_local! {
    /// Digests that were compared in this test.
    pub(crate) static COMPARED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

impl PartialEq for Digest {
    fn eq(&self, other: &Digest) -> bool {
        self.same(other).into()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text_of(&self.0))
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Digest).ok_or_else(|| de::Error::custom("a digest of 32 bytes was expected"))
    }
}

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

/// What a secret looks like in base64 of either alphabet, at each of the three places where it may begin in a group of three
/// bytes: the characters that are made of nothing else.
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

/// Random bytes as text.
pub(crate) fn text_of(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn expand(secret: &str, purpose: &str) -> [u8; 32] {
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(None, secret.as_bytes())
        .expand(purpose.as_bytes(), &mut key)
        .expect("32 bytes are within HKDF's limit");
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_text_opens_only_in_its_place_and_under_its_key() {
        let secrets = Secrets::derive("admin", Some("key"));
        let sealed = secrets.seal("tenant a", "token", [7; NONCE_LEN]);
        assert!(!sealed.contains("token"));
        assert_eq!(secrets.open("tenant a", &sealed).as_deref(), Some("token"));
        assert_eq!(secrets.open("tenant b", &sealed), None);
        assert_eq!(Secrets::derive("other", Some("key")).open("tenant a", &sealed).as_deref(), Some("token"));
        assert_eq!(Secrets::derive("admin", None).open("tenant a", &sealed), None);
        assert_eq!(secrets.open("tenant a", "short"), None);
    }

    #[test]
    fn a_signature_ends_with_the_admin_secret() {
        let signature = Secrets::derive("one", Some("key")).sign("text");
        assert!(Secrets::derive("one", None).signed("text", &signature));
        assert!(!Secrets::derive("two", Some("key")).signed("text", &signature));
        assert!(!Secrets::derive("one", None).signed("texts", &signature));
    }

    #[test]
    fn the_admin_secret_is_compared_whole() {
        let secrets = Secrets::derive("correct", None);
        assert!(secrets.is_admin("correct"));
        for wrong in ["", "correc", "correctx", "Correct"] {
            assert!(!secrets.is_admin(wrong), "{wrong}");
        }
    }

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

    #[test]
    fn secrets_do_not_print() {
        assert_eq!(format!("{:?}", Secrets::derive("admin", None)), "Secrets(…)");
    }
}
