//! Validated options: later modules need not check them again.
//!
//! A flag overrides a variable, a variable the context, the context a default.
//! Knows no verb, and opens no file or connection.

use std::{path::PathBuf, time::Duration};

use coffee_common::{id::Address, protocol::Consistency, tls::CredentialFiles};

use crate::{
    cluster_ref::ClusterRef,
    contexts::{ContextName, Named},
    failure::Failure,
    flags::{CommonArguments, ConnectionArguments},
    printer::Format,
};

/// The address on which a node listens by default.
const ENDPOINT_DEFAULT: &str = "127.0.0.1:7400";

/// File name of the CA's certificate in a certificates directory.
const CA_FILE: &str = "ca.crt";

/// The nodes to contact, and the credentials to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionOptions {
    /// Addresses of the nodes to contact; never empty.
    pub endpoints: Vec<Address>,
    /// The only cluster to use, if one is given.
    pub cluster: Option<ClusterRef>,
    /// The client's credentials.
    pub credentials: CredentialSource,
    /// The certificates directory, if one is given.
    pub certs: Option<PathBuf>,
    /// The name of the context in use.
    pub context: Option<String>,
}

/// The source of the client's credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialSource {
    /// None: enough for verbs that contact no node.
    Unset,
    /// These files.
    Files(CredentialFiles),
    /// A directory with certificates, one of which is chosen.
    Folder {
        /// The directory.
        folder: PathBuf,
        /// The client's name. Optional if the directory has a single client.
        name: Option<String>,
        /// The CA's certificate, if not the directory's.
        ca: Option<PathBuf>,
        /// The revocation list, if not the directory's.
        crl: Option<PathBuf>,
    },
}

/// Options of every verb.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommonOptions {
    /// Timeout of the whole command; `None` for the verb's default.
    pub timeout: Option<Duration>,
    /// Output format.
    pub format: Format,
    /// Consistency of reads.
    pub consistency: Consistency,
    /// Answers every confirmation with yes.
    pub yes: bool,
}

impl ConnectionOptions {
    /// Resolves the connection: flags and variables first, then the context, then
    /// the default.
    ///
    /// # Errors
    /// [`Failure::usage`] if the credentials are incomplete or contradictory.
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
        let cluster = named.cluster.clone();
        Ok(Self { endpoints, cluster, credentials: caller(named)?, certs, context })
    }

    /// The options of a verb that contacts no node.
    pub(crate) fn none(context: Option<String>) -> Result<Self, Failure> {
        Ok(Self {
            endpoints: vec![default_endpoint()?],
            cluster: None,
            credentials: CredentialSource::Unset,
            certs: None,
            context,
        })
    }
}

fn default_endpoint() -> Result<Address, Failure> {
    Address::new(ENDPOINT_DEFAULT).map_err(|error| Failure::usage(error.to_string()))
}

/// Returns the client's credentials. A file that is named overrides the directory's.
fn caller(named: Named) -> Result<CredentialSource, Failure> {
    let Named { certs, as_name: name, ca_file: ca, crl_file: crl, cert_file, key_file, .. } = named;
    match (certs, cert_file, key_file) {
        (_, Some(_), None) | (_, None, Some(_)) => {
            Err(Failure::usage("a certificate and its key belong together")
                .hint("give both --cert FILE and --key FILE, or neither"))
        }
        (None, ..) if name.is_some() => {
            Err(Failure::usage("--as needs a certificates directory").hint("add --certs DIR"))
        }
        (_, Some(_), Some(_)) if name.is_some() => {
            Err(Failure::usage("--as and --cert are mutually exclusive").hint("give one of them"))
        }
        (certs, Some(cert), Some(key)) => match ca.or_else(|| certs.map(|folder| folder.join(CA_FILE))) {
            Some(ca) => Ok(CredentialSource::Files(CredentialFiles { ca, cert, key, crl })),
            None => Err(Failure::usage("the CA's certificate is missing").hint("add --ca FILE")),
        },
        (Some(folder), None, None) => Ok(CredentialSource::Folder { folder, name, ca, crl }),
        (None, None, None) if ca.is_some() || crl.is_some() => {
            Err(Failure::usage("the CA's files alone do not identify the client")
                .hint("add --cert FILE and --key FILE, or --certs DIR"))
        }
        (None, None, None) => Ok(CredentialSource::Unset),
    }
}

impl CommonOptions {
    /// Resolves the options; those not given are as in `base`.
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
    fn an_empty_command_line_fails_only_when_resolved() {
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
