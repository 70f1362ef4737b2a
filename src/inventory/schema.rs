//! The JSON Schema of inventories, for editors.
//!
//! To add a key: read it where it belongs, then add it to `schema.json`; the tests here hold both
//! against each other, key by key.

/// The schema, JSON Schema draft 7: the one that editors' YAML plugins know.
pub const SCHEMA: &str = include_str!("schema.json");

#[cfg(test)]
mod tests;
