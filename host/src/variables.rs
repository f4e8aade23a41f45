//! `spin:variables@3.0.0`, and the same for components of WASI 0.2, `fermyon:spin/variables@2.0.0`: the component's
//! configuration, complete before it starts.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::component::{Accessor, HasData, Linker};

use crate::bindings::fermyon::spin::variables as p2;
use crate::bindings::spin::variables::variables::{Error, Host, HostWithStore, add_to_linker};

/// The variables of a component with their values.
#[derive(Clone, Default)]
pub struct Variables(Arc<BTreeMap<String, String>>);

impl Variables {
    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Variables {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        let pairs = variables.into_iter();
        Self(Arc::new(pairs.map(|(name, value)| (name.into(), value.into())).collect()))
    }
}

/// Offers both imports to components.
pub fn add_variables_to_linker<T: Send>(
    linker: &mut Linker<T>,
    variables: fn(&mut T) -> &Variables,
) -> wasmtime::Result<()> {
    add_to_linker::<T, Configuration>(linker, variables)?;
    p2::add_to_linker::<T, Configuration>(linker, variables)
}

/// Spin's rule, with its words for what breaks it: lower-case letters, digits and single underscores between them,
/// beginning with a letter.
pub fn refuse_name(name: &str) -> Result<(), String> {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let problem = if name.is_empty() {
        "must not be empty"
    } else if !name.chars().all(|c| word(c) || c == '_') {
        "may contain only lower-case letters, digits and underscores"
    } else if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        "must start with a lower-case letter"
    } else if name.ends_with('_') || name.contains("__") {
        "must have a letter or digit after each underscore"
    } else {
        return Ok(());
    };
    Err(format!("{name:?} {problem}"))
}

struct Configuration;

impl HasData for Configuration {
    type Data<'a> = &'a Variables;
}

impl Host for &Variables {}

impl<T> HostWithStore<T> for Configuration {
    async fn get(accessor: &Accessor<T, Self>, name: String) -> Result<String, Error> {
        refuse_name(&name).map_err(Error::InvalidName)?;
        accessor.with(|mut access| value(access.get(), &name).map_err(Error::Undefined))
    }
}

impl p2::Host for &Variables {
    fn get(&mut self, name: String) -> Result<String, p2::Error> {
        refuse_name(&name).map_err(p2::Error::InvalidName)?;
        value(self, &name).map_err(p2::Error::Undefined)
    }
}

fn value(variables: &Variables, name: &str) -> Result<String, String> {
    variables.get(name).map(str::to_owned).ok_or_else(|| format!("no variable {name:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_lower_case_words_joined_by_single_underscores() {
        for name in ["a", "admin_secret", "a1_2"] {
            assert_eq!(refuse_name(name), Ok(()));
        }
        for (name, problem) in [
            ("", r#""" must not be empty"#),
            ("A", r#""A" may contain only lower-case letters, digits and underscores"#),
            ("a-b", r#""a-b" may contain only lower-case letters, digits and underscores"#),
            ("_a", r#""_a" must start with a lower-case letter"#),
            ("1a", r#""1a" must start with a lower-case letter"#),
            ("a__b", r#""a__b" must have a letter or digit after each underscore"#),
            ("a_", r#""a_" must have a letter or digit after each underscore"#),
        ] {
            assert_eq!(refuse_name(name), Err(problem.to_owned()));
        }
    }
}
