//! `backup verify`: reads and checks a backup. Contacts no node.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use coffee_client::seal::{self, SealError, UnsealedReader, UnsealingKey};
use coffee_common::{
    backup::{BackupError, BackupMember, Summary, Unpacker},
    feature_level::FeatureLevel,
};
use serde::Serialize;

use super::BackupVerifyArguments;
use crate::{
    dates,
    exit::ExitCode,
    failure::Failure,
    invocation::{Invocation, Origin},
    printer::{Printable, escape, table::TextTable},
    wording,
};

/// Size of one read.
const PIECE_BYTES: usize = 256 << 10;

pub(super) async fn run(
    arguments: &BackupVerifyArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let file = &arguments.file;
    let key = arguments.unseal_key.as_deref().map(UnsealingKey::load).transpose()?;
    let from_stdin = file.as_os_str() == "-";
    if from_stdin && invocation.origin == Origin::Prompt {
        return Err(Failure::usage("the prompt reads its commands from standard input").hint("name a file"));
    }
    let path = file.to_owned();
    // On a blocking thread, so Ctrl-C works meanwhile.
    let verified = tokio::task::spawn_blocking(move || {
        if from_stdin {
            verify_with(io::stdin().lock(), "standard input", key)
        } else {
            verify_file(&path, key)
        }
    });
    let summary = verified.await.unwrap_or_else(|error| {
        Err(Failure::new(ExitCode::Failed, format!("cannot read the backup: {error}")))
    })?;
    invocation.printer.report(&Described::new(&summary));
    Ok(ExitCode::Done)
}

fn verify_file(path: &Path, key: Option<UnsealingKey>) -> Result<Summary, Failure> {
    let name = escape::path(path);
    let file = File::open(path).map_err(|error| unreadable(&name, &error))?;
    verify_with(file, &name, key)
}

/// Verifies a backup, which is sealed if there is a key.
fn verify_with(mut reader: impl Read, name: &str, key: Option<UnsealingKey>) -> Result<Summary, Failure> {
    match key {
        None => verify(&mut reader, name),
        Some(key) => {
            let opened = UnsealedReader::begin(reader, key);
            verify(&mut opened.map_err(|error| unreadable(name, &error))?, name)
        }
    }
}

fn verify(reader: &mut impl Read, name: &str) -> Result<Summary, Failure> {
    let mut unpacker = Unpacker::default();
    let mut piece = vec![0; PIECE_BYTES];
    let damaged = |error: &BackupError| {
        Failure::new(ExitCode::Failed, format!("{name}: {error}"))
            .hint("it cannot be restored: use another backup")
    };
    let mut is_first = true;
    loop {
        let read = match reader.read(&mut piece) {
            Ok(read) if std::mem::take(&mut is_first) && seal::is_sealed(&piece[..read]) => {
                return Err(Failure::new(ExitCode::Failed, format!("{name} is sealed"))
                    .hint("open it with its private key: backup verify --key-file KEY"));
            }
            Ok(0) => return unpacker.finish().map_err(|error| damaged(&error)),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(name, &error)),
        };
        unpacker.push(&piece[..read]);
        while unpacker.next_block().map_err(|error| damaged(&error))?.is_some() {}
    }
}

fn unreadable(name: &str, error: &io::Error) -> Failure {
    // A sealed one is damaged, or is not to this key.
    if let Some(problem) = error.get_ref().and_then(|cause| cause.downcast_ref::<SealError>()) {
        let hint = match problem {
            SealError::OtherKey => "use the private key of the public one that sealed it",
            SealError::NotSealed => "leave out --key-file",
            _ => "it cannot be restored: use another backup",
        };
        return Failure::new(ExitCode::Failed, format!("{name}: {problem}")).hint(hint);
    }
    Failure::new(ExitCode::Failed, format!("cannot read {name}: {error}"))
        .hint("check the path and its permissions")
}

/// The content of a complete backup.
#[derive(Serialize)]
pub(super) struct Described {
    cluster: String,
    pub(super) node: String,
    node_id: String,
    pub(super) revision: u64,
    term: u64,
    taken_at: String,
    pub(super) keys: u64,
    pub(super) bytes: u64,
    sha256: String,
    coffeed: String,
    level: FeatureLevel,
    members: Vec<MemberRow>,
}

#[derive(Serialize)]
struct MemberRow {
    name: String,
    id: String,
    address: String,
    votes: bool,
}

impl MemberRow {
    fn new(member: &BackupMember) -> Self {
        let BackupMember { id, name, address, votes } = member;
        Self { name: name.to_string(), id: id.to_string(), address: address.to_string(), votes: *votes }
    }
}

impl Described {
    pub(super) fn new(summary: &Summary) -> Self {
        let Summary { header, end, bytes } = summary;
        Self {
            cluster: header.cluster.to_string(),
            node: header.node.to_string(),
            node_id: header.node_id.to_string(),
            revision: header.revision.0,
            term: header.term,
            taken_at: dates::utc(i64::try_from(header.taken_at_ms / 1000).unwrap_or(i64::MAX)),
            keys: end.keys,
            bytes: *bytes,
            sha256: end.sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
            coffeed: header.version.clone(),
            level: header.level,
            members: header.members.iter().map(MemberRow::new).collect(),
        }
    }

