//! Repairs: changes of the text that leave the rest of it, blanks and all, as its author wrote it.

use std::collections::HashSet;
use std::ops::Range;

use crate::policy::document::Position;
use crate::policy::json::{Member, Node, Value, quote};

/// One change. A place is where a value or key begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::policy) enum Edit {
    /// Puts other JSON in place of a value.
    Replace(Position, String),
    /// Gives a key another name.
    Rename(Position, String),
    /// Takes an item or a member away; the place of a member is that of its key.
    Remove(Position),
    /// Puts one or more JSON values in place of one. Outside of a list, several become a list.
    ReplaceWithAll(Position, Vec<String>),
    /// Adds JSON behind an item. A single value becomes a list.
    InsertAfter(Position, String),
    /// Adds a member, a key and JSON, at the beginning of an object.
    InsertMember(Position, &'static str, String),
}

/// The text after all changes. None when one of them does not fit the text, or two touch the same bytes.
pub(super) fn apply(text: &str, tree: &Node<'_>, edits: &[Edit]) -> Option<String> {
    let removed: HashSet<Position> = edits
        .iter()
        .filter_map(|edit| match edit {
            Edit::Remove(at) => Some(*at),
            _ => None,
        })
        .collect();
    let mut changes =
        edits.iter().map(|edit| change(text, tree, edit, &removed)).collect::<Option<Vec<_>>>()?;
    changes.sort_by_key(|(span, _)| (span.start, span.end));
    let mut result = String::with_capacity(text.len() + 64);
    let mut done = 0;
    for (span, replacement) in changes {
        // A change that begins before the end of the last one gives no text here.
        result.push_str(text.get(done..span.start)?);
        result.push_str(&replacement);
        done = span.end;
    }
    result.push_str(text.get(done..)?);
    Some(result)
}

/// The bytes that an edit takes away and the text it puts there.
fn change(
    text: &str,
    tree: &Node<'_>,
    edit: &Edit,
    removed: &HashSet<Position>,
) -> Option<(Range<usize>, String)> {
    match edit {
        Edit::Replace(at, json) => Some((place(tree, *at)?.value()?.span.clone(), json.clone())),
        Edit::ReplaceWithAll(at, values) => {
            let place = place(tree, *at)?;
            let joined = values.join(", ");
            let is_item = matches!(place, Place::Item(..));
            let json = if is_item || values.len() == 1 { joined } else { format!("[{joined}]") };
            Some((place.value()?.span.clone(), json))
        }
        Edit::Rename(at, name) => match place(tree, *at)? {
            Place::Key(_, member) => Some((member.span.clone(), quote(name))),
            _ => None,
        },
        Edit::Remove(at) => Some((removal(place(tree, *at)?, *at, removed)?, String::new())),
        Edit::InsertAfter(at, json) => insertion(text, place(tree, *at)?, json),
        Edit::InsertMember(at, key, json) => {
            let object = place(tree, *at)?.value()?;
            let inside = object.span.start + 1;
            let member = format!("{}: {json}", quote(key));
            let added = match object.members()?.first() {
                // The blanks before the first member stand before the second one, too.
                Some(first) => format!("{member},{}", text.get(inside..first.span.start)?),
                None => member,
            };
            let start = object.members()?.first().map_or(inside, |first| first.span.start);
            Some((start..start, added))
        }
    }
}

/// Where something stands in the tree.
#[derive(Clone, Copy)]
enum Place<'a> {
    Root(&'a Node<'a>),
    Item(&'a [Node<'a>], &'a Node<'a>),
    Key(&'a [Member<'a>], &'a Member<'a>),
    MemberValue(&'a Node<'a>),
}

impl<'a> Place<'a> {
    fn value(&self) -> Option<&'a Node<'a>> {
        match *self {
            Self::Root(node) | Self::Item(_, node) | Self::MemberValue(node) => Some(node),
            Self::Key(..) => None,
        }
    }
}

fn place<'a>(tree: &'a Node<'a>, at: Position) -> Option<Place<'a>> {
    if tree.at == at { Some(Place::Root(tree)) } else { place_below(tree, at) }
}

fn place_below<'a>(node: &'a Node<'a>, at: Position) -> Option<Place<'a>> {
    match &node.value {
        Value::Array(items) => {
            // The last one that begins before the place holds it.
            let item = items.iter().rev().find(|item| item.at <= at)?;
            if item.at == at { Some(Place::Item(items, item)) } else { place_below(item, at) }
        }
        Value::Object(members) => {
            let member = members.iter().rev().find(|member| member.at <= at)?;
            if member.at == at {
                return Some(Place::Key(members, member));
            }
            if member.node.at == at {
                return Some(Place::MemberValue(&member.node));
            }
            place_below(&member.node, at)
        }
        _ => None,
    }
}

