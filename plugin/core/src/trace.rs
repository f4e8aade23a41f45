//! The `traceparent` header of W3C Trace Context, by which a request is found again in the traces of whoever sent it.

use http::{HeaderMap, HeaderName};
use serde::{Deserialize, Deserializer, Serialize};

/// The header, W3C Trace Context §3.2.
pub const HEADER: HeaderName = HeaderName::from_static("traceparent");

/// A well-formed `traceparent` of version 00: two digits of the version, 32 of the trace, 16 of the parent and two of the
/// flags, all of them lower-case hexadecimal, with a hyphen between each. Neither the trace nor the parent is all zeros
/// (§3.2.2). Whatever else a client sends is passed over (§4.3), so nothing but such digits comes into the journal or the
/// error output.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(transparent)]
pub struct Traceparent(String);

impl Traceparent {
    /// Reads a text.
    pub fn parse(text: &str) -> Option<Traceparent> {
        let mut parts = text.split('-');
        let [version, trace, parent, flags] = [(); 4].map(|()| parts.next());
        let digits = |part: Option<&str>, length: usize| {
            part.is_some_and(|part| {
                part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
            })
        };
        let names = |part: Option<&str>, length: usize| {
            digits(part, length) && part.is_some_and(|part| part.bytes().any(|b| b != b'0'))
        };
        let fits = version == Some("00") && names(trace, 32) && names(parent, 16) && digits(flags, 2);
        (fits && parts.next().is_none()).then(|| Traceparent(text.to_owned()))
    }

    /// The one of a request. Of two headers nobody knows which one is meant, so two are none.
    pub fn of(headers: &HeaderMap) -> Option<Traceparent> {
        let mut values = headers.get_all(HEADER).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Traceparent::parse(value.to_str().ok()?),
            (None, _) | (Some(_), Some(_)) => None,
        }
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A stored text that is none is read as such, and not repeated.
pub(crate) fn stored<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Traceparent>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.and_then(|text| Traceparent::parse(&text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_traceparent_is_read_in_its_one_spelling_alone() {
        assert_eq!(Traceparent::parse(FULL).map(|read| read.0).as_deref(), Some(FULL));
        assert!(Traceparent::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00").is_some());
        for text in [
            "",
            "00",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 ",
            "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
        ] {
            assert_eq!(Traceparent::parse(text), None, "{text}");
        }
    }

    #[test]
    fn two_headers_are_no_traceparent() {
        let headers = |count: usize| -> HeaderMap { (0..count).map(|_| (HEADER, FULL.parse().unwrap())).collect() };
        assert_eq!([0, 1, 2].map(|count| Traceparent::of(&headers(count)).is_some()), [false, true, false]);
    }
}
