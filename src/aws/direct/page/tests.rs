//! Pages as stores write them, and as nobody should.

use std::fmt::Write as _;

use proptest::prelude::{Strategy, any, prop};
use proptest::{prop_assert, prop_assert_eq, proptest};

use crate::aws::direct::page::{MOST_ROWS, PageError, parse, parse_by_marker};

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
fn a_page_says_whether_it_is_cut_and_where_it_goes_on() {
    let with = |truncated: &str, rest: &str| {
        let text = page(&format!("<IsTruncated>{truncated}</IsTruncated>{rest}"));
        let page = parse(text.as_bytes()).unwrap();
        (page.truncated, page.next)
    };
    let token = "<NextContinuationToken>k</NextContinuationToken>";
    assert_eq!(with("true", token), (true, Some("k".to_owned())));
    assert!(!with("false", token).0);
    // a marker is no token
    assert_eq!(with("true", "<NextMarker>k</NextMarker>"), (true, None));
    assert_eq!(with("true", ""), (true, None));
}

#[test]
fn a_list_without_tokens_goes_on_behind_its_last_row() {
    let rows = "<Contents><Key>a</Key></Contents><CommonPrefixes><Prefix>b/</Prefix></CommonPrefixes>";
    let with = |truncated: &str, rest: &str| {
        let text = page(&format!("<IsTruncated>{truncated}</IsTruncated>{rest}"));
        let page = parse_by_marker(text.as_bytes()).unwrap();
        page.next.filter(|_| page.truncated)
    };
    assert_eq!(with("true", rows).as_deref(), Some("b/"));
    assert_eq!(with("true", "<NextMarker>k</NextMarker>").as_deref(), Some("k"));
    assert_eq!(with("false", rows), None);
}

#[test]
fn keys_come_byte_for_byte() {
    let written =
        "<Contents><Key>&#x8;&#13;&#10;&#128640; &lt;&gt;&amp;&quot;&apos;<![CDATA[<&raw]]></Key></Contents>";
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
    let many = "<CommonPrefixes><Prefix>a</Prefix></CommonPrefixes>".repeat(MOST_ROWS + 1);
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
