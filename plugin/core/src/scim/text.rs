//! The form under which texts compare that are not case-exact. Filters, the uniqueness of names, the order of lists and
//! the searches of the admin API share it, so that what the one takes for the same all others do.
//!
//! RFC 7643 §2.2 lets an attribute compare without case and does not say how. RFC 7644 §5 does, for userName: it is to be
//! prepared as the `UsernameCaseMapped` profile of PRECIS has it (RFC 7613 §3.2, now RFC 8265 §3.3). Three steps of that
//! profile make texts equal, and we take all three for every such attribute:
//!
//! - Width: a fullwidth or halfwidth character is the ordinary one. Input methods of East Asia write both.
//! - Case: full default case folding of the Unicode Standard, section 3.13, which RFC 7613 prefers. RFC 8265 prefers lower
//!   case, which depends on what stands around a character: the last sigma of a Greek word has a form of its own, so the
//!   beginning of a name would not be found by what it begins with. Folding looks at one character at a time. It is that
//!   of no language: `İ` is `i` with a dot above it, and `ı` is only itself.
//! - Normalisation: NFC. `é` as one character and as `e` with an accent behind it print alike, and which of them a
//!   directory sends depends on the operating system on which it was typed. So it is done here and not to what is stored:
//!   each value is answered as it was sent.
//!
//! What we leave out of the profile, knowing it: nothing is refused for the characters that it has (an existing directory
//! has names with blanks, and SCIM lets it), and the rule about right-to-left text is for display. NFKC, which would also
//! take `①` for `1`, is in no profile for names: a directory that tells them apart has two people there.
//!
//! Digests of folded names and addresses are keys of the store, so another folding is another layout of it. Unicode never
//! changes how a character folds or composes once it is assigned; a later version of the tables adds characters, and a test
//! names the version so that nobody adds them by accident.

use std::borrow::Cow;
use unicase::UniCase;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::decompose_compatible;

/// The form of a text under which it compares without case. Idempotent: the form of a form is itself.
///
/// Text that is ASCII looks up nothing, and allocates only where it has a capital letter.
pub(crate) fn fold(text: &str) -> Cow<'_, str> {
    if !text.is_ascii() {
        // Folding looks at decomposed text: the iota below a Greek letter folds to one beside it (D145 of the standard).
        let decomposed: String = narrow(text).nfd().collect();
        let folded = UniCase::unicode(decomposed).to_folded_case();
        return Cow::Owned(folded.nfc().collect());
    }
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Owned(text.to_ascii_lowercase());
    }
    Cow::Borrowed(text)
}

/// The folding of the layouts 1 to 3 of the store, whose keys are digests of it: for who migrates them, and for who judges
/// what a file of that time may have in it.
pub(crate) fn fold_before_layout_4(text: &str) -> String {
    text.to_lowercase()
}

/// The text with ordinary characters in the place of fullwidth and halfwidth ones.
fn narrow(text: &str) -> Cow<'_, str> {
    if !text.chars().any(has_width) {
        return Cow::Borrowed(text);
    }
    let mut narrowed = String::with_capacity(text.len());
    for character in text.chars() {
        if has_width(character) {
            decompose_compatible(character, |part| narrowed.push(part));
        } else {
            narrowed.push(character);
        }
    }
    Cow::Owned(narrowed)
}

