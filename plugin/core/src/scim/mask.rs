//! Takes secrets out of what is about to be written down or sent back. Who masks too much loses a word of the journal, who
//! masks too little a password.
//!
//! What is a secret is told by its name, wherever the name stands: an attribute, a parameter, a word in a filter or a path.
//! Of a text that has such a name only the words of the protocol stay. An error's detail quotes what was wrong in its own
//! way, and not always with the name; so it is not looked through for names, but for everything that the request has sent
//! as a secret or in one text with a secret's name, see [`Taint`].

use super::parameters::Parameters;
use super::schema::{ResourceType, Schema};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

/// What stands in the place of a secret.
pub const MASK: &str = "***";

/// Words that make a name that of a secret: `clientSecret`, `api_token`.
const WORDS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "pass",
    "secret",
    "secrets",
    "credential",
    "credentials",
    "token",
    "tokens",
    "authorization",
];

/// Words that do so before `key`: `apiKey`.
const BEFORE_KEY: &[&str] = &["api", "access", "private", "secret", "signing", "encryption"];

/// What does so within a name, too: `userpassword`, `apikey`.
const WITHIN: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "clientsecret",
    "credential",
    "apikey",
    "accesskey",
    "privatekey",
    "secretkey",
    "accesstoken",
    "refreshtoken",
    "idtoken",
];

/// Parameters that are no secrets by name, and have none of ours: others' URLs have theirs there.
const PARAMETERS: &[&str] =
    &["code", "sig", "signature", "assertion", "key", "jwt", "sas", "auth", "session", "otp", "pin"];

/// Parameters whose values are numbers.
const NUMBERS: &[&str] = &["count", "startIndex"];

/// No name is longer, see [`Limits`](crate::settings::Limits); text without blanks, such as a photo, can be.
const NAME_BYTES_MAX: usize = 128;

/// How often a text may be percent-encoded to be looked into.
const PERCENT_LEVELS_MAX: usize = 4;

/// The names of the secrets of some resource types, beside what is one anywhere.
///
/// A tenant's own names count where they stand as a whole word: a tenant may call a secret `pin` and still read in its
/// journal of the shipping department.
pub struct Mask<'s> {
    own: Vec<&'s Schema>,
    as_words: Vec<&'s str>,
}

