//! What was typed, judged once: every later module can rely on it.
//!
//! A flag comes before a variable, a variable before the context, the context
//! before a default. Knows no verb, and opens nothing.

use std::{path::PathBuf, time::Duration};

use coffee_common::{id::Address, protocol::Consistency, tls::CredentialFiles};

use crate::{
    contexts::{ContextName, Named},
    failure::Failure,
    flags::{CommonArguments, ConnectionArguments},
    printer::Format,
};

/// Where a node listens unless its configuration says otherwise.
const ENDPOINT_DEFAULT: &str = "127.0.0.1:7400";

/// The CA's certificate in a folder of certificates.
const CA_FILE: &str = "ca.crt";

/// Whom to ask, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionOptions {
    /// The nodes to ask; never empty.
    pub endpoints: Vec<Address>,
    /// Who asks.
    pub credentials: CredentialSource,
    /// The folder of certificates, if one is named.
    pub certs: Option<PathBuf>,
    /// The name of the context that this comes from, if it comes from one.
    pub context: Option<String>,
}

/// Where it is written who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialSource {
    /// Nowhere: enough for verbs that ask no node.
    Unset,
    /// In these files.
    Files(CredentialFiles),
    /// In a folder, where the name (or there being one client only) says which.
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Which client of it.
        name: Option<String>,
        /// The CA's certificate, if not that of the folder.
        ca: Option<PathBuf>,
        /// The revocation list, if not that of the folder.
        crl: Option<PathBuf>,
    },
}

/// How to ask and answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommonOptions {
    /// Time for the whole command; `None` for what is usual for the verb.
    pub timeout: Option<Duration>,
    /// How to write data.
    pub format: Format,
    /// How fresh a read has to be.
    pub consistency: Consistency,
    /// Answer every question with yes.
    pub yes: bool,
}

impl ConnectionOptions {
    /// Judges what was typed; what is not there is as in the context, if one is in use.
    pub(crate) fn resolve(
        arguments: ConnectionArguments,
        context: Option<(ContextName, Named)>,
    ) -> Result<Self, Failure> {
        let typed = arguments.named(None);
        let (context, named) = match context {
            Some((name, named)) => (Some(name.as_str().to_owned()), typed.over(named)),
            None => (None, typed),
        };
        let certs = named.certs.clone();
        let endpoints = match named.endpoints.clone() {
            empty if empty.is_empty() => vec![default_endpoint()?],
            endpoints => endpoints,
        };
        Ok(Self { endpoints, credentials: caller(named)?, certs, context })
    }

    /// Nobody is asked; `context` was named.
    pub(crate) fn none(context: Option<String>) -> Result<Self, Failure> {
        Ok(Self {
            endpoints: vec![default_endpoint()?],
            credentials: CredentialSource::Unset,
            certs: None,
            context,
        })
    }
}

fn default_endpoint() -> Result<Address, Failure> {
    Address::new(ENDPOINT_DEFAULT).map_err(|error| Failure::usage(error.to_string()))
}

/// A file that is named comes before that of the folder.
fn caller(named: Named) -> Result<CredentialSource, Failure> {
    let Named { certs, as_name: name, ca_file: ca, crl_file: crl, cert_file, key_file, .. } = named;
    match (certs, cert_file, key_file) {
        (_, Some(_), None) | (_, None, Some(_)) => {
            Err(Failure::usage("a certificate and its key belong together")
                .hint("give both --cert FILE and --key FILE, or neither"))
        }
        (None, ..) if name.is_some() => {
            Err(Failure::usage("--as needs the folder of certificates").hint("add --certs DIR"))
        }
        (_, Some(_), Some(_)) if name.is_some() => {
            Err(Failure::usage("--as and --cert both say who asks").hint("give one of them"))
        }
        (certs, Some(cert), Some(key)) => match ca.or_else(|| certs.map(|folder| folder.join(CA_FILE))) {
            Some(ca) => Ok(CredentialSource::Files(CredentialFiles { ca, cert, key, crl })),
            None => Err(Failure::usage("the CA's certificate is not named").hint("add --ca FILE")),
        },
        (Some(folder), None, None) => Ok(CredentialSource::Folder { folder, name, ca, crl }),
        (None, None, None) if ca.is_some() || crl.is_some() => {
            Err(Failure::usage("the CA's files alone do not say who asks")
                .hint("add --cert FILE and --key FILE, or --certs DIR"))
        }
        (None, None, None) => Ok(CredentialSource::Unset),
    }
}

