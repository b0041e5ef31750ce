//! Which of the known words a misspelt one was meant to be.

/// Letters of a given word that are compared: names are short, and what is sent may not be.
const MOST_LETTERS: usize = 64;

/// How far a given word is from a known one; none where it is another word altogether. `dryrun`, `versionId` and
/// `enviroment` are near.
pub(super) fn distance(given: &str, known: &str) -> Option<usize> {
    let (given, known) = (letters(given), letters(known));
    let begins = given.len() > 2 && (given.starts_with(&known) || known.starts_with(&given));
    let distance = if begins && given != known { 1 } else { edits(&given, &known) };
    // two slips in a short word make it another word
    (distance <= 2 && distance * 2 < known.len()).then_some(distance)
}

fn letters(word: &str) -> String {
    let word = word.chars().take(MOST_LETTERS).filter(char::is_ascii_alphanumeric);
    word.map(|letter| letter.to_ascii_lowercase()).collect()
}

/// How many letters must be put in, taken out or changed (Levenshtein).
fn edits(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut left = at + 1;
        let mut diagonal = at;
        let mut next = vec![left];
        for (against, above) in other.chars().zip(row.iter().skip(1)) {
            left = (left + 1).min(above + 1).min(diagonal + usize::from(letter != against));
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{distance, edits};

    #[test]
    fn edits_count_letters() {
        assert_eq!(edits("dryrun", "dryrun"), 0);
        assert_eq!(edits("enviroment", "environment"), 1);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("abc", ""), 3);
        assert_eq!(edits("kitten", "sitting"), 3);
    }

    #[test]
    fn a_word_that_resembles_none_is_near_to_none() {
        assert_eq!(distance("dryrun", "dry_run"), Some(0));
        assert_eq!(distance("versionId", "version"), Some(1));
        assert_eq!(distance("zzzzzz", "limit"), None);
        assert_eq!(distance(&"a".repeat(1 << 20), "list"), None);
    }
}
