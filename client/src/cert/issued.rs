//! What was issued: one line a certificate, `SERIAL UNTIL NAME`, in a file of
//! the folder.
//!
//! A renewed certificate takes the place of the one before it, which is good
//! all the same until its time is over. To revoke a name is to revoke all of
//! them, so each is noted before it is handed out. A line that a crash has
//! torn belongs to a certificate that nobody got.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use super::error::CertError;

/// The file's name.
pub(super) const FILE: &str = "ca.issued";

/// No such file is larger.
const BYTES_MAX: u64 = 16 << 20;

/// Notes a certificate, durably.
pub(super) fn note(folder: &Path, serial: &str, not_after: i64, name: &str) -> Result<(), CertError> {
    let path = path(folder);
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // One write: two that come at once do not mix. An empty line does no harm,
    // and ends one that was torn.
    let line = format!("\n{serial} {not_after} {name}\n");
    let written = options.open(&path).and_then(|mut file| {
        file.write_all(line.as_bytes())?;
        file.sync_all()
    });
    written.map_err(CertError::io("write", &path))
}

/// The serial numbers of all certificates of a name whose time is not over, in hexadecimal.
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
    if text.len() as u64 > BYTES_MAX { Err(io::Error::other("it is too large")) } else { Ok(text) }
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