impl CommonOptions {
    /// Judges what was typed; what is not there is as in `base`.
    pub(crate) fn resolve(arguments: &CommonArguments, base: &Self) -> Self {
        Self {
            timeout: arguments.timeout.or(base.timeout),
            format: arguments.output.unwrap_or(base.format),
            consistency: arguments.consistency.map_or(base.consistency, Into::into),
            yes: arguments.yes || base.yes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{exit::ExitCode, flags::Freshness};

    fn path(text: &str) -> Option<PathBuf> {
        Some(text.into())
    }

    fn resolved(arguments: ConnectionArguments) -> CredentialSource {
        ConnectionOptions::resolve(arguments, None).unwrap().credentials
    }

    #[test]
    fn nothing_typed_is_no_failure_yet() {
        let connection = ConnectionOptions::resolve(ConnectionArguments::default(), None).unwrap();
        assert_eq!(connection.endpoints, [Address::new("127.0.0.1:7400").unwrap()]);
        assert_eq!(connection.credentials, CredentialSource::Unset);
    }

    #[test]
    fn a_folder_is_enough() {
        let arguments =
            ConnectionArguments { certs: path("c"), as_name: Some("ops".into()), ..Default::default() };
        let expected =
            CredentialSource::Folder { folder: "c".into(), name: Some("ops".into()), ca: None, crl: None };
        assert_eq!(resolved(arguments), expected);
    }

    #[test]
    fn a_named_file_comes_before_the_folder() {
        let own = ConnectionArguments {
            certs: path("c"),
            cert_file: path("own.crt"),
            key_file: path("own.key"),
            ..Default::default()
        };
        let files = |ca: &str| CredentialSource::Files(CredentialFiles::new(ca, "own.crt", "own.key"));
        assert_eq!(resolved(own.clone()), files("c/ca.crt"));
        assert_eq!(resolved(ConnectionArguments { ca_file: path("ca.crt"), ..own }), files("ca.crt"));
    }

    #[test]
    fn half_a_caller_is_a_failure() {
        let half = [
            ConnectionArguments { ca_file: path("ca"), ..Default::default() },
            ConnectionArguments { cert_file: path("cert"), ..Default::default() },
            ConnectionArguments { cert_file: path("cert"), key_file: path("key"), ..Default::default() },
            ConnectionArguments { certs: path("c"), key_file: path("key"), ..Default::default() },
            ConnectionArguments { as_name: Some("ops".into()), ..Default::default() },
            ConnectionArguments {
                certs: path("c"),
                as_name: Some("ops".into()),
                cert_file: path("cert"),
                key_file: path("key"),
                ..Default::default()
            },
        ];
        for arguments in half {
            let failure = ConnectionOptions::resolve(arguments.clone(), None).unwrap_err();
            assert_eq!(failure.code(), ExitCode::Usage, "{arguments:?}");
            assert!(!failure.hints().is_empty(), "{arguments:?}");
        }
    }

    #[test]
    fn what_a_line_does_not_say_is_as_at_the_start() {
        let base = CommonOptions {
            timeout: Some(Duration::from_secs(9)),
            format: Format::Plain,
            ..Default::default()
        };
        assert_eq!(CommonOptions::resolve(&CommonArguments::default(), &base), base);
        let line = CommonArguments {
            timeout: Some(Duration::from_secs(1)),
            output: Some(Format::Json),
            consistency: Some(Freshness::Local),
            yes: true,
        };
        let expected = CommonOptions {
            timeout: Some(Duration::from_secs(1)),
            format: Format::Json,
            consistency: Consistency::Local,
            yes: true,
        };
        assert_eq!(CommonOptions::resolve(&line, &base), expected);
    }
}
