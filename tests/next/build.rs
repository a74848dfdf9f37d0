//! Compiles the sources of a crate as the next version of coffeed: with one feature level more
//! (`coffee_common::feature_level`).

fn main() {
    println!("cargo::rerun-if-changed=../build.rs");
    println!("cargo::rustc-cfg=coffee_future");
    // `cargo test --lib` takes libraries without tests as well.
    println!("cargo::rustc-cfg=coffee_twin");
    // The features of these crates are those that the simulator needs: none.
    println!("cargo::rustc-check-cfg=cfg(feature, values(\"bench\", \"cert\", \"seal\"))");
}
