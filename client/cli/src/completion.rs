//! Finds the candidates for a word of a command line, from the parser.
//!
//! The prompt and the scripts for shells share it. Values that no parser knows,
//! such as the names of nodes, are left to the caller: an [`Offer`] says which
//! kind of them it lacks. Pure; [`names`] looks them up.

pub(crate) mod keys;
pub(crate) mod names;
pub(crate) mod script;

use clap::{Arg, ArgAction, Command, ValueHint};

/// A kind of values that the parser does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueKind {
    Node,
    Context,
    /// A client's certificate, as `--as` takes it.
    Client,
    /// A certificate's name without `.crt`.
    Certificate,
    /// A key, or the beginning of some.
    Key,
    File,
    Folder,
}

/// A word that fits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Candidate {
    pub(crate) text: String,
    /// One line, or empty.
    pub(crate) about: String,
}

/// The candidates for a word.
#[derive(Debug, Default)]
pub(crate) struct Offer {
    /// The part of the word that stays, such as `--to=` or `ming,`.
    kept: String,
    /// The part of the word that the candidates replace.
    begun: String,
    candidates: Vec<Candidate>,
    /// The values that are candidates too.
    pub(crate) kind: Option<ValueKind>,
}

/// The parser, ready to be asked for candidates.
pub(crate) struct Completion {
    command: Command,
}

/// A place in a command line.
struct Place<'a> {
    command: &'a Command,
    /// The verb above `command`.
    group: &'a str,
    /// The flag whose value comes next.
    flag: Option<&'a Arg>,
    /// The number of positional arguments so far.
    positionals: usize,
    /// Whether `--` has ended the flags.
    flags_ended: bool,
}

impl Completion {
    pub(crate) fn new(mut command: Command) -> Self {
        command.build();
        Self { command }
    }

    /// Returns the offer for `word`, which follows the words `before`.
    pub(crate) fn offer(&self, before: &[&str], word: &str) -> Offer {
        let place = self.place(before);
        if let Some(flag) = place.flag {
            return Offer { begun: word.to_owned(), ..Offer::default() }.values(flag, &place);
        }
        if let Some((name, value)) = word.split_once('=').filter(|_| !place.flags_ended) {
            let flag = flag(place.command, name).filter(|flag| takes_value(flag));
            let offer = Offer { kept: format!("{name}="), begun: value.to_owned(), ..Offer::default() };
            return flag.map_or_else(Offer::default, |flag| offer.values(flag, &place));
        }
        let offer = Offer { begun: word.to_owned(), ..Offer::default() };
        if word.starts_with('-') && !place.flags_ended {
            return offer.flags(place.command);
        }
        if place.command.get_name() == "help" {
            return offer.topics(&self.command, before);
        }
        let offer = if place.positionals == 0 || place.command.is_subcommand_required_set() {
            offer.verbs(place.command)
        } else {
            offer
        };
        match place.positional() {
            Some(positional) => offer.values(positional, &place),
            None => offer,
        }
    }

    fn place(&self, before: &[&str]) -> Place<'_> {
        let command = &self.command;
        let mut place = Place { command, group: "", flag: None, positionals: 0, flags_ended: false };
        for word in before {
            if place.flag.take().is_some() {
                continue;
            }
            if place.flags_ended || !word.starts_with('-') || *word == "-" {
                match place.command.find_subcommand(word).filter(|_| place.positionals == 0) {
                    Some(verb) => {
                        place.group = place.command.get_name();
                        place.command = verb;
                    }
                    None => place.positionals += 1,
                }
            } else if *word == "--" {
                place.flags_ended = true;
            } else {
                place.flag = flag(place.command, word).filter(|flag| takes_value(flag));
            }
        }
        place
    }
}

