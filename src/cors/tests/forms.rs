//! The forms of a configuration: what each says, how it is printed, and where its parts stand.

use super::super::place::{Place, Spot};
use super::super::rule::List;
use super::{configuration, read, rule};
use crate::cors::{CorsConfiguration, CorsRule, Form, parse};

const FORMS: [Form; 4] = [Form::Console, Form::Api, Form::Xml, Form::Service];

fn whole() -> CorsConfiguration {
    let first = CorsRule {
        id: Some("uploads & <more>".to_owned()),
        max_age_seconds: Some(3600),
        ..rule("https://app.example.com,https://*.example.com", "GET,PUT", "content-type,x-amz-*", "ETag")
    };
    configuration(&[first, rule("*", "GET", "", "")])
}

#[test]
fn all_forms_say_the_same() {
    for (form, file) in [
        (Form::Console, "console.json"),
        (Form::Api, "api.json"),
        (Form::Xml, "xml.xml"),
        (Form::Service, "service.json"),
    ] {
        let document = read(&format!("fixtures/cors/forms/{file}"));
        assert_eq!((document.form, &document.configuration), (form, &whole()), "{file}");
        assert_eq!(document.findings, [], "{file}");
    }
}

#[test]
fn a_printed_configuration_is_read_as_the_same() {
    for form in FORMS {
        let printed = whole().print(form);
        let document = parse(&printed).unwrap();
        assert_eq!((document.form, document.configuration), (form, whole()), "{printed}");
        assert!(printed.ends_with('\n') && document.findings.is_empty(), "{printed}");
    }
}

#[test]
fn every_part_has_its_place_in_json() {
    let text = "[\n  {\n    \"ID\": \"a\",\n    \"AllowedOrigins\": [\"*\",\n      \"é\", \"x\"],\n    \"MaxAgeSeconds\": 1\n  }\n]";
    let places = parse(text).unwrap().places;
    let at = |line, column| Some(Place { line, column });
    assert_eq!(places.find(Spot::Document), at(1, 1));
    assert_eq!(places.find(Spot::Rule(0)), at(2, 3));
    assert_eq!(places.find(Spot::Id(0)), at(3, 11));
    assert_eq!(places.find(Spot::List(0, List::AllowedOrigins)), at(4, 23));
    assert_eq!(places.find(Spot::Value(0, List::AllowedOrigins, 0)), at(4, 24));
    assert_eq!(places.find(Spot::Value(0, List::AllowedOrigins, 2)), at(5, 12));
    assert_eq!(places.find(Spot::MaxAge(0)), at(6, 22));
    // what is not there is where its rule is
    assert_eq!(places.find(Spot::List(0, List::AllowedMethods)), at(2, 3));
    assert_eq!(places.find(Spot::Rule(1)), at(1, 1));
}

#[test]
fn every_part_has_its_place_in_xml() {
    let text = "<?xml version=\"1.0\"?>\n<CORSConfiguration>\n<CORSRule>\n <AllowedOrigin>\n  *</AllowedOrigin>\n <MaxAgeSeconds>1</MaxAgeSeconds>\n</CORSRule></CORSConfiguration>";
    let document = parse(text).unwrap();
    let at = |line, column| Some(Place { line, column });
    assert_eq!(document.configuration.rules[0].allowed_origins, ["*"]);
    assert_eq!(document.places.find(Spot::Document), at(2, 2));
    assert_eq!(document.places.find(Spot::Rule(0)), at(3, 2));
    assert_eq!(document.places.find(Spot::Value(0, List::AllowedOrigins, 0)), at(5, 3));
    assert_eq!(document.places.find(Spot::List(0, List::AllowedOrigins)), at(4, 3));
    assert_eq!(document.places.find(Spot::MaxAge(0)), at(6, 17));
}

#[test]
fn xml_is_read_as_stores_read_it() {
    let text = "<!-- mine --><s3:CORSConfiguration xmlns:s3='http://s3.amazonaws.com/doc/2006-03-01/'>\
                <s3:CORSRule><s3:ID><![CDATA[a<b]]>&amp;&#x63;</s3:ID><!-- x --><?pi?>\
                <s3:AllowedOrigin> https://a.example.com </s3:AllowedOrigin>\
                <s3:AllowedMethod>GET</s3:AllowedMethod></s3:CORSRule ></s3:CORSConfiguration>\n<!-- end -->";
    let document = parse(text).unwrap();
    let expected = CorsRule { id: Some("a<b&c".to_owned()), ..rule("https://a.example.com", "GET", "", "") };
    assert_eq!((document.configuration, document.findings), (configuration(&[expected]), Vec::new()));
}

#[test]
fn escapes_of_json_are_read() {
    let text =
        r#"[{"ID": "\u00e9\ud83d\ude00\"\\\/\n", "AllowedOrigins": ["*"], "AllowedMethods": ["\u0047ET"]}]"#;
    let rules = parse(text).unwrap().configuration.rules;
    assert_eq!(rules[0].id.as_deref(), Some("é😀\"\\/\n"));
    assert_eq!(rules[0].allowed_methods, ["GET"]);
}

#[test]
fn nesting_is_bounded() {
    for text in ["[".repeat(100_000), "<a>".repeat(50_000), "{\"a\":".repeat(40_000)] {
        assert_eq!(parse(&text).unwrap_err().code, "CORS_SYNTAX");
    }
}
