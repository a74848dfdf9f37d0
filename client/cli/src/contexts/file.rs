//! Finds, reads and writes the contexts file.
//!
//! Guards that the file is replaced atomically and is readable only by its owner.
//! A file that others can write is rejected: it decides which CA to trust.

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

/// The variable with the path of the file.
const VARIABLE: &str = "COFFEECTL_CONTEXT_FILE";

/// Maximum size of the file.
const FILE_BYTES_MAX: u64 = 1 << 18;

/// The contexts file and its content.
#[derive(Debug)]
pub(crate) struct ContextFile {
    path: PathBuf,
    pub(crate) contexts: Contexts,
}

/// Returns the context of a command: the one that `wanted` names, or the current
/// one. An empty name means none.
pub(crate) fn in_use(wanted: Option<&str>) -> Result<Option<(ContextName, Named)>, Failure> {
    let file = match wanted {
        Some("") => return Ok(None),
        None if path().is_none() => return Ok(None),
        _ => ContextFile::read()?,
    };
    file.chosen(wanted)
}

/// Returns the path of the file (XDG Base Directory Specification).
fn path() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        return Some(named.into());
    }
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let config = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")))?;
    Some(config.join("coffeectl").join("contexts.toml"))
}

impl ContextFile {
    /// Reads the file. Without a file there are no contexts.
    pub(crate) fn read() -> Result<Self, Failure> {
        let path = path().ok_or_else(|| {
            Failure::usage("cannot find the contexts file: neither HOME nor XDG_CONFIG_HOME is set")
                .hint(format!("give its path in {VARIABLE}"))
        })?;
        // Writing replaces the target of a link, not the link.
        let path = fs::canonicalize(&path).unwrap_or(path);
        let contexts = match read_text(&path)? {
            None => Contexts::default(),
            Some(text) => Contexts::parse(&text).map_err(|error| {
                let place = error.line.map(|line| format!(":{line}")).unwrap_or_default();
                Failure::usage(format!("{}{place}: {}", path.display(), error.reason))
                    .hint("correct the line; see 'coffeectl help context set'")
            })?,
        };
        Ok(Self { path, contexts })
    }

    /// Returns the path of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the context of that name, or the current one.
    pub(crate) fn chosen(&self, wanted: Option<&str>) -> Result<Option<(ContextName, Named)>, Failure> {
        let name = match (wanted, &self.contexts.current) {
            (Some(""), _) | (None, None) => return Ok(None),
            (Some(wanted), _) => wanted.parse().map_err(Failure::usage)?,
            (None, Some(current)) => current.clone(),
        };
        let named = self.contexts.contexts.get(&name).cloned().ok_or_else(|| {
            // A usage error (2), unlike a missing context that is itself the subject of the command (3).
            self.missing(&name, ExitCode::Usage)
        })?;
        let folder = self.path.parent().unwrap_or(Path::new(""));
        Ok(Some((name, named.resolved_against(folder))))
    }

    /// Returns the failure for a context that does not exist.
    pub(crate) fn missing(&self, name: &ContextName, code: ExitCode) -> Failure {
        let failure = Failure::new(code, format!("{} has no context {name}", self.path.display()));
        let names: Vec<&str> = self.contexts.contexts.keys().map(ContextName::as_str).collect();
        match &names[..] {
            [] => failure
                .hint(format!("create it: coffeectl context set {name} --endpoints HOST:PORT --certs DIR")),
            names => failure.hint(format!("it has {}", names.join(", "))),
        }
    }

    /// Writes the file, readable only by its owner.
    pub(crate) fn write(&self) -> Result<(), Failure> {
        let text = self
            .contexts
            .render()
            .map_err(|error| Failure::new(ExitCode::Failed, format!("cannot write the contexts: {error}")))?;
        if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            make_folder(folder)?;
        }
        Prepared::new(&self.path, text.as_bytes(), Secrecy::Private)?.publish(Existing::Replace)?;
        Ok(())
    }
}

/// Returns the text of a trusted file; `None` if there is no file.
fn read_text(path: &Path) -> Result<Option<String>, Failure> {
    let invalid = |reason: String| Failure::usage(format!("{}: {reason}", path.display()));
    let unreadable = |error: io::Error| {
        invalid(format!("cannot be read: {error}")).hint(format!("give another path in {VARIABLE}"))
    };
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(unreadable)?,
    };
    if !metadata.is_file() {
        return Err(invalid("not a regular file".into()).hint(format!("give another path in {VARIABLE}")));
    }
    if metadata.permissions().mode() & 0o022 != 0 {
        return Err(invalid("writable by other users, but it decides which CA to trust".into())
            .hint(format!("check its content, then: chmod 600 {}", path.display())));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(invalid(format!("larger than {FILE_BYTES_MAX} bytes"))
            .hint(format!("give another path in {VARIABLE}")));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| invalid("not valid UTF-8".into()).hint(format!("give another path in {VARIABLE}")))?;
    Ok(Some(text))
}
