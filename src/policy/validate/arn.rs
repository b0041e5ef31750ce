//! The six fields of an ARN as policies write them, with wildcards and variables.

/// The fields of an ARN or of a pattern of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arn<'a> {
    pub(super) partition: &'a str,
    pub(super) service: &'a str,
    pub(super) region: &'a str,
    pub(super) account: &'a str,
    /// Everything after the fifth colon.
    pub(super) resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Reads a text with six fields that begins with `arn`.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        match *fields(text).as_slice() {
            ["arn", partition, service, region, account, resource] => {
                Some(Self { partition, service, region, account, resource })
            }
            _ => None,
        }
    }
}

impl std::fmt::Display for Arn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { partition, service, region, account, resource } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

/// How many fields an ARN has.
const FIELDS: usize = 6;

/// The fields of a text, as many as there are.
pub(super) struct Fields<'a> {
    texts: [&'a str; FIELDS],
    count: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn as_slice(&self) -> &[&'a str] {
        self.texts.get(..self.count).unwrap_or_default()
    }
}

/// The fields between colons, six at most; a colon inside of `${…}` does not count.
pub(super) fn fields(text: &str) -> Fields<'_> {
    let mut texts = [""; FIELDS];
    let (mut count, mut start, mut depth, mut before) = (0, 0, 0_usize, 0);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'{' if before == b'$' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b':' if depth == 0 => {
                if let (Some(field), Some(found)) = (texts.get_mut(count), text.get(start..index)) {
                    *field = found;
                    (count, start) = (count + 1, index + 1);
                }
                if count == FIELDS - 1 {
                    break;
                }
            }
            _ => {}
        }
        before = byte;
    }
    if let (Some(field), Some(rest)) = (texts.get_mut(count), text.get(start..)) {
        *field = rest;
        count += 1;
    }
    Fields { texts, count }
}

/// Whether the text has the form of a region, such as `eu-central-1` or `us-gov-west-1`.
pub(super) fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    match parts.as_slice() {
        [area, middle @ .., number] if !middle.is_empty() => {
            let is_word =
                |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
            (2..=4).contains(&area.len())
                && is_word(area)
                && middle.iter().all(is_word)
                && (1..=2).contains(&number.len())
                && number.bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => false,
    }
}

/// Whether the text is the number of an account.
pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a partition has this name.
pub(super) fn is_partition(text: &str) -> bool {
    PARTITIONS.contains(&text)
}

/// The partitions of AWS.
pub(super) const PARTITIONS: [&str; 8] =
    ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_keep_their_colons() {
        let arn = Arn::parse("arn:aws:s3:::${aws:PrincipalTag/a:b}/x:y").unwrap();
        assert_eq!(arn.resource, "${aws:PrincipalTag/a:b}/x:y");
        assert_eq!(Arn::parse("arn:aws:s3:b"), None);
    }

    #[test]
    fn regions_are_known_by_their_form() {
        for region in ["eu-central-1", "us-gov-west-1", "ap-southeast-11", "eusc-de-east-1", "us-isob-east-1"]
        {
            assert!(is_region(region), "{region}");
        }
        for text in ["", "eu", "eu-1", "eu-central", "EU-central-1", "eu--1", "Frankfurt"] {
            assert!(!is_region(text), "{text}");
        }
    }
}
