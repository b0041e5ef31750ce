//! Reads XML piece by piece: a pass over the text, with the names and values as slices of it.

use std::borrow::Cow;

/// How deep elements that are passed over may nest; a page of a list needs four levels.
const MOST_DEPTH: usize = 16;

/// Why a text is no XML that is read here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::aws::direct) enum XmlError {
    #[error("it is not XML: {0}")]
    Broken(&'static str),
    #[error("it nests too deep")]
    TooDeep,
}

/// A piece of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Start(&'a str),
    End(&'a str),
    /// `<name/>`
    Empty(&'a str),
    /// As it is written, entities and all.
    Text(&'a str),
    Raw(&'a str),
}

/// What is left of a text.
pub(super) struct Reader<'a> {
    rest: &'a str,
}

/// An element that begins.
pub(super) struct Child<'a> {
    pub(super) name: &'a str,
    /// It ends at once.
    pub(super) empty: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Reader<'a> {
        Reader { rest: text.strip_prefix('\u{feff}').unwrap_or(text) }
    }

    /// The next element within `parent`; none at its end.
    pub(super) fn child(&mut self, parent: &str) -> Result<Option<Child<'a>>, XmlError> {
        loop {
            match self.piece()? {
                Piece::Start(name) => return Ok(Some(Child { name, empty: false })),
                Piece::Empty(name) => return Ok(Some(Child { name, empty: true })),
                Piece::End(name) if name == parent => return Ok(None),
                Piece::End(_) => return Err(XmlError::Broken("an element ends that did not begin")),
                Piece::Text(blank) | Piece::Raw(blank) if blank.trim_ascii().is_empty() => {}
                Piece::Text(_) | Piece::Raw(_) => {
                    return Err(XmlError::Broken("text stands where elements belong"));
                }
            }
        }
    }

    /// The text of an element that has begun, to its end.
    pub(super) fn text(&mut self, element: &str) -> Result<Cow<'a, str>, XmlError> {
        let mut text = Cow::Borrowed("");
        loop {
            let more = match self.piece()? {
                Piece::Text(raw) => unescape(raw)?,
                Piece::Raw(raw) => Cow::Borrowed(raw),
                Piece::End(name) if name == element => return Ok(text),
                _ => return Err(XmlError::Broken("an element stands where text belongs")),
            };
            if text.is_empty() {
                text = more;
            } else {
                text.to_mut().push_str(&more);
            }
        }
    }

    /// Passes over an element that has begun, and all that is in it.
    pub(super) fn skip(&mut self, element: &'a str) -> Result<(), XmlError> {
        let mut open = Vec::new();
        loop {
            match self.piece()? {
                Piece::Start(_) if open.len() >= MOST_DEPTH => return Err(XmlError::TooDeep),
                Piece::Start(name) => open.push(name),
                Piece::End(name) if name != open.last().copied().unwrap_or(element) => {
                    return Err(XmlError::Broken("an element ends that did not begin"));
                }
                Piece::End(_) => {
                    if open.pop().is_none() {
                        return Ok(());
                    }
                }
                Piece::Text(raw) => drop(unescape(raw)?),
                Piece::Empty(_) | Piece::Raw(_) => {}
            }
        }
    }

    fn piece(&mut self) -> Result<Piece<'a>, XmlError> {
        self.next()?.ok_or(XmlError::Broken("it ends early"))
    }

    /// The next piece; none at the end of the text. Comments and instructions are passed over.
    pub(super) fn next(&mut self) -> Result<Option<Piece<'a>>, XmlError> {
        loop {
            let Some(inner) = self.rest.strip_prefix('<') else {
                if self.rest.is_empty() {
                    return Ok(None);
                }
                let end = place_of(b'<', self.rest).unwrap_or(self.rest.len());
                let (text, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
                self.rest = rest;
                return Ok(Some(Piece::Text(text)));
            };
            if let Some((piece, rest)) = plain_tag(inner) {
                self.rest = rest;
                return Ok(Some(piece));
            }
            if let Some(after) = inner.strip_prefix('?') {
                self.rest = after.split_once("?>").ok_or(XmlError::Broken("it ends early"))?.1;
            } else if let Some(after) = inner.strip_prefix("!--") {
                self.rest = after.split_once("-->").ok_or(XmlError::Broken("it ends early"))?.1;
            } else if let Some(after) = inner.strip_prefix("![CDATA[") {
                let (raw, rest) = after.split_once("]]>").ok_or(XmlError::Broken("it ends early"))?;
                self.rest = rest;
                return Ok(Some(Piece::Raw(raw)));
            } else if inner.starts_with('!') {
                return Err(XmlError::Broken("it declares a document type"));
            } else {
                return self.tag(inner).map(Some);
            }
        }
    }

    /// A tag, from behind its `<`.
    fn tag(&mut self, inner: &'a str) -> Result<Piece<'a>, XmlError> {
        let (tag, rest) = tag_end(inner)?;
        self.rest = rest;
        if let Some(name) = tag.strip_prefix('/') {
            return Ok(Piece::End(plain_name(name.trim_ascii_end())?));
        }
        let (tag, empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let name = tag.split(|letter: char| letter.is_ascii_whitespace()).next().unwrap_or_default();
        let name = plain_name(name)?;
        Ok(if empty { Piece::Empty(name) } else { Piece::Start(name) })
    }
}

/// `<name>` and `</name>`, as nearly all tags are; none for those with anything else in them. Tags and the texts
/// between them are a few bytes long, so that a plain walk is quicker than a search.
fn plain_tag(inner: &str) -> Option<(Piece<'_>, &str)> {
    let (name, ends) = match inner.strip_prefix('/') {
        Some(name) => (name, true),
        None => (inner, false),
    };
    let end = name.bytes().position(|byte| !byte.is_ascii_alphanumeric())?;
    let (name, rest) = name.split_at_checked(end)?;
    let rest = rest.strip_prefix('>')?;
    let begins = name.as_bytes().first().is_some_and(u8::is_ascii_alphabetic);
    begins.then_some((if ends { Piece::End(name) } else { Piece::Start(name) }, rest))
}

fn place_of(wanted: u8, text: &str) -> Option<usize> {
    text.bytes().position(|byte| byte == wanted)
}

/// Cuts at the `>` that ends a tag; one within the quotes of an attribute does not.
fn tag_end(inner: &str) -> Result<(&str, &str), XmlError> {
    let early = XmlError::Broken("it ends early");
    let cut = inner.split_once('>').ok_or_else(|| early.clone())?;
    if !cut.0.contains(['"', '\'', '<']) {
        return Ok(cut);
    }
    let mut quote = None;
    for (at, letter) in inner.char_indices() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (_, '<') => return Err(XmlError::Broken("a tag begins within a tag")),
            (None, '"' | '\'') => quote = Some(letter),
            (None, '>') => {
                let (tag, rest) = inner.split_at_checked(at).ok_or(early)?;
                return Ok((tag, rest.strip_prefix('>').unwrap_or(rest)));
            }
            _ => {}
        }
    }
    Err(early)
}

