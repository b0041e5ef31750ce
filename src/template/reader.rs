//! The grammar of references: what stands between `{{` and `}}`.

use super::cursor::Cursor;
use super::error::{Error, shown};
use super::parser::MAX_PATH_STEPS;
use super::reference::{Pin, Reference, Span, Step, Style};
use super::{name, suggest};

const BRACKETS: &str = "a name with other characters than `[A-Za-z0-9_-]` goes in brackets and quotes, as in \
                        `{{ secrets['prod/db']['access key'] }}`";
const CLOSE: &str =
    "close the reference with `}}`, as in `{{ secrets.name }}`; a literal `{{` is written `\\{{`";

/// Reads `{{ … }}`, which stands here.
pub(super) fn reference(cursor: &mut Cursor<'_>) -> Result<Reference, Error> {
    let span = cursor.span();
    cursor.eat("{{");
    let Some((body, _)) = cursor.rest().split_once("}}") else {
        return Err(never_closed(span, cursor.rest()));
    };
    let mut reader = Reader { cursor, open: span, body };
    let style = reader.root()?;
    let source = reader.source()?;
    let secret = match style {
        Style::Secrets => reader.secret()?,
        Style::Vault => reader.alias()?,
    };
    let path = reader.path()?;
    let pin = reader.pin()?;
    reader.close(&pin)?;
    Ok(Reference { style, source, secret, path, pin, span })
}

/// Reads what stands between the braces; each function skips the blanks before what it reads.
pub(super) struct Reader<'c, 'a> {
    cursor: &'c mut Cursor<'a>,
    open: Span,
    /// The text up to the next `}}`, for the suggestion.
    body: &'a str,
}

impl<'c, 'a> Reader<'c, 'a> {
    /// Reads a path on its own.
    pub(super) fn of_path(cursor: &'c mut Cursor<'a>) -> Self {
        Self { cursor, open: Span::START, body: "" }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.cursor.rest().is_empty()
    }

    fn root(&mut self) -> Result<Style, Error> {
        let at = self.next();
        match self.cursor.take_while(name::continues_identifier) {
            "secrets" => Ok(Style::Secrets),
            "vault" => Ok(Style::Vault),
            "" if self.at_end() => {
                let help = "name a secret, as in `{{ secrets.name }}`; a literal `{{` is written `\\{{`";
                Err(Error::new(self.open, "nothing stands between `{{` and `}}`", help))
            }
            "" => Err(self.unexpected("a reference begins with `secrets.` or `vault:`")),
            other => {
                let message = format!("`{}` begins no reference", shown(other));
                Err(self.fail(at, message, "begin with `secrets.` or `vault:`"))
            }
        }
    }

    fn source(&mut self) -> Result<Option<String>, Error> {
        self.next();
        if !self.cursor.eat("@") {
            return Ok(None);
        }
        let at = self.next();
        if self.at_end() || !self.cursor.peek().is_some_and(name::starts_identifier) {
            let help =
                "name the source, as in `{{ secrets@production.name }}`; a version is pinned at the end";
            return Err(self.fail(at, "the name of a source is missing after `@`", help));
        }
        Ok(Some(self.cursor.take_while(name::continues_identifier).into()))
    }

    fn secret(&mut self) -> Result<String, Error> {
        let at = self.next();
        if self.at_end() {
            return Err(self.fail(at, "`secrets` names no secret", "name one, as in `{{ secrets.name }}`"));
        }
        if self.cursor.eat(".") {
            let at = self.next();
            let secret = self.identifier()?;
            return self.checked_secret(at, secret);
        }
        if !self.cursor.eat("[") {
            return Err(
                self.unexpected("after `secrets` comes a dot and a name, or a name in brackets and quotes")
            );
        }
        let at = self.next();
        if self.cursor.peek().is_some_and(|c| c.is_ascii_digit()) {
            return Err(self.needs_quotes(at));
        }
        match self.bracket()? {
            Step::Key { name, .. } => self.checked_secret(at, name),
            Step::Index(_) => Err(self.needs_quotes(at)),
        }
    }

    fn checked_secret(&self, at: Span, secret: String) -> Result<String, Error> {
        match name::check_secret(&secret) {
            Ok(()) => Ok(secret),
            Err(refusal) => Err(self.fail(at, refusal.message, refusal.help)),
        }
    }

    fn alias(&mut self) -> Result<String, Error> {
        let at = self.next();
        if self.at_end() {
            return Err(self.fail(at, "`vault` names no alias", "name one, as in `{{ vault:alias }}`"));
        }
        if !self.cursor.eat(":") {
            return Err(
                self.unexpected("after `vault` comes a colon and an alias, as in `{{ vault:alias.key }}`")
            );
        }
        self.identifier()
    }

