//! A name and its ARN are one entry once the ARN is known.

use std::pin::pin;
use std::sync::Arc;

use super::super::{ErrorClass, Secret, SecretKey};
use super::harness::*;

const ARN: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf";
const NEW_ARN: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-GhIjKl";

#[tokio::test]
async fn a_secret_loaded_by_name_is_found_by_its_arn_and_the_reverse() {
    for (first, second) in [("db", ARN), (ARN, "db")] {
        let f = fixture();
        f.fill_with(&key(first), named("v1", "db", ARN)).await;
        assert_eq!(version(f.cache.get(&key(second), POLICY, &never()).await), "v1");
        assert_eq!(f.cache.status("source-1").len(), 1);
        f.cache.refresh(&key(second), POLICY, &once(Ok(named("v2", "db", ARN)))).await.unwrap();
        assert_eq!(version(f.cache.get(&key(first), POLICY, &never()).await), "v2");
        assert!(f.cache.evict(&key(second)));
        assert_eq!(f.cached(&key(first)), None);
    }
}

#[tokio::test]
async fn other_pins_and_other_sources_are_other_entries() {
    let f = fixture();
    f.fill_with(&key("db"), named("v1", "db", ARN)).await;
    let previous = SecretKey { pin: Arc::from("AWSPREVIOUS"), ..key(ARN) };
    let elsewhere = SecretKey { source: Arc::from("source-2"), ..key(ARN) };
    f.fill_with(&previous, named("v0", "db", ARN)).await;
    f.fill_with(&elsewhere, named("v9", "db", ARN)).await;
    let versions = [key("db"), previous, elsewhere.clone()].map(|key| f.cached(&key).unwrap());
    assert_eq!(versions, ["v1", "v0", "v9"]);
    assert_eq!(f.cache.clear_source("source-2"), 1);
    assert_eq!((f.cached(&elsewhere), f.cached(&key(ARN))), (None, Some("v1".into())));
}

#[tokio::test]
async fn the_name_of_another_accounts_secret_leads_to_the_own_one() {
    let f = fixture();
    f.fill_with(&key(ARN), Secret { foreign: true, ..named("theirs", "db", ARN) }).await;
    f.fill_with(&key("db"), named("ours", "db", NEW_ARN)).await;
    let versions = [key(ARN), key("db"), key(NEW_ARN)].map(|key| f.cached(&key).unwrap());
    assert_eq!(versions, ["theirs", "ours", "ours"]);
}

#[tokio::test]
async fn a_name_given_to_a_new_secret_leaves_the_old_arn_behind() {
    let f = fixture();
    f.fill_with(&key("db"), named("v1", "db", ARN)).await;
    f.cache.refresh(&key("db"), POLICY, &once(Ok(named("v2", "db", NEW_ARN)))).await.unwrap();
    let versions = [key("db"), key(NEW_ARN), key(ARN)].map(|key| f.cached(&key));
    assert_eq!(versions, [Some("v2".into()), Some("v2".into()), None]);

    let f = fixture();
    f.fill_with(&key(ARN), named("v1", "db", ARN)).await;
    let generation = f.cache.generation();
    f.fill_with(&key(NEW_ARN), named("v2", "db", NEW_ARN)).await;
    let versions = [key("db"), key(NEW_ARN), key(ARN)].map(|key| f.cached(&key).unwrap());
    assert_eq!(versions, ["v2", "v2", "v1"]);
    assert!(f.cache.generation() > generation);
}

#[tokio::test]
async fn two_loads_of_one_secret_by_both_its_names_end_in_one_entry_with_the_later_value() {
    for name_answers_first in [true, false] {
        let (f, mut by_name, mut by_arn) = (fixture(), Source::new(), Source::new());
        let (name_loader, arn_loader) = (Arc::clone(&by_name.loader), Arc::clone(&by_arn.loader));
        let (name, arn) = (key("db"), key(ARN));
        let mut first = pin!(f.cache.get(&name, POLICY, &name_loader));
        assert!(poll(first.as_mut()).is_none());
        let mut second = pin!(f.cache.get(&arn, POLICY, &arn_loader));
        assert!(poll(second.as_mut()).is_none());
        let (earlier, later) = (by_name.call().await, by_arn.call().await);
        if name_answers_first {
            earlier.answer(Ok(named("v1", "db", ARN)));
            assert_eq!(version(first.await), "v1");
            later.answer(Ok(named("v2", "db", ARN)));
            assert_eq!(version(second.await), "v2");
        } else {
            later.answer(Ok(named("v2", "db", ARN)));
            assert_eq!(version(second.await), "v2");
            earlier.answer(Ok(named("v1", "db", ARN)));
            let hit = first.await.unwrap();
            assert_eq!((hit.entry.secret.version_id.as_str(), hit.fresh_until_ms), ("v1", 0));
        }
        assert_eq!((f.cached(&name), f.cached(&arn)), (Some("v2".into()), Some("v2".into())));
        assert_eq!((f.cache.status("source-1").len(), f.cache.clear()), (1, 1));
    }
}

