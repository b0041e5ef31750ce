//! Text with `${…}` variables: what a resource or a condition value becomes for one request.
//!
//! What a variable brings stands for itself: a user called `*` matches nothing but `*`.

use super::context::Context;
use super::glob::Pattern;

/// How the text of an element is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    /// Whether `*` and `?` are wildcards.
    pub(super) wildcards: bool,
    /// Whether `${…}` is a variable: not before the version of 2012, and not for every operator.
    pub(super) variables: bool,
}

/// A text, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Text {
    /// The same for every request.
    Fixed(Pattern),
    /// Depends on the request.
    Variable(Template),
}

/// A text with at least one variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Box<[Piece]>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Fixed(Pattern),
    Variable {
        /// The key in lower case.
        key: Box<str>,
        default: Option<Box<str>>,
    },
}

/// Reads a text. The error says what is wrong with a variable.
pub(super) fn read(text: &str, reading: Reading) -> Result<Text, String> {
    let mut pieces = Vec::new();
    let mut fixed = Pattern::default();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${").filter(|_| reading.variables) {
        push(&mut fixed, before, reading);
        let (inner, after) = after
            .split_once('}')
            .ok_or_else(|| format!("the variable in `{text}` has no closing brace; write `${{key}}`"))?;
        match inner {
            "*" | "?" | "$" => fixed.push_text(inner),
            inner => {
                pieces.push(Piece::Fixed(std::mem::take(&mut fixed)));
                pieces.push(variable(inner)?);
            }
        }
        rest = after;
    }
    push(&mut fixed, rest, reading);
    if pieces.is_empty() {
        return Ok(Text::Fixed(fixed));
    }
    pieces.push(Piece::Fixed(fixed));
    Ok(Text::Variable(Template(pieces.into())))
}

impl Template {
    /// The pattern for one request. None when a variable has no single value there, and no default.
    pub(super) fn fill(&self, context: &Context) -> Option<Pattern> {
        let mut filled = Pattern::default();
        for piece in &self.0 {
            match piece {
                Piece::Fixed(pattern) => filled.push(pattern),
                Piece::Variable { key, default } => match context.values(key) {
                    [] => filled.push_text(default.as_deref()?),
                    [one] => filled.push_text(one),
                    _ => return None,
                },
            }
        }
        Some(filled)
    }

    /// The keys of its variables, in lower case.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Fixed(_) => None,
            Piece::Variable { key, .. } => Some(&**key),
        })
    }
}

fn push(pattern: &mut Pattern, text: &str, reading: Reading) {
    if reading.wildcards {
        pattern.push_wild(text);
    } else {
        pattern.push_text(text);
    }
}

/// What stands between the braces: a key, and perhaps `, 'default'`.
fn variable(inner: &str) -> Result<Piece, String> {
    let (key, default) = match inner.split_once(',') {
        None => (inner, None),
        Some((key, default)) => (
            key,
            Some(quoted(default.trim()).ok_or_else(|| {
                format!("the default in `${{{inner}}}` is not in single quotes; write `${{{key}, 'text'}}`")
            })?),
        ),
    };
    let key = key.trim_end_matches(' ');
    if key.is_empty() {
        return Err("a variable has no name; write `${key}`".to_owned());
    }
    if key.contains(|found: char| found.is_whitespace() || matches!(found, '$' | '{' | '\'' | '"')) {
        return Err(format!("`{key}` is not the name of a variable; a name has no blanks, quotes or braces"));
    }
    Ok(Piece::Variable { key: key.to_lowercase().into(), default: default.map(Into::into) })
}

fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('\'')?.strip_suffix('\'').filter(|text| !text.contains('\''))
}

#[cfg(test)]
mod tests {
    use super::super::glob::Glob;
    use super::*;

    const ALL: Reading = Reading { wildcards: true, variables: true };

    fn matches(pattern: &str, reading: Reading, text: &str) -> bool {
        let context = Context::from_pairs([
            ("aws:username", vec!["*"]),
            ("aws:PrincipalTag/Team", vec!["red"]),
            ("many", vec!["a", "b"]),
        ]);
        match read(pattern, reading).unwrap() {
            Text::Fixed(pattern) => Glob::from(pattern).matches(text),
            Text::Variable(template) => {
                template.fill(&context).is_some_and(|pattern| Glob::from(pattern).matches(text))
            }
        }
    }

    #[test]
    fn variables_are_filled_with_text_that_stands_for_itself() {
        for (pattern, text, expected) in [
            ("home/${aws:username}/*", "home/*/a", true),
            ("home/${aws:username}/*", "home/ann/a", false),
            ("${AWS:principaltag/TEAM}", "red", true),
            ("${*}${?}${$}", "*?$", true),
            ("${*}", "a", false),
            ("${none, 'blue'}", "blue", true),
            ("${none,'blue'}-${none , ''}", "blue-", true),
            ("${aws:PrincipalTag/Team, 'blue'}", "red", true),
            ("${none}", "", false),
            ("${many}", "a", false),
            ("${many, 'c'}", "c", false),
            ("$a$", "$a$", true),
        ] {
            assert_eq!(matches(pattern, ALL, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn without_variables_the_text_is_literal() {
        let old = Reading { variables: false, ..ALL };
        assert!(matches("${aws:username}", old, "${aws:username}"));
        assert!(matches("${*}", old, "${abc}"));
        let exact = Reading { wildcards: false, ..ALL };
        assert!(matches("a*${aws:username}", exact, "a**"));
        assert!(!matches("a*", exact, "ab"));
    }

    #[test]
    fn broken_variables_are_named() {
        for (text, message) in [
            ("${aws:username", "has no closing brace"),
            ("${}", "has no name"),
            ("${a b}", "no blanks"),
            ("${ a}", "no blanks"),
            ("${a, blue}", "single quotes"),
            ("${a, 'b'c'}", "single quotes"),
            ("${a${b}}", "no blanks, quotes or braces"),
        ] {
            let error = read(text, ALL).unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