/// The bytes to take away so that the commas are right, also when neighbours go at the same time.
fn removal(place: Place<'_>, at: Position, removed: &HashSet<Position>) -> Option<Range<usize>> {
    let siblings: Vec<(Position, Range<usize>)> = match place {
        Place::Item(items, _) => items.iter().map(|item| (item.at, item.span.clone())).collect(),
        Place::Key(members, _) => members.iter().map(|member| (member.at, member.whole())).collect(),
        Place::Root(_) | Place::MemberValue(_) => return None,
    };
    let index = siblings.iter().position(|(place, _)| *place == at)?;
    let span = siblings.get(index)?.1.clone();
    let (before, _) = siblings.split_at_checked(index)?;
    let kept_before = before.iter().any(|(place, _)| !removed.contains(place));
    match (kept_before, before.last(), siblings.get(index + 1)) {
        (true, Some((_, previous)), _) => Some(previous.end..span.end),
        (_, _, Some((_, next))) => Some(span.start..next.start),
        _ => Some(span),
    }
}

fn insertion(text: &str, place: Place<'_>, json: &str) -> Option<(Range<usize>, String)> {
    match place {
        Place::Item(items, item) => {
            let blanks = match items.get(0..2) {
                Some([first, second]) => {
                    text.get(first.span.end..second.span.start)?.trim_start_matches([' ', ','])
                }
                _ => "",
            };
            let separator = if blanks.trim().is_empty() && !blanks.is_empty() { blanks } else { " " };
            Some((item.span.end..item.span.end, format!(",{separator}{json}")))
        }
        Place::MemberValue(node) => {
            Some((node.span.clone(), format!("[{}, {json}]", text.get(node.span.clone())?)))
        }
        Place::Root(_) | Place::Key(..) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::json;

    const TEXT: &str = "{\n  \"a\": [1, 2, 3],\n  \"b\": 4\n}";

    fn at(line: u32, column: u32) -> Position {
        Position { line, column }
    }

    fn edited(edits: &[Edit]) -> Option<String> {
        apply(TEXT, &json::parse(TEXT).unwrap(), edits)
    }

    #[test]
    fn the_rest_of_the_text_stays_as_it_is() {
        let remove =
            |places: &[Position]| edited(&places.iter().copied().map(Edit::Remove).collect::<Vec<_>>());
        assert_eq!(remove(&[at(2, 9)]).unwrap(), "{\n  \"a\": [2, 3],\n  \"b\": 4\n}");
        assert_eq!(remove(&[at(2, 12), at(2, 15)]).unwrap(), "{\n  \"a\": [1],\n  \"b\": 4\n}");
        assert_eq!(remove(&[at(2, 9), at(2, 12)]).unwrap(), "{\n  \"a\": [3],\n  \"b\": 4\n}");
        assert_eq!(remove(&[at(2, 9), at(2, 12), at(2, 15)]).unwrap(), "{\n  \"a\": [],\n  \"b\": 4\n}");
        assert_eq!(remove(&[at(2, 3)]).unwrap(), "{\n  \"b\": 4\n}");
        assert_eq!(remove(&[at(3, 3)]).unwrap(), "{\n  \"a\": [1, 2, 3]\n}");
    }

    #[test]
    fn values_and_keys_are_changed_and_added() {
        assert_eq!(edited(&[Edit::Replace(at(3, 8), "5".into())]).unwrap(), TEXT.replace('4', "5"));
        assert_eq!(edited(&[Edit::Rename(at(3, 3), "c".into())]).unwrap(), TEXT.replace("\"b\"", "\"c\""));
        let several = vec!["5".into(), "6".into()];
        assert_eq!(
            edited(&[Edit::ReplaceWithAll(at(3, 8), several.clone())]).unwrap(),
            TEXT.replace('4', "[5, 6]")
        );
        assert_eq!(edited(&[Edit::ReplaceWithAll(at(2, 15), several)]).unwrap(), TEXT.replace('3', "5, 6"));
        assert_eq!(edited(&[Edit::InsertAfter(at(2, 15), "0".into())]).unwrap(), TEXT.replace('3', "3, 0"));
        assert_eq!(edited(&[Edit::InsertAfter(at(3, 8), "0".into())]).unwrap(), TEXT.replace('4', "[4, 0]"));
        assert_eq!(
            edited(&[Edit::InsertMember(at(1, 1), "z", "0".into())]).unwrap(),
            TEXT.replace("\"a\"", "\"z\": 0,\n  \"a\"")
        );
    }

    #[test]
    fn changes_that_do_not_fit_give_nothing() {
        assert_eq!(edited(&[Edit::Remove(at(1, 1))]), None, "the document itself");
        assert_eq!(edited(&[Edit::Remove(at(9, 9))]), None, "no such place");
        assert_eq!(edited(&[Edit::Remove(at(2, 3)), Edit::Replace(at(2, 9), "0".into())]), None, "overlap");
    }
}
