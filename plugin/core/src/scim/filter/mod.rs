//! Filters: syntax, bound tree, answer.
//!
//! A filter is read in three steps, each in a file: `syntax` parses the text into a tree, `bound` finds the names of the
//! tree in a schema, and `matching` holds the bound tree against a resource or an element. What a bound filter tells of its
//! matches before any resource is read, such as the value to look up in an index, is in `lookup`.

mod bound;
mod comparison;
mod lookup;
mod matching;
mod syntax;

pub use bound::{BoundFilter, ElementFilter};
pub use lookup::{Lookup, Reads};
pub use syntax::{Compare, Filter, parse};
pub(crate) use syntax::{is_name, parse_within};
