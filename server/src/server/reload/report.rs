//! How a reload is logged, and told as an event.

use coffee_common::protocol::{Identity, NodeEventKind, Reload};

use crate::node::event_log::EventLog;

/// Logs a reload, and adds it to the events of the node.
pub(super) fn done(done: &Reload, events: &EventLog) {
    let Reload { changed, needs_restart, ended, certificate, .. } = done;
    let (changed, ended) = (changed.join(" "), listed(ended));
    tracing::info!(changed, ended, serial = certificate.serial, "reloaded");
    if !needs_restart.is_empty() {
        let settings = needs_restart.join(" ");
        tracing::warn!(settings, "changed settings that need a restart");
    }
    events.record(NodeEventKind::Reload, done.changed.join(" "), text(done));
}

/// Logs a reload that changed nothing since it failed, and adds it to the events of the node.
pub(super) fn failed(error: &str, hint: &str, events: &EventLog) {
    tracing::error!(error, hint, "reload failed, previous settings stay in effect");
    events.record(NodeEventKind::ReloadFailed, "", format!("reload failed: {error}"));
}

fn text(done: &Reload) -> String {
    let changed = match done.changed.is_empty() {
        true => "no change".to_owned(),
        false => done.changed.join(" "),
    };
    let mut text = format!("reloaded: {changed}");
    if !done.needs_restart.is_empty() {
        text += &format!("; a restart is needed for {}", done.needs_restart.join(" "));
    }
    text + &with_ended(&done.ended)
}

/// Returns the peers whose connections were closed, as the end of a sentence.
pub(super) fn with_ended(ended: &[Identity]) -> String {
    if ended.is_empty() { String::new() } else { format!("; connections closed: {}", listed(ended)) }
}

/// Returns the roles and names of peers.
pub(super) fn listed(peers: &[Identity]) -> String {
    let peers: Vec<String> =
        peers.iter().map(|peer| format!("{} {}", peer.role.as_str(), peer.name)).collect();
    peers.join(", ")
}

#[cfg(test)]
mod tests {
    use coffee_common::protocol::{CertificateStatus, Role};

    use super::*;

    #[test]
    fn a_reload_is_an_event_with_its_changes() {
        let events = EventLog::default();
        let certificate = CertificateStatus { serial: "4a5b".to_owned(), valid_until_s: 0 };
        let mut reload = Reload {
            node: "ming".parse().expect("legal"),
            changed: Vec::new(),
            needs_restart: Vec::new(),
            ended: Vec::new(),
            certificate,
        };
        done(&reload, &events);
        reload.changed = vec!["tls.ca".to_owned(), "tls.cert".to_owned()];
        reload.needs_restart = vec!["listen".to_owned()];
        reload.ended = vec![Identity::new(Role::Writer, "till".parse().expect("legal"))];
        done(&reload, &events);
        failed("no such file", "create it", &events);
        let told: Vec<_> =
            events.read(0, 0, true).into_iter().map(|event| (event.kind, event.text)).collect();
        let kinds: Vec<&str> = told.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(kinds, ["reload", "reload", "reload-failed"]);
        assert_eq!(told[0].1, "reloaded: no change");
        assert_eq!(
            told[1].1,
            "reloaded: tls.ca tls.cert; a restart is needed for listen; connections closed: writer till"
        );
    }
}
