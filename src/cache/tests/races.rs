//! What happens while a load is under way wins over it.

use std::pin::pin;
use std::sync::Arc;

use super::super::{ErrorClass, SecretKey};
use super::harness::*;

#[tokio::test]
async fn an_eviction_during_a_load_wins() {
    let evictions: [fn(&Fixture, &SecretKey); 3] = [
        |f, key| assert!(!f.cache.evict(key)),
        |f, key| assert_eq!(f.cache.clear_source(&key.source), 0),
        |f, _| assert_eq!(f.cache.clear(), 0),
    ];
    for evict in evictions {
        let (f, mut source, key) = (fixture(), Source::new(), key("db"));
        let loader = Arc::clone(&source.loader);
        let mut before = pin!(f.cache.get(&key, POLICY, &loader));
        assert!(poll(before.as_mut()).is_none());
        let old = source.call().await;
        evict(&f, &key);
        let mut after = pin!(f.cache.get(&key, POLICY, &loader));
        assert!(poll(after.as_mut()).is_none());
        let new = source.call().await;

        old.answer(v1());
        let hit = before.await.unwrap();
        assert_eq!((hit.entry.secret.version_id.as_str(), hit.fresh_until_ms), ("v1", 0));
        assert_eq!(f.cached(&key), None, "the old value is not put back");
        assert!(poll(after.as_mut()).is_none(), "a later reader does not get it");
        new.answer(v2());
        assert_eq!(version(after.await), "v2");
        assert_eq!(f.cached(&key), Some("v2".into()));
    }
}

#[tokio::test]
async fn an_eviction_during_a_load_wins_when_nobody_came_since() {
    let (f, mut source, key) = (fixture(), Source::new(), key("db"));
    let loader = Arc::clone(&source.loader);
    let mut before = pin!(f.cache.get(&key, POLICY, &loader));
    assert!(poll(before.as_mut()).is_none());
    f.cache.evict(&key);
    source.call().await.answer(v1());
    assert_eq!(version(before.await), "v1");
    assert_eq!((f.cached(&key), f.cache.generation()), (None, 0));
}

#[tokio::test]
async fn an_eviction_during_a_background_refresh_wins() {
    let (f, mut source, key) = (fixture(), Source::new(), key("db"));
    f.fill(&key, "v1").await;
    f.clock.advance_ms(80_000);
    assert!(f.cache.get(&key, POLICY, &source.loader).await.is_ok());
    let refresh = source.call().await;
    assert!(f.cache.evict(&key));
    refresh.answer(v2());
    f.settle().await;
    assert_eq!(f.cached(&key), None);
}

#[tokio::test]
async fn an_eviction_during_a_forced_refresh_wins() {
    let (f, mut source, key) = (fixture(), Source::new(), key("db"));
    f.fill(&key, "v1").await;
    let loader = Arc::clone(&source.loader);
    let mut refresh = pin!(f.cache.refresh(&key, POLICY, &loader));
    assert!(poll(refresh.as_mut()).is_none());
    assert!(f.cache.evict(&key));
    source.call().await.answer(v2());
    assert_eq!(refresh.await.unwrap().after, "v2");
    assert_eq!(f.cached(&key), None);
}

#[tokio::test]
async fn a_stale_value_evicted_during_the_load_is_not_served_when_the_load_fails() {
    let (f, mut source, key) = (fixture(), Source::new(), key("db"));
    f.fill(&key, "v1").await;
    f.clock.advance_ms(100_000);
    let loader = Arc::clone(&source.loader);
    let mut reader = pin!(f.cache.get(&key, POLICY, &loader));
    assert!(poll(reader.as_mut()).is_none());
    assert!(f.cache.evict(&key));
    source.call().await.answer(unavailable());
    assert_eq!(class(reader.await), ErrorClass::Unavailable);
}

#[tokio::test]
async fn a_plain_load_under_way_does_not_satisfy_a_refresh_and_does_not_overwrite_it() {
    for plain_first in [true, false] {
        let (f, mut source, key) = (fixture(), Source::new(), key("db"));
        let loader = Arc::clone(&source.loader);
        let mut reader = pin!(f.cache.get(&key, POLICY, &loader));
        assert!(poll(reader.as_mut()).is_none());
        let plain = source.call().await;
        let mut refresh = pin!(f.cache.refresh(&key, POLICY, &loader));
        assert!(poll(refresh.as_mut()).is_none());
        let forced = source.call().await;
        let mut later = pin!(f.cache.get(&key, POLICY, &loader));
        assert!(poll(later.as_mut()).is_none());
        if plain_first {
            plain.answer(v1());
            assert_eq!(version(reader.await), "v1");
            assert_eq!(f.cached(&key), None);
            assert!(poll(later.as_mut()).is_none(), "a reader since the refresh waits for it");
            forced.answer(v2());
        } else {
            forced.answer(v2());
            assert_eq!(refresh.as_mut().await.unwrap().after, "v2");
            plain.answer(v1());
            assert_eq!(version(reader.await), "v1");
            f.settle().await;
        }
        assert_eq!(version(later.await), "v2");
        assert_eq!((f.cached(&key), source.count()), (Some("v2".into()), 2));
    }
}

