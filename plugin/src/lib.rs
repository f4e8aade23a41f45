//! The component. Glue only: the platform's interfaces on one side, [`rollcall_core`] on the other.
//!
//! An instance is reused for many requests where the platform does that, so what is here is a cache at most: the settings,
//! the open store, and the journal's buffer with its bound. `docs/architecture.md` has the way of a request.
//!
//! There is a build for each WASI, by a feature of Cargo: [`p3`] answers `wasi:http/handler@0.3`, many requests at once in
//! one instance, with work after the answer; [`p2`] answers `wasi:http/incoming-handler@0.2`, one request at a time, and
//! nothing is left to be done after the answer.

mod instance;
mod ports;
mod request_body;

#[cfg(feature = "component-p2")]
mod p2;
#[cfg(feature = "component-p2")]
use p2 as platform;

#[cfg(not(feature = "component-p2"))]
mod p3;
#[cfg(not(feature = "component-p2"))]
use p3 as platform;

// The two versions of Spin's SDK are the same to what is here, so it knows one name.
#[cfg(feature = "component-spin-4.0")]
extern crate spin_sdk_6 as spin_sdk;

#[cfg(any(
    all(feature = "component-spin-4.1", feature = "component-spin-4.0"),
    all(feature = "component-spin-4.1", feature = "component-p2"),
    all(feature = "component-spin-4.0", feature = "component-p2"),
))]
compile_error!("two builds at once: a component has one HTTP handler; give --no-default-features with the feature");

#[cfg(not(any(feature = "component-spin-4.1", feature = "component-spin-4.0", feature = "component-p2")))]
compile_error!("no build: give one of the features component-spin-4.1, component-spin-4.0 and component-p2");
