//! The value that a change has replaced, as `watch --prev` prints it.
//!
//! Guards that a value which a node has left out is told from one that never was.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use coffee_client::KeyChange;
use serde::Serialize;

use crate::{printer::json::ValueField, verb::keys::shown_value, words};

/// The value of a key before a change.
#[derive(Serialize)]
pub(super) struct PreviousValue<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_value_base64: Option<String>,
    /// The key existed, and its value was left out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    previous_omitted: bool,
    #[serde(skip)]
    change: &'a KeyChange,
}

impl<'a> PreviousValue<'a> {
    /// Returns the value before a change of which it was asked for.
    pub(super) fn of(change: &'a KeyChange) -> Self {
        let value = change.previous_entry.as_ref().map(|entry| ValueField::new(entry.value.as_bytes()));
        let (previous_value, previous_value_base64) = value.map(ValueField::into_fields).unwrap_or_default();
        Self {
            previous_value,
            previous_value_base64,
            previous_omitted: change.previous.is_some() && change.previous_entry.is_none(),
            change,
        }
    }

    /// The value; `None` if the key did not exist, or it was left out.
    pub(super) fn value(&self) -> Option<&'a [u8]> {
        self.change.previous_entry.as_ref().map(|entry| &entry.value.as_bytes()[..])
    }

    /// The end of the line of a change at a revision.
    pub(super) fn table(&self, revision: u64) -> String {
        if let Some(value) = self.value() {
            return format!(" (before: {})", shown_value(value));
        }
        if !self.previous_omitted {
            return String::new();
        }
        // The history has the revision just before a change as long as it has the change.
        let (key, before) = (self.change.key.as_bytes(), revision.saturating_sub(1).to_string());
        let command = ["coffeectl".as_bytes(), b"get", b"--rev", before.as_bytes(), b"--", key];
        let command = words::join(command.map(OsStr::from_bytes));
        format!(" (before: left out; {command})")
    }
}
