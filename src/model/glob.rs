//! Patterns for keys: `*`, `**`, `?`, classes and alternatives, in time that grows with the pattern and the key and no
//! faster.

/// Bytes of a pattern whose alternatives are written out, each with so many besides.
const MOST_EXPANDED: usize = 544;
const OF_ALTERNATIVE: usize = 8;

/// A pattern for a whole key, one for each alternative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Vec<Pattern>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern(Vec<Token>);

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
        let mut left = MOST_EXPANDED;
        let written_out = alternatives(pattern, &mut left)?;
        written_out.iter().map(|pattern| Pattern::parse(pattern)).collect::<Result<_, _>>().map(Glob)
    }

    /// Whether the whole key fits.
    pub fn matches(&self, key: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(key))
    }
}

impl Pattern {
    fn parse(pattern: &str) -> Result<Pattern, String> {
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
        Ok(Pattern(tokens))
    }

    /// All places that the pattern can have reached are followed at once.
    fn matches(&self, key: &str) -> bool {
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
            if !reached.contains(&true) {
                return false;
            }
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

/// The patterns that `{a,b}` stands for, as a shell writes them out: braces without a comma stand for themselves.
fn alternatives(pattern: &str, left: &mut usize) -> Result<Vec<String>, String> {
    let Some((before, inner, after)) = first_braces(pattern) else {
        let text = "`glob` has too many alternatives: leave some out, or use `regex`";
        *left = left.checked_sub(pattern.len() + OF_ALTERNATIVE).ok_or(text)?;
        return Ok(vec![pattern.to_owned()]);
    };
    let mut all = Vec::new();
    for alternative in inner {
        all.extend(alternatives(&[before, alternative, after].concat(), left)?);
    }
    Ok(all)
}

/// The text before the first braces with a comma, what stands between the commas, and the text behind.
fn first_braces(pattern: &str) -> Option<(&str, Vec<&str>, &str)> {
    for (open, _) in signs(pattern).filter(|(_, sign)| *sign == '{') {
        let (before, rest) = pattern.split_at_checked(open)?;
        let inside = rest.get(1..)?;
        let (mut depth, mut start, mut found) = (0_u32, 0, Vec::new());
        for (at, sign) in signs(inside) {
            match sign {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' if depth == 0 => {
                    found.push(inside.get(start..at)?);
                    start = at + 1;
                }
                '}' if found.is_empty() => break,
                '}' => {
                    found.push(inside.get(start..at)?);
                    return Some((before, found, inside.get(at + 1..)?));
                }
                _ => {}
            }
        }
    }
    None
}

/// Letters with their places, without those that `\` takes as they are and those of classes.
fn signs(pattern: &str) -> impl Iterator<Item = (usize, char)> {
    let mut letters = pattern.char_indices();
    std::iter::from_fn(move || {
        loop {
            match letters.next()? {
                (_, '\\') => drop(letters.next()),
                (at, '[') => {
                    // a bracket that opens and is not closed is told when the pattern is read
                    let behind = pattern.get(at + 1..)?;
                    let negated = usize::from(behind.starts_with(['!', '^']));
                    let (mut first, mut taken) = (true, false);
                    let end = letters.by_ref().skip(negated).find(|(_, letter)| {
                        let ends = *letter == ']' && !first && !taken;
                        (first, taken) = (false, *letter == '\\' && !taken);
                        ends
                    });
                    end?;
                }
                sign => return Some(sign),
            }
        }
    })
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
            ("*.{csv,json}", "a.json", true),
            ("*.{csv,json}", "a.txt", false),
            ("{a,b/**}.{x,y}", "b/c/d.y", true),
            ("{a,{b,c}d}", "cd", true),
            ("{a,{b,c}d}", "c", false),
            ("a{,.gz}", "a", true),
            ("a{,.gz}", "a.gz", true),
            ("{id}", "{id}", true),
            ("{id}.{x,y}", "{id}.y", true),
            ("{a", "{a", true),
            ("a,b}", "a,b}", true),
            ("\\{a,b}", "{a,b}", true),
            ("{a\\,b,c}", "a,b", true),
            ("[{,]x", ",x", true),
            ("{[,],b}", ",", true),
            ("[!!]{a,b}", "xb", true),
            ("[!^]{a,b}", "xb", true),
            ("[\\],{]{x,y}", "{y", true),
            ("[]{,]{x,y}", "]x", true),
            ("{ü,🚀}x", "🚀x", true),
        ] {
            check(pattern, key, expected);
        }
    }

    #[test]
    fn patterns_that_mean_nothing_are_refused() {
        for pattern in ["[a", "[", "a\\", "[z-a]", "[a-", "{a,[}"] {
            assert!(Glob::parse(pattern).is_err(), "{pattern}");
        }
        let many = "{a,b}".repeat(30);
        assert!(Glob::parse(&many).unwrap_err().contains("too many alternatives"));
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
        fn alternatives_fit_what_each_of_them_fits(
            before in "[a-c*?]{0,3}", one in "[a-c*?]{0,3}", other in "[a-c*?]{0,3}", after in "[a-c*?]{0,3}",
            key in "[a-c]{0,6}",
        ) {
            let both = Glob::parse(&format!("{before}{{{one},{other}}}{after}")).unwrap();
            let each = [one, other].map(|text| Glob::parse(&format!("{before}{text}{after}")).unwrap());
            prop_assert_eq!(both.matches(&key), each.iter().any(|glob| glob.matches(&key)));
        }

        #[test]
        fn any_text_is_read_or_refused(pattern in "[a{},\\\\\\[\\]!*ü]{0,20}|.{0,20}", key in ".{0,20}") {
            if let Ok(glob) = Glob::parse(&pattern) {
                glob.matches(&key);
            }
        }
    }
}
