//! Messages between clients and nodes.
#![no_main]

use coffee_common::{
    command::Proposal,
    frame::{self, Deframer},
    protocol::{RequestFrame, ServerMessage},
};
use libfuzzer_sys::fuzz_target;
use serde::{Serialize, de::DeserializeOwned};

fn decode<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(message: &[u8]) {
    let Ok(decoded) = frame::decode::<T>(message) else { return };
    let encoded = frame::encode(&decoded).expect("a message that was decoded is encoded");
    let again = frame::decode::<T>(&encoded[frame::HEADER_BYTES..]).expect("and decoded again");
    assert_eq!(again, decoded);
}

fn all(message: &[u8]) {
    decode::<RequestFrame>(message);
    decode::<ServerMessage>(message);
    decode::<Proposal>(message);
}

fuzz_target!(init: coffee_fuzz::seeds::write("client_messages"), |bytes: &[u8]| {
    all(bytes);
    let mut frames = Deframer::default();
    frames.push(bytes);
    while let Ok(Some(message)) = frames.next_message() {
        all(&message);
    }
});
