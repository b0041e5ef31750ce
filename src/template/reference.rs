//! The nouns of a template: the field, its pieces, the reference with its path and pin, and their text.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::error::{Error, shown};
use super::{name, parser};

/// A parsed field; it keeps the text as it was written.
#[derive(Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    pieces: Vec<Piece>,
}

/// A part of a field, in the order in which the parts render.
#[derive(Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text that renders as it is; `\{{` has become `{{`.
    Text(String),
    /// A reference that renders as a value.
    Reference(Reference),
}

/// What stands between `{{` and `}}`.
///
/// Two references are equal when they ask for the same value in the same way: the place does not count, nor does
/// the choice of dot or brackets, except where it decides between a key `a.b` and a path from `a` to `b`.
#[derive(Debug, Clone)]
pub struct Reference {
    /// The form it is written in.
    pub style: Style,
    /// The source it names; without one the active source is meant.
    pub source: Option<String>,
    /// The secret's name, its ARN, or an alias.
    pub secret: String,
    /// The way into the secret's JSON; empty for the whole secret. At most [`super::MAX_PATH_STEPS`] steps.
    pub path: Vec<Step>,
    /// The version that is meant.
    pub pin: Pin,
    /// Where its `{{` stands.
    pub span: Span,
}

/// The two forms of a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Style {
    /// `{{ secrets.name }}`.
    Secrets,
    /// `{{ vault:alias }}`.
    Vault,
}

/// One step into JSON.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// A key of an object.
    Key {
        /// The key, with escapes resolved.
        name: String,
        /// Written with a dot; neighbours with dots may also be one literal key that holds the dots.
        dotted: bool,
    },
    /// A place in an array, counted from 0.
    Index(usize),
}

/// Which version of the secret is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Pin {
    /// The current one; `@ AWSCURRENT` says the same.
    #[default]
    Current,
    /// The one with this staging label.
    Stage(String),
    /// The one with this version id.
    Version(String),
}

/// A place in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The line, counted from 1.
    pub line: u32,
    /// The column, counted from 1 in characters.
    pub column: u32,
}

impl Template {
    pub(super) fn new(text: &str, pieces: Vec<Piece>) -> Self {
        Self { text: text.into(), pieces }
    }

    /// The field as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The references, from left to right, repeated ones as often as they stand there.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Reference(reference) => Some(reference),
            Piece::Text(_) => None,
        })
    }

    /// Whether anything has to be resolved to render it.
    pub fn has_references(&self) -> bool {
        self.references().next().is_some()
    }

    /// The parts that [`super::render()`] joins; quotes around one whole reference are already gone.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }
}

impl Reference {
    /// Whether it names the secret by ARN, which a namespace is never put before.
    pub fn is_arn(&self) -> bool {
        name::is_arn(&self.secret)
    }
}

impl Span {
    pub(super) const START: Self = Self { line: 1, column: 1 };

    /// Moves past a character.
    pub(super) fn pass(&mut self, c: char) {
        if c == '\n' {
            self.line = self.line.saturating_add(1);
            self.column = 1;
        } else {
            self.column = self.column.saturating_add(1);
        }
    }
}

/// The text to paste for a secret: `{{ secrets['name'] }}`, in brackets whatever the name is.
pub fn reference_text(secret: &str) -> String {
    format!("{{{{ secrets['{}'] }}}}", Escaped(secret))
}

/// Makes the reference text of `{"secret", "key", "source"}`; `key` is a dotted path such as `a.b[0]`.
///
/// A part between dots that is no identifier is taken as a key as it stands, or as an index when it is a number.
pub fn from_parts(source: Option<&str>, secret: &str, key: Option<&str>) -> Result<String, Error> {
    if let Some(source) = source
        && !name::is_identifier(source)
    {
        let message = format!("`{}` is not the name of a source", shown(source));
        return Err(Error::new(
            Span::START,
            message,
            "a source's name has the form `[A-Za-z_][A-Za-z0-9_-]*`",
        ));
    }
    name::check_secret(secret).map_err(|refusal| Error::new(Span::START, refusal.message, refusal.help))?;
    let reference = Reference {
        style: Style::Secrets,
        source: source.map(Into::into),
        secret: secret.into(),
        path: key.map(parser::parse_path).transpose()?.unwrap_or_default(),
        pin: Pin::Current,
        span: Span::START,
    };
    Ok(reference.to_string())
}