/// Whether the Unicode Character Database maps a character as `<wide>` or `<narrow>`: the ideographic space, and the block
/// of halfwidth and fullwidth forms.
fn has_width(character: char) -> bool {
    matches!(character, '\u{3000}' | '\u{ff01}'..='\u{ffef}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn same(texts: &[&str]) {
        for text in texts {
            assert_eq!(fold(text), fold(texts[0]), "{text:?} and {:?}", texts[0]);
        }
    }

    #[test]
    fn texts_that_differ_in_case_are_one_in_every_script() {
        same(&["alice@contoso.com", "ALICE@Contoso.Com"]);
        same(&["ΝΙΚΟΣ", "νικοσ", "νικος", "Νικος"]);
        same(&["STRASSE", "straße", "STRAẞE", "Strasse"]);
        same(&["ﬃ", "FFI"]);
        same(&["ЁЛКА", "ёлка"]);
        same(&["ᏣᎳᎩ", "ꮳꮃꭹ"]);
        same(&["ΑΙ", "ᾳ", "ᾼ"]);
        same(&["\u{212a}elvin", "kelvin"]);
    }

    #[test]
    fn what_a_text_begins_with_is_found_at_its_beginning() {
        assert!(fold("ΝΙΚΟΣΑΒΒΑΣ").starts_with(&*fold("ΝΙΚΟΣ")));
        assert!(fold("Νικος").ends_with(&*fold("ΟΣ")));
    }

    #[test]
    fn a_dotted_i_folds_as_the_default_folding_says_and_not_as_in_turkish() {
        assert_eq!(fold("İ"), "i\u{307}");
        assert_eq!(fold("I"), "i");
        assert_eq!(fold("ı"), "ı");
    }

    #[test]
    fn text_is_the_same_composed_and_decomposed_and_in_either_width() {
        same(&["caf\u{e9}", "cafe\u{301}", "CAFE\u{301}", "ＣＡＦＥ\u{301}"]);
        same(&["ガ", "ｶﾞ", "カ\u{3099}"]);
        same(&["각", "\u{1100}\u{1161}\u{11a8}"]);
        same(&["a b", "a\u{3000}b"]);
        // Two accents in either order, where the order means nothing.
        same(&["q\u{307}\u{323}", "q\u{323}\u{307}"]);
    }

    #[test]
    fn texts_that_only_look_alike_stay_different() {
        let alike = ["paypal", "p\u{430}ypal", "paypal\u{200b}", "pay\u{ad}pal", "payp\u{2090}l", "paypa\u{2081}"];
        for (at, one) in alike.iter().enumerate() {
            for other in &alike[at + 1..] {
                assert_ne!(fold(one), fold(other), "{one:?} {other:?}");
            }
        }
        assert_ne!(fold("①"), fold("1"));
        assert_ne!(fold("x²"), fold("x2"));
    }

    #[test]
    fn the_form_of_a_form_is_itself_for_every_character() {
        for character in '\u{0}'..=char::MAX {
            // With something before and behind it that could compose with it.
            for text in [character.to_string(), format!("Α{character}\u{301}"), format!("i{character}\u{345}")] {
                let once = fold(&text).into_owned();
                assert_eq!(fold(&once), once, "{text:?}");
            }
        }
    }

    #[test]
    fn a_character_and_its_other_cases_have_one_form() {
        for character in '\u{0}'..=char::MAX {
            let form = fold(character.encode_utf8(&mut [0; 4])).into_owned();
            // Whatever has a lower case of its own; upper case is not injective (`ı` and `i` are both `I`).
            let lower: String = character.to_lowercase().collect();
            assert_eq!(fold(&lower), form, "{character:?}");
        }
    }

    #[test]
    fn ascii_in_small_letters_is_not_copied() {
        assert!(matches!(fold("alice@contoso.com"), Cow::Borrowed(_)));
        assert!(matches!(fold(""), Cow::Borrowed(_)));
        for text in ["Alice", "@AZ[`az{", "\u{0}\u{7f}"] {
            assert_eq!(fold(text), text.to_ascii_lowercase());
        }
    }

    /// Keys of the store are digests of folded text. Before this is changed: characters that the new version assigns fold
    /// anew, so names that have them need a step to the next layout.
    #[test]
    fn the_tables_are_of_the_version_that_the_layout_was_made_with() {
        assert_eq!(unicode_normalization::UNICODE_VERSION, (18, 0, 0));
        // unicase says no version. Assigned by 18, and by no earlier one.
        assert_ne!(fold("\u{1df40}"), "\u{1df40}");
    }
}
