//! The register of issued certificates: one line per certificate, `SERIAL UNTIL
//! NAME`, in a file of the directory.
//!
//! A renewed certificate replaces its file, but its predecessor remains valid until
//! it expires. Revoking a name revokes all of them, so each one is registered
//! before it is handed out. A torn line belongs to a certificate that was never
//! handed out.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use super::error::CertError;

/// The file's name.
pub(super) const FILE: &str = "ca.issued";

/// Maximum size of the file.
const BYTES_MAX: u64 = 16 << 20;

/// Registers a certificate durably.
pub(super) fn note(folder: &Path, serial: &str, not_after: i64, name: &str) -> Result<(), CertError> {
    let path = path(folder);
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // A single write, so concurrent ones do not mix. The empty line is ignored, and terminates a
    // torn one.
    let line = format!("\n{serial} {not_after} {name}\n");
    let written = options.open(&path).and_then(|mut file| {
        file.write_all(line.as_bytes())?;
        file.sync_all()
    });
    written.map_err(CertError::io("write", &path))
}

/// Returns the serial numbers, in hexadecimal, of all unexpired certificates of a
/// name.
pub(super) fn serials(folder: &Path, name: &str, now: i64) -> Result<Vec<String>, CertError> {
    let path = path(folder);
    let text = match read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        read => read.map_err(CertError::io("read", &path))?,
    };
    let of_line = |line: &str| {
        let mut words = line.split(' ');
        let (serial, until, whose) = (words.next()?, words.next()?, words.next()?);
        let until: i64 = until.parse().ok()?;
        (whose == name && until > now && words.next().is_none()).then(|| serial.to_owned())
    };
    Ok(text.lines().filter_map(of_line).collect())
}

fn path(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > BYTES_MAX { Err(io::Error::other("the file is too large")) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_certificate_of_a_name_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(serials(folder.path(), "node-ming", 0).expect("reads"), [""; 0]);
        for (serial, until, name) in [
            ("4a", 100, "node-ming"),
            ("4b", 300, "node-hong"),
            ("4c", 200, "node-ming"),
            ("4d", 200, "node-mingming"),
        ] {
            note(folder.path(), serial, until, name).expect("notes");
        }
        assert_eq!(serials(folder.path(), "node-ming", 50).expect("reads"), ["4a", "4c"]);
        assert_eq!(serials(folder.path(), "node-ming", 100).expect("reads"), ["4c"], "its time is over");
    }

    #[test]
    fn a_torn_line_does_no_harm() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(FILE), "4a 10").expect("writes");
        note(folder.path(), "4b", 100, "node-ming").expect("notes");
        assert_eq!(serials(folder.path(), "node-ming", 0).expect("reads"), ["4b"]);
    }
}
