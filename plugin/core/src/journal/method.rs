//! The method of a record.

use serde::{Deserialize, Serialize};

/// The HTTP method of a request as a record keeps it: 1 to [`Method::LETTERS_MAX`] ASCII letters, in the case in which they
/// came.
///
/// RFC 9110 §9.1 lets a method be any token, and a token may hold `` ` ``, `$`, `|`, `&` and `'`. Whoever knows a tenant
/// URL can send one, without a valid token. Records are copied into shells, spreadsheets and programs that read logs, so
/// that everything but letters is kept as [`Method::UNKNOWN`]. A record that is stored or imported is read the same way.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(from = "String")]
pub struct Method(String);

impl Method {
    /// Letters of a method. The longest that is registered without a hyphen has 17 (UPDATEREDIRECTREF, RFC 4437).
    pub const LETTERS_MAX: usize = 32;

    /// Stands for a method that is not kept.
    pub const UNKNOWN: &str = "UNKNOWN";

    /// The method of a request, or what stands for it.
    #[must_use]
    pub fn of(sent: &str) -> Method {
        Method(if is_kept(sent) { sent } else { Method::UNKNOWN }.to_owned())
    }

    /// The method as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Method {
    fn from(text: String) -> Method {
        if is_kept(&text) { Method(text) } else { Method(Method::UNKNOWN.to_owned()) }
    }
}

fn is_kept(text: &str) -> bool {
    (1..=Method::LETTERS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

const _: () = assert!(Method::UNKNOWN.len() <= Method::LETTERS_MAX, "what stands for a method is one itself");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_of_letters_is_kept_in_its_case_up_to_the_limit_and_one_letter_more_is_not() {
        for kept in ["GET", "get", "PaTcH", "PURGE", "x", &"X".repeat(Method::LETTERS_MAX)] {
            assert_eq!(Method::of(kept).as_str(), kept);
        }
        assert_eq!(Method::of(&"X".repeat(Method::LETTERS_MAX + 1)).as_str(), Method::UNKNOWN);
    }

    #[test]
    fn a_method_with_anything_but_ascii_letters_is_kept_as_unknown() {
        // All that RFC 9110 §5.6.2 lets a token hold beside letters, and what it does not.
        let others = (0..=0xff_u8).map(char::from).chain(['\u{2028}', '\u{202e}', 'ſ', '\u{212a}', '😀']);
        for other in others.filter(|other| !other.is_ascii_alphabetic()) {
            for sent in [format!("{other}"), format!("X{other}"), format!("{other}X"), format!("GE{other}T")] {
                assert_eq!(Method::of(&sent).as_str(), Method::UNKNOWN, "{sent:?}");
            }
        }
        assert_eq!(Method::of("").as_str(), Method::UNKNOWN);
    }

    #[test]
    fn a_stored_method_is_read_as_one_that_was_sent() {
        let read = |stored: &str| serde_json::from_value::<Method>(stored.into()).unwrap();
        for sent in ["GET", "X`touch$IFS$9pwned`", "=1+1", "-o/tmp/x", ""] {
            assert_eq!(read(sent), Method::of(sent));
            assert_eq!(serde_json::to_value(Method::of(sent)).unwrap(), Method::of(sent).as_str());
        }
    }
}