impl<'s> Mask<'s> {
    /// The mask of these types.
    pub fn of(types: impl IntoIterator<Item = &'s ResourceType>) -> Mask<'s> {
        let own: Vec<&Schema> = types.into_iter().flat_map(|of| &of.own).collect();
        let as_words = own.iter().copied().flat_map(secret_names).collect();
        Mask { own, as_words }
    }

    /// Masks the values of attributes that nobody may read, wherever they stand in a document: as an attribute of a
    /// resource, in a PATCH value, as the value of a PATCH operation whose path names the attribute, or in a text that is a
    /// document itself. The depth is that of the document, which serde_json bounds.
    pub fn secrets(&self, document: &mut Value) {
        match document {
            Value::Array(elements) => elements.iter_mut().for_each(|element| self.secrets(element)),
            Value::String(text) => {
                if let Cow::Owned(masked) = self.assigned(text) {
                    *text = masked;
                }
            }
            Value::Object(object) => {
                let secret_path = object.iter().any(|(name, value)| is(name, "path") && self.mentions(&text(value)));
                let secret_query = object.iter().any(|(name, value)| is_query(name) && self.mentions(&text(value)));
                for (name, value) in object.iter_mut() {
                    if self.mentions(name) || secret_path && (is(name, "value") || is(name, "data")) {
                        cover(value);
                    } else if secret_path && is(name, "path") || secret_query && is_query(name) && !value.is_number() {
                        *value = Value::String(self.words_of(&text(value)));
                    } else {
                        self.secrets(value);
                    }
                }
                // A name in a PATCH value may be a whole path with a filter in it.
                if object.keys().any(|name| self.name(name) != *name) {
                    let named = std::mem::take(object);
                    object.extend(named.into_iter().map(|(name, value)| (self.name(&name).into_owned(), value)));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// A filter or a path as it may be written down: where it has a secret's name, without whatever may be its value.
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.finding(text) {
            Finding::None => Cow::Borrowed(text),
            Finding::Plain => {
                let masked = self.words_of(text);
                if masked == text { Cow::Borrowed(text) } else { Cow::Owned(masked) }
            }
            Finding::Encoded => Cow::Borrowed(MASK),
        }
    }

    /// A name as it may be written down: one of a single word is a name and nothing else.
    fn name<'t>(&self, name: &'t str) -> Cow<'t, str> {
        let is_word = name.bytes().all(|byte| is_name(byte) && byte != b'-');
        if is_word { Cow::Borrowed(name) } else { self.text(name) }
    }

    /// A text of somebody's own as it may be written down: where a secret's name has a value in it, as in JSON or in a
    /// form, without what follows.
    pub fn assigned<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let is_assignment = |name: &Range<usize>| {
            let rest = text.get(name.end..).unwrap_or_default();
            let behind = rest.trim_start_matches(|c: char| c.is_whitespace() || "\"'\\".contains(c));
            let value = behind.strip_prefix([':', '=']).map(|value| value.trim_start_matches([' ', '"', '\'', '\\']));
            value.is_some_and(|value| !value.is_empty())
        };
        match self.names(text).into_iter().find(is_assignment).and_then(|name| text.get(..name.end)) {
            Some(kept) => Cow::Owned([kept, " ", MASK].concat()),
            None => Cow::Borrowed(text),
        }
    }

    /// A path of a URL as it may be written down, each segment by itself.
    pub fn path<'p>(&self, path: &'p str) -> Cow<'p, str> {
        if matches!(self.finding(path), Finding::None) {
            return Cow::Borrowed(path);
        }
        // A value may have a slash in it, so it may go on in the segments behind.
        let mut within = false;
        let segment = |segment: &str| {
            let finding = self.finding(segment);
            within |= !matches!(finding, Finding::None);
            if !within {
                return segment.to_owned();
            }
            if matches!(finding, Finding::Encoded) { MASK.to_owned() } else { self.words_of(segment) }
        };
        Cow::Owned(path.split('/').map(segment).collect::<Vec<_>>().join("/"))
    }

    /// A query as it may be written down: without the values of parameters that are named like a secret, and where anything
    /// in it has a secret's name, of all values only the words of the protocol. What has no secret is given back as it is.
    pub fn query<'q>(&self, parameters: &'q Parameters<'_>) -> Option<Cow<'q, str>> {
        let sent = parameters.text()?;
        if !parameters.iter().any(|(name, value)| self.is_secret_parameter(name) || self.has_name(value)) {
            return Some(Cow::Borrowed(sent));
        }
        let secret = parameters.iter().any(|(_, value)| self.has_name(value));
        let mut masked = form_urlencoded::Serializer::new(String::new());
        for (name, value) in parameters.iter() {
            let value = if self.is_secret_parameter(name) || matches!(self.finding(value), Finding::Encoded) {
                Cow::Borrowed(MASK)
            } else if secret && !is_number(name, value) {
                Cow::Owned(self.words_of(value))
            } else {
                Cow::Borrowed(value)
            };
            masked.append_pair(&self.name(name), &value);
        }
        Some(Cow::Owned(masked.finish()))
    }

    /// Whether a secret's name stands in a text.
    pub fn mentions(&self, text: &str) -> bool {
        !self.names(text).is_empty()
    }

    fn has_name(&self, text: &str) -> bool {
        !matches!(self.finding(text), Finding::None)
    }

    fn is_secret_parameter(&self, name: &str) -> bool {
        self.has_name(name) || words_of(name).last().is_some_and(|word| PARAMETERS.contains(&word.as_str()))
    }

    /// A text with no more than the words of the protocol.
    fn words_of(&self, text: &str) -> String {
        join(tokens(text).map(|token| if self.is_protocol(token) { token.text() } else { MASK }))
    }

    fn finding(&self, text: &str) -> Finding {
        if self.mentions(text) {
            return Finding::Plain;
        }
        let mut text = Cow::Borrowed(text);
        for _ in 0..PERCENT_LEVELS_MAX {
            if !text.contains('%') {
                return Finding::None;
            }
            let plain = percent_decode_str(&text).decode_utf8_lossy().into_owned();
            if self.mentions(&plain) {
                return Finding::Encoded;
            }
            if plain == *text {
                return Finding::None;
            }
            text = Cow::Owned(plain);
        }
        Finding::None
    }

    /// Where the names of secrets stand in a text.
    fn names(&self, text: &str) -> Vec<Range<usize>> {
        let bytes = text.as_bytes();
        let mut found = Vec::new();
        let mut at = 0;
        while let Some(hit) = next_in_name(bytes, at) {
            let start = bytes[at..hit].iter().rposition(|byte| !is_name(*byte)).map_or(at, |before| at + before + 1);
            let end = bytes[hit..].iter().position(|byte| !is_name(*byte)).map_or(bytes.len(), |after| hit + after);
            if end - start <= NAME_BYTES_MAX && text.get(start..end).is_some_and(is_secret_name) {
                found.push(start..end);
            }
            at = end.max(hit + 1);
        }
        for word in &self.as_words {
            found.extend(find_word(text, word).map(|start| start..start + word.len()));
        }
        found.sort_unstable_by_key(|name| name.start);
        found
    }

    /// Whether a token of a text is one of the words that everybody may read.
    fn is_protocol(&self, token: Lexeme<'_>) -> bool {
        let Lexeme::Word(word) = token else {
            return matches!(token, Lexeme::Between(_));
        };
        word.bytes().all(|byte| is_name(byte) || b".:".contains(&byte)) && pieces(word).all(|piece| self.knows(piece))
    }

    fn knows(&self, piece: &str) -> bool {
        piece.is_empty()
            || VOCABULARY.contains(piece.to_ascii_lowercase().as_str())
            || is_secret_name(piece)
            || self.own.iter().any(|schema| vocabulary_of(schema).any(|known| known.eq_ignore_ascii_case(piece)))
    }
}