#[tokio::test]
async fn the_failure_of_a_superseded_load_changes_nothing() {
    let (f, mut source, key) = (fixture(), Source::new(), key("db"));
    let loader = Arc::clone(&source.loader);
    let mut reader = pin!(f.cache.get(&key, POLICY, &loader));
    assert!(poll(reader.as_mut()).is_none());
    let plain = source.call().await;
    f.cache.refresh(&key, POLICY, &always(v2)).await.unwrap();
    plain.answer(denied());
    assert_eq!(class(reader.await), ErrorClass::Denied);
    assert_eq!(version(f.cache.get(&key, POLICY, &never()).await), "v2");
}

#[tokio::test]
async fn a_reader_whose_superseded_load_is_out_of_reach_gets_what_the_refresh_brought() {
    let (f, mut source, key) = (fixture(), Source::new(), key("db"));
    let loader = Arc::clone(&source.loader);
    let mut reader = pin!(f.cache.get(&key, POLICY, &loader));
    assert!(poll(reader.as_mut()).is_none());
    let plain = source.call().await;
    f.cache.refresh(&key, POLICY, &always(v2)).await.unwrap();
    plain.answer(unavailable());
    let hit = reader.await.unwrap();
    assert_eq!((hit.entry.secret.version_id.as_str(), hit.stale_ms), ("v2", None));
}

#[tokio::test]
async fn refreshes_wished_while_one_is_under_way_share_the_next() {
    let (f, mut source, key) = (fixture(), Source::new(), key("db"));
    f.fill(&key, "v0").await;
    let loader = Arc::clone(&source.loader);
    let mut first = pin!(f.cache.refresh(&key, POLICY, &loader));
    assert!(poll(first.as_mut()).is_none());
    let under_way = source.call().await;
    let mut second = pin!(f.cache.refresh(&key, POLICY, &loader));
    let mut third = pin!(f.cache.refresh(&key, POLICY, &loader));
    assert!(poll(second.as_mut()).is_none() && poll(third.as_mut()).is_none());
    assert_eq!(source.count(), 1, "loads of one key do not pile up");

    under_way.answer(v1());
    assert_eq!(first.await.unwrap().after, "v1");
    assert!(poll(second.as_mut()).is_none(), "it started before the second wish");
    assert!(poll(third.as_mut()).is_none());
    source.call().await.answer(v2());
    let (second, third) = (second.await.unwrap(), third.await.unwrap());
    assert_eq!((second.before.as_deref(), second.after.as_str()), (Some("v0"), "v2"));
    assert_eq!((third, source.count()), (second, 2));
}

#[tokio::test]
async fn a_refresh_that_waited_takes_the_next_one_although_it_is_over_already() {
    let (f, mut source, key) = (fixture(), Source::new(), key("db"));
    let loader = Arc::clone(&source.loader);
    let mut first = pin!(f.cache.refresh(&key, POLICY, &loader));
    let mut second = pin!(f.cache.refresh(&key, POLICY, &loader));
    let mut third = pin!(f.cache.refresh(&key, POLICY, &loader));
    assert!([poll(first.as_mut()), poll(second.as_mut()), poll(third.as_mut())].iter().all(Option::is_none));
    source.call().await.answer(v1());
    assert!(first.await.is_ok());
    assert!(poll(second.as_mut()).is_none());
    source.call().await.answer(v2());
    assert_eq!(second.await.unwrap().after, "v2");
    let third = poll(third.as_mut()).expect("it was loaded after the wish");
    assert_eq!((third.unwrap().after.as_str(), source.count()), ("v2", 2));
}

#[tokio::test]
async fn a_refresh_leaves_the_value_in_place_until_it_is_done_and_gives_its_error() {
    let (f, mut source, key) = (fixture(), Source::new(), key("db"));
    f.fill(&key, "v1").await;
    let loader = Arc::clone(&source.loader);
    let mut refresh = pin!(f.cache.refresh(&key, POLICY, &loader));
    assert!(poll(refresh.as_mut()).is_none());
    assert_eq!(version(f.cache.get(&key, POLICY, &never()).await), "v1");
    source.call().await.answer(unavailable());
    assert_eq!(refresh.await.unwrap_err().class, ErrorClass::Unavailable);
    assert_eq!(version(f.cache.get(&key, POLICY, &never()).await), "v1");
}

