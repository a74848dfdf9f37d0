//! `context`: manages named sets of endpoints and credentials.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use coffee_common::id::Address;
use serde::Serialize;

use crate::{
    contexts::{ContextName, Named, file::ContextFile},
    exit::ExitCode,
    failure::Failure,
    flags,
    invocation::{Invocation, Origin},
    printer::{Printable, table::TextTable},
    wording,
};

/// `context ..`.
#[derive(Debug, Subcommand)]
pub(crate) enum ContextVerb {
    /// List the contexts
    List,
    /// Show a context [default: the one in use]
    Show(ContextShowArguments),
    /// Make a context the default of all commands
    Use(ContextNameArguments),
    /// Create or change a context from --endpoints, --cluster, --certs, --as, --ca, --crl, --cert, --key and --timeout
    #[command(after_help = "Settings without a flag stay unchanged. Variables are ignored. The file \
        contains paths of certificates and keys, never a key.")]
    Set(ContextSetArguments),
    /// Delete a context
    Remove(ContextNameArguments),
}

/// `context show`.
#[derive(Debug, Args)]
pub(crate) struct ContextShowArguments {
    /// Name of the context
    #[arg(value_name = "NAME")]
    name: Option<ContextName>,
}

/// `context use`, `context remove`.
#[derive(Debug, Args)]
pub(crate) struct ContextNameArguments {
    /// Name of the context
    #[arg(value_name = "NAME")]
    name: ContextName,
}

/// `context set`.
#[derive(Debug, Args)]
pub(crate) struct ContextSetArguments {
    /// Name of the context: letters, digits, '-', '_' and '.'
    #[arg(value_name = "NAME")]
    name: ContextName,
}

pub(crate) fn run(verb: &ContextVerb, invocation: &mut Invocation<'_>) -> Result<ExitCode, Failure> {
    match verb {
        ContextVerb::List => list(invocation),
        ContextVerb::Show(arguments) => show(arguments.name.as_ref(), invocation),
        ContextVerb::Use(arguments) => put_in_use(&arguments.name, invocation),
        ContextVerb::Set(arguments) => set(arguments, invocation),
        ContextVerb::Remove(arguments) => remove(&arguments.name, invocation),
    }
}

fn list(invocation: &mut Invocation<'_>) -> Result<ExitCode, Failure> {
    let file = ContextFile::read()?;
    let in_use = file.chosen(invocation.session.connection().context.as_deref())?.map(|(name, _)| name);
    let rows: Vec<ContextRow> = file
        .contexts
        .contexts
        .iter()
        .map(|(name, named)| ContextRow::new(name, named, in_use.as_ref() == Some(name)))
        .collect();
    if rows.is_empty() {
        invocation.printer.note(&format!("{} has no contexts", file.path().display()));
    }
    invocation.printer.report(&Listed { file: file.path(), contexts: rows });
    Ok(ExitCode::Done)
}

/// Shows the named context, or the one in use.
fn show(name: Option<&ContextName>, invocation: &mut Invocation<'_>) -> Result<ExitCode, Failure> {
    let file = ContextFile::read()?;
    let in_use = file.chosen(invocation.session.connection().context.as_deref());
    let (name, named) = match name {
        Some(name) => {
            let named = file.contexts.contexts.get(name);
            (name.clone(), named.ok_or_else(|| file.missing(name, ExitCode::NotFound))?.clone())
        }
        None => in_use.clone()?.ok_or_else(|| {
            Failure::new(ExitCode::NotFound, "no context is in use")
                .hint("see 'coffeectl context list', then 'coffeectl context use NAME'")
        })?,
    };
    let is_in_use = in_use.is_ok_and(|found| found.is_some_and(|(used, _)| used == name));
    invocation.printer.report(&ContextRow::new(&name, &named, is_in_use));
    Ok(ExitCode::Done)
}

fn put_in_use(name: &ContextName, invocation: &mut Invocation<'_>) -> Result<ExitCode, Failure> {
    let mut file = ContextFile::read()?;
    if !file.contexts.contexts.contains_key(name) {
        return Err(file.missing(name, ExitCode::NotFound));
    }
    let changed = file.contexts.current.as_ref() != Some(name);
    if changed {
        file.contexts.current = Some(name.clone());
        file.write()?;
    }
    if invocation.origin == Origin::Prompt && changed {
        invocation
            .printer
            .note("this prompt keeps its connection; commands started from now on use that context");
    }
    invocation.printer.report(&ContextChange { deed: "is in use", context: name, changed });
    Ok(ExitCode::Done)
}

fn set(arguments: &ContextSetArguments, invocation: &mut Invocation<'_>) -> Result<ExitCode, Failure> {
    if invocation.origin == Origin::Prompt {
        return Err(Failure::usage("the prompt does not accept --endpoints and --certs").hint(
            "set a context from a shell: coffeectl context set NAME --endpoints HOST:PORT --certs DIR",
        ));
    }
    let (flags, timeout) = flags::typed(invocation.spoken.words(), invocation.parser())?;
    let given = flags.named(timeout).resolved_against(&here()?);
    if given == Named::default() {
        return Err(Failure::usage("no setting given for the context").hint(
            "add --endpoints HOST:PORT,.., --cluster CLUSTER, --certs DIR, --as NAME or --timeout TIME",
        ));
    }
    let mut file = ContextFile::read()?;
    let before = file.contexts.contexts.get(&arguments.name).cloned();
    let after = given.over(before.clone().unwrap_or_default());
    if after.endpoints.is_empty() {
        return Err(Failure::usage("a context needs endpoints").hint("add --endpoints HOST:PORT,.."));
    }
    after.check().map_err(|what| Failure::usage(what).hint("see 'coffeectl help context set'"))?;
    let changed = before.as_ref() != Some(&after);
    if changed {
        file.contexts.contexts.insert(arguments.name.clone(), after);
        file.write()?;
    }
    if file.contexts.current.as_ref() != Some(&arguments.name) {
        invocation.printer.note(&format!("to use it: coffeectl context use {}", arguments.name));
    }
    invocation.printer.report(&ContextChange { deed: "is set", context: &arguments.name, changed });
    Ok(ExitCode::Done)
}

