//! What happens when the source fails: stale values, retries, remembered refusals.

use std::pin::pin;

use super::super::{ErrorClass, SecretKey};
use super::harness::*;

#[tokio::test]
async fn out_of_reach_the_stale_value_is_served_until_max_stale_and_then_the_error() {
    for class in [ErrorClass::Throttled, ErrorClass::Unavailable, ErrorClass::BadCredentials] {
        let (f, key) = (fixture(), key("db"));
        f.fill(&key, "v1").await;
        f.clock.advance_ms(100_000);
        let failing = always(move || Err(error(class)));
        let hit = f.cache.get(&key, POLICY, &failing).await.unwrap();
        assert_eq!((hit.stale_ms, hit.fresh_until_ms), (Some(100_000), 0));
        let at_once = poll(pin!(f.cache.get(&key, POLICY, &never()))).expect("served at once");
        assert_eq!(version(at_once), "v1");
        assert_eq!(f.cache.status("source-1")[0].stale_since_ms, Some(START_MS + 100_000));

        f.clock.advance_ms(3_499_999);
        assert!(f.cache.get(&key, POLICY, &failing).await.is_ok());
        f.settle().await;
        f.clock.advance_ms(1);
        assert_eq!(self::class(f.cache.get(&key, POLICY, &failing).await), class);
        assert_eq!(f.cache.counters().stale, 3);
    }
}

#[tokio::test]
async fn while_stale_is_served_readers_drive_the_retries_with_a_backoff() {
    let (f, key) = (fixture(), key("db"));
    f.fill(&key, "v1").await;
    f.clock.advance_ms(100_000);
    let failing = always(unavailable);
    assert!(f.cache.get(&key, POLICY, &failing).await.is_ok());
    for (tries, wait) in (2..).zip([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]) {
        f.clock.advance_ms(wait * 8 / 10 - 1);
        assert_eq!(version(f.cache.get(&key, POLICY, &never()).await), "v1");
        f.clock.advance_ms(wait / 5 + 1);
        for _ in 0..3 {
            let hit = poll(pin!(f.cache.get(&key, POLICY, &failing))).expect("nobody waits for a retry");
            assert!(hit.unwrap().stale_ms.is_some());
        }
        f.settle().await;
        assert_eq!(f.loads(), tries + 1);
    }
    f.clock.advance_ms(60_000);
    assert_eq!(version(f.get(&key, v2).await), "v1");
    f.settle().await;
    let hit = f.cache.get(&key, POLICY, &never()).await.unwrap();
    assert_eq!((hit.entry.secret.version_id.as_str(), hit.stale_ms), ("v2", None));
    assert_eq!(f.cache.status("source-1")[0].stale_since_ms, None);
}

#[tokio::test]
async fn a_failed_refresh_ahead_leaves_a_fresh_value_fresh_and_backs_off() {
    let (f, key) = (fixture(), key("db"));
    f.fill(&key, "v1").await;
    f.clock.advance_ms(80_000);
    assert_eq!(f.get(&key, unavailable).await.unwrap().stale_ms, None);
    f.settle().await;
    assert_eq!(f.cache.get(&key, POLICY, &never()).await.unwrap().stale_ms, None);
    assert_eq!(f.loads(), 2);
}

#[tokio::test]
async fn stale_answers_are_logged_once_a_minute_and_without_the_value() {
    let (f, key) = (fixture(), key("db"));
    f.fill(&key, "v1").await;
    f.clock.advance_ms(100_000);
    let (lines, _guard) = logged();
    for _ in 0..3 {
        assert!(f.get(&key, unavailable).await.is_ok());
        f.settle().await;
    }
    f.clock.advance_ms(MINUTE_MS - 1);
    assert!(f.get(&key, unavailable).await.is_ok());
    assert_eq!(lines.lock().unwrap().len(), 1);
    f.clock.advance_ms(1);
    assert!(f.get(&key, unavailable).await.is_ok());
    let lines = lines.lock().unwrap();
    assert_eq!(lines.len(), 2);
    for part in ["source-1", "db", "age_ms=100000", "UnavailableException"] {
        assert!(lines[0].contains(part), "{part} is not in {}", lines[0]);
    }
    assert!(!lines[0].contains("hunter2"));
}

#[tokio::test]
async fn a_refusal_evicts_at_once_and_is_remembered() {
    for class in [
        ErrorClass::Denied,
        ErrorClass::NotFound,
        ErrorClass::Deleted,
        ErrorClass::Undecryptable,
        ErrorClass::Invalid,
    ] {
        let (f, key) = (fixture(), key("db"));
        f.fill(&key, "v1").await;
        f.clock.advance_ms(80_000);
        let refusing = always(move || Err(error(class)));
        assert!(f.cache.get(&key, POLICY, &refusing).await.is_ok(), "the value is fresh still");
        f.settle().await;
        assert_eq!(f.cached(&key), None);
        assert_eq!(self::class(f.cache.get(&key, POLICY, &never()).await), class);
        assert_eq!(f.cache.counters().evictions, 1);
        let status = f.cache.status("source-1").remove(0);
        let last = status.last_error.unwrap();
        assert_eq!((last.code, last.at_ms), (format!("{class:?}Exception"), START_MS + 80_000));
        assert_eq!((status.version_id, status.bytes), (None, 0));
    }
}

