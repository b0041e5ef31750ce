//! The template engine: reads `{{ … }}` references in a field, looks values up in a secret, puts them together.
//!
//! What it does: [`parse`] makes a [`Template`] of a field and says where and how a mistake is put right;
//! [`SecretValue`] reads what a secret holds once and answers a [`Reference`]'s path; [`render()`] joins the text
//! and the values. The grammar and the modes are those of the specification of secrets, sections 2 and 4.
//!
//! What it must not do: fetch anything, know a source or a namespace, read a clock, import another module of the
//! crate. Names, aliases and pins are carried, not resolved.
//!
//! Invariants: no input makes it panic; work is linear in the field and bounded in the secret; a value is never
//! read as a template again; a value is in no error, no `Debug` and no memory that is not zeroized when dropped.

mod cursor;
mod error;
mod json;
mod leaves;
mod look_up;
mod name;
mod parser;
mod reader;
mod reference;
mod render;
mod repin;
mod suggest;
mod value;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use leaves::{Leaf, LeafKind, Leaves};
pub use look_up::LookUpError;
pub use parser::{MAX_FIELD_BYTES, MAX_PATH_STEPS, parse};
pub use reference::{Piece, Pin, Reference, Span, Step, Style, Template, from_parts, reference_text};
pub use render::render;
pub use repin::repinned;
pub use value::{Mode, SecretValue, Shape};
