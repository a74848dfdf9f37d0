//! Golden bytes: formats on disk and on the wire, pinned by files in
//! `tests/golden`.
//!
//! A file holds hexadecimal digits. With `COFFEE_GOLDEN=write` in the environment
//! the files are written instead of compared. A changed file needs a line in the
//! change log, because data of older builds must stay readable.

use std::{env, fs, path::Path};

/// Compares `encoded` with the golden file `name`.
pub(crate) fn check(name: &str, encoded: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(name).with_extension("hex");
    let encoded = to_hex(encoded);
    if env::var_os("COFFEE_GOLDEN").is_some_and(|value| value == "write") {
        fs::write(&path, &encoded).expect("the golden file can be written");
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        golden,
        encoded,
        "the format pinned by {} has changed: data of older builds could no longer be read. If that is \
         intended, give it a new version, rewrite the file with COFFEE_GOLDEN=write, and add a line to \
         CHANGELOG.md",
        path.display()
    );
}

/// The bytes of the golden file `name`.
pub(crate) fn bytes(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(name).with_extension("hex");
    let text = fs::read_to_string(path).expect("a golden file");
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16);
    digits.chunks(2).map(|pair| byte(pair).expect("hexadecimal")).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    let line = |line: &[u8]| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    bytes.chunks(32).map(line).collect()
}
