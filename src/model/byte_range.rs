//! Ranges of bytes that readers ask for (RFC 9110, section 14).

/// What a `Range` header asks for: none where it has to be ignored, which is a unit that is not understood, and where it
/// may be, which is several ranges at once: S3 gives one (S3 API reference, `GetObject`).
///
/// # Errors
///
/// What is wrong with it.
pub fn of_header(text: &str) -> Result<Option<String>, String> {
    let (unit, set) = text.split_once('=').ok_or_else(rule)?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Ok(None);
    }
    let ranges =
        set.split(',').map(|range| range.trim_matches([' ', '\t'])).filter(|range| !range.is_empty());
    let ranges = ranges.map(one).collect::<Result<Vec<String>, String>>()?;
    match ranges.as_slice() {
        [] => Err(rule()),
        [range] => Ok(Some(format!("bytes={range}"))),
        _ => Ok(None),
    }
}

/// What a field of a query asks for: one range, with or without its unit.
///
/// # Errors
///
/// What is wrong with it.
pub fn of_field(text: &str) -> Result<String, String> {
    let range = text.strip_prefix("bytes=").unwrap_or(text);
    Ok(format!("bytes={}", one(range.trim())?))
}

/// `first-last`, `first-` or `-length`. What no object reaches is written as the most that stores read.
fn one(range: &str) -> Result<String, String> {
    let (first, last) = range.split_once('-').ok_or_else(rule)?;
    match (number(first)?, number(last)?) {
        (Some(first), Some(last)) if first > last => {
            Err(format!("the range `{range}` ends before it begins: turn it round"))
        }
        (Some(first), Some(last)) => Ok(format!("{first}-{last}")),
        (Some(first), None) => Ok(format!("{first}-")),
        (None, Some(length)) => Ok(format!("-{length}")),
        (None, None) => Err(rule()),
    }
}

fn number(text: &str) -> Result<Option<u64>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(rule());
    }
    let most = i64::MAX.unsigned_abs();
    Ok(Some(text.parse::<u64>().map_or(most, |number| number.min(most))))
}

fn rule() -> String {
    "a range is written like `bytes=0-99`, `bytes=100-` or `bytes=-100`".to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{of_field, of_header};

    #[test]
    fn headers_are_taken_ignored_or_refused() {
        for (text, expected) in [
            ("bytes=0-99", Some("bytes=0-99")),
            ("Bytes=0-99", Some("bytes=0-99")),
            ("bytes= 5- ", Some("bytes=5-")),
            ("bytes=-100", Some("bytes=-100")),
            ("bytes=,0-0,", Some("bytes=0-0")),
            ("bytes=007-8", Some("bytes=7-8")),
            ("bytes=0-99999999999999999999", Some("bytes=0-9223372036854775807")),
            ("bytes=0-1,3-4", None),
            ("lines=0-1", None),
            ("lines=anything", None),
        ] {
            assert_eq!(of_header(text).unwrap().as_deref(), expected, "{text}");
        }
        for text in
            ["", "0-5", "bytes", "bytes=", "bytes=-", "bytes=5-2", "bytes=a-b", "bytes=0-1,x", "bytes=1"]
        {
            assert!(of_header(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_field_needs_no_unit_and_has_one_range() {
        assert_eq!(of_field("0-5").unwrap(), "bytes=0-5");
        assert_eq!(of_field("bytes=-5").unwrap(), "bytes=-5");
        for text in ["", "lines=0-1", "bytes=0-1,3-4", "5-2", "+1-2"] {
            assert!(of_field(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_is_taken_again_as_it_is(text in "(bytes=)?[0-9]{0,22}-[0-9]{0,22}") {
            if let Ok(range) = of_field(&text) {
                prop_assert_eq!(of_field(&range).unwrap(), range.clone());
                prop_assert_eq!(of_header(&range).unwrap(), Some(range));
            }
        }
    }
}
