//! The table of the specification of secrets, section 6, row by row. Time moves by hand; sources answer by hand.

mod failures;
mod harness;
mod names;
mod races;

use std::pin::pin;
use std::sync::Arc;

use self::harness::*;
use super::{ErrorClass, Limits, Policy, Secret};

#[tokio::test]
async fn a_fresh_hit_is_the_same_value_from_memory() {
    let f = fixture();
    let first = f.get(&key("db"), v1).await.unwrap();
    let second = f.cache.get(&key("db"), POLICY, &never()).await.unwrap();
    assert!(Arc::ptr_eq(&first.entry.to_arc(), &second.entry.to_arc()));
    assert_eq!((second.stale_ms, second.fresh_until_ms), (None, first.fresh_until_ms));
    assert_eq!((second.entry.fetched_ms, f.loads()), (START_MS, 1));
}

#[tokio::test]
async fn jitter_takes_at_most_a_tenth_of_the_ttl() {
    let f = fixture();
    let mut starts = Vec::new();
    for name in 0..200 {
        let hit = f.get(&key(&name.to_string()), v1).await.unwrap();
        starts.push(hit.fresh_until_ms - START_MS);
    }
    assert!(starts.iter().all(|start| (72_000..=80_000).contains(start)), "{starts:?}");
    assert!(
        f.cache
            .status("source-1")
            .iter()
            .all(|status| { (90_000..=100_000).contains(&(status.expires_ms.unwrap() - START_MS)) })
    );
    starts.sort_unstable();
    starts.dedup();
    assert!(starts.len() > 100, "replicas that refresh together: {starts:?}");
}

#[tokio::test]
async fn a_ttl_of_zero_loads_at_every_get_and_tells_readers_to_come_back() {
    let f = fixture();
    for _ in 0..3 {
        let hit = f.cache.get(&key("db"), NO_TTL, &always(v1)).await.unwrap();
        assert_eq!((hit.fresh_until_ms, hit.stale_ms), (0, None));
    }
    assert_eq!(f.loads(), 3);
    let hit = f.cache.get(&key("db"), NO_TTL, &always(unavailable)).await.unwrap();
    assert_eq!(hit.stale_ms, Some(0), "the last value is kept for when the source is out of reach");
}

#[tokio::test]
async fn with_a_ttl_of_zero_readers_share_the_load_under_way() {
    let (f, mut source, key) = (fixture(), Source::new(), key("db"));
    let loader = Arc::clone(&source.loader);
    let mut first = pin!(f.cache.get(&key, NO_TTL, &loader));
    let mut second = pin!(f.cache.get(&key, NO_TTL, &loader));
    assert!(poll(first.as_mut()).is_none() && poll(second.as_mut()).is_none());
    source.call().await.answer(v1());
    assert_eq!((version(first.await), version(second.await)), ("v1".into(), "v1".into()));
    assert_eq!(f.loads(), 1);
}

#[tokio::test]
async fn a_changed_ttl_holds_at_once() {
    let f = fixture();
    f.fill(&key("db"), "v1").await;
    f.clock.advance_ms(50_000);
    let shorter = Policy { ttl_ms: 40_000, ..POLICY };
    assert_eq!(version(f.cache.get(&key("db"), shorter, &always(v2)).await), "v2");
}

#[tokio::test]
async fn refresh_ahead_starts_one_background_refresh_and_nobody_waits() {
    let (f, mut source, key) = (fixture(), Source::new(), key("db"));
    f.fill(&key, "v1").await;
    f.clock.advance_ms(71_999);
    assert_eq!(version(f.cache.get(&key, POLICY, &never()).await), "v1");
    f.clock.advance_ms(8_001);
    for _ in 0..100 {
        let got = poll(pin!(f.cache.get(&key, POLICY, &source.loader)));
        let hit = got.expect("readers never wait").unwrap();
        assert_eq!((hit.entry.secret.version_id.as_str(), hit.stale_ms), ("v1", None));
    }
    source.call().await.answer(v2());
    f.settle().await;
    assert_eq!((source.count(), f.cached(&key)), (1, Some("v2".into())));
    assert_eq!(version(f.cache.get(&key, POLICY, &never()).await), "v2");
}

