//! Laws that hold for every input.

use std::time::Instant;

use proptest::prelude::{
    Strategy, any, prop, prop_assert, prop_assert_eq, prop_assert_ne, prop_oneof, proptest,
};

use super::super::pattern::{covers, overlap};
use super::{configuration, generate, rule};
use crate::cors::{
    Bucket, Case, CorsConfiguration, Form, List, PageRequest, Patterns, Profile, Question, RuleOutcome,
    StoreRequest, answer, evaluate, find_rule, parse, trace, validate,
};

/// Pieces of texts in all forms, put together at random.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        r#"[\[\]{}:,"\\<>&;/ !?-]"#,
        "\"(CORSRules|AllowedOrigins|AllowedMethods|ID|MaxAgeSeconds|rules|cors|allowed)\": ?",
        "\"(\\*|GET|https://a\\.example/?|x-amz-\\*)\"",
        "</?(CORSConfiguration|CORSRule|AllowedOrigin|AllowedMethod|MaxAgeSeconds|CorsConfig|Origins)/?>",
        "(<!--|-->|<!\\[CDATA\\[|\\]\\]>|&amp;|&#x41;|<\\?xml|\\?>|null|true|-?[0-9]{1,12})",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// A printed configuration, with some characters taken away or put in.
fn broken() -> impl Strategy<Value = String> {
    let form = prop::sample::select(&[Form::Console, Form::Api, Form::Xml, Form::Service][..]);
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<Option<char>>()), 0..4);
    (generate::configuration(), form, edits).prop_map(|(configuration, form, edits)| {
        let mut characters: Vec<char> = configuration.print(form).chars().collect();
        for (at, put) in edits {
            let at = at.index(characters.len());
            match put {
                Some(c) => characters.insert(at, c),
                None if characters.len() > 1 => drop(characters.remove(at)),
                None => {}
            }
        }
        characters.into_iter().collect()
    })
}

fn read_and_judge(text: &str) {
    if let Ok(document) = parse(text) {
        for profile in Profile::all() {
            document.validate(profile, &[]);
        }
        for form in [Form::Console, Form::Xml] {
            document.configuration.print(form);
        }
    }
}

/// Whether XML can hold all the texts as they are.
fn fits_xml(configuration: &CorsConfiguration) -> bool {
    let texts = |rule: &crate::cors::CorsRule| {
        let lists = List::ALL.map(|list| rule.list(list).clone()).concat();
        lists.into_iter().chain(rule.id.clone()).collect::<Vec<_>>()
    };
    let is_plain =
        |text: &String| text.trim() == text && !text.contains(|c: char| c.is_control() || c > '\u{fffd}');
    configuration.rules.iter().all(|rule| texts(rule).iter().all(is_plain))
}

