//! Spans of time, as people write them and as programs do.

use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

/// Characters of a text that come back.
const MOST_SHOWN: usize = 40;

/// A span of time, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "SpanOfTime")]
pub struct Span(pub u64);

/// A span of time: seconds as a number, or a text like `90s`, `15m`, `24h` or `7d`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "this takes seconds from 1 on, or a text like `90s`, `15m`, `24h` or `7d`")]
pub enum SpanOfTime {
    /// Seconds.
    #[schema(example = 900)]
    Seconds(u64),
    /// With its unit: `s`, `m`, `h` or `d`.
    #[schema(example = "15m")]
    Text(String),
}

impl TryFrom<SpanOfTime> for Span {
    type Error = String;

    fn try_from(span: SpanOfTime) -> Result<Span, String> {
        match span {
            SpanOfTime::Seconds(seconds) => Ok(Span(seconds)),
            SpanOfTime::Text(text) => Span::parse(&text),
        }
    }
}

impl Span {
    /// Reads `90`, `90s`, `15m`, `24h` or `7d`.
    pub fn parse(text: &str) -> Result<Span, String> {
        let wrong = || {
            let shown: String = text.chars().take(MOST_SHOWN).collect();
            format!("`{shown}` is not a valid span of time: write `15m`, `24h`, `7d`, or seconds")
        };
        let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
        let unit = match text.strip_prefix(digits) {
            Some("" | "s") => 1,
            Some("m") => 60,
            Some("h") => 3600,
            Some("d") => 86_400,
            _ => return Err(wrong()),
        };
        let number: u64 = digits.parse().map_err(|_| wrong())?;
        number.checked_mul(unit).map(Span).ok_or_else(wrong)
    }

    /// Reads the seconds of a field that may be left out.
    pub fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
        Ok(Option::<Span>::deserialize(from)?.map(|span| span.0))
    }
}

#[cfg(test)]
mod tests {
    use super::Span;

    #[test]
    fn spans_are_read_as_texts_and_as_seconds() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("15m", 900), ("24h", 86_400), ("7d", 604_800)] {
            assert_eq!(Span::parse(text), Ok(Span(seconds)), "{text}");
        }
        for text in ["", "h", "1w", "-1", "1.5h", "1 h", "99999999999999999999d"] {
            assert!(Span::parse(text).is_err(), "{text}");
        }
        assert_eq!(serde_json::from_str::<Span>("\"1h\"").unwrap(), Span(3600));
        assert_eq!(serde_json::from_str::<Span>("60").unwrap(), Span(60));
    }
}