#[tokio::test]
async fn while_a_refresh_is_under_way_readers_keep_the_value_for_a_moment() {
    let (f, source, key) = (fixture(), Source::new(), key("db"));
    f.fill(&key, "v1").await;
    f.clock.advance_ms(80_000);
    let now = START_MS + 80_000;
    for _ in 0..2 {
        let hit = f.cache.get(&key, POLICY, &source.loader).await.unwrap();
        assert_eq!(
            hit.fresh_until_ms,
            now + 1_000,
            "or every reader comes back until the refresh is through"
        );
    }
    f.clock.advance_ms(9_500);
    let hit = f.cache.get(&key, POLICY, &source.loader).await.unwrap();
    let expires = f.cache.status("source-1").first().unwrap().expires_ms.unwrap();
    assert_eq!(hit.fresh_until_ms, expires.min(now + 10_500), "but never past its end");
}

#[tokio::test]
async fn a_refresh_that_is_late_is_not_waited_for_and_the_answers_are_marked_and_counted() {
    let (f, mut source, key) = (fixture(), Source::new(), key("db"));
    f.fill(&key, "v1").await;
    f.clock.advance_ms(80_000);
    f.cache.get(&key, POLICY, &source.loader).await.unwrap();
    f.clock.advance_ms(20_000);
    for _ in 0..3 {
        let got = poll(pin!(f.cache.get(&key, POLICY, &never())));
        let hit = got.expect("readers never wait").unwrap();
        assert_eq!((hit.entry.secret.version_id.as_str(), hit.stale_ms), ("v1", Some(100_000)));
        assert_eq!(hit.fresh_until_ms, 0, "what is stale is not kept");
    }
    assert_eq!(f.cache.counters().stale, 3);
    source.call().await.answer(v2());
    f.settle().await;
    let hit = f.cache.get(&key, POLICY, &never()).await.unwrap();
    assert_eq!((hit.entry.secret.version_id.as_str(), hit.stale_ms, source.count()), ("v2", None, 1));
}

#[tokio::test]
async fn a_late_refresh_is_waited_for_where_nothing_stale_may_be_served_and_after_a_rotation() {
    let fresh_only = Policy { max_stale_ms: 0, ..POLICY };
    for (policy, rotation) in [(fresh_only, None), (POLICY, Some(START_MS + 90_000))] {
        let (f, mut source, key) = (fixture(), Source::new(), key("db"));
        let first = Secret { next_rotation_ms: rotation, ..secret("v1") };
        assert!(f.cache.get(&key, policy, &once(Ok(first))).await.is_ok());
        f.clock.advance_ms(80_000);
        f.cache.get(&key, policy, &source.loader).await.unwrap();
        f.clock.advance_ms(20_000);
        let loader = Arc::clone(&source.loader);
        let mut waiting = pin!(f.cache.get(&key, policy, &loader));
        assert!(poll(waiting.as_mut()).is_none(), "{policy:?} {rotation:?}");
        source.call().await.answer(v2());
        assert_eq!(version(waiting.await), "v2");
    }
}

#[tokio::test]
async fn past_the_ttl_readers_wait_for_the_new_value() {
    let f = fixture();
    f.fill(&key("db"), "v1").await;
    f.clock.advance_ms(100_000);
    assert_eq!(version(f.get(&key("db"), v2).await), "v2");
}

#[tokio::test]
async fn a_rotation_inside_the_ttl_ends_the_entry() {
    let f = fixture();
    let rotation = START_MS + 30_000;
    f.fill_with(&key("db"), Secret { next_rotation_ms: Some(rotation), ..secret("v1") }).await;
    f.clock.advance_ms(29_999);
    let hit = f.cache.get(&key("db"), POLICY, &never()).await.unwrap();
    assert_eq!(hit.fresh_until_ms, rotation);
    f.clock.advance_ms(1);
    assert_eq!(version(f.get(&key("db"), v2).await), "v2");
}

