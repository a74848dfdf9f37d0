//! `set`: sets a key to a value, byte for byte.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use clap::Args;
use coffee_common::{
    command::{Condition, Operation},
    id::RequestId,
    key::{Key, KeyError, Value},
    limits::VALUE_BYTES_MAX,
};
use serde::Serialize;

use crate::{
    exit::ExitCode,
    failure::Failure,
    invocation::{Invocation, Origin},
    key_argument::key_parser,
    printer::{Printable, json::KeyField},
    verb::write::{self, WriteResult},
};

/// `set`.
#[derive(Debug, Args)]
pub(crate) struct SetArguments {
    /// The key: 1 to 1024 bytes
    #[arg(value_name = "KEY", value_parser = key_parser())]
    key: Key,
    /// The value, up to 1.5 MiB; - reads it from standard input
    #[arg(value_name = "VALUE", required_unless_present = "file", allow_negative_numbers = true)]
    pub(crate) value: Option<OsString>,
    /// Read the value from a file
    #[arg(long, value_name = "FILE", conflicts_with = "value")]
    file: Option<PathBuf>,
    /// Set only if the key was last changed at this revision (0: if it does not exist)
    #[arg(long, value_name = "REVISION")]
    if_rev: Option<u64>,
    /// Set only if the key does not exist
    #[arg(long, conflicts_with = "if_rev")]
    if_absent: bool,
    /// Retry a write whose outcome is unknown; it is applied at most once
    #[arg(long, value_name = "ID")]
    request_id: Option<RequestId>,
}

pub(crate) async fn run(
    arguments: &SetArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let value = value(arguments, invocation.origin).await?;
    let operation = Operation::Set(arguments.key.clone(), value);
    let absent = arguments.if_absent.then(|| Condition::Absent(arguments.key.clone()));
    let conditions = write::if_revision(&arguments.key, arguments.if_rev).into_iter().chain(absent).collect();
    let done = write::run(operation, conditions, arguments.request_id, invocation).await?;
    invocation.printer.report(&Set { key: KeyField(arguments.key.as_bytes()), changed: true, done });
    Ok(ExitCode::Done)
}

/// Returns the value from the file, standard input or the command line.
async fn value(arguments: &SetArguments, origin: Origin) -> Result<Value, Failure> {
    match (&arguments.file, &arguments.value) {
        (Some(path), _) => {
            let path = path.clone();
            in_background(move || from_file(&path)).await
        }
        (None, Some(dash)) if dash == "-" => match origin {
            Origin::CommandLine => {
                in_background(|| from_reader(&mut io::stdin().lock(), "standard input", None)).await
            }
            Origin::Prompt => {
                Err(Failure::usage("standard input is the prompt's own, not a value").hint("use --file FILE"))
            }
        },
        (None, value) => typed(value.as_deref().unwrap_or_default()),
    }
}

/// Reads in a thread, because it may block and Ctrl-C has to work meanwhile.
async fn in_background(
    read: impl FnOnce() -> Result<Value, Failure> + Send + 'static,
) -> Result<Value, Failure> {
    tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| {
        Err(Failure::new(ExitCode::Failed, format!("the value cannot be read: {error}")))
    })
}

fn typed(text: &OsStr) -> Result<Value, Failure> {
    Value::new(text.as_bytes().to_vec()).map_err(|error| Failure::usage(error.to_string()))
}

fn from_file(path: &Path) -> Result<Value, Failure> {
    let name = path.display().to_string();
    let mut file = File::open(path).map_err(|error| unreadable(&name, &error))?;
    let length = file.metadata().map_err(|error| unreadable(&name, &error))?.len();
    from_reader(&mut file, &name, Some(length))
}

/// Reads at most one byte more than the largest value.
fn from_reader(reader: &mut impl Read, name: &str, length: Option<u64>) -> Result<Value, Failure> {
    let mut bytes = Vec::new();
    let limit = VALUE_BYTES_MAX as u64 + 1;
    reader.take(limit).read_to_end(&mut bytes).map_err(|error| unreadable(name, &error))?;
    Value::new(bytes).map_err(|error| match error {
        KeyError::ValueTooLong(read) => too_long(name, length.filter(|length| *length >= read as u64)),
        other => Failure::usage(other.to_string()),
    })
}

fn too_long(name: &str, length: Option<u64>) -> Failure {
    let size = length.map_or_else(|| "too many".to_owned(), |length| length.to_string());
    Failure::usage(format!("{name} has {size} bytes, more than the limit of {VALUE_BYTES_MAX}"))
        .hint("nothing was sent; store large data elsewhere and its location here")
}

fn unreadable(name: &str, error: &io::Error) -> Failure {
    Failure::usage(format!("{name} cannot be read: {error}"))
        .hint("use --file FILE, or - as the value to read standard input")
}

#[derive(Serialize)]
struct Set<'a> {
    #[serde(flatten)]
    key: KeyField<&'a [u8]>,
    changed: bool,
    #[serde(flatten)]
    done: WriteResult,
}

impl Printable for Set<'_> {
    fn table(&self) -> String {
        format!("revision {}\n", self.done.revision)
    }

    fn plain(&self) -> Vec<Vec<String>> {
        vec![vec![self.done.revision.to_string()]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printer::{Format, tests::printed};

    #[test]
    fn golden() {
        let done = WriteResult { revision: 4711, previous: None, request_id: "c0ffee-7-1".into() };
        let set = Set { key: KeyField(b"order/1"), changed: true, done };
        assert_eq!(printed(Format::Table, &set), "revision 4711\n");
        assert_eq!(printed(Format::Plain, &set), "4711\n");
        assert_eq!(
            printed(Format::Json, &set),
            "{\"apiVersion\":\"coffee/v1\",\"key\":\"order/1\",\"changed\":true,\"revision\":4711,\"previous\":null,\
             \"request_id\":\"c0ffee-7-1\"}\n"
        );
    }

    #[test]
    fn a_value_from_a_file_is_byte_exact_up_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("order.bin");
        for length in [0, 1, VALUE_BYTES_MAX] {
            let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(from_file(&path).unwrap().as_bytes(), &bytes);
        }
        std::fs::write(&path, vec![0; VALUE_BYTES_MAX + 5]).unwrap();
        let failure = from_file(&path).unwrap_err();
        assert_eq!(failure.code(), ExitCode::Usage);
        assert!(
            failure.message().contains("has 1572869 bytes, more than the limit of 1572864"),
            "{failure:?}"
        );
    }

    #[test]
    fn a_value_without_end_is_refused() {
        let failure = from_reader(&mut io::repeat(7), "standard input", None).unwrap_err();
        assert!(
            failure.message().contains("standard input has too many bytes, more than the limit of 1572864"),
            "{failure:?}"
        );
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let failure = from_file(Path::new("/nowhere/order.bin")).unwrap_err();
        assert_eq!(failure.code(), ExitCode::Usage);
        assert!(failure.message().starts_with("/nowhere/order.bin cannot be read: "), "{failure:?}");
    }

    #[test]
    fn a_typed_value_may_be_any_bytes() {
        assert_eq!(typed(OsStr::from_bytes(b"\xff\n")).unwrap().as_bytes(), &b"\xff\n"[..]);
    }
}
