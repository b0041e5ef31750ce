//! `docs/queries/providers.md` says what the profiles say, row for row.

use super::{Checksums, ListVersion, PROFILES, Profile, Quirk, RegionRule, Sts};
use crate::model::resource::Addressing;

const PAGE: &str = include_str!("../../../docs/queries/providers.md");

#[test]
fn the_page_has_every_fact_of_every_profile() {
    let tables = [PROFILES.iter().map(sent).collect::<Vec<_>>(), PROFILES.iter().map(refused).collect()];
    for table in tables {
        let table = table.join("\n");
        assert!(PAGE.contains(&table), "docs/queries/providers.md does not have\n{table}");
    }
}

#[test]
fn the_page_says_what_is_done_about_every_quirk() {
    for quirk in Quirk::ALL {
        let row = format!("\n| {} | ", quirk.as_str());
        assert!(PAGE.contains(&row), "docs/queries/providers.md does not have{row}");
    }
}

fn sent(profile: &Profile) -> String {
    let endpoint = profile.endpoint.map_or("your own".to_owned(), |form| format!("`{form}`"));
    let bucket = if profile.addressing == Addressing::Path { "path" } else { "host name" };
    let region = match profile.region {
        RegionRule::Any => format!("`{}`, or any", profile.default_region),
        RegionRule::Own => format!("`{}`, or the bucket's", profile.default_region),
        RegionRule::Auto => "`auto`".to_owned(),
    };
    let list = if profile.list == ListVersion::V1 { "1" } else { "2" };
    let checksums = match profile.checksums {
        Checksums::WhenSupported => "every upload",
        Checksums::WhenRequired => "where required",
        Checksums::Never => "never",
    };
    let (least, most) = (profile.smallest_part >> 20, profile.most_parts);
    let sts = match profile.sts {
        Sts::Aws => "of AWS".to_owned(),
        Sts::SameEndpoint => "at the endpoint".to_owned(),
        Sts::At(url) => format!("`{url}`"),
        Sts::Untold => "not known".to_owned(),
        Sts::None => "-".to_owned(),
    };
    format!(
        "| `{}` | {endpoint} | {bucket} | {region} | {list} | {checksums} | {least} MiB, {most} | {} | {sts} |",
        profile.id, profile.delete_batch
    )
}

fn refused(profile: &Profile) -> String {
    let list = |parts: Vec<&str>| if parts.is_empty() { "-".to_owned() } else { parts.join(", ") };
    let missing = list(profile.missing.iter().map(|feature| feature.as_str()).collect());
    let quirks = list(profile.quirks.iter().map(|quirk| quirk.as_str()).collect());
    let notes = if profile.notes.is_empty() { "-".to_owned() } else { profile.notes.join("; ") };
    format!("| `{}` | {missing} | {quirks} | {notes} |", profile.id)
}
