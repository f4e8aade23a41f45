//! The component as its users meet it. `CONTRIBUTING.md` says which test shows what.
//!
//! - [`store`] is a model of Spin's key-value store that counts, fails and interrupts, and [`real`] puts a Redis server in
//!   the place of the model; [`world`] puts a clock and a source of randomness beside it that never surprise;
//! - [`transcript`] is a conversation over HTTP in a text file, [`run`] holds a server to it;
//! - [`native`] answers with the core itself, [`hosted`] with the built component in its host, over a socket;
//! - [`program`] is the host's program as a process that can be killed;
//! - [`life`] speaks as an operator and as Entra do;
//! - [`ordeal`] remembers what clients were answered while hosts and stores fail, and compares;
//! - [`backup`] furnishes a tenant and takes it from one server to another;
//! - [`load`] sends much at once, [`meter`] counts what that costs the store; [`loader`] fills one, by way of
//!   [`bulk_store`]; [`arguments`] are those of a bench or an example.

pub mod arguments;
pub mod backup;
pub mod bulk_store;
pub mod crowd;
pub mod hosted;
pub mod life;
pub mod load;
pub mod loader;
pub mod meter;
pub mod native;
pub mod ordeal;
pub mod pretty;
pub mod program;
pub mod proxy;
pub mod real;
pub mod run;
pub mod store;
pub mod transcript;
pub mod world;
