//! SCIM 2.0 user synchronisation on a key-value store: all the logic and no I/O.
//!
//! Read `http` for the way of a request, `scim` for the protocol, `directory` for the users, `ledger` for how anything
//! is written. The ports in `ports` are all that this crate knows of the world.
//!
//! `docs/architecture.md` has the map, the way of one request, the invariants and a glossary; `docs/scim.md` what is
//! supported, and `docs/requirements.md` the test of each MUST.

// Whoever calls learns from a function's documentation what can go wrong.
#![warn(clippy::missing_errors_doc)]

mod backup;
pub mod connection;
pub mod directory;
pub mod http;
pub mod journal;
mod json;
pub mod keys;
pub mod ledger;
pub mod pace;
pub mod ports;
pub mod scim;
mod scrub;
pub mod secrets;
pub mod settings;
pub mod tenant;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod trace;
pub mod traffic;
pub mod watch;

#[cfg(all(feature = "testing", target_family = "wasm"))]
compile_error!("feature testing: expected a build of tests, found one of the component");
