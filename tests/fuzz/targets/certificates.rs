//! Certificates, keys and revocation lists.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: coffee_fuzz::seeds::write("certificates"), |bytes: &[u8]| {
    coffee_common::tls::fuzz::der(bytes);
    coffee_common::tls::fuzz::text(bytes);
});