fn plain_name(name: &str) -> Result<&str, XmlError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte) || byte >= 0x80;
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if begins && name.bytes().all(plain) { Ok(name) } else { Err(XmlError::Broken("a name cannot be read")) }
}

/// The text with its entities replaced: the five of XML, and characters by number. A key may hold characters that XML
/// cannot, and stores write them by number all the same.
fn unescape(raw: &str) -> Result<Cow<'_, str>, XmlError> {
    let Some(first) = place_of(b'&', raw) else { return Ok(Cow::Borrowed(raw)) };
    let (before, rest) = raw.split_at_checked(first).unwrap_or((raw, ""));
    let mut rest = rest.strip_prefix('&').unwrap_or(rest);
    let mut text = String::with_capacity(raw.len());
    text.push_str(before);
    loop {
        let (name, after) = rest.split_once(';').ok_or(XmlError::Broken("an entity does not end"))?;
        text.push(entity(name).ok_or(XmlError::Broken("an entity is not known"))?);
        let Some((plain, next)) = after.split_once('&') else {
            text.push_str(after);
            return Ok(Cow::Owned(text));
        };
        text.push_str(plain);
        rest = next;
    }
}

fn entity(name: &str) -> Option<char> {
    let number = |digits: &str, radix| {
        let signed = digits.starts_with(['+', '-']);
        (!signed).then(|| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32)).flatten()
    };
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let digits = name.strip_prefix('#')?;
            match digits.strip_prefix('x') {
                Some(digits) => number(digits, 16),
                None => number(digits, 10),
            }
        }
    }
}
