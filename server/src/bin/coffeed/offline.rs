//! Shared by the verbs that work on the data of a stopped node.

use coffee_common::id::Address;
use coffeectl::{exit::ExitCode, failure::Failure};
use coffeed::{
    Config,
    config::{LogLevel, LogOptions},
    raft_types::Member,
    storage::{disk::DataDirError, new_cluster::NewClusterError},
};

use crate::{exit, logging};

/// Runs `work` to its end.
pub(crate) fn run<T>(
    config: &Config,
    work: impl Future<Output = Result<T, NewClusterError>>,
) -> Result<T, Failure> {
    logging::start(LogOptions { level: LogLevel::Error, ..config.log }, Some(&config.name));
    logging::end_on_panic();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(ExitCode::Failed, format!("cannot run: {error}")))?;
    runtime.block_on(work).map_err(failure)
}

/// This node as a member record.
pub(crate) fn member(config: &Config) -> Member {
    let address = config.advertise.clone().unwrap_or_else(|| Address::from(config.listen));
    Member { name: config.name.clone(), address }
}

/// The failure of a verb that cannot use the data directory.
pub(crate) fn data_dir_failure(error: DataDirError) -> Failure {
    match error {
        // The hint for a start, to give this node another data directory, is wrong here.
        DataDirError::InUse { .. } => Failure::new(ExitCode::Failed, error.to_string())
            .hint("stop the coffeed that uses it, then run this command again"),
        error => exit::failure(error),
    }
}

/// The failure of a verb that could not make a new cluster.
pub(crate) fn failure(error: NewClusterError) -> Failure {
    match error {
        NewClusterError::DataDir(error) => data_dir_failure(error),
        error => {
            let code = if error.is_final() { ExitCode::Usage } else { ExitCode::Failed };
            Failure::new(code, error.to_string()).hint(error.hint())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_node_is_not_told_to_use_another_directory() {
        let in_use = DataDirError::InUse { path: "/var/lib/coffeed".into(), pid: Some("7".into()) };
        let failure = data_dir_failure(in_use);
        assert_eq!(failure.code(), ExitCode::Failed);
        assert_eq!(failure.hints(), ["stop the coffeed that uses it, then run this command again"]);
    }
}
