//! Bytes as text.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};

/// A charset by one of its names (WHATWG Encoding Standard, which reads `latin1` as `windows-1252`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charset(&'static Encoding);

/// No charset has more bytes for one character.
const MOST_BYTES_OF_CHARACTER: usize = 4;

impl Default for Charset {
    fn default() -> Charset {
        Charset(UTF_8)
    }
}

impl Charset {
    /// The charset of that name.
    pub fn parse(name: &str) -> Result<Charset, String> {
        let shown: String = name.chars().take(40).collect();
        Encoding::for_label_no_replacement(name.as_bytes()).map(Charset).ok_or_else(|| {
            format!("the charset `{shown}` is not known: use `utf-8`, `latin1`, `utf-16`, `shift_jis` or another of the web's")
        })
    }

    /// The charset that a media type names, if it is a known one.
    pub fn of_media_type(media_type: &str) -> Option<Charset> {
        let parameters = media_type.split(';').skip(1);
        let mut charsets = parameters.filter_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
        });
        Charset::parse(charsets.next()?).ok()
    }

    /// The charset that the bytes say themselves, by a mark at their start.
    pub fn of_mark(bytes: &[u8]) -> Option<Charset> {
        Encoding::for_bom(bytes).map(|(encoding, _)| Charset(encoding))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Whether separators and ends of lines are the bytes of ASCII and never a part of another character.
    pub fn has_plain_lines(self) -> bool {
        self.0 == UTF_8 || self.0.is_single_byte()
    }

    /// The text of all these bytes, with a mark at the start left out; none where they are not of this charset.
    pub fn decode(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        let marked = Encoding::for_bom(bytes).filter(|(encoding, _)| *encoding == self.0);
        let bytes = bytes.get(marked.map_or(0, |(_, mark)| mark)..).unwrap_or_default();
        self.0.decode_without_bom_handling_and_without_replacement(bytes)
    }

    /// The text of these bytes and how many it took: a character that was cut in two at the end is left for the next
    /// read.
    pub fn decode_whole_characters(self, bytes: &[u8]) -> Option<(Cow<'_, str>, usize)> {
        (0..MOST_BYTES_OF_CHARACTER).find_map(|cut| {
            let kept = bytes.len().checked_sub(cut)?;
            Some((self.decode(bytes.get(..kept)?)?, kept))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Charset;

    #[test]
    fn names_and_marks_and_media_types_name_charsets() {
        for (name, known) in [
            ("utf-8", "UTF-8"),
            ("UTF8", "UTF-8"),
            ("latin1", "windows-1252"),
            ("iso-8859-1", "windows-1252"),
            ("utf-16", "UTF-16LE"),
            ("utf-16be", "UTF-16BE"),
            ("shift_jis", "Shift_JIS"),
        ] {
            assert_eq!(Charset::parse(name).unwrap().name(), known);
        }
        assert!(Charset::parse("klingon").unwrap_err().contains("`klingon`"));
        let of = |text| Charset::of_media_type(text).map(Charset::name);
        assert_eq!(of("text/plain; charset=\"latin1\""), Some("windows-1252"));
        assert_eq!(of("text/plain;CHARSET=utf-16be; x=y"), Some("UTF-16BE"));
        assert_eq!(of("text/plain"), None);
        assert_eq!(of("text/plain; charset=none-such"), None);
        assert_eq!(Charset::of_mark(b"\xFF\xFEa\0").map(Charset::name), Some("UTF-16LE"));
        assert_eq!(Charset::of_mark(b"abc"), None);
    }

    #[test]
    fn bytes_become_text_without_their_mark() {
        for (name, bytes, text) in [
            ("utf-8", b"\xEF\xBB\xBF\xC3\xBC".as_slice(), "ü"),
            ("latin1", b"\xFC", "ü"),
            ("utf-16", b"\xFF\xFE\xFC\0", "ü"),
            ("utf-16be", b"\xFE\xFF\0\xFC", "ü"),
            ("utf-16be", b"\0\xFC", "ü"),
        ] {
            assert_eq!(Charset::parse(name).unwrap().decode(bytes).unwrap(), text, "{name}");
        }
        assert_eq!(Charset::default().decode(b"\xFC"), None);
    }

    proptest! {
        #[test]
        fn two_reads_give_what_one_gives(text in ".{0,40}", at in 0_usize..200, name in prop_oneof![Just("utf-8"), Just("utf-16")]) {
            let charset = Charset::parse(name).unwrap();
            let bytes: Vec<u8> = match name {
                "utf-8" => text.clone().into_bytes(),
                _ => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            };
            prop_assume!(Charset::of_mark(&bytes).is_none());
            let (first, taken) = charset.decode_whole_characters(&bytes[..at.min(bytes.len())]).unwrap();
            let rest = &bytes[taken..];
            prop_assume!(Charset::of_mark(rest).is_none());
            let second = charset.decode(rest).unwrap();
            prop_assert_eq!(format!("{first}{second}"), text);
        }
    }
}
