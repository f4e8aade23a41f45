//! Runs the component as Spin does, for local use and for tests, and embeds it without HTTP.
//!
//! Entry points: [`Server`] is the component behind an HTTP listener, [`Plugin`] the component behind its own WIT
//! interfaces. Both take a [`Component`], which is a file with an [`Environment`]: stores, variables, environment.
//!
//! One file for each import and each task:
//!
//! - [`manifest`] reads `spin.toml`, [`toolchain`] runs its build command, [`state`] keeps data and secret;
//! - [`component`] compiles and links, `candidate` takes a component of WASI 0.3's release candidate for one of 0.3.0,
//!   [`serve`] listens, `connection` bounds clients, `http` and `body` pass a request on, `instances` keeps and reuses
//!   instances, `shares` decides who computes next, `memory` and [`limits`] bound all of it;
//! - [`keyvalue`] is `wasi:keyvalue` and `spin:key-value`, [`variables`] is `spin:variables` and `fermyon:spin/variables`.
//!
//! `docs/embedding.md` shows how to use it as a library, `docs/operations.md` has the flags of the program, and
//! `docs/stores.md` what a store has to keep.
//!
//! The host promises a component nothing that Spin does not. Where Spin's own behaviour is odd, this one's is the same, and
//! [`keyvalue::Weakness`] gives a test store the oddities of the backends that are not here.

mod bindings;
mod body;
mod candidate;
pub mod claim;
pub mod component;
mod connection;
mod http;
mod instances;
pub mod keyvalue;
pub mod limits;
pub mod manifest;
mod memory;
pub mod plugin;
mod pulse;
mod refusal;
pub mod serve;
mod shares;
pub mod state;
pub mod toolchain;
pub mod variables;

pub use component::{Component, Environment};
pub use limits::{Limits, Reuse};
pub use manifest::Manifest;
pub use plugin::Plugin;
pub use serve::Server;
pub use state::State;
pub use variables::Variables;

/// How much can be computed at a time.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}