proptest! {
    #[test]
    fn reading_never_panics(text in any::<String>()) {
        read_and_judge(&text);
    }

    #[test]
    fn reading_what_looks_like_a_configuration_never_panics(text in pieces()) {
        read_and_judge(&text);
    }

    #[test]
    fn reading_what_was_a_configuration_never_panics(text in broken()) {
        read_and_judge(&text);
    }

    #[test]
    fn json_is_what_others_say_it_is(text in r#"([\[\]{}:,"\\ab 01.eE+-]|u00e9|"a":|true|null|\\n){0,24}"#) {
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        let out_of_range = theirs.as_ref().is_err_and(|error| error.to_string().contains("out of range"));
        let ours = super::super::json::read(&text);
        prop_assert_eq!(ours.is_ok(), theirs.is_ok() || out_of_range, "{:?}", ours);
    }

    #[test]
    fn a_printed_configuration_is_read_as_the_same(found in generate::configuration()) {
        for form in [Form::Console, Form::Api, Form::Service] {
            let document = parse(&found.print(form)).unwrap();
            prop_assert_eq!((&document.configuration, document.form), (&found, form));
        }
        if fits_xml(&found) {
            prop_assert_eq!(&parse(&found.print(Form::Xml)).unwrap().configuration, &found);
        }
    }

    #[test]
    fn every_finding_of_a_text_has_its_place(found in generate::configuration()) {
        let text = found.print(Form::Api);
        let lines: Vec<&str> = text.lines().collect();
        for finding in parse(&text).unwrap().validate(Profile::aws(), &[]) {
            if finding.code != "CORS_MORE_FINDINGS" {
                let line = lines[finding.line.unwrap() as usize - 1];
                prop_assert!((finding.column.unwrap() as usize) <= line.chars().count());
            }
        }
    }

    #[test]
    fn repairs_change_something_and_come_to_an_end(found in generate::configuration()) {
        let mut found = found;
        for _ in 0..200 {
            let findings = validate(&found, Profile::aws(), &[]);
            let Some(repair) = findings.into_iter().find_map(|finding| finding.repair) else { return Ok(()) };
            let changed = repair.apply(&found);
            prop_assert_ne!(&changed, &found, "{:?}", repair);
            found = changed;
        }
        prop_assert!(false, "repairs go round in circles");
    }

    #[test]
    fn the_first_rule_that_matches_alone_counts(found in generate::configuration(), page in generate::page()) {
        let asked = Question { origin: page.origin.as_deref().unwrap_or_default(), method: &page.method, headers: "" };
        let alone = |one: &crate::cors::CorsRule| {
            find_rule(&configuration(std::slice::from_ref(one)), Profile::aws(), asked).is_some()
        };
        prop_assert_eq!(find_rule(&found, Profile::aws(), asked), found.rules.iter().position(alone));
    }

    #[test]
    fn rules_that_do_not_match_may_stand_anywhere(found in generate::configuration(), page in generate::page()) {
        let before = evaluate(Bucket::Configured(&found), Profile::aws(), &page);
        let hops = before.hops.iter().flat_map(|hop| hop.preflight.iter().chain(&hop.actual));
        let reached: Vec<usize> = hops.filter_map(|exchange| exchange.answer.rule).collect();
        let (first, rest): (Vec<_>, Vec<_>) =
            found.rules.iter().cloned().enumerate().partition(|(index, _)| reached.contains(index));
        // a rule in front that matches nothing keeps the order of the others
        let only_reached = CorsConfiguration { rules: first.iter().map(|(_, rule)| rule.clone()).collect() };
        let reached_first = first.into_iter().chain(rest).map(|(_, rule)| rule).collect();
        for other in [only_reached, CorsConfiguration { rules: reached_first }] {
            let after = evaluate(Bucket::Configured(&other), Profile::aws(), &page);
            prop_assert_eq!(after.verdict.succeeds, before.verdict.succeeds);
            prop_assert_eq!(after.verdict.readable_headers, before.verdict.readable_headers.clone());
        }
    }

    #[test]
    fn the_order_inside_lists_does_not_matter(found in generate::configuration(), page in generate::page()) {
        let mut turned = found.clone();
        for rule in &mut turned.rules {
            for list in List::ALL {
                rule.list_mut(list).reverse();
            }
        }
        let verdict = |one| evaluate(Bucket::Configured(one), Profile::aws(), &page).verdict;
        let (before, after) = (verdict(&found), verdict(&turned));
        prop_assert_eq!((before.succeeds, before.sent, before.status), (after.succeeds, after.sent, after.status));
    }

    #[test]
    fn a_rule_at_the_end_takes_nothing_away(
        found in generate::configuration(), more in generate::configuration(), page in generate::page(),
    ) {
        let mut longer = found.clone();
        longer.rules.extend(more.rules);
        if page.redirects.is_empty() {
            let verdict = |one| evaluate(Bucket::Configured(one), Profile::aws(), &page).verdict;
            if verdict(&found).succeeds {
                prop_assert_eq!(verdict(&longer), verdict(&found));
            }
        }
    }

    #[test]
    fn a_verdict_agrees_with_what_was_sent(
        found in generate::configuration(), profile in generate::profile(), page in generate::page(),
    ) {
        let result = evaluate(Bucket::Configured(&found), profile, &page);
        let verdict = &result.verdict;
        prop_assert!(verdict.sent || !verdict.succeeds);
        prop_assert!(!verdict.reason.is_empty() && !verdict.reason.contains('\n'));
        let is_asked = result.hops.iter().any(|hop| hop.preflight.is_some());
        prop_assert!(!is_asked || !result.preflight_reasons.is_empty());
        if !result.hops.is_empty() && page.initiator == crate::cors::Initiator::Script {
            prop_assert_eq!(verdict.sent, result.hops.iter().any(|hop| hop.actual.is_some()));
        }
        if let Some(exchange) = result.hops.last().and_then(|hop| hop.actual.as_ref())
            && verdict.succeeds && page.origin.is_some()
        {
            prop_assert_eq!(verdict.status, Some(exchange.answer.status));
            prop_assert!(exchange.answer.headers.allow_origin.is_some());
        }
        for header in &verdict.unreadable_headers {
            prop_assert!(!verdict.can_read(header));
        }
    }

    #[test]
    fn the_trace_names_the_rule_that_counts(
        found in generate::configuration(), profile in generate::profile(), page in generate::page(),
    ) {
        let asked = Question { origin: page.origin.as_deref().unwrap_or_default(), method: &page.method, headers: "x-amz-acl" };
        let chosen = find_rule(&found, profile, asked);
        let traced = trace(&found, profile, asked);
        prop_assert_eq!(traced.len(), found.rules.len());
        let matched = traced.iter().rev().find(|rule| rule.outcome == RuleOutcome::Matched).map(|rule| rule.rule);
        if profile.choice == crate::cors::Choice::EveryRule {
            prop_assert!(chosen.is_none() || matched == chosen);
        } else {
            prop_assert_eq!(matched, chosen);
        }
    }

    #[test]
    fn patterns_agree_with_their_meaning(
        pattern in "[ab]{0,3}(\\*[ab]{0,3})?", narrow in "[ab]{0,3}(\\*[ab]{0,3})?", text in "[abAB]{0,7}",
    ) {
        let fits = |pattern: &str, text: &str| Patterns::OneStar.fits(pattern, text, Case::Exact);
        let meaning = match pattern.split_once('*') {
            None => pattern == text,
            Some((start, end)) => text.strip_prefix(start).is_some_and(|rest| rest.ends_with(end)),
        };
        prop_assert_eq!(fits(&pattern, &text), meaning);
        let lower = text.to_lowercase();
        prop_assert_eq!(Patterns::OneStar.fits(&pattern, &text, Case::Ignored), fits(&pattern, &lower));
        if fits(&narrow, &text) {
            prop_assert!(!covers(&pattern, &narrow, Case::Exact) || fits(&pattern, &text));
            prop_assert!(!fits(&pattern, &text) || overlap(&pattern, &narrow));
        }
        prop_assert_eq!(overlap(&pattern, &narrow), overlap(&narrow, &pattern));
    }
}