impl<'a> Place<'a> {
    /// The positional argument that comes next.
    fn positional(&self) -> Option<&'a Arg> {
        let last = self.command.get_positionals().last();
        let repeated = last.filter(|arg| matches!(arg.get_action(), ArgAction::Append));
        self.command.get_positionals().nth(self.positionals).or(repeated)
    }

    fn kind(&self, arg: &Arg) -> Option<ValueKind> {
        let is_called = |name: &str| {
            arg.get_value_names().is_some_and(|names| names.iter().any(|found| found.starts_with(name)))
        };
        match (self.group, self.command.get_name(), arg.get_id().as_str()) {
            _ if is_called("NODE") => Some(ValueKind::Node),
            (_, _, "context") | ("context", _, "name") => Some(ValueKind::Context),
            (_, _, "as_name") => Some(ValueKind::Client),
            ("cert", "renew" | "revoke", "name") | (_, "revoke", "name") => Some(ValueKind::Certificate),
            _ if arg.is_positional() && (is_called("KEY") || is_called("PREFIX")) => Some(ValueKind::Key),
            _ if is_called("DIR") => Some(ValueKind::Folder),
            _ if matches!(arg.get_value_hint(), ValueHint::AnyPath | ValueHint::FilePath) => {
                Some(ValueKind::File)
            }
            _ => None,
        }
    }
}

impl Offer {
    fn add(mut self, candidates: impl IntoIterator<Item = (String, String)>) -> Self {
        self.candidates.extend(candidates.into_iter().map(|(text, about)| Candidate { text, about }));
        self
    }

    fn flags(self, command: &Command) -> Self {
        let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
        self.add(shown.filter_map(|arg| Some((format!("--{}", arg.get_long()?), about(arg.get_help())))))
    }

    fn verbs(self, command: &Command) -> Self {
        let shown = command.get_subcommands().filter(|verb| !verb.is_hide_set());
        self.add(shown.map(|verb| (verb.get_name().to_owned(), about(verb.get_about()))))
    }

    /// The verbs that `help` explains, after the words of its topic so far.
    fn topics(self, root: &Command, before: &[&str]) -> Self {
        let topic = before.iter().skip_while(|word| **word != "help").skip(1);
        let command = topic.fold(root, |at, word| at.find_subcommand(word).unwrap_or(at));
        let others: &[&str] =
            if command.get_name() == root.get_name() { &["exit-codes", "options"] } else { &[] };
        self.verbs(command).add(others.iter().map(|topic| ((*topic).to_owned(), String::new())))
    }

    /// The values of an argument.
    fn values(mut self, arg: &Arg, place: &Place<'_>) -> Self {
        if let Some(comma) = arg.get_value_delimiter().and_then(|delimiter| self.begun.rfind(delimiter)) {
            let rest = self.begun.split_off(comma + 1);
            self.kept.push_str(&std::mem::replace(&mut self.begun, rest));
        }
        self.kind = place.kind(arg);
        let values = arg.get_possible_values();
        self.add(values.iter().map(|value| (value.get_name().to_owned(), about(value.get_help()))))
    }

    /// Returns the candidates that fit, `names` among them, in order.
    pub(crate) fn with(self, names: impl IntoIterator<Item = String>) -> Vec<Candidate> {
        let Self { kept, begun, mut candidates, .. } = self;
        candidates.extend(names.into_iter().map(|text| Candidate { text, about: String::new() }));
        candidates.retain(|candidate| candidate.text.starts_with(&begun));
        candidates.sort();
        candidates.dedup();
        candidates.iter_mut().for_each(|candidate| candidate.text.insert_str(0, &kept));
        candidates
    }
}

fn about(text: Option<&clap::builder::StyledStr>) -> String {
    text.map(|text| text.to_string().lines().next().unwrap_or_default().to_owned()).unwrap_or_default()
}

/// Returns the flag that a word names, if it does not have its value already.
fn flag<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let long = word.strip_prefix("--");
    let short = word.strip_prefix('-').and_then(|rest| rest.chars().next()).filter(|_| word.len() == 2);
    let mut flags = command.get_arguments().filter(|arg| !arg.is_positional());
    flags.find(|arg| {
        (long.is_some() && arg.get_long() == long) || (short.is_some() && arg.get_short() == short)
    })
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

/// Undoes how bash splits a line: it makes three words of `--to=hong`.
pub(crate) fn rejoined<'a>(words: &'a [String]) -> Vec<&'a str> {
    let mut joined: Vec<&'a str> = Vec::new();
    for (nth, word) in words.iter().enumerate() {
        let after_flag = joined.last().is_some_and(|flag| flag.starts_with("--") && flag.len() > 2);
        match word.as_str() {
            "=" if after_flag && nth + 1 == words.len() => joined.push(""),
            "=" if after_flag => {}
            word => joined.push(word),
        }
    }
    joined
}

#[cfg(test)]
mod tests;
