//! The parts of the page, each of which is replaced as a whole when it changes. Pure.

use std::{sync::Arc, time::Duration};

use coffee_common::protocol::{ClusterView, NodeEvent, NodeView, RaftRole};

use super::{
    chart::Chart,
    html::Html,
    units,
    verdict::{ClusterHealth, Finding, Verdict, days_until},
};
use crate::metrics::{ActivitySample, SAMPLE_SECONDS};

/// The content of the page.
#[derive(Debug, Clone)]
pub(super) struct PageData {
    /// The time, in milliseconds since 1970.
    pub(super) now_ms: u64,
    pub(super) view: Arc<ClusterView>,
    /// The activity of the asked node, the oldest sample first.
    pub(super) samples: Vec<ActivitySample>,
    pub(super) own: NodeFacts,
    /// The events of the asked node, the oldest first.
    pub(super) events: Vec<NodeEvent>,
}

/// The facts that the asked node knows about itself.
#[derive(Debug, Clone, Default)]
pub(super) struct NodeFacts {
    pub(super) version: &'static str,
    pub(super) uptime_ms: u64,
    pub(super) watches: u64,
    pub(super) connections: u64,
    pub(super) connections_max: u64,
    pub(super) requests_in_flight: u64,
    pub(super) data_bytes: u64,
    /// The quota of the data; 0 for none.
    pub(super) data_bytes_max: u64,
    pub(super) history_bytes: u64,
    /// When this node last sent a whole backup, in milliseconds since 1970.
    pub(super) last_backup_ms: Option<u64>,
}

/// The parts in their order.
pub(super) const PARTS: usize = 6;

/// Returns the parts.
pub(super) fn render(data: &PageData) -> [String; PARTS] {
    [verdict(data), as_of(data), nodes(data), activity(data), timeline(data), facts(data)].map(Html::finish)
}

fn verdict(data: &PageData) -> Html {
    let Verdict { health, sentence, findings } = Verdict::of(&data.view, data.now_ms);
    let (class, word) = match health {
        ClusterHealth::Well => ("<section id=\"part-verdict\" class=\"well\">", "well"),
        ClusterHealth::AtRisk => ("<section id=\"part-verdict\" class=\"at-risk\">", "needs attention"),
        ClusterHealth::Down => ("<section id=\"part-verdict\" class=\"down\">", "no writes"),
    };
    let mut html = Html::default();
    html.markup(class).markup("<p class=\"sentence\"><span class=\"badge\">").text(word).markup("</span> ");
    html.text(&sentence).markup("</p>");
    if !findings.is_empty() {
        html.markup("<ul>");
        for Finding { detail, hint } in &findings {
            html.markup("<li><strong>").text(detail).markup("</strong><br>");
            with_commands(&mut html, hint);
            html.markup("</li>");
        }
        html.markup("</ul>");
    }
    html.markup("</section>");
    html
}

/// Adds a hint. Its commands are in single quotes.
fn with_commands(html: &mut Html, hint: &str) {
    for (number, piece) in hint.split('\'').enumerate() {
        match number % 2 {
            0 => html.text(piece),
            _ => html.markup("<code>").text(piece).markup("</code>"),
        };
    }
}

fn as_of(data: &PageData) -> Html {
    let mut html = Html::default();
    html.markup("<p id=\"part-as-of\">As of ").text(&units::utc(data.now_ms)).markup(", seen by <strong>");
    html.text(data.view.asked.as_str()).markup("</strong> (coffeed ").text(data.own.version).markup(", up ");
    html.text(&units::span(data.own.uptime_ms / 1000 * 1000)).markup(")");
    if let Some(cluster) = data.view.cluster {
        html.markup(", cluster <span class=\"id\">").text(&cluster.to_string()).markup("</span>");
    }
    html.markup("</p>");
    html
}

fn nodes(data: &PageData) -> Html {
    let mut html = Html::default();
    html.markup(
        "<table id=\"part-nodes\"><thead><tr><th scope=\"col\">Node</th><th scope=\"col\">Role</th>\
         <th scope=\"col\">State</th><th scope=\"col\">Address</th><th scope=\"col\">Lag</th>\
         <th scope=\"col\">Version</th><th scope=\"col\">Certificate until</th>\
         <th scope=\"col\">Disk free</th><th scope=\"col\">Sync p99</th></tr></thead><tbody>",
    );
    for node in &data.view.nodes {
        node_row(&mut html, node, data.now_ms);
    }
    html.markup("</tbody></table>");
    html
}

