//! The verdicts of now in the metrics: how many there are of each, and for installations that allow it those of each resource.

use std::collections::{BTreeMap, HashMap};

use crate::app::rechecks::Wanted;
use crate::model::check::Verdict;
use crate::store::RecheckRow;

const VERDICTS: [Verdict; 4] =
    [Verdict::Works, Verdict::WorksWithLimits, Verdict::Fails, Verdict::Unverified];

/// What the metrics show.
#[derive(Default)]
pub(super) struct Gauges {
    /// The verdicts by project, resource and environment.
    shown: BTreeMap<[String; 3], Verdict>,
}

impl Gauges {
    /// Shows how many re-checks came to each verdict; with `each`, also those of every resource, 1 or 0. Those of what is
    /// not re-checked any more go to 0.
    pub(super) fn show(&mut self, wanted: &[Wanted], rows: &HashMap<(&str, &str), &RecheckRow>, each: bool) {
        let mut now = BTreeMap::new();
        for wanted in wanted {
            let place = (&*wanted.resource.record.id, wanted.environment.as_str());
            let Some(health) = rows.get(&place).and_then(|row| row.health.as_ref()) else { continue };
            let labels = [&wanted.project.name, wanted.resource.name(), &wanted.environment];
            now.insert(labels.map(ToString::to_string), health.verdict);
        }
        for verdict in VERDICTS {
            let count = now.values().filter(|known| **known == verdict).count();
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            metrics::gauge!("s3_connector_resources", "verdict" => verdict.as_str()).set(count);
        }
        if !each {
            return;
        }
        for (labels, verdict) in &now {
            if self.shown.get(labels) != Some(verdict) {
                set(labels, Some(*verdict));
            }
        }
        for labels in self.shown.keys().filter(|labels| !now.contains_key(*labels)) {
            set(labels, None);
        }
        self.shown = now;
    }
}

fn set([project, resource, environment]: &[String; 3], verdict: Option<Verdict>) {
    for each in VERDICTS {
        metrics::gauge!(
            "s3_connector_resource_verdict",
            "project" => project.clone(), "resource" => resource.clone(), "environment" => environment.clone(),
            "verdict" => each.as_str()
        )
        .set(if verdict == Some(each) { 1.0 } else { 0.0 });
    }
}
