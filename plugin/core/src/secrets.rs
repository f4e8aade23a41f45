//! Everything that is made from the installation's secrets: sealing, sessions, comparison.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};
use std::fmt;
use subtle::{Choice, ConstantTimeEq as _};

/// What a token of a connection starts with, so that secret scanners know it.
pub const TOKEN_PREFIX: &str = "rollcall_";

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

/// The secret that opens `/metrics`, and nothing else.
#[derive(Clone, Debug)]
pub struct MetricsSecret(Digest);

impl MetricsSecret {
    /// The one of this text.
    pub fn of(secret: &str) -> MetricsSecret {
        MetricsSecret(Digest::of(secret))
    }

    /// Whether this is the secret, in a time that tells nothing of it.
    pub fn is(&self, presented: &str) -> bool {
        Digest::of(presented).same(&self.0).into()
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
    fn secrets_do_not_print() {
        assert_eq!(format!("{:?}", Secrets::derive("admin", None)), "Secrets(…)");
    }
}
