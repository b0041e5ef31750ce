//! Puts the values into the text.

use secrecy::{ExposeSecret, SecretString};

use super::reference::{Piece, Reference, Template};

/// Renders a field in one pass: what `resolve` gives is put in as it is, whatever it contains.
///
/// References are resolved from left to right; the first error ends it. No copy of the result is left in memory: it
/// is built in a buffer of just its length, which becomes the result and is zeroized with it.
pub fn render<E>(
    template: &Template,
    mut resolve: impl FnMut(&Reference) -> Result<SecretString, E>,
) -> Result<SecretString, E> {
    let mut parts = Vec::with_capacity(template.pieces().len());
    for piece in template.pieces() {
        parts.push(match piece {
            Piece::Text(text) => Part::Text(text),
            Piece::Reference(reference) => Part::Value(resolve(reference)?),
        });
    }
    let mut rendered = String::with_capacity(parts.iter().map(|part| part.text().len()).sum());
    for part in &parts {
        rendered.push_str(part.text());
    }
    Ok(SecretString::from(rendered))
}

enum Part<'t> {
    Text(&'t str),
    Value(SecretString),
}

impl Part<'_> {
    fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Value(value) => value.expose_secret(),
        }
    }
}
