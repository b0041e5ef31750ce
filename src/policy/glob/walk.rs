//! The one loop that matches a pattern with wildcards.

/// `*`: any text. The wildcards are bytes that UTF-8 never uses.
pub(super) const MANY: u8 = 0xff;
/// `?`: one character.
pub(super) const ONE: u8 = 0xfe;
/// `*` without colons.
pub(super) const MANY_IN_FIELD: u8 = 0xfd;
/// `?`, but not a colon.
pub(super) const ONE_IN_FIELD: u8 = 0xfc;

pub(super) fn is_wildcard(byte: u8) -> bool {
    byte >= ONE_IN_FIELD
}

/// Where to go on when the text after a `*` did not match: the place in the pattern after it, and how far into the
/// text the `*` reaches.
#[derive(Clone, Copy)]
struct Star {
    pattern: usize,
    text: usize,
}

/// Whether the whole text matches. Calls `step` once for every comparison.
///
/// An earlier `*` never has to reach further once a later one was met, because the later one can take what lies
/// between. A `*` that is kept in a field cannot do that for a free one before it, so there is one point to go back
/// to for each of the two.
pub(super) fn walk(pattern: &[u8], text: &[u8], step: &mut impl FnMut()) -> bool {
    let mut at = Star { pattern: 0, text: 0 };
    let mut free: Option<Star> = None;
    let mut kept: Option<Star> = None;
    loop {
        step();
        match (pattern.get(at.pattern), text.get(at.text)) {
            (Some(&MANY), _) => {
                at.pattern += 1;
                if at.pattern == pattern.len() {
                    return true;
                }
                (free, kept) = (Some(at), None);
                continue;
            }
            (Some(&MANY_IN_FIELD), _) => {
                at.pattern += 1;
                kept = Some(at);
                continue;
            }
            (Some(&ONE), Some(byte)) => {
                at = Star { pattern: at.pattern + 1, text: at.text + width(*byte) };
                continue;
            }
            (Some(&ONE_IN_FIELD), Some(byte)) if *byte != b':' => {
                at = Star { pattern: at.pattern + 1, text: at.text + width(*byte) };
                continue;
            }
            (Some(one), Some(byte)) if one == byte => {
                at = Star { pattern: at.pattern + 1, text: at.text + 1 };
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        let further = reach(kept, text, true).inspect(|star| kept = Some(*star)).or_else(|| {
            kept = None;
            reach(free, text, false).inspect(|star| free = Some(*star))
        });
        let Some(star) = further else { return false };
        at = star;
    }
}

/// The same `*`, one character further.
fn reach(star: Option<Star>, text: &[u8], in_field: bool) -> Option<Star> {
    let star = star?;
    let byte = text.get(star.text).filter(|byte| !in_field || **byte != b':')?;
    Some(Star { pattern: star.pattern, text: star.text + width(*byte) })
}

/// How many bytes the character has that begins with this one.
fn width(byte: u8) -> usize {
    match byte {
        0..=0xbf => 1,
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0.. => 4,
    }
}

/// How many comparisons a match takes.
#[cfg(test)]
pub(in crate::policy) fn count_steps(pattern: &[u8], text: &[u8]) -> usize {
    let mut steps = 0;
    walk(pattern, text, &mut || steps += 1);
    steps
}
