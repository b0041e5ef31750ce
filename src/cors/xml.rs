//! A reader for the XML that a CORS configuration is written in: elements and text, with their places.
//!
//! It takes what a store takes: declaration, comments, CDATA, the five named entities and character references. It
//! refuses document types, so that no entity can grow, and processing instructions after the declaration are skipped.

use super::cursor::Cursor;
use super::finding::{Finding, shown};
use super::place::Place;

/// How deep elements may nest: the deepest form that is known has five levels.
const MAX_DEPTH: usize = 16;

const HELP: &str =
    "write XML: every element is closed by its own name, `<` and `&` in a text are `&lt;` and `&amp;`";

/// An element, its name without a namespace prefix.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Element {
    pub(super) at: Option<Place>,
    pub(super) name: String,
    /// The value of `xmlns`, where the element has one.
    pub(super) namespace: Option<String>,
    /// The text right in it, of all pieces together.
    pub(super) text: String,
    /// Where the first character of the text stands that is no blank.
    pub(super) text_at: Option<Place>,
    pub(super) children: Vec<Element>,
}

/// Reads a document.
pub(super) fn read(text: &str) -> Result<Element, Finding> {
    let mut reader = Reader { cursor: Cursor::new(text) };
    reader.cursor.eat("\u{feff}");
    reader.skip_outside()?;
    if !reader.cursor.eat("<") {
        return Err(reader.wrong("an element is expected here"));
    }
    let root = reader.element(0)?;
    reader.skip_outside()?;
    if reader.cursor.is_at_end() {
        Ok(root)
    } else {
        Err(reader.wrong("something stands after the document"))
    }
}

struct Reader<'a> {
    cursor: Cursor<'a>,
}

impl Reader<'_> {
    /// Skips blanks, comments, and instructions such as the declaration.
    fn skip_outside(&mut self) -> Result<(), Finding> {
        loop {
            self.cursor.skip_blanks();
            let open = self.cursor.place();
            if self.cursor.eat("<?") {
                self.past("?>", open)?;
            } else if self.cursor.eat("<!--") {
                self.past("-->", open)?;
            } else if self.cursor.rest().starts_with("<!") {
                let help = "leave the document type out: stores do not read it";
                return Err(Finding::syntax(open, "a document type is not taken", help));
            } else {
                return Ok(());
            }
        }
    }

    /// Reads an element whose `<` has been read.
    fn element(&mut self, depth: usize) -> Result<Element, Finding> {
        if depth > MAX_DEPTH {
            return Err(self.wrong(&format!("elements nest deeper than {MAX_DEPTH} levels")));
        }
        let at = self.cursor.place();
        let full = self.name()?;
        let mut element = Element { at: Some(at), name: local(&full), ..Element::default() };
        if self.attributes(&mut element)? {
            return Ok(element);
        }
        loop {
            let open = self.cursor.place();
            if self.cursor.eat("</") {
                return self.close(element, &full, open);
            } else if self.cursor.eat("<!--") {
                self.past("-->", open)?;
            } else if self.cursor.eat("<![CDATA[") {
                let at = self.cursor.place();
                let inside = self.past("]]>", open)?;
                add_text(&mut element, inside, at);
            } else if self.cursor.eat("<?") {
                self.past("?>", open)?;
            } else if self.cursor.rest().starts_with("<!") {
                return Err(self.wrong("a declaration stands inside an element"));
            } else if self.cursor.eat("<") {
                element.children.push(self.element(depth.saturating_add(1))?);
            } else if self.cursor.is_at_end() {
                let message = format!("`<{}>` is never closed", shown(&full));
                return Err(Finding::syntax(at, message, HELP));
            } else {
                self.text(&mut element)?;
            }
        }
    }

    /// Reads attributes and the end of the tag; true when the element ends with it.
    fn attributes(&mut self, element: &mut Element) -> Result<bool, Finding> {
        loop {
            self.cursor.skip_blanks();
            if self.cursor.eat("/>") {
                return Ok(true);
            }
            if self.cursor.eat(">") {
                return Ok(false);
            }
            let name = self.name()?;
            self.cursor.skip_blanks();
            let has_value = self.cursor.eat("=");
            self.cursor.skip_blanks();
            let open = self.cursor.place();
            let quote = match self.cursor.peek() {
                Some('"') if has_value => "\"",
                Some('\'') if has_value => "'",
                _ => return Err(self.wrong("an attribute needs a value in quotes")),
            };
            self.cursor.eat(quote);
            let value = self.past(quote, open)?;
            if name == "xmlns" || name.starts_with("xmlns:") && element.namespace.is_none() {
                element.namespace = Some(value.to_owned());
            }
        }
    }

    fn close(&mut self, element: Element, full: &str, open: Place) -> Result<Element, Finding> {
        let name = self.name()?;
        if name != full {
            let message = format!("`</{}>` closes `<{}>`", shown(&name), shown(full));
            return Err(Finding::syntax(open, message, HELP));
        }
        self.cursor.skip_blanks();
        if self.cursor.eat(">") { Ok(element) } else { Err(self.wrong("`>` is missing")) }
    }

    fn text(&mut self, element: &mut Element) -> Result<(), Finding> {
        let at = self.cursor.place();
        if !self.cursor.eat("&") {
            let plain = self.cursor.take_while(|c| c != '<' && c != '&');
            if let Some(c) = plain.chars().find(|c| !is_xml(*c)) {
                let message = format!("the character `{}` is not allowed in XML", shown(&c.to_string()));
                return Err(Finding::syntax(at, message, HELP));
            }
            add_text(element, plain, at);
            return Ok(());
        }
        let name = self.cursor.take_while(|c| c.is_ascii_alphanumeric() || c == '#');
        let character = if self.cursor.eat(";") { entity(name) } else { None };
        let Some(character) = character else {
            return Err(Finding::syntax(at, format!("`&{}` is no entity that is known", shown(name)), HELP));
        };
        add_text(element, character.encode_utf8(&mut [0; 4]), at);
        Ok(())
    }

    fn name(&mut self) -> Result<String, Finding> {
        let name = self.cursor.take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':'));
        if name.is_empty() { Err(self.wrong("a name is expected here")) } else { Ok(name.to_owned()) }
    }

    fn past(&mut self, end: &str, open: Place) -> Result<&str, Finding> {
        let help = HELP;
        self.cursor.take_past(end).ok_or_else(|| {
            Finding::syntax(open, format!("what begins here is never closed by `{end}`"), help)
        })
    }

    fn wrong(&self, message: &str) -> Finding {
        Finding::syntax(self.cursor.place(), message, HELP)
    }
}

/// The name without its prefix.
fn local(name: &str) -> String {
    name.rsplit(':').next().unwrap_or(name).to_owned()
}

/// Whether XML 1.0 allows the character at all.
pub(super) fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

fn entity(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|c| is_xml(*c))
        }
    }
}

fn add_text(element: &mut Element, text: &str, mut at: Place) {
    if element.text_at.is_none() {
        for c in text.chars() {
            if !c.is_whitespace() {
                element.text_at = Some(at);
                break;
            }
            at.pass(c);
        }
    }
    element.text.push_str(text);
}
