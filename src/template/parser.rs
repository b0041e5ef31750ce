//! The grammar of fields: text, escapes and references, one pass forward, no going back.

use std::mem;

use super::cursor::Cursor;
use super::error::{Error, shown};
use super::name;
use super::reader::{self, Reader};
use super::reference::{Piece, Span, Step, Template};

/// The longest field that is read, in bytes.
pub const MAX_FIELD_BYTES: usize = 16 * 1024;
/// The longest path of a reference, in steps: as deep as a secret's JSON is read.
pub const MAX_PATH_STEPS: usize = 128;

/// Reads a field in time linear in its length.
///
/// Fails on a field longer than [`MAX_FIELD_BYTES`] and on the first mistake inside of `{{ … }}`; outside there
/// are none, a lone `}}` is text.
pub fn parse(text: &str) -> Result<Template, Error> {
    if text.len() > MAX_FIELD_BYTES {
        let message = format!("the field is {} bytes long; at most {MAX_FIELD_BYTES} are read", text.len());
        return Err(Error::new(
            Span::START,
            message,
            "shorten it, or put the value in a secret and refer to that",
        ));
    }
    let mut cursor = Cursor::new(text);
    let mut pieces = Vec::new();
    let mut literal = String::new();
    loop {
        if cursor.eat(r"\{{") {
            literal.push_str("{{");
        } else if cursor.rest().starts_with("{{") {
            if !literal.is_empty() {
                pieces.push(Piece::Text(mem::take(&mut literal)));
            }
            pieces.push(Piece::Reference(reader::reference(&mut cursor)?));
        } else if let Some(c) = cursor.bump() {
            literal.push(c);
        } else {
            break;
        }
    }
    if !literal.is_empty() {
        pieces.push(Piece::Text(literal));
    }
    Ok(Template::new(text, without_outer_quotes(pieces)))
}

/// Reads a path on its own, such as `a.b[0]`; parts that are no identifiers are taken as they stand.
pub(super) fn parse_path(key: &str) -> Result<Vec<Step>, Error> {
    let text = if key.trim_start().starts_with('[') { key.to_owned() } else { format!(".{key}") };
    let mut cursor = Cursor::new(&text);
    let mut reader = Reader::of_path(&mut cursor);
    match reader.path() {
        Ok(path) if reader.is_at_end() => Ok(path),
        Err(error) if key.contains('[') => Err(Error {
            help: "write the key as a path such as `users[0].name` or `['access key']`".into(),
            ..error
        }),
        _ => split_path(key),
    }
}

fn split_path(key: &str) -> Result<Vec<Step>, Error> {
    if key.split('.').any(str::is_empty) {
        let message = match key {
            "" => "the key is empty".into(),
            _ => format!("the key `{}` has an empty part", shown(key)),
        };
        return Err(Error::new(
            Span::START,
            message,
            "name the key, or leave it out to mean the whole secret",
        ));
    }
    let step = |part: &str| match part.parse() {
        Ok(index) => Step::Index(index),
        Err(_) => Step::Key { name: part.into(), dotted: name::is_identifier(part) },
    };
    let path: Vec<Step> = key.split('.').map(step).collect();
    if path.len() > MAX_PATH_STEPS { Err(reader::too_deep(Span::START)) } else { Ok(path) }
}

/// The habit of the Retool documentation: quotes around one whole reference do not belong to the value.
fn without_outer_quotes(mut pieces: Vec<Piece>) -> Vec<Piece> {
    let is_quoted = match pieces.as_slice() {
        [Piece::Text(before), Piece::Reference(_), Piece::Text(after)] => {
            before == after && matches!(before.as_str(), "\"" | "'")
        }
        _ => false,
    };
    if is_quoted {
        pieces.retain(|piece| matches!(piece, Piece::Reference(_)));
    }
    pieces
}