#[tokio::test]
async fn a_rotation_that_is_overdue_does_not_end_the_entry() {
    let f = fixture();
    f.fill_with(&key("db"), Secret { next_rotation_ms: Some(START_MS - 1), ..secret("v1") }).await;
    f.clock.advance_ms(60_000);
    assert_eq!(version(f.cache.get(&key("db"), POLICY, &never()).await), "v1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_readers_of_a_cold_secret_make_one_load_and_so_they_do_when_it_expires() {
    let (f, mut source) = (fixture(), Source::new());
    for (round, answer) in [(1, v1 as fn() -> _), (2, v2)] {
        let readers: Vec<_> = (0..10_000)
            .map(|_| {
                let (cache, loader) = (Arc::clone(&f.cache), Arc::clone(&source.loader));
                tokio::spawn(async move { cache.get(&key("db"), POLICY, &loader).await })
            })
            .collect();
        source.call().await.answer(answer());
        for reader in readers {
            assert_eq!(version(reader.await.unwrap()), format!("v{round}"));
        }
        assert_eq!(source.count(), round);
        f.clock.advance_ms(100_000);
    }
}

#[tokio::test]
async fn the_error_of_a_failed_load_is_shared_by_those_who_waited_and_a_transient_one_is_not_remembered() {
    let (f, mut source, key) = (fixture(), Source::new(), key("db"));
    let loader = Arc::clone(&source.loader);
    let mut first = pin!(f.cache.get(&key, POLICY, &loader));
    let mut second = pin!(f.cache.get(&key, POLICY, &loader));
    assert!(poll(first.as_mut()).is_none() && poll(second.as_mut()).is_none());
    source.call().await.answer(unavailable());
    let (first, second) = (first.await.err().unwrap(), second.await.err().unwrap());
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!((first.class, f.loads()), (ErrorClass::Unavailable, 1));
    assert_eq!(version(f.get(&key, v1).await), "v1");
}

#[tokio::test]
async fn a_reader_that_goes_away_takes_nothing_from_the_others() {
    let (f, mut source, key) = (fixture(), Source::new(), key("db"));
    let loader = Arc::clone(&source.loader);
    let mut second = pin!(f.cache.get(&key, POLICY, &loader));
    {
        let mut first = pin!(f.cache.get(&key, POLICY, &loader));
        assert!(poll(first.as_mut()).is_none() && poll(second.as_mut()).is_none());
    }
    source.call().await.answer(v1());
    assert_eq!((version(second.await), source.count()), ("v1".into(), 1));
}

#[tokio::test]
async fn the_least_recently_used_go_when_there_are_too_many_entries() {
    let f = fixture_with(Limits { max_entries: 3, ..Limits::default() });
    for name in ["a", "b", "c"] {
        f.fill(&key(name), "v1").await;
    }
    assert!(f.cache.get(&key("a"), POLICY, &never()).await.is_ok());
    f.fill(&key("d"), "v1").await;
    let there = ["a", "b", "c", "d"].map(|name| f.cached(&key(name)).is_some());
    assert_eq!(there, [true, false, true, true]);
    assert_eq!(f.cache.counters().evictions, 1);
}

#[tokio::test]
async fn a_hundredth_is_freed_at_once() {
    let f = fixture_with(Limits { max_entries: 200, ..Limits::default() });
    for name in 0..=200 {
        f.fill(&key(&name.to_string()), "v1").await;
    }
    assert_eq!(f.cache.status("source-1").len(), 198);
}

#[tokio::test]
async fn the_least_recently_used_go_when_there_are_too_many_bytes() {
    let f = fixture();
    f.fill(&key("a"), "v1").await;
    let one = f.cache.status("source-1")[0].bytes;
    let f = fixture_with(Limits { max_bytes: 3 * one, ..Limits::default() });
    for name in ["a", "b", "c"] {
        f.fill(&key(name), "v1").await;
    }
    assert!(f.cache.get(&key("a"), POLICY, &never()).await.is_ok());
    f.fill(&key("d"), "v1").await;
    // One per cent more than needed has to go, so a second one does.
    let there = ["a", "b", "c", "d"].map(|name| f.cached(&key(name)).is_some());
    assert_eq!(there, [true, false, false, true]);
    let bytes: usize = f.cache.status("source-1").iter().map(|status| status.bytes).sum();
    assert_eq!(bytes, 2 * one);
    assert_eq!(f.cache.clear(), 2);
}

#[test]
fn the_bounds_are_64_mib_and_10000_secrets_by_default() {
    let limits = Limits::default();
    assert_eq!((limits.max_bytes, limits.max_entries), (64 << 20, 10_000));
    let config = crate::config::Config::load(None, crate::config::Overrides::default()).unwrap();
    assert_eq!((config.cache.max_bytes, config.cache.max_entries), (limits.max_bytes, limits.max_entries));
}

#[tokio::test]
async fn a_value_larger_than_the_cache_is_answered_but_not_kept() {
    let f = fixture_with(Limits { max_bytes: 100, ..Limits::default() });
    let hit = f.get(&key("db"), v1).await.unwrap();
    assert_eq!((hit.fresh_until_ms, f.cached(&key("db"))), (0, None));
}

#[tokio::test]
async fn a_value_leaves_memory_with_its_last_reader() {
    let f = fixture();
    let hit = f.get(&key("db"), v1).await.unwrap();
    let value = Arc::downgrade(&hit.entry.secret);
    assert!(f.cache.evict(&key("db")));
    assert!(value.upgrade().is_some());
    drop(hit);
    assert!(value.upgrade().is_none());
}

#[tokio::test]
async fn a_load_that_panics_is_an_error_and_frees_the_key() {
    let f = fixture();
    let error = f.cache.get(&key("db"), POLICY, &never()).await.err().unwrap();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Unavailable, "LoadAbandoned"));
    assert_eq!(version(f.get(&key("db"), v1).await), "v1");
}

