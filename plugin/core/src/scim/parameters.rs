//! The parameters of a request, decoded once for all who look at them.

use std::borrow::Cow;

/// What stands behind the question mark of a URL, in form encoding, where a blank is `+`.
#[derive(Clone)]
pub struct Parameters<'q> {
    text: Option<Cow<'q, str>>,
    pairs: Vec<(Cow<'q, str>, Cow<'q, str>)>,
}

impl<'q> Parameters<'q> {
    /// Reads a query.
    pub fn of(text: Option<&'q str>) -> Parameters<'q> {
        let pairs = form_urlencoded::parse(text.unwrap_or_default().as_bytes()).collect();
        Parameters { text: text.map(Cow::Borrowed), pairs }
    }

    /// What a body says instead of a query.
    pub(super) fn of_body(members: impl IntoIterator<Item = (&'q str, String)>) -> Parameters<'q> {
        let pairs = members.into_iter().map(|(name, value)| (name.into(), value.into()));
        Parameters { text: None, pairs: pairs.collect() }
    }

    /// The query as it was sent; nothing where there was none.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The parameters without the text that they were read from, for a request that waits.
    pub fn into_owned(self) -> Parameters<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let pairs = self.pairs.into_iter().map(|(name, value)| (owned(name), owned(value)));
        Parameters { text: self.text.map(owned), pairs: pairs.collect() }
    }

    /// Name and value, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The first value of this name.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The first value of this name that is not empty.
    pub fn first_filled(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, value)| *key == name && !value.is_empty()).map(|(_, value)| value)
    }
}