#[tokio::test]
async fn a_refusal_of_one_name_evicts_both_and_is_remembered_for_that_name_only() {
    let f = fixture();
    f.fill_with(&key("db"), named("v1", "db", ARN)).await;
    assert!(f.cache.refresh(&key(ARN), POLICY, &always(denied)).await.is_err());
    assert_eq!((f.cached(&key("db")), f.cached(&key(ARN))), (None, None));
    assert_eq!(class(f.cache.get(&key(ARN), POLICY, &never()).await), ErrorClass::Denied);
    f.fill_with(&key("db"), named("v2", "db", ARN)).await;
    assert_eq!(class(f.cache.get(&key(ARN), POLICY, &never()).await), ErrorClass::Denied);
    f.clock.advance_ms(5_000);
    f.fill_with(&key(ARN), named("v2", "db", ARN)).await;
    assert_eq!(f.cache.status("source-1").len(), 1);
}

#[tokio::test]
async fn an_eviction_by_arn_wins_over_a_first_load_by_name() {
    let (f, mut source, name) = (fixture(), Source::new(), key("db"));
    let loader = Arc::clone(&source.loader);
    let mut before = pin!(f.cache.get(&name, POLICY, &loader));
    assert!(poll(before.as_mut()).is_none());
    f.cache.evict(&key(ARN));
    source.call().await.answer(Ok(named("v1", "db", ARN)));
    assert_eq!(version(before.await), "v1");
    assert_eq!((f.cached(&name), f.cached(&key(ARN))), (None, None));
}

#[tokio::test]
async fn a_refresh_by_arn_wins_over_a_first_load_by_name() {
    let (f, mut source, name) = (fixture(), Source::new(), key("db"));
    let loader = Arc::clone(&source.loader);
    let mut before = pin!(f.cache.get(&name, POLICY, &loader));
    assert!(poll(before.as_mut()).is_none());
    f.cache.refresh(&key(ARN), POLICY, &once(Ok(named("v2", "db", ARN)))).await.unwrap();
    source.call().await.answer(Ok(named("v1", "db", ARN)));
    assert_eq!(version(before.await), "v1");
    assert_eq!((f.cached(&name), f.cached(&key(ARN))), (Some("v2".into()), Some("v2".into())));
}

#[tokio::test]
async fn entries_are_found_by_any_of_their_names_and_by_what_is_only_an_error() {
    let f = fixture();
    f.fill_with(&key("db"), named("v1", "db", ARN)).await;
    let previous = SecretKey { pin: Arc::from("AWSPREVIOUS"), ..key("db") };
    f.fill_with(&previous, named("v0", "db", ARN)).await;
    f.fill_with(&key("other"), named("v1", "other", NEW_ARN)).await;
    let elsewhere = SecretKey { source: Arc::from("source-2"), ..key("db") };
    f.fill_with(&elsewhere, named("v9", "db", ARN)).await;
    assert!(f.cache.get(&key("gone"), POLICY, &always(denied)).await.is_err());
    let found = |wanted: &str| {
        let mut keys = f.cache.keys_of("source-1", |name, arn| name == wanted || arn == Some(wanted));
        keys.sort_by(|a, b| a.pin.cmp(&b.pin));
        keys
    };
    assert_eq!(found("db"), [key("db"), previous.clone()]);
    assert_eq!(found(ARN), [key("db"), previous]);
    assert_eq!(found("gone"), [key("gone")]);
    assert!(found("nothing").is_empty());
}
