//! `backup`: writes the whole state of the cluster to a file or standard output.

mod file;
mod sealing;
mod verify;

use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use coffee_client::{Backup, Summary};
use serde::Serialize;
use tokio::time::{Instant, timeout};

use self::{
    file::{FileAside, Output, Sink},
    sealing::Sealing,
    verify::Described,
};
use crate::{
    confirm,
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    printer::{Printable, Printer, escape},
    wording,
};

/// `backup`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    subcommand_value_name = "VERB",
    after_help = "\
The backup contains all keys, read from the first endpoint that responds. It has
every write acknowledged before, or with --consistency local the node's own
state, which may be stale. The file gets its name once it is complete and on
disk. Requires the role backup or admin; the file is as secret as the cluster's data.
To create a cluster from it: coffeed --config FILE restore BACKUP

With --seal-to it is readable with the private key alone, which need not be on
this machine: 'backup key FILE' makes a pair. The number of bytes that is shown
is that of the content."
)]
pub(crate) struct BackupArguments {
    #[command(subcommand)]
    verb: Option<BackupVerb>,
    /// File to write; - writes to standard output
    #[arg(value_name = "FILE", required = true)]
    file: Option<PathBuf>,
    /// Seal the backup: only who has the private key of this public one can read it
    #[arg(long, value_name = "KEY")]
    seal_to: Option<PathBuf>,
}

/// `backup ..`.
#[derive(Debug, Subcommand)]
pub(crate) enum BackupVerb {
    /// Check that a backup is complete and undamaged, and show its content
    Verify(BackupVerifyArguments),
    /// Make a pair of keys: the public one seals backups, the private one opens them
    Key(BackupKeyArguments),
}

/// `backup key`.
#[derive(Debug, Args)]
pub(crate) struct BackupKeyArguments {
    /// File for the private key; the public one is put beside it, with the ending .pub
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
}

/// `backup verify`.
#[derive(Debug, Args)]
pub(crate) struct BackupVerifyArguments {
    /// Backup to read; - reads from standard input
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Private key of a sealed backup
    #[arg(long = "key-file", value_name = "KEY")]
    pub(super) unseal_key: Option<PathBuf>,
}

pub(crate) async fn run(
    arguments: &BackupArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    match (&arguments.verb, &arguments.file) {
        (Some(BackupVerb::Verify(arguments)), _) => verify::run(arguments, invocation).await,
        (Some(BackupVerb::Key(arguments)), _) => sealing::make_keys(&arguments.file, invocation),
        (None, Some(file)) => {
            let seal_to = arguments.seal_to.as_deref();
            // Without --timeout, a backup may take as long as it makes progress.
            match invocation.options.timeout {
                None => back_up(file, seal_to, invocation).await,
                Some(limit) => {
                    timeout(limit, back_up(file, seal_to, invocation)).await.unwrap_or_else(|_| {
                        Err(Failure::new(ExitCode::Unavailable, "the backup did not finish in time")
                            .hint("the partial file was removed; raise --timeout, or omit it"))
                    })
                }
            }
        }
        (None, None) => Err(Failure::usage("no file given for the backup").hint("usage: backup FILE")),
    }
}

async fn back_up(
    file: &Path,
    seal_to: Option<&Path>,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let began = Instant::now();
    let to_stdout = file.as_os_str() == "-";
    if to_stdout && io::stdout().is_terminal() {
        return Err(Failure::usage("cannot write a backup to a terminal")
            .hint("name a file, or redirect standard output: backup - | gzip > FILE"));
    }
    if !to_stdout && file::is_there(file)? && !invocation.options.yes {
        let plan = format!("{} exists and will be replaced\n", escape::path(file));
        confirm::confirm(&plan, invocation).await?;
    }
    let mut sealing = Sealing::begin(seal_to)?;
    let client = invocation.client(invocation.usual_timeout())?;
    let backup = client.backup(invocation.options.consistency).await?;
    let output = if to_stdout { Output::standard()? } else { Output::Aside(FileAside::create(file)?) };
    let (summary, output) = carry(backup, &mut sealing, output, invocation.printer).await?;
    output.finish().await?;
    let done = BackupReport {
        file: file.to_string_lossy().into_owned(),
        backup: Described::new(&summary),
        sealed: seal_to.is_some(),
        took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    if to_stdout {
        invocation.printer.note(done.line().trim_end());
    } else {
        invocation.printer.report(&done);
    }
    Ok(ExitCode::Done)
}

/// Copies the backup to the output, and shows the progress.
async fn carry(
    mut backup: Backup,
    sealing: &mut Sealing,
    output: Output,
    printer: &Printer,
) -> Result<(Summary, Output), Failure> {
    let mut sink = Sink::new(output);
    let rows = backup.header().rows;
    let mut progress = printer.progress();
    let carried = loop {
        match backup.next().await {
            Ok(Some(piece)) => {
                if let Err(failure) = sink.write(sealing.pass(piece)).await {
                    break Err(failure);
                }
                let percent = backup.rows().saturating_mul(100) / rows.max(1);
                progress.show(&format!("{percent:>3} % of {rows} rows, {}", wording::size(sink.bytes())));
            }
            Ok(None) => break sink.write(sealing.end()).await,
            Err(error) => break Err(error.into()),
        }
    };
    drop(progress);
    carried?;
    let summary = backup.summary().cloned();
    let summary = summary.ok_or_else(|| Failure::new(ExitCode::Failed, "the backup ended early"))?;
    Ok((summary, sink.into_output()?))
}

/// The report on a new backup.
#[derive(Serialize)]
struct BackupReport {
    file: String,
    #[serde(flatten)]
    backup: Described,
    /// Whether it can be read with a private key only.
    sealed: bool,
    took_ms: u64,
}

impl BackupReport {
    fn line(&self) -> String {
        format!(
            "{}: {} keys at revision {} of {}, {}{}, after {}\n",
            escape::shown(&self.file),
            self.backup.keys,
            self.backup.revision,
            self.backup.node,
            wording::size(self.backup.bytes),
            if self.sealed { ", sealed" } else { "" },
            wording::span(self.took_ms)
        )
    }
}

impl Printable for BackupReport {
    fn table(&self) -> String {
        self.line()
    }

    fn plain(&self) -> Vec<Vec<String>> {
        let mut fields = vec![escape::field(&self.file)];
        fields.extend(self.backup.fields());
        vec![fields]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printer::{Format, tests::printed};

    #[test]
    fn golden() {
        let done = BackupReport {
            file: "nightly.backup".into(),
            backup: verify::tests::described(),
            sealed: false,
            took_ms: 31,
        };
        assert_eq!(
            printed(Format::Table, &done),
            "nightly.backup: 12 keys at revision 4711 of ming, 3 KiB, after 31 ms\n"
        );
        assert!(printed(Format::Plain, &done).starts_with("nightly.backup\t0000"));
        let json = printed(Format::Json, &done);
        assert!(
            json.starts_with(r#"{"apiVersion":"coffee/v1","file":"nightly.backup","cluster":"00"#),
            "{json}"
        );
        assert!(json.ends_with("\"sealed\":false,\"took_ms\":31}\n"), "{json}");
    }
}
