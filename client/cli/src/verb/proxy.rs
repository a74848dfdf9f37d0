//! `proxy`: the HTTP API of the nodes on this machine, for programs that cannot do mutual TLS.
//!
//! Requests arrive as plain HTTP on a loopback address or a Unix socket, and are sent to the cluster with
//! the certificate of this command. Guards that only programs of this machine can use it: it binds nothing
//! else, and rejects what a page in a browser of this machine sends (`backend`).

mod backend;
mod error;
mod hosts;
mod serve;
mod socket;

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use tokio::net::TcpListener;

use self::{
    backend::ProxyBackends,
    serve::{ProxyListeners, serve},
    socket::SocketFile,
};
use crate::{exit::ExitCode, failure::Failure, invocation::Invocation, printer::escape, signals::Signals};

pub(crate) const AFTER_HELP: &str = "\
The API is that of the nodes (GET /v1/openapi.json), without TLS: every program
that reaches the port, or may open the socket, acts with the certificate of this
command. So --listen takes only addresses of this machine; the socket is for its
owner alone. Pages in a browser are refused.

  coffeectl proxy --listen 127.0.0.1:7380 --certs certs/till &
  curl -T menu.txt http://127.0.0.1:7380/v1/kv/menu
  curl http://127.0.0.1:7380/v1/kv/menu
  curl -N 'http://127.0.0.1:7380/v1/watch?prefix=order/'

Requests go to any node that answers, and are sent again to another one where
that is safe; a write without Coffee-Request-Id gets one, so it is applied at
most once. A watch continues at another node. A request takes up to 10 s unless
it says ?timeout=. SIGINT or SIGTERM ends the proxy; requests in progress have a
second to end.";

/// `proxy`.
#[derive(Debug, Args)]
#[group(id = "place", required = true, multiple = true)]
pub(crate) struct ProxyArguments {
    /// Listen on this address of this machine, such as 127.0.0.1:7380
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Listen on this Unix socket, which only its owner may open
    #[arg(long, value_name = "PATH")]
    unix: Option<PathBuf>,
}

pub(crate) async fn run(
    arguments: &ProxyArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let tcp = match arguments.listen {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    let unix = arguments.unix.clone().map(SocketFile::bind).transpose()?;
    let client = invocation.session.client(invocation.usual_timeout())?;
    let mut signals = Signals::listen()
        .map_err(|error| Failure::new(ExitCode::Failed, format!("cannot listen for signals: {error}")))?;
    if let Some((_, address)) = &tcp {
        invocation.printer.note(&format!("listening on http://{address}"));
        invocation.printer.note(&format!("hint: curl http://{address}/v1/kv/KEY"));
    }
    if let Some((_, file)) = &unix {
        let path = escape::path(file.path());
        invocation.printer.note(&format!("listening on {path}"));
        invocation.printer.note(&format!("hint: curl --unix-socket {path} http://localhost/v1/kv/KEY"));
    }
    let (unix, _file) = unix.unzip();
    let listeners = ProxyListeners { tcp: tcp.map(|(listener, _)| listener), unix };
    let mut note = |line: &str| invocation.printer.note(line);
    serve(listeners, &ProxyBackends::new(&client), async { _ = signals.next().await }, &mut note).await;
    Ok(ExitCode::Done)
}

/// Listens on an address of this machine. Returns it with the actual port.
async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    if !address.ip().is_loopback() {
        return Err(Failure::usage(format!("{address} can be reached from other machines"))
            .hint("name an address of this machine: --listen 127.0.0.1:7380")
            .hint(
                "for other machines the nodes serve HTTP with certificates: [http] listen in coffeed.toml",
            ));
    }
    let cannot = |error: std::io::Error| {
        Failure::new(ExitCode::Failed, format!("cannot listen on {address}: {error}"))
            .hint("name another port: --listen 127.0.0.1:PORT")
    };
    let listener = TcpListener::bind(address).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    Ok((listener, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_addresses_of_this_machine_are_listened_on() {
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:127.0.0.1]:0"] {
            let failure = listen(address.parse().unwrap()).await.unwrap_err();
            assert_eq!(failure.code(), ExitCode::Usage, "{address}");
            assert!(failure.hints()[0].contains("--listen 127.0.0.1:7380"), "{failure:?}");
        }
        let (listener, address) = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        assert_ne!(address.port(), 0);
        let failure = listen(address).await.unwrap_err();
        assert_eq!((failure.code(), failure.hints().len()), (ExitCode::Failed, 1));
        drop(listener);
    }
}
