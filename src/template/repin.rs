//! Writes a field anew with other versions in its references.

use super::reference::{Piece, Pin, Reference, Template};

/// The field with the pins that `pin_of` gives; `None` when it gives none.
///
/// Everything else means the same: text keeps its braces as text, references that get no pin stay as they are.
pub fn repinned(template: &Template, mut pin_of: impl FnMut(&Reference) -> Option<Pin>) -> Option<String> {
    let mut text = String::new();
    let mut changed = false;
    for piece in template.pieces() {
        match piece {
            Piece::Text(plain) => text.push_str(&plain.replace("{{", r"\{{")),
            Piece::Reference(reference) => {
                let mut reference = reference.clone();
                if let Some(pin) = pin_of(&reference) {
                    reference.pin = pin;
                    changed = true;
                }
                text.push_str(&reference.to_string());
            }
        }
    }
    changed.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::repinned;
    use crate::template::{Pin, Style, parse};

    #[test]
    fn only_the_pins_that_are_given_change() {
        let pending = || Some(Pin::Stage("AWSPENDING".to_owned()));
        for (before, after) in [
            ("{{ secrets.a.b }}", "{{ secrets.a.b @ AWSPENDING }}"),
            ("{{ vault@x:a.b[0] }}/c", "{{ vault@x:a.b[0] @ AWSPENDING }}/c"),
            (r"\{{ {{secrets['a/b']}} \{{{", r"\{{ {{ secrets['a/b'] @ AWSPENDING }} \{{{"),
            ("\"{{ secrets.a @ AWSPREVIOUS }}\"", "{{ secrets.a @ AWSPENDING }}"),
        ] {
            let written = repinned(&parse(before).unwrap(), |_| pending()).unwrap();
            assert_eq!(written, after);
            assert!(
                parse(&written).unwrap().references().all(|found| Some(&found.pin) == pending().as_ref())
            );
        }
        let mixed = parse("{{ secrets.a }}{{ vault:a }}").unwrap();
        let written = repinned(&mixed, |found| pending().filter(|_| found.style == Style::Vault));
        assert_eq!(written.as_deref(), Some("{{ secrets.a }}{{ vault:a @ AWSPENDING }}"));
        assert_eq!(repinned(&mixed, |_| None), None);
    }
}