#[tokio::test]
async fn a_refusal_is_remembered_for_five_seconds_doubling_to_a_minute() {
    let (f, key) = (fixture(), key("db"));
    assert_eq!(class(f.get(&key, denied).await), ErrorClass::Denied);
    for wait in [5_000, 10_000, 20_000, 40_000, 60_000, 60_000] {
        f.clock.advance_ms(wait - 1);
        assert_eq!(class(f.cache.get(&key, POLICY, &never()).await), ErrorClass::Denied);
        f.clock.advance_ms(1);
        assert_eq!(class(f.get(&key, denied).await), ErrorClass::Denied);
    }
    assert_eq!(f.loads(), 7);
    f.clock.advance_ms(60_000);
    f.fill(&key, "v1").await;
    f.clock.advance_ms(100_000);
    assert_eq!(class(f.get(&key, denied).await), ErrorClass::Denied);
    f.clock.advance_ms(5_000);
    assert_eq!(version(f.get(&key, v2).await), "v2", "a success starts the count again");
}

#[tokio::test]
async fn a_remembered_refusal_is_forgotten_on_refresh_on_save_and_on_clear() {
    let (f, key) = (fixture(), key("db"));
    let forget: [fn(&Fixture, &SecretKey); 4] = [
        |f, _| f.cache.forget_errors("source-1"),
        |f, _| assert_eq!(f.cache.clear_source("source-1"), 0),
        |f, _| assert_eq!(f.cache.clear(), 0),
        |f, key| assert!(!f.cache.evict(key)),
    ];
    for forget in forget {
        assert_eq!(class(f.get(&key, denied).await), ErrorClass::Denied);
        f.cache.forget_errors("another source");
        assert_eq!(class(f.cache.get(&key, POLICY, &never()).await), ErrorClass::Denied);
        forget(&f, &key);
        assert_eq!(version(f.get(&key, v1).await), "v1");
        f.cache.clear();
    }
    assert_eq!(class(f.get(&key, denied).await), ErrorClass::Denied);
    assert_eq!(f.cache.refresh(&key, POLICY, &always(v1)).await.unwrap().after, "v1");
    assert_eq!(version(f.cache.get(&key, POLICY, &never()).await), "v1");
}

#[tokio::test]
async fn on_save_a_source_out_of_reach_is_tried_again_while_stale_is_served() {
    let (f, key) = (fixture(), key("db"));
    f.fill(&key, "v1").await;
    f.clock.advance_ms(100_000);
    assert!(f.get(&key, unavailable).await.is_ok());
    f.cache.forget_errors("source-1");
    assert_eq!(poll(pin!(f.get(&key, v2))).map(version), Some("v1".into()));
    f.settle().await;
    assert_eq!(f.cached(&key), Some("v2".into()));
}

#[tokio::test]
async fn a_revocation_wins_over_an_outage_that_follows() {
    for class in [ErrorClass::Denied, ErrorClass::NotFound, ErrorClass::Deleted, ErrorClass::Undecryptable] {
        let (f, key) = (fixture(), key("db"));
        f.fill(&key, "v1").await;
        f.clock.advance_ms(100_000);
        let refusing = always(move || Err(error(class)));
        assert_eq!(self::class(f.cache.get(&key, POLICY, &refusing).await), class);
        f.clock.advance_ms(5_000);
        assert_eq!(self::class(f.get(&key, unavailable).await), ErrorClass::Unavailable, "{class:?}");
        assert_eq!(f.cache.counters().stale, 0, "what was revoked is not served");
    }
}

#[tokio::test]
async fn a_revocation_wins_during_an_outage_too() {
    let (f, key) = (fixture(), key("db"));
    f.fill(&key, "v1").await;
    f.clock.advance_ms(100_000);
    assert_eq!(version(f.get(&key, unavailable).await), "v1");
    f.clock.advance_ms(1_000);
    assert_eq!(version(f.get(&key, denied).await), "v1", "nobody waits for the retry");
    f.settle().await;
    assert_eq!(f.cached(&key), None);
    assert_eq!(class(f.cache.get(&key, POLICY, &never()).await), ErrorClass::Denied);
}

#[tokio::test]
async fn a_value_that_cannot_be_used_is_remembered_until_a_refresh_brings_another() {
    let (f, key) = (fixture(), key("db"));
    let invalid = always(|| Err(error(ErrorClass::Invalid)));
    assert_eq!(class(f.cache.get(&key, POLICY, &invalid).await), ErrorClass::Invalid);
    assert_eq!(class(f.cache.get(&key, POLICY, &never()).await), ErrorClass::Invalid);
    assert_eq!(f.cache.refresh(&key, POLICY, &always(v2)).await.unwrap().after, "v2");
    assert_eq!(version(f.cache.get(&key, POLICY, &never()).await), "v2");
}