    /// Returns the fields of plain output.
    pub(super) fn fields(&self) -> Vec<String> {
        vec![
            self.cluster.clone(),
            self.node.clone(),
            self.revision.to_string(),
            self.taken_at.clone(),
            self.keys.to_string(),
            self.bytes.to_string(),
            self.sha256.clone(),
        ]
    }
}

impl Printable for Described {
    fn table(&self) -> String {
        let members: Vec<&str> = self.members.iter().map(|member| member.name.as_str()).collect();
        let mut table = TextTable::without_header();
        for (name, value) in [
            ("whole", "yes".to_owned()),
            ("cluster", self.cluster.clone()),
            ("node", format!("{}, id {}", self.node, self.node_id)),
            ("revision", format!("{}, term {}", self.revision, self.term)),
            ("taken", self.taken_at.clone()),
            ("keys", self.keys.to_string()),
            ("size", format!("{} bytes, {}", self.bytes, wording::size(self.bytes))),
            ("members", members.join(" ")),
            ("coffeed", escape::shown(&self.coffeed)),
            ("level", self.level.to_string()),
            ("sha256", self.sha256.clone()),
        ] {
            table.row([name.to_owned(), value]);
        }
        table.render()
    }

    fn plain(&self) -> Vec<Vec<String>> {
        vec![self.fields()]
    }
}

#[cfg(test)]
pub(super) mod tests {
    use coffee_common::{
        backup::{BackupEnd, BackupHeader, Packer},
        feature_level::LEVEL_MIN,
        id::{ClusterId, NodeId, Revision},
    };

    use super::*;
    use crate::printer::{Format, tests::printed};

    fn header() -> BackupHeader {
        BackupHeader {
            cluster: ClusterId(0xc0ffee),
            node: "ming".parse().unwrap(),
            node_id: NodeId(1),
            revision: Revision(4711),
            term: 3,
            members: vec![BackupMember {
                id: NodeId(1),
                name: "ming".parse().unwrap(),
                address: "ming:7400".parse().unwrap(),
                votes: true,
            }],
            taken_at_ms: 1_795_399_453_000,
            version: "0.1.0".into(),
            rows: 1,
            level: LEVEL_MIN,
        }
    }

    pub(crate) fn described() -> Described {
        let end = BackupEnd { keys: 12, bytes: 3000, sha256: [0xab; 32] };
        Described::new(&Summary { header: header(), end, bytes: 3072 })
    }

    #[test]
    fn golden() {
        let sha256 = "ab".repeat(32);
        assert_eq!(
            printed(Format::Table, &described()),
            format!(
                "whole     yes\ncluster   00000000000000000000000000c0ffee\nnode      ming, id 1\n\
                 revision  4711, term 3\ntaken     2026-11-23T02:04:13Z\nkeys      12\n\
                 size      3072 bytes, 3 KiB\nmembers   ming\ncoffeed   0.1.0\nlevel     1\nsha256    {sha256}\n"
            )
        );
        assert_eq!(
            printed(Format::Plain, &described()),
            format!(
                "00000000000000000000000000c0ffee\tming\t4711\t2026-11-23T02:04:13Z\t12\t3072\t{sha256}\n"
            )
        );
        assert_eq!(
            printed(Format::Json, &described()),
            format!(
                "{{\"apiVersion\":\"coffee/v1\",\"cluster\":\"00000000000000000000000000c0ffee\",\"node\":\"ming\",\
                 \"node_id\":\"1\",\"revision\":4711,\"term\":3,\"taken_at\":\"2026-11-23T02:04:13Z\",\"keys\":12,\
                 \"bytes\":3072,\"sha256\":\"{sha256}\",\"coffeed\":\"0.1.0\",\"level\":1,\"members\":[{{\"name\":\"ming\",\
                 \"id\":\"1\",\"address\":\"ming:7400\",\"votes\":true}}]}}\n"
            )
        );
    }

    #[test]
    fn damage_is_told_with_its_place() {
        let (mut packer, first) = Packer::begin(&header()).unwrap();
        let mut file = first.to_vec();
        let at = file.len();
        file.extend_from_slice(&packer.data(1, b"latte"));
        file.extend_from_slice(&packer.end(1).unwrap());
        assert_eq!(verify(&mut &file[..], "a").unwrap().header, header());
        file[at + 14] ^= 1;
        let failure = verify(&mut &file[..], "a").unwrap_err();
        assert_eq!(failure.code(), ExitCode::Failed);
        assert_eq!(
            failure.message(),
            format!("a: it is damaged at byte {at}, in block 1: its checksum does not match")
        );
        let failure = verify_file(Path::new("/nowhere/a"), None).unwrap_err();
        assert_eq!(failure.code(), ExitCode::Failed);
    }
}
