//! Tenants: which there are, and the schemas that one has of its own.

pub mod registry;
pub mod schemas;