    pub(super) fn path(&mut self) -> Result<Vec<Step>, Error> {
        let mut path = Vec::new();
        loop {
            let at = self.next();
            let step = if self.cursor.eat(".") {
                Step::Key { name: self.identifier()?, dotted: true }
            } else if self.cursor.eat("[") {
                self.bracket()?
            } else {
                return Ok(path);
            };
            if path.len() == MAX_PATH_STEPS {
                return Err(too_deep(at));
            }
            path.push(step);
        }
    }

    /// Reads the name after a dot or colon.
    fn identifier(&mut self) -> Result<String, Error> {
        let at = self.next();
        if self.at_end() {
            return Err(self.fail(
                at,
                "a name is missing at the end",
                "write the name, or leave out what leads to it",
            ));
        }
        match self.cursor.peek() {
            Some(c) if name::starts_identifier(c) => {
                Ok(self.cursor.take_while(name::continues_identifier).into())
            }
            Some(c) if c.is_ascii_digit() => {
                let digits = self.cursor.take_while(name::continues_identifier);
                let message = format!("`{}` is no name that a dot takes", shown(digits));
                Err(self.fail(
                    at,
                    message,
                    "an index goes in brackets, as in `[0]`; any other key also in quotes",
                ))
            }
            _ => Err(self.unexpected(BRACKETS)),
        }
    }

    /// Reads a key in quotes or an index, and the closing bracket.
    fn bracket(&mut self) -> Result<Step, Error> {
        let at = self.next();
        let step = match self.cursor.peek() {
            Some(quote @ ('\'' | '"')) => Step::Key { name: self.quoted(quote)?, dotted: false },
            Some(c) if c.is_ascii_digit() => self.index()?,
            Some('‘' | '’' | '“' | '”' | '`' | '´') => {
                let help = "use straight quotes, `'` or `\"`";
                return Err(self.fail(at, "these are not the quotes of a reference", help));
            }
            Some(']') => {
                return Err(self.fail(at, "the brackets are empty", "write a key in quotes, or an index"));
            }
            _ => return Err(self.needs_quotes(at)),
        };
        let at = self.next();
        if self.cursor.eat("]") {
            Ok(step)
        } else {
            Err(self.fail(at, "`]` is missing", "close the bracket with `]`"))
        }
    }

    fn index(&mut self) -> Result<Step, Error> {
        let at = self.next();
        let digits = self.cursor.take_while(|c| c.is_ascii_digit());
        digits.parse().map(Step::Index).map_err(|_| {
            Error::new(
                at,
                format!("the index `{}` is too large", shown(digits)),
                "count from 0 to the length of the array",
            )
        })
    }

    fn quoted(&mut self, quote: char) -> Result<String, Error> {
        let at = self.next();
        self.cursor.bump();
        let mut text = String::new();
        loop {
            let escape_at = self.cursor.span();
            match self.cursor.bump() {
                Some(c) if c == quote => return Ok(text),
                Some('\\') => text.push(self.escape(escape_at)?),
                None | Some('\n') => {
                    let help = format!(
                        "close it with `{quote}` on the same line; a line break in a key is `\\u000a`"
                    );
                    return Err(self.fail(at, format!("the quote `{quote}` is never closed"), &help));
                }
                Some(c) => text.push(c),
            }
        }
    }

    fn escape(&mut self, at: Span) -> Result<char, Error> {
        match self.cursor.bump() {
            Some(c @ ('\'' | '"' | '\\')) => Ok(c),
            Some('u') => self.unicode().ok_or_else(|| {
                let help = "write four hexadecimal digits, as in `\\u00e9`; a character above `\\uffff` is \
                            two, a high and a low surrogate";
                Error::new(at, "this `\\u` gives no character", help)
            }),
            other => {
                let message =
                    format!("`\\{}` is no escape", shown(&other.map(String::from).unwrap_or_default()));
                Err(Error::new(
                    at,
                    message,
                    r#"the escapes are `\'`, `\"`, `\\` and `\uXXXX`; a backslash is `\\`"#,
                ))
            }
        }
    }

    /// Reads the digits of `\uXXXX`, and a second escape where the first is a high surrogate.
    fn unicode(&mut self) -> Option<char> {
        let high = self.hex()?;
        let low =
            if (0xd800..0xdc00).contains(&high) && self.cursor.eat("\\u") { Some(self.hex()?) } else { None };
        let mut characters = char::decode_utf16([high].into_iter().chain(low));
        let character = characters.next()?.ok()?;
        characters.next().is_none().then_some(character)
    }

    fn hex(&mut self) -> Option<u16> {
        (0..4).try_fold(0, |number: u16, _| {
            let digit = self.cursor.bump()?.to_digit(16)?;
            Some((number << 4) | u16::try_from(digit).ok()?)
        })
    }

