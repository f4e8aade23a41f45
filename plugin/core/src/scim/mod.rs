//! SCIM 2.0 (RFC 7643, RFC 7644): values and pure functions. Nothing here knows a store, HTTP, the time or chance.
//!
//! Three texts of a client go the same way: parsed into a tree, bound to a schema, applied to a resource. They are the
//! filter, the PATCH path and the PATCH body. What is bound cannot name what is not there.

pub mod body;
pub mod bulk;
pub mod dialect;
pub mod discovery;
pub mod effort;
pub mod error;
pub mod filter;
pub mod mask;
pub mod messages;
pub mod parameters;
pub mod patch;
pub mod path;
pub mod projection;
pub mod query;
pub mod reading;
pub mod resource;
pub mod schema;
pub mod sent;
pub mod sort;
pub(crate) mod text;
mod text_cursor;
mod value;

pub use body::JsonBody;
pub use bulk::BulkRequest;
pub use dialect::Dialect;
pub use effort::Effort;
pub use error::{Error, FullScanReason, ScimType};
pub use filter::BoundFilter;
pub use mask::{Mask, Taint};
pub use parameters::Parameters;
pub use patch::{PatchRequest, RelationStep};
pub use projection::Projection;
pub use query::ListQuery;
pub use reading::{Leniency, Noted, Reading};
pub use resource::{Meta, Resource, ResourceBody, diff};
pub use schema::{ResourceType, Schema};
pub use sent::Sent;
pub use sort::Sort;
