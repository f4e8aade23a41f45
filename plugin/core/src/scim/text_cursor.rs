//! One cursor over a text, for filters and paths.

/// A place in a text. Nothing here can step into the middle of a character.
pub(crate) struct TextCursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> TextCursor<'t> {
    pub(crate) fn new(text: &'t str) -> TextCursor<'t> {
        TextCursor { text, at: 0 }
    }

    /// What is left.
    pub(crate) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    pub(crate) fn at_end(&self) -> bool {
        self.rest().is_empty()
    }

    /// Steps over the text if it comes next.
    pub(crate) fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    /// Steps over blanks; true if there was one.
    pub(crate) fn blanks(&mut self) -> bool {
        let trimmed = self.rest().trim_start_matches(' ');
        let found = trimmed.len() < self.rest().len();
        self.at = self.text.len() - trimmed.len();
        found
    }

    /// Takes characters as long as they fit.
    pub(crate) fn take(&mut self, fits: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// The word that comes next, without stepping over it.
    pub(crate) fn word(&self) -> &'t str {
        let rest = self.rest();
        &rest[..rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len())]
    }

    /// Steps over a keyword if it comes next, in any case (RFC 7644 §3.4.2.2), and ends there.
    pub(crate) fn keyword(&mut self, keyword: &str) -> bool {
        let found = self.word().eq_ignore_ascii_case(keyword);
        if found {
            self.at += keyword.len();
        }
        found
    }

    /// What comes next, and in which column, for an error message.
    pub(crate) fn found(&self) -> String {
        let column = self.text[..self.at].chars().count() + 1;
        let what = match self.rest().chars().next() {
            None => "end of input".to_owned(),
            Some(c) if c.is_ascii_alphanumeric() => format!("{:?}", self.word().chars().take(40).collect::<String>()),
            Some(c) => format!("{:?}", c.to_string()),
        };
        format!("found {what} (column {column})")
    }
}
