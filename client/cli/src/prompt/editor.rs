//! Reads lines from a terminal, with history and completion.

use std::{fs, path::Path};

use rustyline::{
    Behavior, CompletionType, Config, Context, Helper,
    completion::{Completer, Pair},
    error::ReadlineError,
    highlight::Highlighter,
    hint::Hinter,
    history::DefaultHistory,
    validate::Validator,
};

use super::{
    LineSource, PromptEvent, Settings,
    complete::{LineCompletion, LineOffer},
};

/// The most lines in the history.
const HISTORY_LINES_MAX: usize = 1000;

/// A terminal with an operator at it.
pub(super) struct Editor {
    editor: rustyline::Editor<LineHelper, DefaultHistory>,
    settings: Settings,
}

impl Editor {
    pub(super) fn open(settings: &Settings, completion: LineCompletion) -> rustyline::Result<Self> {
        let config = Config::builder()
            .max_history_size(HISTORY_LINES_MAX)?
            .history_ignore_dups(true)?
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            // Standard output is for data: the prompt goes to the terminal itself.
            .behavior(Behavior::PreferTerm)
            .build();
        let mut editor = rustyline::Editor::with_config(config)?;
        editor.set_helper(Some(LineHelper(completion)));
        if let Some(history) = &settings.history {
            // There is none before the first line.
            let _ = editor.load_history(history);
        }
        Ok(Self { editor, settings: settings.clone() })
    }

    fn remember(&mut self, line: &str) {
        let added = self.editor.add_history_entry(line);
        if let (Ok(true), Some(history)) = (added, &self.settings.history) {
            // The prompt works without a history.
            let _ = make_private_folder(history).and_then(|()| self.editor.append_history(history));
        }
    }
}

/// Makes the history's folder, private to the user: lines may contain values.
fn make_private_folder(file: &Path) -> rustyline::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if let Some(folder) = file.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    Ok(())
}

impl LineSource for Editor {
    fn next(&mut self) -> PromptEvent {
        match self.editor.readline(&self.settings.text) {
            Ok(line) => {
                self.remember(&line);
                PromptEvent::Line(line)
            }
            Err(ReadlineError::Interrupted) => PromptEvent::Discarded,
            Err(ReadlineError::Eof) => PromptEvent::End,
            Err(ReadlineError::Io(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
                PromptEvent::Unreadable("the line is not UTF-8".to_owned())
            }
            Err(_) => PromptEvent::End,
        }
    }
}

/// The extensions of the line editor.
struct LineHelper(LineCompletion);

impl Completer for LineHelper {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let typed = &line[..position];
        let LineOffer { start, words, more } = self.0.at(typed);
        let pair = |word: String| Pair { display: word.trim_end().to_owned(), replacement: word };
        let mut pairs: Vec<Pair> = words.into_iter().map(pair).collect();
        if more && !pairs.is_empty() {
            // The common beginning of those that are known may not be that of all.
            pairs.push(Pair { display: "..".to_owned(), replacement: typed[start..].to_owned() });
        }
        Ok((start, pairs))
    }
}

impl Hinter for LineHelper {
    type Hint = String;
}

impl Highlighter for LineHelper {}
impl Validator for LineHelper {}
impl Helper for LineHelper {}