/// How a secret's name stands in a text.
enum Finding {
    None,
    Plain,
    /// Behind percent signs.
    Encoded,
}

/// Everything of a request that may be a secret: the values of attributes and parameters that are named like one, and what
/// stands in one text with such a name but for the words of the protocol.
#[derive(Default)]
pub struct Taint {
    words: BTreeSet<String>,
    numbers: BTreeSet<String>,
    /// There was more than is looked for.
    overflows: bool,
}

/// Words of one request that are looked for. An error quotes one of them, or two.
const TAINTED_MAX: usize = 1_000;

/// Shorter ones are looked for in quotes alone: they are a part of nearly every sentence.
const WORD_CHARS_MIN: usize = 4;

/// Longer ones are found within other words, and their beginning, too: an error may have cut them off.
const CUT_BYTES_MIN: usize = 16;

impl Taint {
    /// What a request has sent, but for its body.
    pub fn of(mask: &Mask<'_>, path: &str, parameters: &Parameters<'_>) -> Taint {
        let mut taint = Taint::default();
        let mut within = false;
        for segment in path.split('/') {
            within |= mask.has_name(segment);
            if within {
                taint.all_of(mask, segment);
            }
        }
        let secret = parameters.iter().any(|(_, value)| mask.has_name(value));
        for (name, value) in parameters.iter() {
            taint.text(mask, name);
            if (secret || mask.is_secret_parameter(name)) && !is_number(name, value) {
                taint.all_of(mask, value);
            }
        }
        taint
    }

    /// Takes in a body as it was sent. One that is no JSON is quoted nowhere. One whose names are escaped has a backslash.
    #[must_use]
    pub fn and_text(mut self, mask: &Mask<'_>, body: &[u8]) -> Taint {
        if (body.contains(&b'\\') || mask.mentions(&String::from_utf8_lossy(body)))
            && let Ok(document) = crate::json::parse(body)
        {
            self.document(mask, &document);
        }
        self
    }

    /// Takes in a body that was read.
    #[must_use]
    pub fn and_value(mut self, mask: &Mask<'_>, body: &Value) -> Taint {
        self.document(mask, body);
        self
    }

