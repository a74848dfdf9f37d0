//! The page as a document, and as events that replace its parts.

use super::{
    html::Html,
    parts::{self, PARTS, PageData},
};

/// Lets the browser load the page's own style sheet, script, icon and events, and nothing else.
pub const SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file that the page refers to.
#[derive(Debug, Clone, Copy)]
pub struct PageAsset {
    /// The media type.
    pub content_type: &'static str,
    /// The content.
    pub body: &'static str,
}

/// `/page/style.css`.
pub const STYLE: PageAsset =
    PageAsset { content_type: "text/css; charset=utf-8", body: include_str!("assets/style.css") };

/// `/page/script.js`.
pub const SCRIPT: PageAsset =
    PageAsset { content_type: "text/javascript; charset=utf-8", body: include_str!("assets/script.js") };

/// `/page/icon.svg`.
pub const ICON: PageAsset =
    PageAsset { content_type: "image/svg+xml", body: include_str!("assets/icon.svg") };

/// A page at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RenderedPage {
    node: String,
    parts: [String; PARTS],
}

impl RenderedPage {
    pub(super) fn new(data: &PageData) -> Self {
        let mut node = Html::default();
        node.text(data.view.asked.as_str());
        Self { node: node.finish(), parts: parts::render(data) }
    }

    /// Returns the whole document, for a browser with or without scripts.
    pub(super) fn document(&self) -> String {
        let node = self.node.as_str();
        let [verdict, as_of, nodes, activity, timeline, facts] = self.parts.each_ref().map(String::as_str);
        [
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>coffeed: ",
            node,
            "</title><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta name=\"color-scheme\" content=\"light dark\">\
             <noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>\
             <link rel=\"icon\" href=\"page/icon.svg\" type=\"image/svg+xml\">\
             <link rel=\"stylesheet\" href=\"page/style.css\">\
             <script src=\"page/script.js\" defer></script></head>\n<body><header><h1>coffeed <span>",
            node,
            "</span></h1></header>\n<main><p id=\"silent\" role=\"alert\" hidden>This node does not answer. The page \
             shows its last state.</p>\n<div role=\"status\">",
            verdict,
            "</div>\n",
            as_of,
            "\n<h2>Nodes</h2>\n",
            nodes,
            "\n<h2>The last 15 minutes</h2>\n",
            activity,
            "\n<h2>Leaders and members, as this node saw them</h2>\n",
            timeline,
            "\n<h2>This node</h2>\n",
            facts,
            "\n</main>\n<footer><nav aria-label=\"Other pages\"><ul>\
             <li><a href=\"metrics\">/metrics</a> metrics in Prometheus' text format</li>\
             <li><a href=\"livez?verbose\">/livez</a> liveness; ?verbose</li>\
             <li><a href=\"readyz?verbose\">/readyz</a> readiness; ?verbose, ?exclude=CHECK; /readyz/CHECK for one \
             check</li></ul></nav></footer></body></html>\n",
        ]
        .concat()
    }

    /// Returns a server-sent event with the parts that differ from those of an earlier page; all, if there
    /// was none; `None` if none differs.
    pub(super) fn changes(&self, since: Option<&Self>) -> Option<String> {
        let differs =
            |(number, part): &(usize, &String)| since.is_none_or(|since| since.parts[*number] != **part);
        let changed: Vec<&str> =
            self.parts.iter().enumerate().filter(differs).map(|(_, part)| part.as_str()).collect();
        // Parts have no line breaks: text is on one line.
        (!changed.is_empty()).then(|| format!("data: {}\n\n", changed.concat()))
    }
}
