//! Contexts: named sets of endpoints and credentials.
//!
//! Pure: parses and renders the text of the contexts file, which [`file`] reads
//! and writes. Contains paths of keys, never a key.
//!
//! Guards that every context in the file would be valid as flags. An error is
//! reported with its line before any node is contacted.

pub(crate) mod file;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use coffee_common::id::Address;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::{cluster_ref::ClusterRef, duration};

/// Maximum length of a name in bytes.
const NAME_BYTES_MAX: usize = 64;

/// The first lines of the file.
const HEAD: &str = "\
# Contexts of coffeectl. 'coffeectl context' rewrites this file and drops other comments.
# Relative paths are resolved against this file's directory.
";

/// The name of a context.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct ContextName(String);

impl ContextName {
    /// Returns the name as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ContextName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(legal) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "{text:?} is not a valid context name: use 1 to {NAME_BYTES_MAX} letters, digits, '-', '_' and '.'"
            ))
        }
    }
}

impl TryFrom<String> for ContextName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ContextName> for String {
    fn from(name: ContextName) -> Self {
        name.0
    }
}

impl fmt::Display for ContextName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The settings of a context. Those it leaves out keep their defaults.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) endpoints: Vec<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cluster: Option<ClusterRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) certs: Option<PathBuf>,
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    pub(crate) as_name: Option<String>,
    #[serde(rename = "ca", skip_serializing_if = "Option::is_none")]
    pub(crate) ca_file: Option<PathBuf>,
    #[serde(rename = "crl", skip_serializing_if = "Option::is_none")]
    pub(crate) crl_file: Option<PathBuf>,
    #[serde(rename = "cert", skip_serializing_if = "Option::is_none")]
    pub(crate) cert_file: Option<PathBuf>,
    #[serde(rename = "key", skip_serializing_if = "Option::is_none")]
    pub(crate) key_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timeout: Option<Timeout>,
}

/// A duration in the format of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Timeout(pub(crate) Duration);

impl TryFrom<String> for Timeout {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        duration::parse(&text).map(Self)
    }
}

impl From<Timeout> for String {
    fn from(Timeout(time): Timeout) -> Self {
        duration::render(time)
    }
}

/// All contexts, and the current one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Contexts {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<ContextName>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) contexts: BTreeMap<ContextName, Named>,
}

/// Contexts as parsed, with their positions in the text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ParsedContexts {
    current: Option<Spanned<ContextName>>,
    #[serde(default)]
    contexts: BTreeMap<ContextName, Spanned<Named>>,
}

/// Why a text is not a valid contexts file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContextsError {
    /// The line, counted from 1.
    pub(crate) line: Option<usize>,
    pub(crate) reason: String,
}

impl Contexts {
    /// Parses the text of the file.
    pub(crate) fn parse(text: &str) -> Result<Self, ContextsError> {
        let at = |start: usize| Some(text.get(..start)?.matches('\n').count() + 1);
        let written: ParsedContexts = toml::from_str(text).map_err(|error| ContextsError {
            line: error.span().and_then(|span| at(span.start)),
            reason: error.message().trim_end().replace('\n', ", ").replace('`', "'"),
        })?;
        let current = match written.current {
            Some(current) if !written.contexts.contains_key(current.get_ref()) => {
                let line = at(current.span().start);
                return Err(ContextsError {
                    line,
                    reason: format!("there is no context {}", current.get_ref()),
                });
            }
            current => current.map(Spanned::into_inner),
        };
        let mut contexts = BTreeMap::new();
        for (name, named) in written.contexts {
            let line = at(named.span().start);
            let named = named.into_inner();
            named
                .check()
                .map_err(|reason| ContextsError { line, reason: format!("context {name}: {reason}") })?;
            contexts.insert(name, named);
        }
        Ok(Self { current, contexts })
    }

    /// Renders the text of the file.
    pub(crate) fn render(&self) -> Result<String, toml::ser::Error> {
        Ok(format!("{HEAD}\n{}", toml::to_string(self)?))
    }
}

