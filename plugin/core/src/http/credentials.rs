//! The `Authorization` header of a request.

use crate::secrets::TOKEN_PREFIX;
use http::HeaderMap;
use http::header::AUTHORIZATION;

/// The credentials of a Bearer header, RFC 6750 §2.1; the scheme compares without case. Of two headers a proxy may have
/// looked at the one and we at the other, so two are none.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    without_scheme(only(headers)?)
}

/// A token as a client of SCIM presents it.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(super) struct Presented<'h> {
    pub(super) token: &'h str,
    /// What stands before the token is not `Bearer` alone.
    pub(super) is_misspelt: bool,
}

/// The token of a header that a person has filled in at an identity provider. Where the provider adds `Bearer` itself, some
/// write it a second time; where the provider sends the field as it is, some leave it out. Both can mean nothing else: the
/// one names the scheme twice, and without a scheme only what begins as our tokens do is taken for one.
pub(super) fn presented(headers: &HeaderMap) -> Option<Presented<'_>> {
    let value = only(headers)?;
    let Some(token) = without_scheme(value) else {
        let bare = value.trim();
        let is_token = bare.starts_with(TOKEN_PREFIX) && !bare.contains(char::is_whitespace);
        return is_token.then_some(Presented { token: bare, is_misspelt: true });
    };
    Some(match without_scheme(token) {
        Some(token) => Presented { token, is_misspelt: true },
        None => Presented { token, is_misspelt: false },
    })
}

fn only(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    value.to_str().ok()
}

fn without_scheme(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (AUTHORIZATION, value.parse().unwrap())).collect()
    }

    #[test]
    fn a_token_is_found_behind_its_scheme_behind_two_and_without_one() {
        let found =
            |value: &str| presented(&headers(&[value])).map(|found| (found.token.to_owned(), found.is_misspelt));
        let some = |token: &str, is_misspelt| Some((token.to_owned(), is_misspelt));
        for (value, expected) in [
            ("Bearer rollcall_a", some("rollcall_a", false)),
            ("bEARER   rollcall_a ", some("rollcall_a", false)),
            ("Bearer other", some("other", false)),
            ("Bearer Bearer rollcall_a", some("rollcall_a", true)),
            ("bearer BEARER  rollcall_a", some("rollcall_a", true)),
            ("rollcall_a", some("rollcall_a", true)),
            // Who names the scheme three times, or two tokens, presents something that is no token.
            ("Bearer Bearer Bearer rollcall_a", some("Bearer rollcall_a", true)),
            ("Bearer rollcall_a Bearer rollcall_b", some("rollcall_a Bearer rollcall_b", false)),
            ("Bearer rollcall_a, Bearer rollcall_a", some("rollcall_a, Bearer rollcall_a", false)),
            ("rollcall_a rollcall_b", None),
            ("other", None),
            ("Bearer", None),
            ("Bearer ", None),
            ("Basic rollcall_a", None),
            ("Token rollcall_a", None),
            ("", None),
        ] {
            assert_eq!(found(value), expected, "{value}");
        }
    }

    #[test]
    fn of_two_headers_there_is_no_token_even_where_they_are_equal() {
        for second in ["Bearer rollcall_a", "Bearer rollcall_b", "rollcall_a", ""] {
            let headers = headers(&["Bearer rollcall_a", second]);
            assert_eq!((presented(&headers), bearer(&headers)), (None, None), "{second}");
        }
    }

    #[test]
    fn a_secret_that_is_no_token_of_a_tenant_needs_its_scheme_once() {
        assert_eq!(bearer(&headers(&["Bearer secret"])), Some("secret"));
        assert_eq!(bearer(&headers(&["rollcall_a"])), None);
        assert_eq!(bearer(&headers(&["Bearer Bearer secret"])), Some("Bearer secret"));
    }
}
