//! Manual pages and completion scripts, generated from a parser and from the
//! sections that no parser knows.
//!
//! They are committed in `deploy/man` and `deploy/completions`, so a package can
//! be built from the tree alone. Tests generate them and compare ([`keep`]); the
//! installed commands do not contain this module.

#[cfg(test)]
mod coffeectl;
mod quoted;
mod synopsis;

use std::{collections::BTreeSet, env, fs, io::Write, path::Path};

use clap::{Arg, Command};
use clap_complete::{Generator, Shell};
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

pub use self::quoted::{Quoted, quoted};
use crate::exit::ExitCode;

/// The command that generates the files, for the failure of a test.
const REGENERATE: &str = "COFFEE_GOLDEN=write cargo test -p coffeectl -p coffeed --lib --bins pages";

/// A section of a manual page.
#[derive(Debug, Clone)]
pub struct Section {
    /// Its heading, in capitals.
    pub title: &'static str,
    /// Its content.
    pub blocks: Vec<ManualBlock>,
}

/// A piece of a section.
#[derive(Debug, Clone)]
pub enum ManualBlock {
    /// A paragraph.
    Text(String),
    /// A term and its description.
    Item(String, String),
    /// Lines to type, verbatim.
    Example(String),
}

/// A file to keep in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedFile {
    /// Its name without the folder.
    pub name: String,
    /// Its content.
    pub text: String,
}

impl Section {
    /// Makes a section of these blocks.
    pub fn new(title: &'static str, blocks: impl Into<Vec<ManualBlock>>) -> Self {
        Self { title, blocks: blocks.into() }
    }

    /// Makes the section on the variables that a command reads.
    pub fn environment(command: &Command) -> Self {
        let item = |arg: &Arg| {
            let variable = arg.get_env()?.to_string_lossy().into_owned();
            let flag = arg.get_long().map_or_else(String::new, |long| format!("The same as --{long}."));
            Some(ManualBlock::Item(variable, flag))
        };
        Self::new("ENVIRONMENT", command.get_arguments().filter_map(item).collect::<Vec<_>>())
    }

    /// Makes the section on the exit codes of `coffeectl`.
    pub fn exit_status() -> Self {
        let item = |code: ExitCode| ManualBlock::Item(code.number().to_string(), sentence(code.meaning()));
        Self::new("EXIT STATUS", ExitCode::all().map(item).collect::<Vec<_>>())
    }

    fn render(&self, roff: &mut Roff) {
        roff.control("SH", [self.title]);
        for (nth, block) in self.blocks.iter().enumerate() {
            match block {
                ManualBlock::Text(text) => {
                    // A heading starts a paragraph.
                    if nth > 0 {
                        roff.control("PP", []);
                    }
                    roff.text([roman(text)]);
                }
                ManualBlock::Item(term, text) => {
                    roff.control("TP", []);
                    roff.text([bold(term)]);
                    roff.text([roman(text)]);
                }
                ManualBlock::Example(lines) => {
                    roff.control("PP", []);
                    roff.control("RS", ["4"]);
                    roff.control("nf", []);
                    lines.lines().for_each(|line| _ = roff.text([roman(line)]));
                    roff.control("fi", []);
                    roff.control("RE", []);
                }
            }
        }
    }
}

/// Makes a sentence of a phrase.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().collect::<String>());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}

/// Generates the page of a command, which ends with these sections, and one page per verb.
pub fn manual(command: &Command, chapter: &str, sections: &[Section]) -> Vec<GeneratedFile> {
    let mut command = command.clone().disable_help_subcommand(true);
    command.build();
    let top = format!("{}({chapter})", command.get_name());
    let mut files = vec![page(&command, chapter, sections)];
    verbs(&command, chapter, &top, &mut files);
    files
}

fn verbs(command: &Command, chapter: &str, top: &str, files: &mut Vec<GeneratedFile>) {
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let mut sections = Vec::new();
        if let Some(notes) = verb.get_after_help() {
            sections.push(Section::new("NOTES", [ManualBlock::Text(notes.to_string())]));
        }
        let rest = format!("{top}: options of every verb, environment, exit status.");
        sections.push(Section::new("SEE ALSO", [ManualBlock::Text(rest)]));
        files.push(page(verb, chapter, &sections));
        verbs(verb, chapter, top, files);
    }
}

fn page(command: &Command, chapter: &str, sections: &[Section]) -> GeneratedFile {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    // Options of every verb are only on the page of the command.
    let is_verb = name != command.get_name();
    let shown =
        command.clone().mut_args(|arg| if is_verb && arg.is_global_set() { arg.hide(true) } else { arg });
    let shown = shown.subcommand_help_heading("VERBS");
    let has_verbs = shown.get_subcommands().any(|verb| !verb.is_hide_set());
    let title = name.to_uppercase();
    let man =
        Man::new(shown.clone()).title(title).section(chapter).source("coffeed").manual("coffeed").date("");
    let mut text = Vec::new();
    man.render_title(&mut text)
        .and_then(|()| man.render_name_section(&mut text))
        .and_then(|()| text.write_all(synopsis::render(&shown).as_bytes()))
        .and_then(|()| man.render_description_section(&mut text))
        .and_then(|()| man.render_options_section(&mut text))
        .and_then(|()| if has_verbs { man.render_subcommands_section(&mut text) } else { Ok(()) })
        .expect("memory can be written to");
    let mut roff = Roff::new();
    sections.iter().for_each(|section| section.render(&mut roff));
    roff.to_writer(&mut text).expect("memory can be written to");
    GeneratedFile { name: format!("{name}.{chapter}"), text: String::from_utf8(text).expect("it is text") }
}

/// Generates the completion scripts of a command.
pub fn completions(command: &Command) -> Vec<GeneratedFile> {
    let name = command.get_name();
    completion_files(name, |shell| {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command.clone(), name, &mut text);
        String::from_utf8(text).expect("it is text")
    })
}

/// Names the completion scripts of a command for the shells that find them by name.
fn completion_files(name: &str, text: impl Fn(Shell) -> String) -> Vec<GeneratedFile> {
    let file = |shell: Shell| GeneratedFile { name: shell.file_name(name), text: text(shell) };
    [Shell::Bash, Shell::Zsh, Shell::Fish].map(file).into()
}

/// Compares files with those of a folder of the tree that are `ours`, or writes
/// them there if `COFFEE_GOLDEN` is `write`.
///
/// # Panics
///
/// If the tree has other files.
pub fn keep(folder: &str, files: &[GeneratedFile], ours: impl Fn(&str) -> bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
    let write = env::var_os("COFFEE_GOLDEN").is_some_and(|what| what == "write");
    let wanted: BTreeSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
    for entry in fs::read_dir(&folder).expect("the folder is there").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if ours(&name) && !wanted.contains(name.as_str()) {
            assert!(
                write,
                "{} is no longer generated; this deletes it:\n  {REGENERATE}",
                entry.path().display()
            );
            fs::remove_file(entry.path()).expect("it can be removed");
        }
    }
    for file in files {
        let path = folder.join(&file.name);
        if write {
            fs::write(&path, &file.text).expect("it can be written");
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == file.text, "{} is out of date; this generates it:\n  {REGENERATE}", path.display());
    }
}
