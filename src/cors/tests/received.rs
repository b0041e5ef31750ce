//! The browser's part for real answers is the one that predictions are made with.

use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

use super::{configuration, generate, rule};
use crate::cors::{
    Actual, Bucket, CorsHeaders, Header, PageRequest, Profile, Received, StoreAnswer, answer, answers_like,
    differences, evaluate, has_origin_twice, judge, sending,
};

/// An answer as if it had come in.
fn received(answer: &StoreAnswer) -> Received {
    let pairs = answer.headers.pairs();
    let headers = CorsHeaders::received(pairs.iter().map(|(name, value)| (*name, value.as_ref())));
    let code = answer.error.map(|error| error.code.to_owned());
    Received { status: answer.status, headers, code }
}

fn put(origin: &str, read: &[&str]) -> PageRequest {
    PageRequest {
        origin: Some(origin.to_owned()),
        method: "PUT".to_owned(),
        headers: vec![Header::new("content-type", "image/png")],
        read: read.iter().map(|name| (*name).to_owned()).collect(),
        ..PageRequest::default()
    }
}

proptest! {
    #[test]
    fn what_a_store_is_predicted_to_answer_is_judged_as_it_was_predicted(
        found in generate::configuration(),
        profile in generate::profile(),
        page in generate::page(),
    ) {
        let page = PageRequest { redirects: Vec::new(), ..page };
        // no header begins or ends with a space
        let origins = found.rules.iter().flat_map(|rule| &rule.allowed_origins).chain(&page.origin);
        if origins.into_iter().any(|origin| origin.trim() != origin) {
            return Ok(());
        }
        let bucket = Bucket::Configured(&found);
        let predicted = evaluate(bucket, profile, &page).verdict;
        let Ok(sent) = sending(&page) else { return Ok(()) };
        let preflight = answer(bucket, profile, &sent.preflight, page.status);
        let actual = answer(bucket, profile, &sent.request, page.status);
        prop_assert!(differences(&preflight, &received(&preflight), true).is_empty());
        prop_assert!(differences(&actual, &received(&actual), false).is_empty());
        let verdict = judge(&page, &received(&preflight), Actual::Received(&received(&actual)));
        prop_assert_eq!(
            (verdict.succeeds, verdict.sent, verdict.status, &verdict.unreadable_headers),
            (predicted.succeeds, predicted.sent, predicted.status, &predicted.unreadable_headers)
        );
        prop_assert_eq!(verdict.readable_headers, predicted.readable_headers);
    }
}

#[test]
fn headers_that_are_there_twice_are_joined_as_browsers_join_them() {
    let headers = CorsHeaders::received([
        ("Access-Control-Allow-Origin", "https://a.example"),
        ("access-control-allow-origin", "https://a.example"),
        ("ACCESS-CONTROL-MAX-AGE", "soon"),
        ("Access-Control-Allow-Credentials", "true"),
    ]);
    assert_eq!(headers.allow_origin.as_deref(), Some("https://a.example, https://a.example"));
    assert_eq!((headers.max_age, headers.allow_credentials.as_deref()), (None, Some("true")));
    let twice = Received { status: 200, headers, code: None };
    assert!(has_origin_twice(&twice, Profile::aws()));
    assert!(!has_origin_twice(&twice, Profile::find("garage").unwrap()), "Garage joins them itself");
    let page = PageRequest { origin: Some("https://a.example".to_owned()), ..PageRequest::default() };
    let verdict = judge(&page, &twice, Actual::Received(&twice));
    assert!(!verdict.succeeds && verdict.reason.contains("which is not the origin"), "{}", verdict.reason);
}

#[test]
fn a_request_that_was_not_sent_is_judged_by_its_preflight_where_that_tells() {
    let found = configuration(&[rule("https://a.example", "PUT", "content-type", "ETag")]);
    let page = put("https://a.example", &["etag", "x-amz-version-id"]);
    let sent = sending(&page).unwrap();
    assert!(sent.asks_first);
    let preflight = received(&answer(Bucket::Configured(&found), Profile::aws(), &sent.preflight, 200));
    let verdict = judge(&page, &preflight, Actual::LikePreflight);
    assert_eq!((verdict.succeeds, verdict.status), (true, None), "{}", verdict.reason);
    assert_eq!(verdict.unreadable_headers, ["x-amz-version-id"]);
    let verdict = judge(&page, &preflight, Actual::NotSent);
    assert!(verdict.succeeds && verdict.reason.contains("not known"), "{}", verdict.reason);
    let refused =
        Received { status: 403, headers: CorsHeaders::default(), code: Some("AccessForbidden".to_owned()) };
    let verdict = judge(&page, &refused, Actual::LikePreflight);
    assert_eq!(verdict.reason, "the preflight is answered 403 AccessForbidden, and PUT is never sent");
    assert!(!verdict.sent);
    let moved = Received { status: 307, ..refused };
    let reason = judge(&page, &moved, Actual::NotSent).reason;
    assert!(reason.contains("redirected with 307"), "{reason}");
}

#[test]
fn what_differs_is_said_and_what_browsers_do_not_mind_is_not() {
    let found = configuration(&[rule("https://a.example", "GET,PUT", "content-type", "ETag")]);
    let sent = sending(&put("https://a.example", &[])).unwrap();
    let predicted = answer(Bucket::Configured(&found), Profile::aws(), &sent.preflight, 200);
    let mut real = received(&predicted);
    real.status = 204;
    real.headers.allow_methods = Some("PUT,GET".to_owned());
    real.headers.allow_headers = Some("Content-Type".to_owned());
    real.headers.vary = None;
    assert_eq!(differences(&predicted, &real, true), Vec::<String>::new());
    real.headers.allow_origin = Some("*".to_owned());
    real.headers.allow_credentials = None;
    let told = differences(&predicted, &real, true);
    assert_eq!(
        told,
        [
            "Access-Control-Allow-Origin is `*` and not `https://a.example`",
            "Access-Control-Allow-Credentials is absent and not `true`",
        ]
    );
    real.status = 403;
    assert_eq!(differences(&predicted, &real, true), ["the preflight is answered 403 and not 200"]);
}

#[test]
fn the_kind_of_a_store_is_known_by_its_answers() {
    let found =
        configuration(&[rule("https://a.example", "GET", "", ""), rule("https://a.example", "PUT", "*", "")]);
    let sent = sending(&put("https://a.example", &[])).unwrap();
    let ceph = Profile::find("ceph").unwrap();
    let of = |profile| received(&answer(Bucket::Configured(&found), profile, &sent.preflight, 200));
    let like = |real: &Received| {
        answers_like(&found, Profile::aws(), &sent, (real, None)).map(|profile| profile.name)
    };
    assert_eq!(like(&of(ceph)), Some("ceph"), "it takes the first rule of the origin, which lists no PUT");
    let mut older = of(Profile::aws());
    older.headers.allow_origin = Some("https://older.example".to_owned());
    assert_eq!(like(&older), None, "no kind of store makes this of the configuration");
}