impl Named {
    /// Returns an error if flags could not express the same.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        match self {
            Self { cert_file: Some(_), key_file: None, .. }
            | Self { cert_file: None, key_file: Some(_), .. } => {
                Err("a certificate and its key belong together: 'cert' and 'key'")
            }
            Self { as_name: Some(_), certs: None, .. } => {
                Err("'as' needs 'certs', the certificates directory")
            }
            Self { as_name: Some(_), cert_file: Some(_), .. } => {
                Err("'as' and 'cert' are mutually exclusive")
            }
            Self { cert_file: Some(_), certs: None, ca_file: None, .. } => {
                Err("'cert' needs 'ca' or 'certs'")
            }
            Self { ca_file: Some(_), certs: None, cert_file: None, .. } => {
                Err("'ca' alone does not identify the client: add 'certs', or 'cert' and 'key'")
            }
            Self { crl_file: Some(_), certs: None, cert_file: None, .. } => {
                Err("'crl' alone does not identify the client: add 'certs', or 'cert' and 'key'")
            }
            _ => Ok(()),
        }
    }

    /// Returns these settings, completed from `base`. Credentials are never mixed:
    /// if these name a directory or a certificate, that of `base` is dropped.
    pub(crate) fn over(self, base: Self) -> Self {
        let keeps_files = self.certs.is_none() && self.as_name.is_none();
        let keeps_name = self.certs.is_none() && self.cert_file.is_none() && self.key_file.is_none();
        Self {
            endpoints: if self.endpoints.is_empty() { base.endpoints } else { self.endpoints },
            cluster: self.cluster.or(base.cluster),
            as_name: self.as_name.or(base.as_name.filter(|_| keeps_name)),
            ca_file: self.ca_file.or(base.ca_file.filter(|_| self.certs.is_none())),
            crl_file: self.crl_file.or(base.crl_file.filter(|_| self.certs.is_none())),
            cert_file: self.cert_file.or(base.cert_file.filter(|_| keeps_files)),
            key_file: self.key_file.or(base.key_file.filter(|_| keeps_files)),
            certs: self.certs.or(base.certs),
            timeout: self.timeout.or(base.timeout),
        }
    }

    /// Returns the same settings with paths resolved against `folder`.
    pub(crate) fn resolved_against(self, folder: &Path) -> Self {
        let resolved = |path: Option<PathBuf>| path.map(|path| folder.join(path));
        Self {
            certs: resolved(self.certs),
            ca_file: resolved(self.ca_file),
            crl_file: resolved(self.crl_file),
            cert_file: resolved(self.cert_file),
            key_file: resolved(self.key_file),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Named {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let shops = named(
            "endpoints = ['10.0.0.1:7400', 'hong:7400']\ncluster = '00000000000000000000000000c0ffee'\ncerts = '/etc/shops'\nas = 'ops'\ntimeout = '1500ms'",
        );
        let contexts = Contexts {
            current: "shops".parse().ok(),
            contexts: [("shops".parse().unwrap(), shops), ("lab_2.x".parse().unwrap(), Named::default())]
                .into(),
        };
        let text = contexts.render().unwrap();
        assert_eq!(
            text.strip_prefix(HEAD).unwrap(),
            "\ncurrent = \"shops\"\n\n[contexts.\"lab_2.x\"]\n\n[contexts.shops]\nendpoints = [\"10.0.0.1:7400\", \
             \"hong:7400\"]\ncluster = \"00000000000000000000000000c0ffee\"\ncerts = \"/etc/shops\"\nas = \"ops\"\ntimeout = \"1500ms\"\n"
        );
        assert_eq!(Contexts::parse(&text), Ok(contexts));
        assert_eq!(Contexts::parse(&Contexts::default().render().unwrap()), Ok(Contexts::default()));
        assert_eq!(Contexts::parse(""), Ok(Contexts::default()));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, line, reason) in [
            ("current = 'x'", 1, "there is no context x"),
            ("[contexts.a]\nendpoint = ['a:1']", 2, "unknown field 'endpoint', expected one of 'endpoints'"),
            ("[contexts.a]\n\nendpoints = ['a']", 3, "not a valid address"),
            ("[contexts.a]\ncluster = 'c0.ffee'", 2, "32 hexadecimal digits"),
            ("[contexts.a]\ntimeout = 5", 2, "expected a string"),
            ("[contexts.a]\ntimeout = '5h'", 2, "ms, s or m"),
            ("[contexts.a]\n[contexts.a]", 2, "duplicate key"),
            ("\n[contexts.a]\nas = 'ops'", 2, "context a: 'as' needs 'certs'"),
            ("[contexts.a]\ncert = 'c'", 1, "belong together"),
            ("[contexts.a]\nca = 'c'", 1, "identify the client"),
            ("[contexts.a]\ncert = 'c'\nkey = 'k'", 1, "needs 'ca'"),
            ("[contexts.a]\ncert = 'c'\nkey = 'k'\ncerts = 'd'\nas = 'x'", 1, "mutually exclusive"),
            ("\n[contexts.'a b']", 2, "not a valid context name"),
            ("\n\n{", 3, ""),
            ("secret = 'x'", 1, "unknown field 'secret'"),
        ] {
            let error = Contexts::parse(text).expect_err(text);
            assert!(error.line == Some(line) && error.reason.contains(reason), "{text}: {error:?}");
            assert!(!error.reason.contains('\n'), "{error:?}");
        }
    }

    #[test]
    fn who_asks_is_one_thing() {
        let folder = || named("certs = 'd'\nas = 'ops'\nendpoints = ['a:1']");
        let files = || named("ca = 'ca'\ncert = 'c'\nkey = 'k'\ntimeout = '5s'");
        assert_eq!(Named::default().over(folder()), folder());
        assert_eq!(
            named("as = 'till'").over(folder()),
            named("certs = 'd'\nas = 'till'\nendpoints = ['a:1']")
        );
        assert_eq!(named("certs = 'e'").over(folder()), named("certs = 'e'\nendpoints = ['a:1']"));
        assert_eq!(named("certs = 'e'").over(files()), named("certs = 'e'\ntimeout = '5s'"));
        assert_eq!(
            files().over(folder()),
            named("certs = 'd'\nca = 'ca'\ncert = 'c'\nkey = 'k'\ntimeout = '5s'\nendpoints = ['a:1']")
        );
        for (over, base) in
            [(folder(), files()), (files(), folder()), (folder(), folder()), (files(), files())]
        {
            assert_eq!(over.over(base).check(), Ok(()));
        }
    }
}
