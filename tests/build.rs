//! Exports the simulator's own `getrandom` from its executable, for crates that look the
//! symbol up at run time with the dynamic linker.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-arg-bin=simulate=-Wl,--export-dynamic-symbol=getrandom");
}