#[tokio::test]
async fn a_load_started_before_a_save_is_not_remembered() {
    let (f, mut source, key) = (fixture(), Source::new(), key("db"));
    let loader = Arc::clone(&source.loader);
    let mut reader = pin!(f.cache.get(&key, POLICY, &loader));
    assert!(poll(reader.as_mut()).is_none());
    let with_old_settings = source.call().await;
    f.cache.forget_errors("source-1");
    with_old_settings.answer(denied());
    assert_eq!(class(reader.await), ErrorClass::Denied);
    assert_eq!(version(f.get(&key, v1).await), "v1");
}

#[tokio::test]
async fn a_refetch_loads_at_most_once_in_its_interval_and_then_answers_what_is_there() {
    let (f, key) = (fixture(), key("db"));
    f.fill(&key, "v1").await;
    let refetched = f.cache.refetch(&key, POLICY, &always(v2), 1_000).await.unwrap();
    assert_eq!((refetched.changed, version(Ok(refetched.hit))), (true, "v2".into()));
    f.clock.advance_ms(999);
    let again = f.cache.refetch(&key, POLICY, &never(), 1_000).await.unwrap();
    assert_eq!((again.changed, version(Ok(again.hit))), (true, "v2".into()));
    f.clock.advance_ms(1);
    let later = f.cache.refetch(&key, POLICY, &always(v2), 1_000).await.unwrap();
    assert_eq!((later.changed, f.loads()), (false, 3));
}

#[tokio::test]
async fn refetches_share_one_load_and_never_one_that_started_for_a_reader() {
    let (f, mut source, key) = (fixture(), Source::new(), key("db"));
    f.fill(&key, "v1").await;
    f.clock.advance_ms(80_000);
    assert!(f.cache.get(&key, POLICY, &source.loader).await.is_ok());
    let background = source.call().await;
    let loader = Arc::clone(&source.loader);
    let mut first = pin!(f.cache.refetch(&key, POLICY, &loader, 1_000));
    let mut second = pin!(f.cache.refetch(&key, POLICY, &loader, 1_000));
    assert!(poll(first.as_mut()).is_none() && poll(second.as_mut()).is_none());
    let forced = source.call().await;
    background.answer(v1());
    forced.answer(v2());
    for refetched in [first.await.unwrap(), second.await.unwrap()] {
        assert_eq!((refetched.changed, version(Ok(refetched.hit))), (true, "v2".into()));
    }
    assert_eq!((source.count(), f.cached(&key)), (2, Some("v2".into())));
}

#[tokio::test]
async fn a_refetch_that_failed_is_not_repeated_in_its_interval() {
    let (f, key) = (fixture(), key("db"));
    for (answer, class) in
        [(unavailable as fn() -> Answer, ErrorClass::Unavailable), (denied, ErrorClass::Denied)]
    {
        f.clock.advance_ms(1_000);
        let first = f.cache.refetch(&key, POLICY, &always(answer), 1_000).await.err().unwrap();
        let second = f.cache.refetch(&key, POLICY, &never(), 1_000).await.err().unwrap();
        assert_eq!((first.class, second.class), (class, class));
    }
    f.clock.advance_ms(1_000);
    assert_eq!(class(f.cache.get(&key, POLICY, &never()).await), ErrorClass::Denied);
    assert!(f.cache.refetch(&key, POLICY, &always(v1), 1_000).await.is_ok(), "it asks in spite of it");
}

#[tokio::test]
async fn out_of_reach_a_refetch_fails_and_then_answers_the_value_that_is_there() {
    let (f, key) = (fixture(), key("db"));
    f.fill(&key, "v1").await;
    assert!(f.cache.refetch(&key, POLICY, &always(unavailable), 1_000).await.is_err());
    let again = f.cache.refetch(&key, POLICY, &never(), 1_000).await.unwrap();
    assert_eq!((again.changed, version(Ok(again.hit))), (false, "v1".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_refreshes_and_evictions_at_once_neither_hang_nor_serve_what_was_evicted() {
    let f = fixture();
    let latest = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let source = Arc::clone(&latest);
    let loader = always(move || Ok(secret(&source.load(std::sync::atomic::Ordering::SeqCst).to_string())));
    let tasks: Vec<_> = (0..8_u64)
        .map(|worker| {
            let (cache, loader, latest) = (Arc::clone(&f.cache), Arc::clone(&loader), Arc::clone(&latest));
            tokio::spawn(async move {
                for round in 0..500_u64 {
                    // What is at the source once the cache was told counts from then on.
                    let at_least = latest.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
                    let key = key(if worker % 2 == 0 { "db" } else { "other" });
                    if (worker + round) % 3 == 0 {
                        cache.evict(&key);
                    } else {
                        let refreshed = cache.refresh(&key, POLICY, &loader).await.unwrap();
                        assert!(refreshed.after.parse::<u64>().unwrap() >= at_least);
                    }
                    let seen: u64 = version(cache.get(&key, POLICY, &loader).await).parse().unwrap();
                    assert!(seen >= at_least, "{seen} is from before {at_least}");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}
