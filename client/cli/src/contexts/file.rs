//! The file of the contexts: where it is, how it is read, how it is written.
//!
//! Guards: it is replaced whole or not at all, and is its owner's alone to
//! read. One that others may write is not believed: it says whom to trust.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use coffee_client::{
    cert::Existing,
    cert::write::{Prepared, Secrecy, make_folder},
};

use super::{ContextName, Contexts, Named};
use crate::{exit::ExitCode, failure::Failure};

/// The variable that names the file.
const VARIABLE: &str = "COFFEECTL_CONTEXT_FILE";

/// No file is longer than this.
const FILE_BYTES_MAX: u64 = 1 << 18;

/// A file of contexts, and what is in it.
#[derive(Debug)]
pub(crate) struct ContextFile {
    path: PathBuf,
    pub(crate) contexts: Contexts,
}

/// The context that a command is to be in: the one that `wanted` names, or
/// the current one. An empty name stands for none.
pub(crate) fn in_use(wanted: Option<&str>) -> Result<Option<(ContextName, Named)>, Failure> {
    let file = match wanted {
        Some("") => return Ok(None),
        None if path().is_none() => return Ok(None),
        _ => ContextFile::read()?,
    };
    file.chosen(wanted)
}

/// Where the file is, by the rules of the XDG base directories.
fn path() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        return Some(named.into());
    }
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let config = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")))?;
    Some(config.join("coffeectl").join("contexts.toml"))
}

impl ContextFile {
    /// Reads it. Where it is not there, there are no contexts.
    pub(crate) fn read() -> Result<Self, Failure> {
        let path = path().ok_or_else(|| {
            Failure::usage("it is not known where the contexts are: neither HOME nor XDG_CONFIG_HOME is set")
                .hint(format!("name the file with {VARIABLE}"))
        })?;
        // One that is a link stays one when it is written.
        let path = fs::canonicalize(&path).unwrap_or(path);
        let contexts = match read_text(&path)? {
            None => Contexts::default(),
            Some(text) => Contexts::parse(&text).map_err(|wrong| {
                let place = wrong.line.map(|line| format!(":{line}")).unwrap_or_default();
                Failure::usage(format!("{}{place}: {}", path.display(), wrong.what))
                    .hint("mend the line; 'coffeectl help context set' says what a context has")
            })?,
        };
        Ok(Self { path, contexts })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The context of that name, or the current one.
    pub(crate) fn chosen(&self, wanted: Option<&str>) -> Result<Option<(ContextName, Named)>, Failure> {
        let name = match (wanted, &self.contexts.current) {
            (Some(""), _) | (None, None) => return Ok(None),
            (Some(wanted), _) => wanted.parse().map_err(Failure::usage)?,
            (None, Some(current)) => current.clone(),
        };
        let named = self.contexts.contexts.get(&name).cloned().ok_or_else(|| {
            // What was to be looked at, and what decides whom a command asks, are two kinds of absence.
            self.missing(&name, ExitCode::Usage)
        })?;
        let folder = self.path.parent().unwrap_or(Path::new(""));
        Ok(Some((name, named.seen_from(folder))))
    }

    /// There is no such context.
    pub(crate) fn missing(&self, name: &ContextName, code: ExitCode) -> Failure {
        let failure = Failure::new(code, format!("{} has no context {name}", self.path.display()));
        let names: Vec<&str> = self.contexts.contexts.keys().map(ContextName::as_str).collect();
        match &names[..] {
            [] => failure
                .hint(format!("make it: coffeectl context set {name} --endpoints HOST:PORT --certs DIR")),
            names => failure.hint(format!("it has {}", names.join(", "))),
        }
    }

    /// Puts it in its place, for its owner alone.
    pub(crate) fn write(&self) -> Result<(), Failure> {
        let text = self.contexts.render().map_err(|error| {
            Failure::new(ExitCode::Failed, format!("the contexts cannot be written: {error}"))
        })?;
        if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            make_folder(folder)?;
        }
        Prepared::new(&self.path, text.as_bytes(), Secrecy::Private)?.publish(Existing::Replace)?;
        Ok(())
    }
}

/// The text of a file that is to be believed; `None` where there is none.
fn read_text(path: &Path) -> Result<Option<String>, Failure> {
    let wrong = |what: String| Failure::usage(format!("{}: {what}", path.display()));
    let unreadable = |error: io::Error| {
        wrong(format!("it cannot be read: {error}")).hint(format!("name another one with {VARIABLE}"))
    };
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(unreadable)?,
    };
    if !metadata.is_file() {
        return Err(wrong("it is no file".into()).hint(format!("name another one with {VARIABLE}")));
    }
    if metadata.permissions().mode() & 0o022 != 0 {
        return Err(wrong("others may write it, and it says whom to trust".into())
            .hint(format!("look at what it says, then: chmod 600 {}", path.display())));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(
            wrong(format!("it is larger than {FILE_BYTES_MAX} bytes")).hint("it is no file of contexts")
        );
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| wrong("it is no text in UTF-8".into()).hint("it is no file of contexts"))?;
    Ok(Some(text))
}
