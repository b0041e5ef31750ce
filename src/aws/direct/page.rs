//! Reads a page of a list (`ListBucketResult` of `ListObjectsV2` and `ListObjects`) straight into rows.
//!
//! A parser for this one document: a pass over the text, with the names and values as slices of it. It is strict about
//! what makes XML well-formed (nesting, ends, entities), takes no document type, and knows the bounds of what it
//! reads: elements nest a few levels deep, a page has so many rows.

use std::borrow::Cow;

use crate::aws::s3::{ListPage, rfc3339_of_iso};
use crate::model::object::{ObjectSummary, Owner};

/// Rows that a page may have; S3 gives at most a thousand, others more.
const MOST_ROWS: usize = 100_000;
/// How deep elements may nest; the page itself needs four levels.
const MOST_DEPTH: usize = 16;

/// Why a page cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PageError {
    #[error("it is not UTF-8")]
    NotText,
    #[error("it is not a page of a list, but `{0}`")]
    NotAPage(String),
    #[error("it is not XML: {0}")]
    NotXml(&'static str),
    #[error("it, or an entry of it, has no {0}")]
    Missing(&'static str),
    #[error("it has too many entries, or nests too deep")]
    TooLarge,
}

/// A piece of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece<'a> {
    Start(&'a str),
    End(&'a str),
    /// `<name/>`
    Empty(&'a str),
    /// As it is written, entities and all.
    Text(&'a str),
    Raw(&'a str),
}

struct Reader<'a> {
    rest: &'a str,
}

/// Reads a page that goes on with a token.
pub(super) fn parse(bytes: &[u8]) -> Result<ListPage, PageError> {
    let (page, truncated) = read(bytes)?;
    // without it the list would look complete
    if truncated && page.next.is_none() {
        return Err(PageError::Missing("token for the page after it"));
    }
    Ok(page)
}

/// Reads a page of a list without tokens: it goes on behind its last row (`ListObjects`, `Marker`). `NextMarker` says the
/// same where it is there at all, but not every store encodes it as it does the rows.
pub(super) fn parse_by_marker(bytes: &[u8]) -> Result<ListPage, PageError> {
    let (mut page, truncated) = read(bytes)?;
    let last = page.objects.last().map(|object| object.key.clone()).max(page.prefixes.last().cloned());
    page.next = last.or(page.marker.take()).filter(|_| truncated);
    Ok(page)
}

fn read(bytes: &[u8]) -> Result<(ListPage, bool), PageError> {
    let text = std::str::from_utf8(bytes).map_err(|_| PageError::NotText)?;
    let mut reader = Reader { rest: text.strip_prefix('\u{feff}').unwrap_or(text) };
    let page = loop {
        match reader.next()?.ok_or_else(|| PageError::NotAPage(String::new()))? {
            Piece::Text(blank) if blank.trim_ascii().is_empty() => {}
            Piece::Start("ListBucketResult") => break reader.page()?,
            Piece::Empty("ListBucketResult") => break (ListPage::default(), false),
            // a store that takes the virtual host for no bucket answers with its list of buckets
            Piece::Start(name) | Piece::Empty(name) => {
                return Err(PageError::NotAPage(name.chars().take(64).collect()));
            }
            _ => return Err(PageError::NotAPage("text".to_owned())),
        }
    };
    while let Some(piece) = reader.next()? {
        if !matches!(piece, Piece::Text(blank) if blank.trim_ascii().is_empty()) {
            return Err(PageError::NotXml("something follows its end"));
        }
    }
    Ok(page)
}

/// What says where the next page begins.
#[derive(Default)]
struct Next<'a> {
    truncated: bool,
    token: Option<Cow<'a, str>>,
    marker: Option<Cow<'a, str>>,
}

impl<'a> Reader<'a> {
    /// With whether there is more.
    fn page(&mut self) -> Result<(ListPage, bool), PageError> {
        let mut page = ListPage::default();
        let mut next = Next::default();
        let mut encoded = false;
        loop {
            match self.child("ListBucketResult")? {
                None => break,
                Some(Child { empty: true, .. }) => {}
                Some(Child { name, .. }) => match name {
                    "Contents" => page.objects.push(self.object()?),
                    "CommonPrefixes" => page.prefixes.extend(self.common_prefix()?),
                    "IsTruncated" => next.truncated = self.text(name)? == "true",
                    "NextContinuationToken" => next.token = Some(self.text(name)?),
                    "NextMarker" => next.marker = Some(self.text(name)?),
                    "EncodingType" => encoded = self.text(name)? == "url",
                    other => self.skip(other)?,
                },
            }
            if page.objects.len() + page.prefixes.len() > MOST_ROWS {
                return Err(PageError::TooLarge);
            }
        }
        if encoded {
            for object in &mut page.objects {
                decode(&mut object.key)?;
            }
            page.prefixes.iter_mut().try_for_each(decode)?;
        }
        let token = next.token.map(Cow::into_owned);
        let mut marker = next.marker.map(Cow::into_owned);
        if encoded {
            // a marker is a key, a token is not
            marker.iter_mut().try_for_each(decode)?;
        }
        page.next = token.filter(|_| next.truncated);
        page.marker = marker.filter(|_| next.truncated);
        Ok((page, next.truncated))
    }

    fn object(&mut self) -> Result<ObjectSummary, PageError> {
        let (mut key, mut size, mut etag, mut last_modified, mut storage_class, mut owner) =
            (None, None, None, None, None, None);
        while let Some(Child { name, empty }) = self.child("Contents")? {
            if empty {
                continue;
            }
            match name {
                "Key" => key = Some(self.text(name)?.into_owned()),
                "Size" => size = self.text(name)?.trim_ascii().parse().ok(),
                "ETag" => etag = Some(self.text(name)?.into_owned()),
                "LastModified" => last_modified = rfc3339_of_iso(&self.text(name)?),
                "StorageClass" => storage_class = Some(self.text(name)?.into_owned()),
                "Owner" => owner = Some(self.owner()?),
                other => self.skip(other)?,
            }
        }
        Ok(ObjectSummary {
            key: key.ok_or(PageError::Missing("key"))?,
            size: size.unwrap_or(0),
            etag,
            last_modified,
            storage_class,
            owner,
            url: None,
            url_expires_at: None,
        })
    }

    fn owner(&mut self) -> Result<Owner, PageError> {
        let mut owner = Owner { id: None, display_name: None };
        while let Some(Child { name, empty }) = self.child("Owner")? {
            match name {
                "ID" if !empty => owner.id = Some(self.text(name)?.into_owned()),
                "DisplayName" if !empty => owner.display_name = Some(self.text(name)?.into_owned()),
                _ if empty => {}
                other => self.skip(other)?,
            }
        }
        Ok(owner)
    }

    fn common_prefix(&mut self) -> Result<Option<String>, PageError> {
        let mut prefix = None;
        while let Some(Child { name, empty }) = self.child("CommonPrefixes")? {
            match name {
                "Prefix" if !empty => prefix = Some(self.text(name)?.into_owned()),
                _ if empty => {}
                other => self.skip(other)?,
            }
        }
        Ok(prefix)
    }

    /// The next element within `parent`; none at its end.
    fn child(&mut self, parent: &str) -> Result<Option<Child<'a>>, PageError> {
        loop {
            match self.piece()? {
                Piece::Start(name) => return Ok(Some(Child { name, empty: false })),
                Piece::Empty(name) => return Ok(Some(Child { name, empty: true })),
                Piece::End(name) if name == parent => return Ok(None),
                Piece::End(_) => return Err(PageError::NotXml("an element ends that did not begin")),
                Piece::Text(blank) | Piece::Raw(blank) if blank.trim_ascii().is_empty() => {}
                Piece::Text(_) | Piece::Raw(_) => {
                    return Err(PageError::NotXml("text stands where elements belong"));
                }
            }
        }
    }

    /// The text of an element that has begun, to its end.
    fn text(&mut self, element: &str) -> Result<Cow<'a, str>, PageError> {
        let mut text = Cow::Borrowed("");
        loop {
            let more = match self.piece()? {
                Piece::Text(raw) => unescape(raw)?,
                Piece::Raw(raw) => Cow::Borrowed(raw),
                Piece::End(name) if name == element => return Ok(text),
                _ => return Err(PageError::NotXml("an element stands where text belongs")),
            };
            if text.is_empty() {
                text = more;
            } else {
                text.to_mut().push_str(&more);
            }
        }
    }

    /// Passes over an element that has begun, and all that is in it.
    fn skip(&mut self, element: &'a str) -> Result<(), PageError> {
        let mut open = Vec::new();
        loop {
            match self.piece()? {
                Piece::Start(_) if open.len() >= MOST_DEPTH => return Err(PageError::TooLarge),
                Piece::Start(name) => open.push(name),
                Piece::End(name) if name != open.last().copied().unwrap_or(element) => {
                    return Err(PageError::NotXml("an element ends that did not begin"));
                }
                Piece::End(_) => {
                    if open.pop().is_none() {
                        return Ok(());
                    }
                }
                Piece::Text(raw) => drop(unescape(raw)?),
                Piece::Empty(_) | Piece::Raw(_) => {}
            }
        }
    }

    fn piece(&mut self) -> Result<Piece<'a>, PageError> {
        self.next()?.ok_or(PageError::NotXml("it ends early"))
    }

    /// The next piece; none at the end of the text. Comments and instructions are passed over.
    fn next(&mut self) -> Result<Option<Piece<'a>>, PageError> {
        loop {
            let Some(inner) = self.rest.strip_prefix('<') else {
                if self.rest.is_empty() {
                    return Ok(None);
                }
                let end = place_of(b'<', self.rest).unwrap_or(self.rest.len());
                let (text, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
                self.rest = rest;
                return Ok(Some(Piece::Text(text)));
            };
            if let Some((piece, rest)) = plain_tag(inner) {
                self.rest = rest;
                return Ok(Some(piece));
            }
            if let Some(after) = inner.strip_prefix('?') {
                self.rest = after.split_once("?>").ok_or(PageError::NotXml("it ends early"))?.1;
            } else if let Some(after) = inner.strip_prefix("!--") {
                self.rest = after.split_once("-->").ok_or(PageError::NotXml("it ends early"))?.1;
            } else if let Some(after) = inner.strip_prefix("![CDATA[") {
                let (raw, rest) = after.split_once("]]>").ok_or(PageError::NotXml("it ends early"))?;
                self.rest = rest;
                return Ok(Some(Piece::Raw(raw)));
            } else if inner.starts_with('!') {
                return Err(PageError::NotXml("it declares a document type"));
            } else {
                return self.tag(inner).map(Some);
            }
        }
    }

    /// A tag, from behind its `<`.
    fn tag(&mut self, inner: &'a str) -> Result<Piece<'a>, PageError> {
        let (tag, rest) = tag_end(inner)?;
        self.rest = rest;
        if let Some(name) = tag.strip_prefix('/') {
            return Ok(Piece::End(plain_name(name.trim_ascii_end())?));
        }
        let (tag, empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let name = tag.split(|letter: char| letter.is_ascii_whitespace()).next().unwrap_or_default();
        let name = plain_name(name)?;
        Ok(if empty { Piece::Empty(name) } else { Piece::Start(name) })
    }
}

/// `<name>` and `</name>`, as nearly all tags are; none for those with anything else in them. Tags and the texts
/// between them are a few bytes long, so that a plain walk is quicker than a search.
fn plain_tag(inner: &str) -> Option<(Piece<'_>, &str)> {
    let (name, ends) = match inner.strip_prefix('/') {
        Some(name) => (name, true),
        None => (inner, false),
    };
    let end = name.bytes().position(|byte| !byte.is_ascii_alphanumeric())?;
    let (name, rest) = name.split_at_checked(end)?;
    let rest = rest.strip_prefix('>')?;
    let begins = name.as_bytes().first().is_some_and(u8::is_ascii_alphabetic);
    begins.then_some((if ends { Piece::End(name) } else { Piece::Start(name) }, rest))
}

fn place_of(wanted: u8, text: &str) -> Option<usize> {
    text.bytes().position(|byte| byte == wanted)
}

struct Child<'a> {
    name: &'a str,
    empty: bool,
}

/// Cuts at the `>` that ends a tag; one within the quotes of an attribute does not.
fn tag_end(inner: &str) -> Result<(&str, &str), PageError> {
    let early = PageError::NotXml("it ends early");
    let cut = inner.split_once('>').ok_or_else(|| early.clone())?;
    if !cut.0.contains(['"', '\'', '<']) {
        return Ok(cut);
    }
    let mut quote = None;
    for (at, letter) in inner.char_indices() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (_, '<') => return Err(PageError::NotXml("a tag begins within a tag")),
            (None, '"' | '\'') => quote = Some(letter),
            (None, '>') => {
                let (tag, rest) = inner.split_at_checked(at).ok_or(early)?;
                return Ok((tag, rest.strip_prefix('>').unwrap_or(rest)));
            }
            _ => {}
        }
    }
    Err(early)
}

