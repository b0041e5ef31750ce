//! The least that is enough.

mod minimal;
mod table;
