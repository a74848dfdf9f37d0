//! The audit log: who changed something but keys, and who was denied.
//!
//! One tracing event with the target `audit` per act, at the node that carries it out or denies it.
//! Guards that an act of an admin is always logged; that denials cannot fill the disk, since they
//! are bounded for each certificate and for the node; and that text from outside controls no
//! terminal and forges no line.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use coffee_common::{
    id::NodeName,
    protocol::{Identity, NodeEventKind, Role},
    quic::Connection,
    text::{WORD_BYTES_MAX, harmless},
};
use tokio::time::Instant;

use super::event_log::EventLog;
use crate::metrics::{LogThrottle, if_any};

/// Events about one certificate at once, and the interval of one more.
const EVENTS: u32 = 10;
const EVENT_INTERVAL: Duration = Duration::from_secs(60);

/// The same for all certificates of a node together.
const NODE_EVENTS: u32 = 100;
const NODE_EVENT_INTERVAL: Duration = Duration::from_secs(6);

/// The certificates whose events are counted apart.
const IDENTITIES_MAX: usize = 256;

/// The longest reason that is logged, in bytes.
const REASON_BYTES_MAX: usize = 300;

/// Who acts, as far as a certificate tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The role and the name in the certificate; `None` without a valid one.
    pub identity: Option<Identity>,
    /// The serial number of the certificate, in hexadecimal.
    pub serial: Option<String>,
    /// The address of the connection.
    pub address: Option<SocketAddr>,
    /// The node that forwarded the request.
    pub via: Option<NodeName>,
}

/// How an act ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditOutcome {
    /// It was carried out; `changed` says whether it had an effect.
    Done {
        /// Whether something is different now.
        changed: bool,
    },
    /// It was not carried out: a check failed, or it was not possible.
    Refused,
    /// It may have been carried out.
    Unknown,
    /// It is not permitted.
    Denied,
}

/// An act, or an attempt at one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent<'a> {
    /// Who acts; `None` for the program that runs this node.
    pub actor: Option<Actor>,
    /// The act, as an operator types it.
    pub verb: &'static str,
    /// The thing that it is about, such as a node.
    pub object: Option<Cow<'a, str>>,
    /// How it ended.
    pub outcome: AuditOutcome,
    /// Why it was not carried out.
    pub reason: Option<Cow<'a, str>>,
}

/// The audit log of a node. Clones share its bounds.
#[derive(Debug, Clone, Default)]
pub struct AuditLog {
    bounds: Arc<Mutex<AuditBounds>>,
    /// Gets each act that had an effect or failed, and each denial, unless there are too many.
    events: EventLog,
}

#[derive(Debug)]
struct AuditBounds {
    node: LogThrottle,
    /// By role and name. `None` is a connection without a valid certificate.
    identities: BTreeMap<Option<(Role, NodeName)>, LogThrottle>,
    /// Events left out since the last one that was logged.
    suppressed: u64,
}

impl Default for AuditBounds {
    fn default() -> Self {
        Self {
            node: LogThrottle::new(NODE_EVENTS, NODE_EVENT_INTERVAL),
            identities: BTreeMap::new(),
            suppressed: 0,
        }
    }
}

impl AuditBounds {
    /// Returns the number of events that were left out before this one; `None` if it is one too many.
    fn admit(&mut self, identity: Option<&Identity>, now: Instant) -> Option<u64> {
        let key = identity.map(|identity| (identity.role, identity.name.clone()));
        if self.identities.len() >= IDENTITIES_MAX && !self.identities.contains_key(&key) {
            // The bound of the node still holds.
            self.identities.clear();
        }
        let new = || LogThrottle::new(EVENTS, EVENT_INTERVAL);
        let own = self.identities.entry(key).or_insert_with(new);
        if own.admit(now).is_some() && self.node.admit(now).is_some() {
            return Some(std::mem::take(&mut self.suppressed));
        }
        self.suppressed += 1;
        None
    }
}

impl AuditLog {
    /// Returns a log whose acts are also among these events.
    pub fn new(events: EventLog) -> Self {
        Self { bounds: Arc::default(), events }
    }

    /// Logs an act of an admin or of the program that runs this node.
    pub fn act(&self, event: &AuditEvent<'_>) {
        self.log(event, 0);
    }

    /// Logs a denial, or an act of a node, unless there are too many. They are charged to `identity`,
    /// of whose certificate the connection is; `None` if it has none that is valid.
    pub fn bounded<'a>(&self, identity: Option<&Identity>, event: impl FnOnce() -> AuditEvent<'a>) {
        let admitted =
            self.bounds.lock().unwrap_or_else(PoisonError::into_inner).admit(identity, Instant::now());
        if let Some(suppressed) = admitted {
            self.log(&event(), suppressed);
        }
    }

    fn log(&self, event: &AuditEvent<'_>, suppressed: u64) {
        let sentence = event.log(suppressed);
        match event.outcome {
            AuditOutcome::Done { changed: false } => {}
            AuditOutcome::Denied => self.events.record(NodeEventKind::Denied, event.denied(), sentence),
            AuditOutcome::Done { changed: true } | AuditOutcome::Refused | AuditOutcome::Unknown => {
                let object = event.object.iter().flat_map(|object| [" ", object]);
                let act: String = std::iter::once(event.verb).chain(object).collect();
                self.events.record(NodeEventKind::Act, act, sentence);
            }
        }
    }
}