fn plain_name(name: &str) -> Result<&str, PageError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte) || byte >= 0x80;
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if begins && name.bytes().all(plain) { Ok(name) } else { Err(PageError::NotXml("a name cannot be read")) }
}

/// The text with its entities replaced: the five of XML, and characters by number. A key may hold characters that XML
/// cannot, and stores write them by number all the same.
fn unescape(raw: &str) -> Result<Cow<'_, str>, PageError> {
    let Some(first) = place_of(b'&', raw) else { return Ok(Cow::Borrowed(raw)) };
    let (before, rest) = raw.split_at_checked(first).unwrap_or((raw, ""));
    let mut rest = rest.strip_prefix('&').unwrap_or(rest);
    let mut text = String::with_capacity(raw.len());
    text.push_str(before);
    loop {
        let (name, after) = rest.split_once(';').ok_or(PageError::NotXml("an entity does not end"))?;
        text.push(entity(name).ok_or(PageError::NotXml("an entity is not known"))?);
        let Some((plain, next)) = after.split_once('&') else {
            text.push_str(after);
            return Ok(Cow::Owned(text));
        };
        text.push_str(plain);
        rest = next;
    }
}

fn entity(name: &str) -> Option<char> {
    let number = |digits: &str, radix| {
        let signed = digits.starts_with(['+', '-']);
        (!signed).then(|| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32)).flatten()
    };
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let digits = name.strip_prefix('#')?;
            match digits.strip_prefix('x') {
                Some(digits) => number(digits, 16),
                None => number(digits, 10),
            }
        }
    }
}

