//! Keys and prefixes as arguments: the bytes that were typed, UTF-8 or not.

use std::os::unix::ffi::OsStrExt;

use clap::builder::{OsStringValueParser, TypedValueParser};
use coffee_common::key::Key;

/// Returns the parser of an argument that is a key.
pub(crate) fn key_parser() -> impl TypedValueParser<Value = Key> {
    OsStringValueParser::new().try_map(|text| Key::new(text.as_bytes()))
}