impl Actor {
    /// The owner of the certificate at the other end of a connection.
    pub fn of(connection: &Connection) -> Self {
        Self {
            identity: Some(connection.peer().clone()),
            serial: Some(connection.peer_serial()),
            address: Some(connection.remote_address()),
            via: None,
        }
    }

    /// A peer without a valid certificate.
    pub fn unidentified(address: SocketAddr) -> Self {
        Self { identity: None, serial: None, address: Some(address), via: None }
    }
}

impl AuditEvent<'_> {
    /// The denied act: the name of who tried it, or the address without a valid certificate, verb and object.
    /// Another act is another event, so that it does not hide this one.
    fn denied(&self) -> String {
        let actor = self.actor.as_ref();
        let name = actor.and_then(|actor| actor.identity.as_ref()).map(|identity| identity.name.to_string());
        let address = || actor.and_then(|actor| actor.address).map(|address| address.ip().to_string());
        let who = name.or_else(address).unwrap_or_default();
        let object = self.object.iter().flat_map(|object| [" ", object]);
        [who.as_str(), " ", self.verb].into_iter().chain(object).collect()
    }

    /// Logs the event and returns it as a sentence.
    fn log(&self, suppressed: u64) -> String {
        let suppressed = if_any(suppressed);
        let actor = self.actor.as_ref();
        let identity = actor.and_then(|actor| actor.identity.as_ref());
        let role = match (actor, identity) {
            (None, _) => "host",
            (Some(_), None) => "none",
            (Some(_), Some(identity)) => identity.role.as_str(),
        };
        let name = identity.map(|identity| identity.name.as_str());
        let serial = actor.and_then(|actor| actor.serial.as_deref());
        let serial = serial.map(|serial| harmless(serial, WORD_BYTES_MAX));
        let serial = serial.as_deref();
        let address = actor.and_then(|actor| actor.address).map(tracing::field::display);
        let via = actor.and_then(|actor| actor.via.as_ref()).map(NodeName::as_str);
        let object = self.object.as_deref().map(|object| harmless(object, REASON_BYTES_MAX));
        let object = object.as_deref();
        let reason = self.reason.as_deref().map(|reason| harmless(reason, REASON_BYTES_MAX));
        let reason = reason.as_deref();
        let (verb, outcome) = (self.verb, self.outcome.as_str());
        let changed = match self.outcome {
            AuditOutcome::Done { changed } => Some(changed),
            _ => None,
        };
        // The journal shows this alone, unless it is asked for the fields.
        let sentence = sentence(role, name, verb, object, outcome, reason);
        macro_rules! log {
            ($level:ident) => {
                tracing::$level!(
                    target: "audit",
                    verb, object, outcome, changed, role, name, serial, address, via, reason, suppressed,
                    "{sentence}"
                )
            };
        }
        match self.outcome {
            AuditOutcome::Done { .. } | AuditOutcome::Refused => log!(info),
            AuditOutcome::Unknown | AuditOutcome::Denied => log!(warn),
        }
        sentence
    }
}

fn sentence(
    role: &str,
    name: Option<&str>,
    verb: &str,
    object: Option<&str>,
    outcome: &str,
    reason: Option<&str>,
) -> String {
    let mut sentence = role.to_owned();
    for word in [name, Some(verb), object].into_iter().flatten() {
        sentence.push(' ');
        sentence.push_str(word);
    }
    for part in [Some(outcome), reason].into_iter().flatten() {
        sentence.push_str(": ");
        sentence.push_str(part);
    }
    sentence
}

impl AuditOutcome {
    /// Returns the outcome as the log has it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Done { .. } => "done",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Denied => "denied",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn till(n: usize) -> Identity {
        Identity::new(Role::Writer, format!("till-{n}").parse().expect("legal"))
    }

    #[test]
    fn events_are_bounded_for_each_certificate_and_for_the_node() {
        let (mut bounds, start) = (AuditBounds::default(), Instant::now());
        let mut logged = |identity: usize, count: usize, seconds: u64| {
            let at = start + Duration::from_secs(seconds);
            (0..count).filter_map(|_| bounds.admit(Some(&till(identity)), at)).collect::<Vec<_>>()
        };
        assert_eq!(logged(0, 10_000, 0), [0; 10]);
        assert_eq!(logged(1, 3, 0), [9_990, 0, 0], "another one has its own bound, and the count is told");
        assert_eq!(logged(0, 10, 60), [0]);
        let crowd: usize = (2..5_000).map(|identity| logged(identity, 100, 60).len()).sum();
        assert!((80..=NODE_EVENTS as usize).contains(&crowd), "{crowd} lines about a crowd");
        assert!(bounds.identities.len() <= IDENTITIES_MAX);
        assert!(bounds.suppressed > 490_000, "{}", bounds.suppressed);
    }

    #[test]
    fn a_peer_without_a_certificate_is_bounded_as_well() {
        let mut bounds = AuditBounds::default();
        let now = Instant::now();
        let lines = (0..10_000).filter(|_| bounds.admit(None, now).is_some()).count();
        assert_eq!(lines, EVENTS as usize);
    }

    #[test]
    fn the_sentence_says_who_did_which_thing() {
        let said = sentence("admin", Some("ops"), "transfer", Some("hong"), "done", None);
        assert_eq!(said, "admin ops transfer hong: done");
        let said = sentence("host", None, "reload", None, "refused", Some("there is no such file"));
        assert_eq!(said, "host reload: refused: there is no such file");
    }
}
