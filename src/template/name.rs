//! Which names there are: identifiers, secret names, ARNs, version labels and ids.

use super::error::shown;

/// Secrets Manager's bound on a name, in characters (AWS API reference, `CreateSecret`).
const LONGEST_NAME: usize = 512;
/// Secrets Manager's bound on a `SecretId`, in characters (AWS API reference, `GetSecretValue`).
const LONGEST_ARN: usize = 2048;
/// Secrets Manager's bound on a staging label, in characters (AWS API reference, `GetSecretValue`).
const LONGEST_STAGE: usize = 256;
/// Secrets Manager's bounds on a version id, in characters (AWS API reference, `GetSecretValue`).
const VERSION_LENGTH: std::ops::RangeInclusive<usize> = 32..=64;

/// The labels that Secrets Manager sets itself; their spelling is checked because labels are case sensitive.
pub(super) const AWS_STAGES: [&str; 3] = ["AWSCURRENT", "AWSPREVIOUS", "AWSPENDING"];

/// Why a name is refused, and what to do.
pub(super) struct Refusal {
    pub(super) message: String,
    pub(super) help: &'static str,
}

pub(super) fn starts_identifier(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

pub(super) fn continues_identifier(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

/// Whether a dot takes it: `[A-Za-z_][A-Za-z0-9_-]*`.
pub(super) fn is_identifier(text: &str) -> bool {
    text.starts_with(starts_identifier) && text.chars().all(continues_identifier)
}

pub(super) fn is_arn(secret: &str) -> bool {
    secret.starts_with("arn:")
}

/// Whether the character may stand in a secret's name or in a version label.
pub(super) fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '+' | '=' | '.' | '@' | '!' | '-')
}

/// Checks a secret's name or ARN.
pub(super) fn check_secret(secret: &str) -> Result<(), Refusal> {
    if secret.is_empty() {
        return Err(Refusal {
            message: "the secret's name is empty".into(),
            help: "write the name of the secret",
        });
    }
    if is_arn(secret) {
        return check_arn(secret);
    }
    if let Some(c) = secret.chars().find(|c| !is_name_character(*c)) {
        return Err(Refusal {
            message: format!("a secret's name cannot hold `{}`", shown(c.encode_utf8(&mut [0; 4]))),
            help: "a name holds letters, digits and `/_+=.@!-` only, no blanks; a key of its JSON goes in \
                   brackets of its own",
        });
    }
    if secret.chars().count() > LONGEST_NAME {
        return Err(Refusal {
            message: format!(
                "the secret's name `{}` is longer than {LONGEST_NAME} characters",
                shown(secret)
            ),
            help: "check the name; Secrets Manager takes at most 512 characters",
        });
    }
    Ok(())
}

fn check_arn(arn: &str) -> Result<(), Refusal> {
    let mut parts = arn.splitn(7, ':').skip(1);
    let mut part = || parts.next().unwrap_or_default();
    let (partition, service, region, account, kind, name) = (part(), part(), part(), part(), part(), part());
    let is_whole = is_identifier(partition)
        && service == "secretsmanager"
        && is_identifier(region)
        && !account.is_empty()
        && account.chars().all(|c| c.is_ascii_digit())
        && kind == "secret"
        && !name.is_empty()
        && name.chars().all(is_name_character);
    if is_whole && arn.len() <= LONGEST_ARN {
        return Ok(());
    }
    Err(Refusal {
        message: format!("`{}` is not the ARN of a secret", shown(arn)),
        help: "an ARN has the form `arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-AbCdEf`; copy it from \
               the secret's page",
    })
}

/// Whether it may be a staging label: 1 to 256 characters.
pub(super) fn is_stage(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_STAGE && text.chars().all(is_name_character)
}

/// Whether it may be a version id: 32 to 64 letters, digits and `-`, as a UUID is.
pub(super) fn is_version(text: &str) -> bool {
    VERSION_LENGTH.contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}