/// Undoes `encoding-type=url`: a `+` is a blank, as S3 writes it; a plus itself is `%2B`.
fn decode(text: &mut String) -> Result<(), PageError> {
    if !text.contains(['%', '+']) {
        return Ok(());
    }
    let blanks = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&blanks).decode_utf8();
    *text = decoded.map_err(|_| PageError::NotText)?.into_owned();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::{Strategy, any, prop};
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::{PageError, parse, parse_by_marker};

    const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";

    fn page(inner: &str) -> String {
        format!("{HEAD}{inner}</ListBucketResult>\n")
    }

    fn keys(inner: &str) -> Result<Vec<String>, PageError> {
        parse(page(inner).as_bytes()).map(|page| page.objects.into_iter().map(|object| object.key).collect())
    }

    #[test]
    fn a_page_of_s3_is_read() {
        let text = page(
            "<Name>b</Name><Prefix>a/</Prefix><NextContinuationToken>1/&lt;==</NextContinuationToken><KeyCount>2</KeyCount><IsTruncated>true</IsTruncated>\
             <Contents><Key>a/1 &amp; 2</Key><LastModified>2026-11-01T10:00:00.000Z</LastModified><ETag>&quot;d41d&quot;</ETag><ChecksumAlgorithm>CRC32</ChecksumAlgorithm><Size>17</Size><Owner><ID>x</ID><DisplayName/></Owner><StorageClass>STANDARD</StorageClass></Contents>\
             <Contents><Key>a/2</Key><LastModified>2026-11-01T10:00:00.120Z</LastModified><Size>0</Size></Contents>\
             <CommonPrefixes><Prefix>a/b/</Prefix></CommonPrefixes>",
        );
        let page = parse(text.as_bytes()).unwrap();
        assert_eq!(page.next.as_deref(), Some("1/<=="));
        assert_eq!(page.prefixes, ["a/b/"]);
        let first = &page.objects[0];
        assert_eq!((first.key.as_str(), first.size), ("a/1 & 2", 17));
        assert_eq!(first.etag.as_deref(), Some("\"d41d\""));
        assert_eq!(first.last_modified.as_deref(), Some("2026-11-01T10:00:00Z"));
        assert_eq!(first.storage_class.as_deref(), Some("STANDARD"));
        let second = &page.objects[1];
        assert_eq!(second.last_modified.as_deref(), Some("2026-11-01T10:00:00.12Z"));
        assert_eq!((&second.etag, &second.storage_class), (&None, &None));
    }

    #[test]
    fn a_token_counts_only_when_there_is_more() {
        let with = |truncated: &str, rest: &str| {
            parse(page(&format!("<IsTruncated>{truncated}</IsTruncated>{rest}")).as_bytes()).unwrap().next
        };
        assert_eq!(with("false", "<NextContinuationToken>x</NextContinuationToken>"), None);
        assert_eq!(with("true", "<NextContinuationToken>k</NextContinuationToken>").as_deref(), Some("k"));
        for rest in ["", "<NextMarker>k</NextMarker>"] {
            let text = page(&format!("<IsTruncated>true</IsTruncated>{rest}"));
            assert!(parse(text.as_bytes()).is_err(), "a list that is cut must not look complete: {rest}");
        }
    }

    #[test]
    fn a_list_without_tokens_goes_on_behind_its_last_row() {
        let rows = "<Contents><Key>a</Key></Contents><CommonPrefixes><Prefix>b/</Prefix></CommonPrefixes>";
        let with = |truncated: &str, rest: &str| {
            let text = page(&format!("<IsTruncated>{truncated}</IsTruncated>{rest}"));
            parse_by_marker(text.as_bytes()).unwrap().next
        };
        assert_eq!(with("true", rows).as_deref(), Some("b/"));
        assert_eq!(with("true", "<NextMarker>k</NextMarker>").as_deref(), Some("k"));
        assert_eq!(with("false", rows), None);
    }

    #[test]
    fn keys_come_byte_for_byte() {
        let written = "<Contents><Key>&#x8;&#13;&#10;&#128640; &lt;&gt;&amp;&quot;&apos;<![CDATA[<&raw]]></Key></Contents>";
        assert_eq!(keys(written).unwrap(), ["\u{8}\r\n🚀 <>&\"'<&raw"]);
        assert_eq!(keys("<Contents><Key>a%2Bb+c</Key></Contents>").unwrap(), ["a%2Bb+c"]);
        let encoded = "<EncodingType>url</EncodingType><Contents><Key>a%2Bb+c%0A%C3%BC</Key></Contents>";
        assert_eq!(keys(encoded).unwrap(), ["a+b c\nü"]);
        assert_eq!(keys("<!-- c --><Contents><?pi x?><Key> a </Key></Contents>").unwrap(), [" a "]);
    }

    #[test]
    fn an_empty_bucket_is_a_page() {
        assert!(parse(b"<ListBucketResult/>").unwrap().objects.is_empty());
        assert!(parse(page("<Name/><Contents><Key>k</Key></Contents>").as_bytes()).is_ok());
    }

    #[test]
    fn what_is_no_page_is_refused() {
        let deep = "<a>".repeat(40);
        for wrong in [
            "",
            "{}",
            "<Error><Code>NoSuchBucket</Code></Error>",
            "<!DOCTYPE a [<!ENTITY b \"c\">]><ListBucketResult/>",
            "<ListBucketResult>",
            "<ListBucketResult/><ListBucketResult/>",
            "<ListBucketResult></Other>",
            "<ListBucketResult>text</ListBucketResult>",
            "<ListBucketResult><Contents></Contents></ListBucketResult>",
            "<ListBucketResult><Contents><Key>a</Contents></ListBucketResult>",
            "<ListBucketResult><Contents><Key>a&b;</Key></Contents></ListBucketResult>",
            "<ListBucketResult><Contents><Key>a&amp</Key></Contents></ListBucketResult>",
            "<ListBucketResult><Contents><Key>&#xD800;</Key></Contents></ListBucketResult>",
            "<ListBucketResult><Contents><Key>&#+65;</Key></Contents></ListBucketResult>",
            "<ListBucketResult><Contents><Key><b/></Key></Contents></ListBucketResult>",
            "<ListBucketResult><a b=\"<\"/></ListBucketResult>",
            &format!("<ListBucketResult>{deep}"),
        ] {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert_eq!(parse(b"<ListBucketResult>\xff</ListBucketResult>").unwrap_err(), PageError::NotText);
        let many = "<CommonPrefixes><Prefix>a</Prefix></CommonPrefixes>".repeat(super::MOST_ROWS + 1);
        assert_eq!(parse(page(&many).as_bytes()).unwrap_err(), PageError::TooLarge);
    }

    fn escaped(key: &str) -> String {
        let mut text = String::new();
        for letter in key.chars() {
            match letter {
                '<' | '>' | '&' | '"' => write!(text, "&#{};", u32::from(letter)).unwrap(),
                letter if letter.is_control() => write!(text, "&#x{:x};", u32::from(letter)).unwrap(),
                letter => text.push(letter),
            }
        }
        text
    }

    /// Pieces of a page in any order, so that hostile documents get past the first tag.
    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "<ListBucketResult>",
            "</ListBucketResult>",
            "<Contents>",
            "</Contents>",
            "<Key>",
            "</Key>",
            "<Key/>",
            "<CommonPrefixes>",
            "</CommonPrefixes>",
            "<Prefix>",
            "</Prefix>",
            "<Size>",
            "</Size>",
            "1",
            "-1",
            "&amp;",
            "&",
            ";",
            "&#x",
            "&#0;",
            "<!--",
            "-->",
            "<![CDATA[",
            "]]>",
            "<?",
            "?>",
            "<!DOCTYPE",
            "<",
            ">",
            "/>",
            "\"",
            "'",
            "a=\"",
            "ü",
            "<IsTruncated>",
            "true",
            "</IsTruncated>",
            "<EncodingType>url</EncodingType>",
            "%FF",
            "%",
            "<ETag>",
            "</ETag>",
            "<LastModified>",
            "</LastModified>",
            "2026-11-01T10:00:00.000Z",
        ]);
        prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn every_key_that_is_written_is_read(all in prop::collection::vec(any::<String>(), 0..20)) {
            let rows: Vec<String> =
                all.iter().map(|key| format!("<Contents><Key>{}</Key></Contents>", escaped(key))).collect();
            prop_assert_eq!(keys(&rows.concat()).unwrap(), all);
        }

        #[test]
        fn hostile_text_is_refused_or_read_and_never_worse(text in hostile()) {
            let whole = format!("<ListBucketResult>{text}</ListBucketResult>");
            for text in [text.as_str(), whole.as_str()] {
                if let Ok(page) = parse(text.as_bytes()) {
                    prop_assert!(page.objects.len() <= text.len());
                }
            }
        }

        #[test]
        fn hostile_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(parse(&bytes).is_err());
        }

        #[test]
        fn a_page_that_is_cut_is_refused(at in any::<prop::sample::Index>()) {
            let text = page("<Contents><Key>a&amp;b</Key><Size>1</Size></Contents><IsTruncated>false</IsTruncated>");
            let text = text.trim_end();
            let cut = at.index(text.len());
            prop_assert!(parse(&text.as_bytes()[..cut]).is_err());
        }
    }
}
