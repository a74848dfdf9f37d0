//! Texts that people, other machines and files give: names, addresses, the configuration, and backups; and
//! their way into a page.
#![no_main]

use std::path::Path;

use coffee_common::{
    backup::Unpacker,
    id::{Address, ClusterId, ClusterName, NodeName, RequestId},
    key::Key,
    key_scope::KeyScope,
    text,
};
use libfuzzer_sys::fuzz_target;

fn one_form<T: std::str::FromStr + ToString + PartialEq + std::fmt::Debug>(text: &str) {
    let Ok(value) = text.parse::<T>() else { return };
    assert!(text.parse::<T>().ok() == value.to_string().parse().ok(), "{value:?} is read as it is written");
}

fuzz_target!(init: coffee_fuzz::seeds::write("text"), |bytes: &[u8]| {
    let mut backup = Unpacker::default();
    backup.push(bytes);
    while let Ok(Some(_)) = backup.next_block() {}
    let Ok(given) = std::str::from_utf8(bytes) else { return };
    one_form::<NodeName>(given);
    one_form::<ClusterName>(given);
    one_form::<ClusterId>(given);
    one_form::<Address>(given);
    let _ = given.parse::<RequestId>();
    let _ = Key::new(given);
    coffeed::api::page::assert_escaped(given);
    let _ = KeyScope::new(given.split('\n'));
    assert!(text::harmless(given, 64).len() <= 64 * 3, "text is cut");
    let _ = coffeed::config::Settings::parse(given, Path::new("coffeed.toml"));
});