#[test]
fn a_runtime_that_shuts_down_leaves_no_reader_waiting() {
    let (f, source) = (fixture(), Source::new());
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let first = runtime();
    first.block_on(async {
        assert!(poll(pin!(f.cache.get(&key("db"), POLICY, &source.loader))).is_none());
    });
    drop(first);
    assert_eq!(version(runtime().block_on(f.get(&key("db"), v1))), "v1");
}

#[tokio::test]
async fn the_generation_moves_with_every_change_of_a_value_and_only_then() {
    let (f, key) = (fixture(), key("db"));
    let mut last = f.cache.generation();
    let mut moved = || {
        let now = f.cache.generation();
        std::mem::replace(&mut last, now) != now
    };
    assert!(!moved());
    f.fill(&key, "v1").await;
    assert!(moved(), "a first value");
    f.cache.refresh(&key, POLICY, &always(v1)).await.unwrap();
    assert!(f.cache.get(&key, POLICY, &never()).await.is_ok());
    assert!(!moved(), "the same version again");
    f.cache.refresh(&key, POLICY, &always(v2)).await.unwrap();
    assert!(moved(), "another version");
    assert!(f.cache.evict(&key));
    assert!(moved(), "an eviction");
    assert!(!f.cache.evict(&key));
    assert!(!moved(), "nothing to evict");
    f.fill(&key, "v1").await;
    assert!(moved());
    assert!(f.cache.refresh(&key, POLICY, &always(denied)).await.is_err());
    assert!(moved(), "a revocation");
    f.cache.refresh(&key, POLICY, &always(v1)).await.unwrap();
    assert!(moved());
    assert_eq!(f.cache.clear_source("source-1"), 1);
    assert!(moved(), "a clear");
}

#[tokio::test]
async fn status_and_counters_tell_what_happened_and_never_a_value() {
    let (f, key) = (fixture(), key("db"));
    f.fill(&key, "v1").await;
    assert!(f.cache.get(&key, POLICY, &never()).await.is_ok());
    f.clock.advance_ms(5_000);
    assert!(f.cache.refresh(&key, POLICY, &always(unavailable)).await.is_err());
    assert!(f.cache.status("another source").is_empty());
    let status = f.cache.status("source-1").remove(0);
    assert_eq!((status.fetched_ms, status.age_ms), (Some(START_MS), Some(5_000)));
    assert_eq!((status.version_id.as_deref(), &status.key), (Some("v1"), &key));
    assert_eq!(status.last_error.as_ref().map(|last| last.at_ms), Some(START_MS + 5_000));
    assert!(!format!("{status:?} {:?}", f.cache).contains("hunter2"));
    let counters = f.cache.counters();
    assert_eq!((counters.hits, counters.misses, counters.loads, counters.errors), (1, 1, 2, 1));
}