#[test]
fn hostile_inputs_take_bounded_work() {
    let started = Instant::now();
    let many = |text: &str, count: usize| vec![text; count].join(",");
    let texts = [
        format!("[{}]", many(r#"{"AllowedOrigins":["*"],"AllowedMethods":["GET"]}"#, 5_000)),
        format!("[{{\"AllowedOrigins\":[{}],\"AllowedMethods\":[\"GET\"]}}]", many("\"https://*a\"", 20_000)),
        format!("[{{{}}}]", many("\"ID\":\"\"", 30_000)),
        format!("{{{}}}", many("\"CORSRules\":[]", 15_000)),
        format!("[{{\"AllowedOrigins\":[\"{}\"],\"AllowedMethods\":[\"GET\"]}}]", "*a".repeat(100_000)),
        format!("<CORSConfiguration>{}</CORSConfiguration>", "<CORSRule><ID>a</ID></CORSRule>".repeat(8_000)),
        format!("<CORSConfiguration {}/>", "xmlns:a=\"\" ".repeat(20_000)),
        format!("<CORSConfiguration>{}</CORSConfiguration>", "&amp;".repeat(50_000)),
    ];
    let lists: Vec<String> = (0..3_000).map(|number| format!("\"https://*.a{number}.example\"")).collect();
    let two = format!("{{\"AllowedOrigins\":[{}],\"AllowedMethods\":[\"GET\"]}}", lists.join(","));
    let texts = texts.into_iter().chain([format!("[{two},{two}]")]);
    for text in texts {
        for profile in [Profile::aws(), Profile::find("ceph").unwrap()] {
            if let Ok(document) = parse(&text) {
                document.validate(profile, &[crate::cors::Expectation::Head]);
                let headers: Vec<String> = (0..2_000).map(|number| format!("x-{number}")).collect();
                let request = StoreRequest {
                    method: "OPTIONS".to_owned(),
                    origin: Some("https://elsewhere.example".to_owned()),
                    request_method: Some("GET".to_owned()),
                    request_headers: Some(headers.join(",")),
                    is_authorized: false,
                };
                answer(Bucket::Configured(&document.configuration), profile, &request, 200);
            }
        }
    }
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

#[test]
fn a_page_with_too_many_headers_is_told_so() {
    let headers = (0..129).map(|number| crate::cors::Header::new(&format!("x-{number}"), "1")).collect();
    let page =
        PageRequest { origin: Some("https://a.example".to_owned()), headers, ..PageRequest::default() };
    let found = configuration(&[rule("*", "GET", "*", "")]);
    let verdict = evaluate(Bucket::Configured(&found), Profile::aws(), &page).verdict;
    assert!(!verdict.sent && verdict.reason.contains("at most 128"), "{}", verdict.reason);
}
