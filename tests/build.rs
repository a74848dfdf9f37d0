//! Lets the simulator's own `getrandom` be found by who looks for it while the
//! program runs, too: some crates ask the dynamic linker in place of the linker.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-arg-bin=simulate=-Wl,--export-dynamic-symbol=getrandom");
}