    /// A text without any of it.
    pub fn out_of<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.overflows {
            let place = text.split(':').next().filter(|place| place.bytes().all(|b| b.is_ascii_alphabetic()));
            return Cow::Owned(format!("{}: not said, since it may have a secret in it", place.unwrap_or("request")));
        }
        let mut clean = Cow::Borrowed(text);
        for number in &self.numbers {
            let said = format!("the number {number}");
            if clean.contains(&said) {
                clean = Cow::Owned(clean.replace(&said, &format!("the number {MASK}")));
            }
        }
        // The longer ones first: the shorter ones may be parts of them.
        let mut words: Vec<&String> = self.words.iter().collect();
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        for word in words {
            let quoted = format!("{word:?}");
            if clean.contains(&quoted) {
                clean = Cow::Owned(clean.replace(&quoted, &format!("\"{MASK}\"")));
            }
            if word.chars().nth(WORD_CHARS_MIN - 1).is_some() {
                clean = Cow::Owned(without(&clean, word));
            }
        }
        clean
    }

    fn document(&mut self, mask: &Mask<'_>, document: &Value) {
        match document {
            Value::Array(elements) => elements.iter().for_each(|element| self.document(mask, element)),
            Value::String(text) => {
                if matches!(mask.assigned(text), Cow::Owned(_)) {
                    self.all_of(mask, text);
                }
            }
            Value::Object(object) => {
                let secret_path = object.iter().any(|(name, value)| is(name, "path") && mask.has_name(&text(value)));
                let secret_query = object.iter().any(|(name, value)| is_query(name) && mask.has_name(&text(value)));
                for (name, value) in object {
                    self.text(mask, name);
                    let whole = mask.has_name(name)
                        || secret_path && ["value", "data", "path"].iter().any(|other| is(name, other))
                        || secret_query && is_query(name);
                    if whole { self.values(mask, value) } else { self.document(mask, value) }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn values(&mut self, mask: &Mask<'_>, value: &Value) {
        match value {
            Value::String(text) => self.all_of(mask, text),
            Value::Number(number) => {
                self.numbers.insert(number.to_string());
                self.add(&number.to_string());
            }
            Value::Array(elements) => elements.iter().for_each(|element| self.values(mask, element)),
            Value::Object(object) => {
                for (name, value) in object {
                    self.all_of(mask, name);
                    self.values(mask, value);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn text(&mut self, mask: &Mask<'_>, text: &str) {
        if mask.has_name(text) {
            self.all_of(mask, text);
        }
    }

    /// Takes in a text: whole, in its parts and in their pieces, in plain and behind percent signs; an error may quote any.
    fn all_of(&mut self, mask: &Mask<'_>, text: &str) {
        let mut text = Cow::Borrowed(text);
        for _ in 0..PERCENT_LEVELS_MAX {
            for token in tokens(&text).filter(|token| !mask.is_protocol(*token)) {
                let inner = token.text().trim_matches(['"', '\'']);
                self.add(inner);
                if let Ok(plain) = serde_json::from_str::<String>(token.text()) {
                    self.add(&plain);
                }
                let pieces = inner.split(|c: char| !c.is_alphanumeric()).chain(inner.split_whitespace());
                pieces.filter(|piece| !mask.knows(piece)).for_each(|piece| self.add(piece));
            }
            let plain = percent_decode_str(&text).decode_utf8_lossy().into_owned();
            if plain == *text {
                return;
            }
            text = Cow::Owned(plain);
        }
    }

    fn add(&mut self, word: &str) {
        if self.words.len() >= TAINTED_MAX {
            self.overflows = true;
        } else if !word.is_empty() {
            self.words.insert(word.to_owned());
        }
    }
}

/// A text without a word: where it stands by itself, and of a long one wherever it begins.
fn without(text: &str, word: &str) -> String {
    let end = (CUT_BYTES_MIN..=word.len()).find(|end| word.is_char_boundary(*end)).unwrap_or(word.len());
    let head = &word[..end];
    let mut clean = String::new();
    let mut rest = text;
    while let Some((before, found)) = rest.find(head).map(|place| rest.split_at(place)) {
        let same: usize = found.chars().zip(word.chars()).take_while(|(a, b)| a == b).map(|(c, _)| c.len_utf8()).sum();
        let (taken, behind) = found.split_at(same);
        let last = clean.chars().next_back();
        let apart = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        let alone = apart(before.chars().next_back().or(last)) && apart(behind.chars().next());
        clean.push_str(before);
        clean.push_str(if alone || word.len() >= CUT_BYTES_MIN / 2 { MASK } else { taken });
        rest = behind;
    }
    clean.push_str(rest);
    clean
}

/// A token of a filter, a path or a query.
#[derive(Clone, Copy)]
enum Lexeme<'t> {
    /// A word of whatever characters.
    Word(&'t str),
    /// A text in quotes, with them.
    Quoted(&'t str),
    /// What stands between words.
    Between(&'t str),
}

impl<'t> Lexeme<'t> {
    fn text(self) -> &'t str {
        match self {
            Lexeme::Word(text) | Lexeme::Quoted(text) | Lexeme::Between(text) => text,
        }
    }
}

fn tokens<'t>(text: &'t str) -> impl Iterator<Item = Lexeme<'t>> {
    let is_between = |c: char| c.is_whitespace() || "()[],=&;/".contains(c);
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let (end, token): (usize, fn(&'t str) -> Lexeme<'t>) = match first {
            '"' | '\'' => (quoted_end(rest, first), Lexeme::Quoted),
            c if is_between(c) => (c.len_utf8(), Lexeme::Between),
            _ => {
                let end = rest.find(|c: char| is_between(c) || c == '"' || c == '\'').unwrap_or(rest.len());
                (end, Lexeme::Word)
            }
        };
        let (taken, behind) = rest.split_at(end);
        rest = behind;
        Some(token(taken))
    })
}

/// The end of a text in quotes, or of all where they are not closed.
fn quoted_end(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// Parts as one text, where masks that stand together are one.
fn join<'t>(parts: impl Iterator<Item = &'t str>) -> String {
    let mut text = String::new();
    for part in parts {
        if part == MASK && text.trim_end().ends_with(MASK) {
            text.truncate(text.trim_end().len());
        } else {
            text.push_str(part);
        }
    }
    text
}

/// A null stays: that nothing was sent is no secret, and is often what is looked for.
fn cover(value: &mut Value) {
    if !value.is_null() {
        *value = Value::String(MASK.to_owned());
    }
}

/// The members of a search, RFC 7644 §3.4.3.
fn is_query(name: &str) -> bool {
    const MEMBERS: &[&str] =
        &["filter", "sortBy", "sortOrder", "attributes", "excludedAttributes", "startIndex", "count", "cursor"];
    MEMBERS.iter().any(|member| is(name, member))
}

fn is_number(parameter: &str, value: &str) -> bool {
    NUMBERS.contains(&parameter) && value.len() < 8 && value.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a name is that of a secret by one of its words.
fn is_secret_name(name: &str) -> bool {
    let joined: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    if WITHIN.iter().any(|part| joined.contains(part)) {
        return true;
    }
    let words = words_of(name);
    words.iter().any(|word| WORDS.contains(&word.as_str()))
        || words.windows(2).any(|pair| BEFORE_KEY.contains(&pair[0].as_str()) && ["key", "keys"].contains(&&*pair[1]))
}

/// The words of a name in lower case: `clientSecret2`, `CLIENT_SECRET`.
fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        let begins =
            c.is_ascii_uppercase() && !before.is_ascii_uppercase() || c.is_ascii_digit() != before.is_ascii_digit();
        if begins || !c.is_ascii_alphanumeric() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_ascii_alphanumeric()) {
            word.push(c.to_ascii_lowercase());
        }
        before = c;
    }
    words
}

/// The next byte, at a place or behind it, where a secret's name may be. Whole answers are looked through, so two bytes
/// have to rule nearly all places out: each name has a `w`, a `k`, a `z`, `ss` or `cr`.
fn next_in_name(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += bytes.get(at..)?.iter().position(|byte| IN_NAME[usize::from(*byte)])?;
        let next = bytes.get(at + 1).map_or(0, u8::to_ascii_lowercase);
        let pair = match bytes[at].to_ascii_lowercase() {
            b's' => next == b's',
            b'c' => next == b'r',
            _ => true,
        };
        if pair {
            return Some(at);
        }
        at += 1;
    }
}

/// The bytes that [`next_in_name`] stops at: a look-up costs a third of comparisons.
const IN_NAME: [bool; 256] = {
    let (mut table, mut byte) = ([false; 256], 0);
    while byte < 256 {
        table[byte] = matches!((byte as u8).to_ascii_lowercase(), b'w' | b'k' | b'z' | b's' | b'c');
        byte += 1;
    }
    table
};

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_$".contains(&byte)
}

/// What a filter or a path is made of beside values, in lower case.
static VOCABULARY: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    const GRAMMAR: &[&str] = &[
        "and",
        "or",
        "not",
        "eq",
        "ne",
        "co",
        "sw",
        "ew",
        "gt",
        "ge",
        "lt",
        "le",
        "pr",
        "true",
        "false",
        "null",
        "id",
        "externalId",
        "meta",
        "client",
        "user",
        "new",
        "old",
        "key",
        "keys",
        "access",
        "refresh",
        "api",
        "private",
        "resourceType",
        "created",
        "lastModified",
        "location",
        "version",
        "schemas",
        "Users",
        "Groups",
        "Schemas",
        "ResourceTypes",
        "ServiceProviderConfig",
        "Bulk",
        "search",
        "Me",
        "scim",
        "v2",
    ];
    let types = [ResourceType::user(), ResourceType::group()];
    let of_types = types.into_iter().flat_map(ResourceType::schemas).flat_map(vocabulary_of);
    GRAMMAR.iter().copied().chain(of_types).map(str::to_ascii_lowercase).collect()
});

