//! What people hand in: values, files, stdin, and the answer to "are you sure?".

use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::Context;
use serde::de::DeserializeOwned;
use serde::de::value::StrDeserializer;
use serde_json::Value;
use tokio::io::AsyncReadExt;

use crate::cli::exit::usage;
use crate::cli::output::Output;

/// Bytes of a definition, a secret or an export; the server takes no more.
const MOST: u64 = 32 << 20;

/// The text that an argument stands for: `@file` is the file, `-` is stdin, everything else is itself.
/// One line end at the end of a file or of stdin is not part of the value.
pub(crate) async fn value(argument: &str) -> anyhow::Result<String> {
    let text = match argument.strip_prefix('@') {
        Some(file) => read_file(Path::new(file)).await?,
        None if argument == "-" => read_stdin().await?,
        None => return Ok(argument.to_owned()),
    };
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(usage(format!("`{argument}` is empty: nothing was read from it")));
    }
    Ok(text.to_owned())
}

/// Like [`value`], for a value that others should not see: a literal on the command line gets a warning.
pub(crate) async fn secret(out: &Output, flag: &str, argument: &str) -> anyhow::Result<String> {
    let literal = !argument.is_empty() && !argument.starts_with('@') && argument != "-";
    if literal && !argument.contains("{{") {
        out.warn(format!(
            "the value given in {flag} shows up in process lists and shell histories: use `@file` or `-`"
        ));
    }
    value(argument).await
}

/// The whole text of a file, or of stdin for `-`.
pub(crate) async fn text(file: &Path) -> anyhow::Result<String> {
    if file.as_os_str() == "-" { read_stdin().await } else { read_file(file).await }
}

/// JSON from a file, or from stdin for `-`.
pub(crate) async fn json(file: &Path) -> anyhow::Result<Value> {
    let text = text(file).await?;
    // the cause says line and column and nothing of the text, which may hold keys
    let value: Value = serde_json::from_str(&text)
        .map_err(|error| usage(format!("`{}` is not JSON: {error}", file.display())))?;
    if !value.is_object() {
        return Err(usage(format!("`{}` must hold one JSON object", file.display())));
    }
    Ok(value)
}

/// What the JSON of a file means; the error names the field.
pub(crate) fn typed<T: DeserializeOwned>(file: &Path, value: Value) -> anyhow::Result<T> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let place = match error.path().to_string() {
            root if root == "." => String::new(),
            path => format!("`{path}`: "),
        };
        usage(format!("`{}` is not what this command takes: {place}{}", file.display(), error.inner()))
    })
}

/// One of the words of a type; the error lists them.
pub(crate) fn word<T: DeserializeOwned>(word: &str) -> Result<T, String> {
    T::deserialize(StrDeserializer::<serde::de::value::Error>::new(word)).map_err(|error| error.to_string())
}

/// The text before and after the first `=`.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as `name=value`".to_owned()),
    }
}

/// Refuses a name that is given twice: the first value would be lost without a word. Names of metadata become names of
/// headers, where capitals do not count.
pub(crate) fn distinct(flag: &str, pairs: &[(String, String)]) -> anyhow::Result<()> {
    let same =
        |one: &str, other: &str| one == other || (flag == "--metadata" && one.eq_ignore_ascii_case(other));
    let mut rest = pairs;
    while let Some(((name, _), behind)) = rest.split_first() {
        if behind.iter().any(|(other, _)| same(name, other)) {
            return Err(usage(format!("`{flag}` names `{name}` twice: give it one value")));
        }
        rest = behind;
    }
    Ok(())
}

/// Goes on only if somebody says so.
pub(crate) async fn confirm(out: &Output, yes: bool, question: &str) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(usage(format!("{question} Nobody can be asked because stdin is no terminal: add --yes")));
    }
    out.ask(question);
    // on a thread of its own, so that an interrupt ends the wait
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    let line = answer.await??;
    if matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    anyhow::bail!("nothing was done")
}

/// A file to read from, or stdin for `-`.
pub(crate) async fn open(file: &Path) -> anyhow::Result<tokio::fs::File> {
    if file.as_os_str() == "-" {
        return stdin().context("cannot read stdin");
    }
    tokio::fs::File::open(file).await.with_context(|| format!("cannot read `{}`", file.display()))
}

async fn read_file(file: &Path) -> anyhow::Result<String> {
    let opened = open(file).await?;
    read(opened).await.with_context(|| format!("cannot read `{}`", file.display()))
}

async fn read_stdin() -> anyhow::Result<String> {
    read(stdin().context("cannot read stdin")?).await.context("cannot read stdin")
}

/// Stdin as a file, which it may be: then its length is known.
pub(crate) fn stdin() -> std::io::Result<tokio::fs::File> {
    Ok(tokio::fs::File::from_std(std::io::stdin().as_fd().try_clone_to_owned()?.into()))
}

async fn read(from: impl tokio::io::AsyncRead + Unpin) -> anyhow::Result<String> {
    let mut text = String::new();
    from.take(MOST + 1).read_to_string(&mut text).await?;
    anyhow::ensure!(text.len() as u64 <= MOST, "there is more than {MOST} bytes");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{distinct, json, pair, value};

    #[tokio::test]
    async fn a_value_comes_from_a_file_without_its_last_line_end() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"se=cret\n\r\n").unwrap();
        let argument = format!("@{}", file.path().display());
        assert_eq!(value(&argument).await.unwrap(), "se=cret\n");
        assert_eq!(value("{{ secrets.a }}").await.unwrap(), "{{ secrets.a }}");
        assert!(value("@/does/not/exist").await.is_err());
    }

    #[tokio::test]
    async fn a_file_that_is_no_object_is_refused_without_showing_it() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"{\"secret\": hunter2}").unwrap();
        let text = json(file.path()).await.unwrap_err().to_string();
        assert!(text.contains("line 1") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn a_name_that_is_given_twice_is_a_misuse_that_names_it() {
        let given = |names: &[&str]| -> Vec<(String, String)> {
            names.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect()
        };
        let error = distinct("--metadata", &given(&["b", "a", "A"])).unwrap_err();
        assert_eq!(error.to_string(), "`--metadata` names `a` twice: give it one value");
        assert!(distinct("--tag", &given(&["a", "b", "a"])).is_err());
        distinct("--tag", &given(&["a", "A"])).unwrap();
        distinct("--tag", &[]).unwrap();
    }

    #[test]
    fn pairs_are_split_at_the_first_equals_sign() {
        assert_eq!(pair("a=b=c").unwrap(), ("a".to_owned(), "b=c".to_owned()));
        assert!(pair("=b").is_err());
        assert!(pair("a").is_err());
    }
}
