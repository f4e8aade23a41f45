//! Tenants: which there are, what stands in the head of one, and the schemas that one has of its own.

pub mod registry;
pub mod schemas;
pub mod state;
