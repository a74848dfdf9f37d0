//! Messages between members.
#![no_main]

use coffee_common::frame::Deframer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: coffee_fuzz::seeds::write("peer_messages"), |bytes: &[u8]| {
    coffeed::api::peer::fuzz::decode(bytes);
    let mut frames = Deframer::default();
    frames.push(bytes);
    while let Ok(Some(message)) = frames.next_message() {
        coffeed::api::peer::fuzz::decode(&message);
    }
});
