//! Help that can be copied: an example stays one line, however narrow the terminal is.
//!
//! The parser wraps what stands behind the options like prose. So the blanks of the indented lines there are held by
//! others while it does, and given back when the text is shown.

/// Looks like a blank, and no line ends there.
const HELD: &str = "\u{a0}";

/// The command with examples that are not wrapped, and so for every command below it.
pub(super) fn hold_examples(command: clap::Command) -> clap::Command {
    let text = command.get_after_help().map(ToString::to_string);
    let command = match text {
        Some(text) => command.after_help(held(&text)),
        None => command,
    };
    command.mut_subcommands(hold_examples)
}

fn held(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| if line.starts_with("  ") { line.replace(' ', HELD) } else { line.to_owned() });
    lines.collect::<Vec<_>>().join("\n")
}

/// The text as it was written.
pub(super) fn release(text: &str) -> String {
    text.replace(HELD, " ")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::{hold_examples, release};
    use crate::cli::Cli;

    #[test]
    fn every_example_is_one_line_of_the_help_on_a_narrow_terminal() {
        fn walk(written: &clap::Command, shown: &clap::Command) {
            let help = release(&shown.clone().term_width(40).render_help().to_string());
            let text = written.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in text.lines().filter(|line| line.starts_with("  ")) {
                assert!(help.lines().any(|shown| shown == line), "`{line}` is wrapped:\n{help}");
            }
            for below in written.get_subcommands().filter(|below| below.get_name() != "help") {
                walk(below, shown.find_subcommand(below.get_name()).unwrap());
            }
        }
        walk(&Cli::command(), &hold_examples(Cli::command()));
    }
}
