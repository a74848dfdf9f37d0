//! Golden bytes: formats on disk and on the wire, pinned by files in `tests/golden`.
//!
//! A file holds hexadecimal digits. `COFFEE_GOLDEN=write` in the environment
//! writes the files instead of comparing: a changed one needs a line in the
//! change log, since data of older builds has to be read still.

use std::{env, fs, path::Path};

/// Compares what is encoded with the golden file `name`.
pub(crate) fn check(name: &str, encoded: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(name).with_extension("hex");
    let encoded = to_hex(encoded);
    if env::var_os("COFFEE_GOLDEN").is_some_and(|what| what == "write") {
        fs::write(&path, &encoded).expect("the golden file can be written");
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        golden,
        encoded,
        "the format pinned by {} has changed: data of older builds could no longer be read. If that is \
         meant, give it a new version, write the file anew with COFFEE_GOLDEN=write, and say so in CHANGELOG.md",
        path.display()
    );
}

fn to_hex(bytes: &[u8]) -> String {
    let line = |line: &[u8]| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    bytes.chunks(32).map(line).collect()
}
