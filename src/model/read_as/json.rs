//! An object that is one JSON value.

use serde_json::value::RawValue;

use crate::model::read_as::{MOST_DEPTH, without_mark};

/// The value of a text, as it is written: numbers keep their digits, and names their order.
pub fn parse_json(text: &str) -> Result<Box<RawValue>, String> {
    let text = std::str::from_utf8(without_mark(text.as_bytes())).unwrap_or(text);
    if text.trim().is_empty() {
        return Err("the object is empty, and an empty text is no JSON: read it as `text`".to_owned());
    }
    check_depth(text.as_bytes())?;
    serde_json::from_str::<Box<RawValue>>(text).map_err(|error| {
        format!(
            "the object is not JSON: error at line {} column {}; read it as `text` to see it, or as `ndjson` if it \
             has one value a line",
            error.line(),
            error.column()
        )
    })
}

/// Refuses what a reader of the answer could only parse by recursing deep.
pub(super) fn check_depth(text: &[u8]) -> Result<(), String> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => depth += 1,
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MOST_DEPTH {
            return Err(format!(
                "values are nested more than {MOST_DEPTH} levels deep: read the object as `text`"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::parse_json;

    #[test]
    fn a_value_keeps_its_digits_and_its_order() {
        let text = "\u{FEFF} {\"b\": 12345678901234567890123, \"a\": 1.10} ";
        assert_eq!(parse_json(text).unwrap().get(), "{\"b\": 12345678901234567890123, \"a\": 1.10}");
    }

    #[test]
    fn what_is_no_value_is_refused_with_its_place() {
        assert!(parse_json("{\n \"a\": x}").unwrap_err().contains("line 2 column 7"));
        assert!(parse_json("1 2").unwrap_err().contains("not JSON"));
        assert!(parse_json(" ").unwrap_err().contains("empty"));
        let deep = format!("{}{}", "[".repeat(101), "]".repeat(101));
        assert!(parse_json(&deep).unwrap_err().contains("100 levels"));
        let brackets_in_text = format!("\"{}\\\"[\"", "[".repeat(200));
        assert!(parse_json(&brackets_in_text).is_ok());
    }
}
