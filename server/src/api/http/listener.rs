//! Listens, verifies clients, and ends connections that are not trusted any more.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use coffee_common::{
    id::ClientId,
    protocol::Identity,
    tls::{CallerCertificate, Credentials},
};
use futures_util::future::BoxFuture;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, rustls, server::TlsStream};

use super::{
    connections::HttpConnection,
    door::{DoorContext, until_closing},
    serve,
};
use crate::{
    metrics::{HttpRejection, measured},
    node::audit_log::{Actor, AuditEvent, AuditOutcome},
    service::Service,
};

/// The time limit of a handshake.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// The pause after a connection could not be accepted, for lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long [`HttpDoor::close`] waits for the last responses.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// The listener of a node. It stops when this is dropped.
pub struct HttpDoor {
    address: SocketAddr,
    context: Arc<DoorContext>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl HttpDoor {
    /// Listens on a TCP address and serves clients with the service of a node. `client` is the identity
    /// under which writes without a request id are applied.
    ///
    /// # Errors
    /// The address cannot be bound, or the credentials cannot be used.
    pub async fn listen(
        address: SocketAddr,
        credentials: &Credentials,
        service: Arc<Service>,
        client: ClientId,
    ) -> io::Result<Self> {
        let context = DoorContext::new(service, client, credentials).map_err(io::Error::other)?;
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(Arc::clone(&context), listener));
        Ok(Self { address, context, task: Mutex::new(Some(task)) })
    }

    /// Returns the address it listens on, with the actual port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the maximum number of connections per client. Existing connections continue.
    pub fn set_connections_per_client_max(&self, max: usize) {
        self.context.per_client_max.store(max, Ordering::Relaxed);
    }

    /// Replaces the credentials for future connections. Existing connections continue, unless the new
    /// credentials do not accept the client; those clients are returned.
    ///
    /// # Errors
    /// The credentials cannot be used; nothing has changed.
    pub fn reload(&self, credentials: &Credentials) -> Result<Vec<Identity>, rustls::Error> {
        self.context.reload(credentials)
    }

    /// Accepts nothing more, and tells clients not to send further requests.
    pub fn stop_accepting(&self) {
        self.context.closing.send_replace(true);
    }

    /// Waits a moment for the last responses, then ends all connections.
    pub async fn close(&self) {
        self.stop_accepting();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut task) = task else { return };
        if timeout(CLOSE_WITHIN, &mut task).await.is_err() {
            task.abort();
            // Always an error: the task was aborted.
            let _ = task.await;
        }
    }
}

impl Drop for HttpDoor {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

async fn accept(context: Arc<DoorContext>, listener: TcpListener) {
    let mut closing = context.closing.subscribe();
    // Aborted with this task.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = until_closing(&mut closing) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    let serving = serve_stream(Arc::clone(&context), stream, address);
                    connections.spawn(measured(serving));
                }
                Err(error) => {
                    context.note_rejected(HttpRejection::Accept, &error.to_string());
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve_stream(context: Arc<DoorContext>, stream: TcpStream, address: SocketAddr) {
    let Some(place) = context.handshakes.take(address.ip()) else {
        let why = "too many handshakes are in progress";
        return context.note_rejected(HttpRejection::Handshakes, why);
    };
    // Responses are written as a whole.
    let _ = stream.set_nodelay(true);
    // Boxed: a long connection must not keep the memory that its handshake needed.
    let shaking: BoxFuture<'_, _> = Box::pin(shake_hands(&context, stream, address));
    let shaken = shaking.await;
    drop(place);
    match shaken {
        Ok((stream, connection)) => {
            let node = Arc::clone(&context.service.node);
            let _open = node.metrics().http.connections.hold(1);
            serve::serve(context, stream, connection).await;
        }
        Err((reason, why)) => context.note_rejected(reason, &why),
    }
}

/// Verifies a client and takes a place for its connection.
async fn shake_hands(
    context: &DoorContext,
    stream: TcpStream,
    address: SocketAddr,
) -> Result<(TlsStream<TcpStream>, Arc<HttpConnection>), (HttpRejection, String)> {
    let acceptor = TlsAcceptor::from(context.trust().config);
    let stream = match timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            let mut reason = HttpRejection::Handshake;
            if is_of_certificate(&error) {
                reason = HttpRejection::Certificate;
                context.service.node.audit_log().bounded(None, || AuditEvent {
                    actor: Some(Actor::unidentified(address)),
                    verb: "connect",
                    object: None,
                    outcome: AuditOutcome::Denied,
                    reason: Some(error.to_string().into()),
                });
            }
            return Err((reason, error.to_string()));
        }
        Err(_) => {
            return Err((HttpRejection::Slow, "the handshake was not complete in time".to_owned()));
        }
    };
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let chain: Vec<_> = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
    let certificate = CallerCertificate::of_chain(&chain)
        .map_err(|error| (HttpRejection::Certificate, error.to_string()))?;
    let per_client_max = context.per_client_max.load(Ordering::Relaxed);
    let connection = context.connections.add(certificate, address, per_client_max)?;
    // Trust may have changed since the handshake began.
    if !connection.recheck(&context.credentials()) {
        return Err((HttpRejection::Certificate, "the certificate is not trusted any more".to_owned()));
    }
    Ok((stream, connection))
}

/// Whether a handshake failed because of the client's certificate.
fn is_of_certificate(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    matches!(error, Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented))
}