/// Without the text: a field may hold a credential literally.
impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template").field("pieces", &self.pieces).finish_non_exhaustive()
    }
}

/// Without the text: a field may hold a credential literally.
impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text(..)"),
            Self::Reference(reference) => f.debug_tuple("Reference").field(reference).finish(),
        }
    }
}

impl PartialEq for Reference {
    fn eq(&self, other: &Self) -> bool {
        self.style == other.style
            && self.source == other.source
            && self.secret == other.secret
            && self.pin == other.pin
            && meaning(&self.path).eq(meaning(&other.path))
    }
}

impl Eq for Reference {}

impl Hash for Reference {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.style, &self.source, &self.secret, &self.pin, self.path.len()).hash(state);
        meaning(&self.path).for_each(|step| step.hash(state));
    }
}

/// The canonical text; parsed again it gives an equal reference.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.style {
            Style::Secrets => "{{ secrets",
            Style::Vault => "{{ vault",
        })?;
        if let Some(source) = &self.source {
            write!(f, "@{source}")?;
        }
        match self.style {
            Style::Vault => write!(f, ":{}", self.secret)?,
            Style::Secrets if name::is_identifier(&self.secret) => write!(f, ".{}", self.secret)?,
            Style::Secrets => write!(f, "['{}']", Escaped(&self.secret))?,
        }
        write!(f, "{}", PathText(&self.path))?;
        match &self.pin {
            Pin::Current => {}
            Pin::Stage(stage) => write!(f, " @ {stage}")?,
            Pin::Version(version) => write!(f, " @ version:{version}")?,
        }
        f.write_str(" }}")
    }
}

/// A path on its own, such as `a['b c'][0]`, as [`from_parts`] takes it.
pub(super) fn path_text(path: &[Step]) -> String {
    let text = PathText(path).to_string();
    text.strip_prefix('.').map(Into::into).unwrap_or(text)
}

/// A path as it stands after the secret's name, such as `.a['b c'][0]`.
struct PathText<'a>(&'a [Step]);

impl fmt::Display for PathText<'_> {
    /// A key that joins no neighbour takes a dot where that makes no join, so that equal paths have one text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut joined = false;
        let mut after_dot = false;
        for (at, step) in self.0.iter().enumerate() {
            let joins = joins_next(self.0, at);
            let join_follows = joins_next(self.0, at.saturating_add(1));
            let free = !after_dot && !join_follows;
            after_dot = false;
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key { name, .. } if joined || joins || (free && name::is_identifier(name)) => {
                    after_dot = true;
                    write!(f, ".{name}")?;
                }
                Step::Key { name, .. } => write!(f, "['{}']", Escaped(name))?,
            }
            joined = joins;
        }
        Ok(())
    }
}

/// Whether a step and the next are keys with dots, which may together be one literal key.
pub(super) fn joins_next(path: &[Step], at: usize) -> bool {
    let dotted = |at: usize| {
        path.get(at).is_some_and(|step| match step {
            Step::Key { name, dotted } => *dotted && name::is_identifier(name),
            Step::Index(_) => false,
        })
    };
    dotted(at) && dotted(at.saturating_add(1))
}

/// The steps with what matters about their writing: whether they join the next.
fn meaning(path: &[Step]) -> impl Iterator<Item = (Option<&str>, Option<usize>, bool)> {
    path.iter().enumerate().map(|(at, step)| match step {
        Step::Key { name, .. } => (Some(name.as_str()), None, joins_next(path, at)),
        Step::Index(index) => (None, Some(*index), false),
    })
}

/// A string as it stands between single quotes.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\'' | '\\' => write!(f, "\\{c}"),
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c)),
            c => write!(f, "{c}"),
        })
    }
}
