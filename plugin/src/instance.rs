//! The application of an instance, made at its first request.

use crate::ports;
use rollcall_core::http::{Rollcall, health};
use rollcall_core::settings::{Settings, SettingsError};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

thread_local! {
    static INSTANCE: RefCell<Option<Rc<Rollcall>>> = const { RefCell::new(None) };
}

/// Why there is no application.
pub(crate) enum Unusable {
    Settings(SettingsError),
    Store(String),
}

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unusable::Settings(error) => error.fmt(f),
            Unusable::Store(error) => error.fmt(f),
        }
    }
}

/// The application, where an earlier request of the instance made it.
pub(crate) fn made() -> Option<Rc<Rollcall>> {
    INSTANCE.with_borrow(Clone::clone)
}

/// The values of the component's variables, as far as they are set.
#[derive(Default)]
pub(crate) struct Values(BTreeMap<&'static str, String>);

impl Values {
    /// Notes what the platform said of a variable: its value, nothing where it is not set, or an error in its own words.
    pub(crate) fn note(&mut self, name: &'static str, said: Result<Option<String>, String>) -> Result<(), Unusable> {
        match said {
            Ok(Some(value)) => drop(self.0.insert(name, value)),
            Ok(None) => {}
            Err(error) => {
                // Where the value comes from is the operator's affair, and may be in these words.
                eprintln!("rollcall: variable {name}: {error}");
                return Err(Unusable::Settings(SettingsError::unread(name)));
            }
        }
        Ok(())
    }

    /// Makes the application with these values.
    pub(crate) fn make(self) -> Result<Rc<Rollcall>, Unusable> {
        let settings = Settings::read(|name| self.0.get(name).cloned()).map_err(Unusable::Settings)?;
        let rollcall = Rc::new(Rollcall::new(ports::open().map_err(Unusable::Store)?, settings));
        INSTANCE.with_borrow_mut(|instance| *instance = Some(rollcall.clone()));
        Ok(rollcall)
    }
}

/// The answer where there is no application.
pub(crate) fn unavailable(method: &http::Method, path: &str, problem: &Unusable) -> http::Response<Vec<u8>> {
    eprintln!("rollcall: {problem}");
    match problem {
        Unusable::Settings(error) => health::misconfigured(method, path, error),
        Unusable::Store(_) => health::closed(method),
    }
}