/// Returns the working directory: paths are stored absolute.
fn here() -> Result<PathBuf, Failure> {
    std::env::current_dir().map_err(|error| {
        Failure::new(ExitCode::Failed, format!("cannot determine the working directory: {error}"))
    })
}

fn remove(name: &ContextName, invocation: &mut Invocation<'_>) -> Result<ExitCode, Failure> {
    let mut file = ContextFile::read()?;
    if file.contexts.contexts.remove(name).is_none() {
        return Err(file.missing(name, ExitCode::NotFound));
    }
    if file.contexts.current.as_ref() == Some(name) {
        file.contexts.current = None;
        invocation.printer.note("no context is in use now");
    }
    file.write()?;
    invocation.printer.report(&ContextChange { deed: "is removed", context: name, changed: true });
    Ok(ExitCode::Done)
}

#[derive(Serialize)]
struct Listed<'a> {
    file: &'a Path,
    contexts: Vec<ContextRow>,
}

#[derive(Serialize)]
struct ContextRow {
    name: ContextName,
    in_use: bool,
    endpoints: Vec<Address>,
    cluster: Option<String>,
    certs: Option<PathBuf>,
    r#as: Option<String>,
    ca: Option<PathBuf>,
    crl: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    timeout_ms: Option<u64>,
}

impl ContextRow {
    fn new(name: &ContextName, named: &Named, in_use: bool) -> Self {
        let Named { endpoints, cluster, certs, as_name, ca_file, crl_file, cert_file, key_file, timeout } =
            named.clone();
        Self {
            name: name.clone(),
            in_use,
            endpoints,
            cluster: cluster.map(String::from),
            certs,
            r#as: as_name,
            ca: ca_file,
            crl: crl_file,
            cert: cert_file,
            key: key_file,
            timeout_ms: timeout.map(|time| u64::try_from(time.0.as_millis()).unwrap_or(u64::MAX)),
        }
    }

    fn endpoints(&self) -> String {
        self.endpoints.iter().map(Address::as_str).collect::<Vec<_>>().join(",")
    }

    fn cells(&self) -> [String; 5] {
        let name = if self.in_use { format!("{} *", self.name) } else { self.name.to_string() };
        [name, self.endpoints(), path(&self.certs), wording::or_nothing(self.r#as.as_ref()), self.timeout()]
    }

    fn timeout(&self) -> String {
        wording::or_nothing(self.timeout_ms.map(|ms| format!("{ms} ms")))
    }
}

/// Formats a path. Bytes that are not UTF-8 are replaced.
fn path(path: &Option<PathBuf>) -> String {
    wording::or_nothing(path.as_ref().map(|path| path.display()))
}

impl Printable for ContextRow {
    fn table(&self) -> String {
        let mut table = TextTable::without_header();
        let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
        row("name", self.name.to_string());
        row("in use", if self.in_use { "yes" } else { "no" }.to_owned());
        row("endpoints", self.endpoints());
        row("cluster", wording::or_nothing(self.cluster.as_ref()));
        row("certs", path(&self.certs));
        row("as", wording::or_nothing(self.r#as.as_ref()));
        for (name, file) in [("ca", &self.ca), ("crl", &self.crl), ("cert", &self.cert), ("key", &self.key)] {
            if file.is_some() {
                row(name, path(file));
            }
        }
        row("timeout", self.timeout());
        table.render()
    }

    fn plain(&self) -> Vec<Vec<String>> {
        vec![vec![
            self.name.to_string(),
            self.in_use.to_string(),
            self.endpoints(),
            path(&self.certs),
            wording::or_nothing(self.r#as.as_ref()),
            wording::or_nothing(self.timeout_ms),
            path(&self.ca),
            path(&self.cert),
            path(&self.key),
            path(&self.crl),
            wording::or_nothing(self.cluster.as_ref()),
        ]]
    }
}

impl Printable for Listed<'_> {
    fn table(&self) -> String {
        if self.contexts.is_empty() {
            return String::new();
        }
        let mut table = TextTable::new(["NAME", "ENDPOINTS", "CERTS", "AS", "TIMEOUT"]);
        self.contexts.iter().for_each(|shown| table.row(shown.cells()));
        table.render()
    }

    fn plain(&self) -> Vec<Vec<String>> {
        self.contexts.iter().flat_map(Printable::plain).collect()
    }
}

#[derive(Serialize)]
struct ContextChange<'a> {
    context: &'a ContextName,
    changed: bool,
    #[serde(skip)]
    deed: &'static str,
}

impl Printable for ContextChange<'_> {
    fn table(&self) -> String {
        let Self { context, changed, deed } = self;
        if *changed { format!("{context} {deed}\n") } else { format!("{context} {deed} already\n") }
    }

    fn plain(&self) -> Vec<Vec<String>> {
        vec![vec![self.context.to_string(), self.changed.to_string()]]
    }
}
