//! Patterns for keys: `*`, `**`, `?` and classes, in time that grows with the pattern and the key and no faster.

/// A pattern for a whole key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Vec<Token>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// This character.
    One(char),
    /// Any character besides `/`.
    Any,
    /// A character of these ranges, or, when negated, of none of them; never `/`.
    Class { negated: bool, ranges: Vec<(char, char)> },
    /// Any text without `/`.
    Star,
    /// Any text.
    Everything,
}

impl Glob {
    /// Reads a pattern, or says what is wrong with it.
    pub fn parse(pattern: &str) -> Result<Glob, String> {
        let mut tokens = Vec::new();
        let mut rest = pattern.chars().peekable();
        while let Some(next) = rest.next() {
            tokens.push(match next {
                '*' => {
                    let mut stars = 1;
                    while rest.next_if_eq(&'*').is_some() {
                        stars += 1;
                    }
                    if stars > 1 { Token::Everything } else { Token::Star }
                }
                '?' => Token::Any,
                '\\' => Token::One(rest.next().ok_or("`glob` ends in `\\`: write `\\\\` for a backslash")?),
                '[' => class(&mut rest)?,
                other => Token::One(other),
            });
        }
        Ok(Glob(tokens))
    }

    /// Whether the whole key fits. All places that the pattern can have reached are followed at once.
    pub fn matches(&self, key: &str) -> bool {
        let end = self.0.len();
        let mut reached = vec![false; end + 1];
        let mut next = reached.clone();
        self.enter(&mut reached, 0);
        for letter in key.chars() {
            next.fill(false);
            for (at, token) in self.0.iter().enumerate() {
                if !reached.get(at).copied().unwrap_or(false) {
                    continue;
                }
                match token {
                    Token::Star if letter == '/' => {}
                    Token::Star | Token::Everything => self.enter(&mut next, at),
                    token if token.takes(letter) => self.enter(&mut next, at + 1),
                    _ => {}
                }
            }
            std::mem::swap(&mut reached, &mut next);
        }
        reached.last().copied().unwrap_or(false)
    }

    /// A star may stand for nothing: who stands before it stands behind it too.
    fn enter(&self, reached: &mut [bool], mut at: usize) {
        loop {
            match reached.get_mut(at) {
                Some(place) if !*place => *place = true,
                _ => return,
            }
            if !matches!(self.0.get(at), Some(Token::Star | Token::Everything)) {
                return;
            }
            at += 1;
        }
    }
}

impl Token {
    fn takes(&self, letter: char) -> bool {
        match self {
            Token::One(wanted) => *wanted == letter,
            Token::Any => letter != '/',
            Token::Class { negated, ranges } => {
                let within = ranges.iter().any(|(first, last)| (*first..=*last).contains(&letter));
                letter != '/' && within != *negated
            }
            Token::Star | Token::Everything => false,
        }
    }
}

fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Token, String> {
    let open = || "`glob` has a `[` without its `]`: write `\\[` for a bracket".to_owned();
    let negated = rest.next_if(|letter| ['!', '^'].contains(letter)).is_some();
    let mut ranges = Vec::new();
    loop {
        let first = match rest.next().ok_or_else(open)? {
            ']' if !ranges.is_empty() => return Ok(Token::Class { negated, ranges }),
            '\\' => rest.next().ok_or_else(open)?,
            letter => letter,
        };
        if rest.next_if_eq(&'-').is_none() {
            ranges.push((first, first));
            continue;
        }
        match rest.next().ok_or_else(open)? {
            // a dash at the end is one
            ']' => {
                ranges.extend([(first, first), ('-', '-')]);
                return Ok(Token::Class { negated, ranges });
            }
            last if last < first => {
                return Err(format!(
                    "`glob` has the range `{first}-{last}`, which holds nothing: turn it round"
                ));
            }
            last => ranges.push((first, last)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Glob;

    fn check(pattern: &str, key: &str, expected: bool) {
        assert_eq!(Glob::parse(pattern).unwrap().matches(key), expected, "`{pattern}` and `{key}`");
    }

    #[test]
    fn patterns_fit_whole_keys() {
        for (pattern, key, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*.pdf", "a.pdf", true),
            ("*.pdf", "x/a.pdf", false),
            ("**.pdf", "x/y/a.pdf", true),
            ("x/*/a", "x/y/a", true),
            ("x/*/a", "x/y/z/a", false),
            ("x/**/a", "x/y/z/a", true),
            ("x/**/a", "x/a", false),
            ("x/**a", "x/a", true),
            ("?", "ü", true),
            ("?", "/", false),
            ("??", "ü", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("[!a]", "/", false),
            ("[]]", "]", true),
            ("[a-]", "-", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("*", "", true),
            ("**", "a/b", true),
            ("🚀*", "🚀 go", true),
        ] {
            check(pattern, key, expected);
        }
    }

    #[test]
    fn patterns_that_mean_nothing_are_refused() {
        for pattern in ["[a", "[", "a\\", "[z-a]", "[a-"] {
            assert!(Glob::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn many_stars_take_no_more_time_than_the_lengths() {
        let pattern = "*a".repeat(200);
        check(&pattern, &"a".repeat(1000), true);
        check(&format!("{pattern}b"), &"a".repeat(1000), false);
    }

    proptest! {
        #[test]
        fn a_key_without_signs_fits_itself_and_nothing_else(key in "[a-z/.]{0,12}", other in "[a-z/.]{0,12}") {
            let glob = Glob::parse(&key).unwrap();
            prop_assert!(glob.matches(&key));
            prop_assert_eq!(glob.matches(&other), key == other);
        }

        #[test]
        fn any_text_is_read_or_refused(pattern in ".{0,20}", key in ".{0,20}") {
            if let Ok(glob) = Glob::parse(&pattern) {
                glob.matches(&key);
            }
        }
    }
}