fn node_row(html: &mut Html, node: &NodeView, now_ms: u64) {
    use coffee_common::protocol::NodeState::{Announced, Joining, Shutdown, Up};
    html.markup(match node.state {
        Up => "<tr><th scope=\"row\">",
        Announced | Joining | Shutdown => "<tr class=\"aside\"><th scope=\"row\">",
        _ => "<tr class=\"lost\"><th scope=\"row\">",
    });
    html.text(node.name.as_str()).markup("</th>");
    let mut cell = |start: &'static str, text: Option<String>| {
        html.markup(start).text(text.as_deref().unwrap_or("-")).markup("</td>");
    };
    let certificate = |until: u64| {
        let days = days_until(until, now_ms);
        let left = if days < 0 { "expired".to_owned() } else { format!("{days} days") };
        format!("{} ({left})", units::day(until.saturating_mul(1000)))
    };
    let sync = node.pace.as_ref().and_then(|pace| pace.sync_p99_us);
    cell("<td data-label=\"Role\">", node.role.map(|role| RaftRole::as_str(role).to_owned()));
    cell("<td data-label=\"State\" class=\"state\">", Some(node.state.as_str().to_owned()));
    cell("<td data-label=\"Address\">", Some(node.address.to_string()));
    cell("<td data-label=\"Lag\" class=\"number\">", node.lag.map(|lag| lag.to_string()));
    cell("<td data-label=\"Version\">", node.version.clone());
    cell("<td data-label=\"Certificate until\">", node.certificate_until_s.map(certificate));
    cell("<td data-label=\"Disk free\" class=\"number\">", node.disk_free_bytes.map(units::size));
    let sync = sync.map(|us| units::milliseconds(Duration::from_micros(us)));
    cell("<td data-label=\"Sync p99\" class=\"number\">", sync);
    html.markup("</tr>");
}

fn activity(data: &PageData) -> Html {
    let samples = &data.samples;
    let rate = |count: u64| Some(count as f64 / f64::from(SAMPLE_SECONDS));
    let per_second = |rate: f64| if rate < 10.0 { format!("{rate:.1}/s") } else { format!("{rate:.0}/s") };
    let seconds = |duration: Option<Duration>| duration.map(|duration| duration.as_secs_f64());
    let duration = |seconds: f64| units::milliseconds(Duration::from_secs_f64(seconds));
    let elections: u64 = samples.iter().map(|sample| sample.elections).sum();
    let mut html = Html::default();
    html.markup("<section id=\"part-activity\" class=\"charts\">");
    let mut chart = |title, value: &dyn Fn(&ActivitySample) -> Option<f64>, show: &dyn Fn(f64) -> String| {
        Chart { title, values: samples.iter().map(value).collect(), show, summary: None }.write(&mut html);
    };
    chart("Writes here", &|sample| rate(sample.writes), &per_second);
    chart("Reads here", &|sample| rate(sample.reads), &per_second);
    chart("Write p99 here", &|sample| seconds(sample.write_p99), &duration);
    chart("Log sync p99", &|sample| seconds(sample.sync_p99), &duration);
    Chart {
        title: "Elections seen",
        values: samples.iter().map(|sample| Some(sample.elections as f64)).collect(),
        show: &|count| format!("{count:.0} in {SAMPLE_SECONDS} s"),
        summary: Some(elections.to_string()),
    }
    .write(&mut html);
    html.markup("</section>");
    html
}

fn timeline(data: &PageData) -> Html {
    let mut html = Html::default();
    html.markup("<ol id=\"part-timeline\">");
    for NodeEvent { at_ms, term, text, count, .. } in data.events.iter().rev() {
        html.markup("<li><time>").text(&units::utc(*at_ms)).markup("</time> <span>").text(text);
        if let Some(term) = term {
            html.text(&format!(" (term {term})"));
        }
        if *count > 1 {
            html.text(&format!(", {count} times"));
        }
        html.markup("</span></li>");
    }
    if data.events.is_empty() {
        html.markup("<li>Nothing since the start.</li>");
    }
    html.markup("</ol>");
    html
}

fn facts(data: &PageData) -> Html {
    let own = &data.own;
    let quota = match own.data_bytes_max {
        0 => format!("{}; no quota", units::size(own.data_bytes)),
        max => {
            let percent = u128::from(own.data_bytes) * 100 / u128::from(max);
            format!("{} of {} ({percent} %)", units::size(own.data_bytes), units::size(max))
        }
    };
    let backup = own.last_backup_ms.map_or_else(
        || "none was taken here since the start".to_owned(),
        |at_ms| {
            format!(
                "{} ({} ago)",
                units::utc(at_ms),
                units::span(data.now_ms.saturating_sub(at_ms) / 60_000 * 60_000)
            )
        },
    );
    let mut html = Html::default();
    html.markup("<dl id=\"part-facts\">");
    for (name, value) in [
        ("Data", quota),
        ("History", units::size(own.history_bytes)),
        ("Connections here", format!("{} of at most {}", own.connections, own.connections_max)),
        ("Watches here", own.watches.to_string()),
        ("Requests in flight here", own.requests_in_flight.to_string()),
        ("Last backup taken here", backup),
    ] {
        html.markup("<div><dt>").text(name).markup("</dt><dd>").text(&value).markup("</dd></div>");
    }
    html.markup("</dl>");
    html
}

#[cfg(test)]
mod tests;
