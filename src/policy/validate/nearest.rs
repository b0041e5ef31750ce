//! The known name that a misspelt one is likely meant to be.

/// The most edits between the two.
const MAX_EDITS: usize = 3;

/// The longest name that is compared.
const MAX_LENGTH: usize = 100;

/// The nearest of the known names, case apart. None when nothing is near enough.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > MAX_LENGTH {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    let limit = MAX_EDITS.min(name.len() / 3);
    known
        .filter(|other| other.len().abs_diff(name.len()) <= limit)
        .map(|other| (edits(&lower, &other.to_ascii_lowercase()), other))
        .filter(|(edits, _)| *edits <= limit)
        .min()
        .map(|(_, other)| other)
}

/// How many characters have to be added, removed, replaced or swapped with their neighbour.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous = None;
    for (row, x) in a.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, y) in b.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&last, column) + usize::from(x != *y);
            let mut best = replaced.min(at(&last, column + 1) + 1).min(at(&current, column) + 1);
            let swapped =
                column.checked_sub(1).filter(|before| previous == Some(*y) && b.get(*before) == Some(&x));
            if let Some(before) = swapped {
                best = best.min(at(&before_last, before) + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
        previous = Some(x);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_far_ones_are_not() {
        let known = || ["GetObject", "PutObject", "ListBucket"].into_iter();
        assert_eq!(nearest("getobjects", known()), Some("GetObject"));
        assert_eq!(nearest("LsitBucket", known()), Some("ListBucket"));
        assert_eq!(nearest("Frobnicate", known()), None);
        assert_eq!(edits("abcd", "abdc"), 1);
    }
}