    fn pin(&mut self) -> Result<Pin, Error> {
        self.next();
        if !self.cursor.eat("@") {
            return Ok(Pin::Current);
        }
        let at = self.next();
        let word = self.cursor.take_while(name::is_name_character);
        if word == "version" {
            return self.version(at);
        }
        if !name::is_stage(word) {
            let help = "name a stage or a version, as in `@ AWSPREVIOUS` or `@ version:ID`";
            return Err(self.fail(at, "no stage stands after `@`", help));
        }
        let label = word.split('.').next().unwrap_or(word);
        match name::AWS_STAGES.iter().find(|stage| stage.eq_ignore_ascii_case(label)) {
            Some(stage) if label != word => {
                let message = format!("`{}` stands after the stage `{stage}`", shown(word));
                Err(self.fail(
                    at,
                    message,
                    "put the keys before the `@`, as in `{{ secrets.name.key @ AWSPREVIOUS }}`",
                ))
            }
            Some(stage) if *stage != word => {
                let help = format!("stages are case sensitive; write `{stage}`");
                Err(self.fail(at, format!("`{}` is not the stage `{stage}`", shown(word)), &help))
            }
            Some(&"AWSCURRENT") => Ok(Pin::Current),
            _ => Ok(Pin::Stage(word.into())),
        }
    }

    fn version(&mut self, at: Span) -> Result<Pin, Error> {
        self.next();
        let has_colon = self.cursor.eat(":");
        self.next();
        let id = self.cursor.take_while(name::is_name_character);
        if has_colon && name::is_version(id) {
            return Ok(Pin::Version(id.into()));
        }
        let help = "write `@ version:` and the version's id, 32 to 64 letters, digits and `-`";
        let message = match (id, has_colon) {
            ("", _) => "`version` names no version".into(),
            (_, false) => "the colon is missing after `version`".into(),
            _ => format!("`{}` is not the id of a version", shown(id)),
        };
        Err(self.fail(at, message, help))
    }

    fn close(&mut self, pin: &Pin) -> Result<(), Error> {
        let at = self.next();
        if self.cursor.eat("}}") {
            return Ok(());
        }
        if self.cursor.peek() == Some('}') {
            return Err(self.fail(at, "one `}` stands where two belong", CLOSE));
        }
        if self.cursor.peek().is_some_and(|c| "|&?+*(<>=".contains(c)) {
            let help = "a reference is a name and a path; it takes no operators, calls or defaults";
            return Err(self.unexpected(help));
        }
        if *pin != Pin::Current {
            return Err(self.unexpected("a reference ends after its stage or version; close it with `}}`"));
        }
        Err(self.unexpected(BRACKETS))
    }

    /// Skips blanks and gives the place of what comes then.
    fn next(&mut self) -> Span {
        self.cursor.skip_blanks();
        self.cursor.span()
    }

    fn at_end(&self) -> bool {
        self.cursor.rest().starts_with("}}") || self.is_at_end()
    }

    fn needs_quotes(&self, at: Span) -> Error {
        let help = "write `['key']` for a key or a name; `[0]` is an index, counted from 0";
        self.fail(at, "what stands in the brackets needs quotes", help)
    }

    /// The error for a word or character that has no place here.
    fn unexpected(&self, help: &str) -> Error {
        let rest = self.cursor.rest();
        let word_end = rest.find(|c| !name::continues_identifier(c)).unwrap_or(rest.len());
        let word = rest.split_at_checked(word_end).map_or("", |(word, _)| word);
        let offender = match self.cursor.peek() {
            None => return never_closed(self.open, self.body),
            Some(c) if word.is_empty() => String::from(c),
            Some(_) => word.into(),
        };
        self.fail(self.cursor.span(), format!("`{}` has no place here", shown(&offender)), help)
    }

    /// An error with the corrected text where it can be guessed; a `{{` inside shows that the first was left open.
    fn fail(&self, at: Span, message: impl Into<String>, help: &str) -> Error {
        match self.body.split_once("{{") {
            Some((before, _)) if !before.contains(['\'', '"']) => Error::new(
                self.open,
                "`{{` is not closed before the next `{{`",
                suggest::with_correction(CLOSE, before),
            ),
            _ => Error::new(at, message, suggest::with_correction(help, self.body)),
        }
    }
}

/// Guesses only where a reference was surely meant: the text may as well be a part of a literal credential.
fn never_closed(open: Span, rest: &str) -> Error {
    let line = rest.lines().next().unwrap_or_default();
    let is_reference = ["secret", "vault"].iter().any(|root| line.trim_start().starts_with(root));
    let help = if is_reference { suggest::with_correction(CLOSE, line) } else { CLOSE.into() };
    Error::new(open, "`{{` is never closed", help)
}

pub(super) fn too_deep(at: Span) -> Error {
    let message = format!("the path has more than {MAX_PATH_STEPS} steps");
    Error::new(at, message, "shorten it; a secret's JSON is not read deeper than that")
}
