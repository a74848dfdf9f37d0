//! The status page: how the cluster is, and what to type next if it is not well.
//!
//! HTML that the node renders, one style sheet and a short script, all from the node itself. The page is
//! whole without the script, which only replaces the parts that have changed. Knows nothing of the listeners
//! that serve it. Guards that no text from a configuration or from the network becomes markup, and that
//! viewers cost little: rendering and questions to other nodes are shared, and happen only while a page is
//! looked at.

mod cached_view;
mod chart;
mod document;
mod feed;
mod html;
mod parts;
mod units;
mod verdict;

#[cfg(any(test, fuzzing))]
pub use self::html::assert_escaped;
pub use self::{
    document::{ICON, PageAsset, SCRIPT, SECURITY_POLICY, STYLE},
    feed::StatusPage,
};
