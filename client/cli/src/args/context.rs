//! What `context` takes.

use clap::{Args, Subcommand};

use crate::contexts::ContextName;

/// `context ..`.
#[derive(Debug, Subcommand)]
pub(crate) enum ContextVerb {
    /// List the contexts
    List,
    /// Print a context: the one in use, unless another is named
    Show(ContextShowArguments),
    /// Use a context from now on, in every command that names no other one
    Use(ContextNameArguments),
    /// Make or change a context of what --endpoints, --certs, --as, --ca, --crl, --cert, --key and --timeout say
    #[command(after_help = "What a flag does not say stays as it is. Variables do not count. The file \
        holds paths of certificates and keys, never a key.")]
    Set(ContextSetArguments),
    /// Forget a context
    Remove(ContextNameArguments),
}

/// `context show`.
#[derive(Debug, Args)]
pub(crate) struct ContextShowArguments {
    /// Which context
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<ContextName>,
}

/// `context use`, `context remove`.
#[derive(Debug, Args)]
pub(crate) struct ContextNameArguments {
    /// Which context
    #[arg(value_name = "NAME")]
    pub(crate) name: ContextName,
}

/// `context set`.
#[derive(Debug, Args)]
pub(crate) struct ContextSetArguments {
    /// Which context: letters, digits, '-', '_' and '.'
    #[arg(value_name = "NAME")]
    pub(crate) name: ContextName,
}
