//! Finding entries by what somebody else calls their secrets.

use super::{Cache, SecretKey};

impl Cache {
    /// The keys of a source's entries that are meant, by one of their names and the ARN that is known of them; each
    /// entry once. Entries of which only an error or a load is known are among them.
    pub fn keys_of(&self, source: &str, is_meant: impl Fn(&str, Option<&str>) -> bool) -> Vec<SecretKey> {
        let slots = self.read().slots_where(|key| key.is_of(source));
        let meant = slots.iter().filter_map(|slot| {
            let entry = slot.entry.load_full();
            let arn = entry.as_ref().and_then(|entry| entry.secret.arn.as_deref());
            let keys = slot.lock().keys.clone();
            let found = keys.iter().any(|key| is_meant(&key.secret, arn));
            keys.into_iter().next().filter(|_| found)
        });
        meant.collect()
    }
}