/// The names of a schema, and the pieces of its URN.
fn vocabulary_of(schema: &Schema) -> impl Iterator<Item = &str> {
    let parts = schema.attributes.iter().flat_map(|attribute| attribute.sub_attributes.iter());
    let names = schema.attributes.iter().chain(parts).flat_map(|attribute| pieces(&attribute.name));
    names.chain(pieces(&schema.id))
}

fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
}

fn secret_names(schema: &Schema) -> impl Iterator<Item = &str> {
    let parts = schema.attributes.iter().flat_map(|attribute| attribute.sub_attributes.iter());
    schema.attributes.iter().chain(parts).filter(|attribute| attribute.is_hidden()).map(|attribute| &*attribute.name)
}

/// Where a word stands, without case, and what is before and behind it belongs to no name.
fn find_word(text: &str, word: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let part = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(|byte| is_name(*byte));
    let fits = |(at, window): (usize, &[u8])| {
        window.eq_ignore_ascii_case(word.as_bytes()) && !part(at.checked_sub(1)) && !part(at.checked_add(word.len()))
    };
    bytes.windows(word.len()).enumerate().position(fits)
}

fn is(name: &str, expected: &str) -> bool {
    name.eq_ignore_ascii_case(expected)
}

/// A path is text; one that is not is still looked at.
fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Cow::Owned(value.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn built_in() -> Mask<'static> {
        Mask::of([ResourceType::user()])
    }

    fn query(query: &str) -> String {
        built_in().query(&Parameters::of(Some(query))).unwrap().into_owned()
    }

    fn masked(text: &str) -> Cow<'_, str> {
        built_in().text(text)
    }

    fn check(mut document: Value, expected: Value) {
        built_in().secrets(&mut document);
        assert_eq!(document, expected);
    }

    #[test]
    fn a_password_is_masked_in_a_resource() {
        check(json!({"userName": "alice", "password": "s3cret"}), json!({"userName": "alice", "password": "***"}));
        check(json!({"PassWord": {"value": "s"}}), json!({"PassWord": "***"}));
        check(json!({"password": null}), json!({"password": null}));
        check(
            json!({"urn:ietf:params:scim:schemas:core:2.0:User:password": "s3cret"}),
            json!({"urn:ietf:params:scim:schemas:core:2.0:User:password": "***"}),
        );
    }

    #[test]
    fn a_password_is_masked_in_an_operation_with_a_path() {
        let operation =
            |path: &str, value: Value| json!({"Operations": [{"op": "replace", "path": path, "value": value}]});
        for path in ["password", "PASSWORD", " password", "urn:ietf:params:scim:schemas:core:2.0:User:password"] {
            check(operation(path, json!("s3cret")), operation(path, json!("***")));
        }
        check(operation("title", json!("password")), operation("title", json!("password")));
        check(
            json!({"OP": "add", "Path": ["password"], "Value": "s3cret"}),
            json!({"OP": "add", "Path": "[***]", "Value": "***"}),
        );
    }

    #[test]
    fn a_password_is_masked_in_an_operation_without_a_path() {
        check(
            json!({"Operations": [{"op": "replace", "value": {"title": "x", "password": "s3cret"}}]}),
            json!({"Operations": [{"op": "replace", "value": {"title": "x", "password": "***"}}]}),
        );
    }

    #[test]
    fn a_password_is_masked_in_the_filter_of_a_path() {
        check(
            json!({"op": "remove", "path": "emails[password eq \"s3cret\" or value eq \"x\"].type"}),
            json!({"op": "remove", "path": "emails[password eq *** or value eq ***].type"}),
        );
    }

    #[test]
    fn a_password_is_masked_in_the_filter_of_a_name() {
        check(
            json!({"op": "add", "value": {"emails[password eq \"s3cret\"].value": "x", "title": "y"}}),
            json!({"op": "add", "value": {"emails[password eq ***].value": "***", "title": "y"}}),
        );
    }

    #[test]
    fn a_password_is_masked_in_a_search() {
        check(
            json!({"Filter": "title pr or password eq \"s3cret\""}),
            json!({"Filter": "title pr or password eq ***"}),
        );
        check(json!({"filter": "title eq \"x\""}), json!({"filter": "title eq \"x\""}));
        check(
            json!({"sortBy": "password", "attributes": ["s3cret"]}),
            json!({"sortBy": "password", "attributes": "[***]"}),
        );
    }

    #[test]
    fn a_document_within_a_text_is_masked_from_the_name_on() {
        for text in [
            r#"{"password":"s3cret"}"#,
            r#"{\"password\": \"s3cret\"}"#,
            "password=s3cret",
            "pwd: s3cret",
            "client_secret = 's3cret'",
        ] {
            let masked = built_in().assigned(text).into_owned();
            assert!(masked.ends_with(" ***") && !masked.contains("s3cret"), "{text}: {masked}");
            check(json!({"title": text}), json!({"title": masked}));
        }
        for text in ["password", "Password reset:", "token ring", "urn:ietf:params:scim:schemas:core:2.0:User:password"]
        {
            assert_eq!(built_in().assigned(text), text);
        }
    }

    #[test]
    fn a_name_is_that_of_a_secret_by_one_of_its_words() {
        for name in [
            "password",
            "PASSWORD",
            "userPassword",
            "userpassword",
            "pwd",
            "passwd",
            "pass",
            "passphrase",
            "secret",
            "clientSecret",
            "client_secret",
            "CLIENT-SECRET",
            "clientsecret",
            "secretKey2",
            "credentials",
            "apiKey",
            "api_key",
            "APIKEY",
            "accessToken",
            "access_token",
            "token",
            "refreshtoken",
            "privateKey",
            "authorization",
            "urn:ietf:params:scim:schemas:core:2.0:User:password",
            "oldPassword1",
        ] {
            assert!(built_in().mentions(name), "{name}");
        }
        for name in [
            "secretary",
            "passport",
            "compass",
            "keynote",
            "key",
            "tokenizer",
            "displayName",
            "workspace",
            "accreditation",
            "bypassed",
            "password\u{e9}s",
        ] {
            assert!(!is_secret_name(name) || name.starts_with("password"), "{name}");
        }
        // What has no blank may be longer than any name.
        assert!(!built_in().mentions(&"kw".repeat(100_000)));
    }

    #[test]
    fn every_name_of_a_secret_is_found_by_the_bytes_that_it_has() {
        let pairs = BEFORE_KEY.iter().map(|word| format!("{word}key"));
        for name in WORDS.iter().chain(WITHIN).map(|name| (*name).to_owned()).chain(pairs) {
            for name in [name.clone(), name.to_uppercase()] {
                let found = next_in_name(name.as_bytes(), 0).is_some();
                assert!(found, "{name}");
            }
        }
    }

    #[test]
    fn of_a_text_with_the_name_of_a_secret_only_the_words_of_the_protocol_stay() {
        for (text, expected) in [
            ("password eq s3cret", "password eq ***"),
            ("password eq 's3 cret'", "password eq ***"),
            ("password eq \"s3\\\"cret\"", "password eq ***"),
            ("password eq \"s3cret", "password eq ***"),
            ("\"s3cret\" eq password", "*** eq password"),
            ("s3cret eq password", "*** eq password"),
            ("PASSWORD EQ \"s3cret\"", "PASSWORD EQ ***"),
            ("title pr and (password co \"s\")", "title pr and (password co ***)"),
            ("password=s3cret", "password=***"),
            ("password eq cor:rect#horse", "password eq ***"),
            ("password eq correct horse battery", "password eq ***"),
            ("pass%77ord eq s3cret", "*** eq ***"),
            ("%70assword eq s3cret", "***"),
            ("%2570assword eq s3cret", "***"),
            ("password#s3cret eq x", "*** eq ***"),
            ("password-s3cret", "***"),
            ("client_secret=s3cret", "client_secret=***"),
            ("title eq \"x\"", "title eq \"x\""),
            ("title eq \"100%\"", "title eq \"100%\""),
            (
                "urn:ietf:params:scim:schemas:core:2.0:User:password",
                "urn:ietf:params:scim:schemas:core:2.0:User:password",
            ),
        ] {
            assert_eq!(masked(text), expected, "{text}");
        }
    }

    #[test]
    fn an_error_does_not_quote_what_the_request_has_sent_as_a_secret() {
        let of = |path: &str, query: &str, body: Value| {
            Taint::of(&built_in(), path, &Parameters::of(Some(query)))
                .and_text(&built_in(), body.to_string().as_bytes())
        };
        let filter = of("/Users", "filter=password+eq+correct-horse&count=1", Value::Null);
        assert_eq!(filter.out_of("filter: found \"correct\" (column 13)"), "filter: found \"***\" (column 13)");
        assert_eq!(filter.out_of("filter: found \"correct-horse\""), "filter: found \"***\"");
        assert_eq!(filter.out_of("filter: it is not correct"), "filter: it is not ***");
        assert_eq!(filter.out_of("filter: incorrectly"), "filter: incorrectly");
        let sort = of("/Users", "sortBy=password&attributes=hunter2", Value::Null);
        assert_eq!(sort.out_of("attributes: hunter2: no such"), "attributes: ***: no such");
        let path = of("/Users/password=hunter2", "", Value::Null);
        assert_eq!(
            path.out_of("Users/password=hunter2: no user has this id"),
            "Users/password=***: no user has this id"
        );
        let body = of("/Users", "", json!({"password": 1234, "title": "{\"pwd\":\"hunter2\"}", "displayName": "Dave"}));
        let said = "password: expected a string, found the number 1234; displayName \"Dave\"; title hunter2";
        let clean = "password: expected a string, found the number ***; displayName \"Dave\"; title ***";
        assert_eq!(body.out_of(said), clean);
        // One of which an error has kept the beginning.
        let long = of("/Users", &format!("filter=password+eq+%22{}%22", "x1".repeat(40)), Value::Null);
        assert_eq!(long.out_of(&format!("found \"{}\"", "x1".repeat(20))), "found \"***\"");
        // A request without a secret is quoted.
        let none = of("/Users/hunter2", "filter=title+eq+hunter2", json!({"title": "hunter2"}));
        assert_eq!(none.out_of("found \"hunter2\""), "found \"hunter2\"");
        // More than is looked for.
        let many: Vec<String> = (0..TAINTED_MAX + 1).map(|number| format!("word{number}")).collect();
        let many = of("/Users", "", json!({"password": many}));
        assert_eq!(many.out_of("title: found hunter2"), "title: not said, since it may have a secret in it");
    }

    #[test]
    fn a_query_without_a_secret_stays_as_it_is() {
        let plain = "filter=userName+eq+%22alice%40contoso.com%22&aadOptscim062020";
        assert_eq!(query(plain), plain);
    }

    #[test]
    fn a_password_is_masked_in_a_query() {
        assert_eq!(query("filter=password+eq+%22s3cret%22"), "filter=password+eq+***");
        assert_eq!(query("filter=a+pr+and+pass%77ord+sw+%22s&count=1"), "filter=***+pr+and+password+sw+***&count=1");
        assert_eq!(query("access_token=s3cret&count=1"), "access_token=***&count=1");
        assert_eq!(query("sortBy=password&attributes=s3cret"), "sortBy=password&attributes=***");
        for name in ["code", "sig", "assertion", "key", "token", "Code", "SIG", "client%5Fsecret"] {
            assert!(!query(&format!("{name}=s3cret")).contains("s3cret"), "{name}");
        }
    }
}
