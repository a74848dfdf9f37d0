//! The restart of one node: checks that it may stop, runs the operator's command,
//! and waits for a new process that has caught up.

use std::{cell::RefCell, io, process::Stdio, time::Duration};

use coffee_client::{Client, Error};
use coffee_common::{
    id::{NodeName, Revision},
    protocol::{ClusterView, LifecyclePhase, NodeState, NodeStatus, RaftRole},
};
use tokio::{
    process::{Child, Command},
    time::{Instant, MissedTickBehavior, interval},
};

use super::order::RestartTarget;
use crate::{exit::ExitCode, failure::Failure, wording};

/// The time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The time for one look: a node that stops does not answer.
const LOOK_WITHIN: Duration = Duration::from_secs(1);

/// The time after the command within which the node's old process must end.
const RESTARTS_WITHIN: Duration = Duration::from_secs(30);

/// A restarted node.
#[derive(Debug)]
pub(super) struct Again {
    /// Whether it was the leader.
    pub(super) led: bool,
}

/// Takes a node through its restart.
pub(super) struct RestartSteps<'a> {
    client: Client,
    stop: &'a RestartTarget,
    command: String,
    stage: RefCell<RestartStage>,
}

/// The step in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
enum RestartStage {
    /// It cannot be stopped yet, for this reason.
    MayStop(String),
    Transfer,
    Answer,
    Command,
    /// The command is done, and the node has not answered since.
    Back,
    /// The command is done, and the old process still answers.
    Same,
    /// It has not caught up yet, for this reason.
    Synced(String),
}

impl<'a> RestartSteps<'a> {
    pub(super) fn new(client: Client, stop: &'a RestartTarget, command: String) -> Self {
        let stage = RefCell::new(RestartStage::MayStop("no node has answered".into()));
        Self { client, stop, command, stage }
    }

    /// Describes the step in progress.
    pub(super) fn awaited(&self) -> String {
        let name = &self.stop.name;
        match &*self.stage.borrow() {
            RestartStage::MayStop(why) => format!("waiting: {name} cannot be stopped yet: {why}"),
            RestartStage::Transfer => format!("waiting: {name} hands over leadership"),
            RestartStage::Answer => format!("waiting: {name} does not answer"),
            RestartStage::Command => format!("waiting: the command for {name} runs"),
            RestartStage::Back => format!("waiting: {name} starts"),
            RestartStage::Same => format!("waiting: {name} still runs its old process"),
            RestartStage::Synced(why) => format!("waiting: {name} catches up: {why}"),
        }
    }

    /// Returns the failure of a restart that ran out of time.
    pub(super) fn missing(&self) -> Failure {
        let name = &self.stop.name;
        let stage = &*self.stage.borrow();
        let code = match stage {
            RestartStage::MayStop(_) => ExitCode::Refused,
            _ => ExitCode::Failed,
        };
        let message = match stage {
            RestartStage::MayStop(why) => format!("{name} still could not be stopped: {why}"),
            RestartStage::Transfer => format!("{name} still led, and was not stopped"),
            RestartStage::Answer => format!("{name} still did not answer, and was not stopped"),
            RestartStage::Command => {
                format!("the command for {name} was still running and was killed; its effect is unknown")
            }
            RestartStage::Back => format!("{name} had not started"),
            RestartStage::Same => {
                format!("{name} still ran its old process: the command has not restarted it")
            }
            RestartStage::Synced(why) => format!("{name} had started, but not caught up: {why}"),
        };
        Failure::new(code, message)
    }

    /// Runs all steps.
    pub(super) async fn restart(&self) -> Result<Again, Failure> {
        let led = self.hand_over().await?;
        self.may_stop().await?;
        let own = self.client.at(self.stop.address.clone())?.with_timeout(LOOK_WITHIN);
        self.stage.replace(RestartStage::Answer);
        let mut life = ProcessWatch::of(&self.first_look(&own).await?);
        self.stage.replace(RestartStage::Command);
        self.run_command(&own, &mut life).await?;
        self.stage.replace(RestartStage::Back);
        self.comes_back(&own, &mut life).await?;
        self.synced().await?;
        Ok(Again { led })
    }

    /// Transfers leadership if this node has it. Returns whether it had.
    async fn hand_over(&self) -> Result<bool, Failure> {
        let mut led = false;
        let mut ticks = ticks();
        loop {
            ticks.tick().await;
            let leader = match self.client.cluster().await {
                Ok(view) => view.leader,
                Err(error) => {
                    self.stage.replace(RestartStage::MayStop(error.to_string()));
                    passes(error).map(|()| None)?
                }
            };
            match leader {
                Some(leader) if leader != self.stop.name => return Ok(led),
                Some(_) => {
                    self.stage.replace(RestartStage::Transfer);
                    led = true;
                    match self.client.transfer(None).await {
                        Ok(_) | Err(Error::Unknown { .. }) => {}
                        Err(error) => passes(error)?,
                    }
                }
                None => {}
            }
        }
    }

    /// Waits until the quorum survives without this node.
    async fn may_stop(&self) -> Result<(), Failure> {
        let mut ticks = ticks();
        loop {
            ticks.tick().await;
            let why = match self.client.can_stop(self.stop.name.clone()).await {
                Ok(answer) if answer.yes => return Ok(()),
                Ok(answer) => answer.reason,
                Err(error) => {
                    let why = error.to_string();
                    passes(error).map(|()| why)?
                }
            };
            self.stage.replace(RestartStage::MayStop(why));
        }
    }

    async fn first_look(&self, own: &Client) -> Result<NodeStatus, Failure> {
        let mut ticks = ticks();
        loop {
            ticks.tick().await;
            match own.status().await {
                Ok(status) if status.name != self.stop.name => return Err(self.wrong_node(&status.name)),
                Ok(status) => return Ok(status),
                Err(error) => passes(error)?,
            }
        }
    }

    /// Runs the command to its end and watches the node meanwhile, so that a
    /// fast restart is not missed.
    async fn run_command(&self, own: &Client, life: &mut ProcessWatch) -> Result<(), Failure> {
        let mut child = spawn(&self.command)?;
        let watch = async {
            let mut ticks = ticks();
            loop {
                ticks.tick().await;
                if let Ok(status) = own.status().await {
                    life.saw(&status);
                }
            }
        };
        let ended = tokio::select! {
            ended = child.wait() => ended,
            never = watch => never,
        };
        let failed = |what: String| {
            Err(Failure::new(ExitCode::Failed, format!("the command for {} {what}", self.stop.name))
                .hint(format!("it was: {}", self.command)))
        };
        match ended {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => match status.code() {
                Some(code) => failed(format!("exited with {code}")),
                None => failed("was killed by a signal".into()),
            },
            Err(error) => failed(format!("cannot be waited for: {error}")),
        }
    }

    /// Waits until a new process answers as a member.
    async fn comes_back(&self, own: &Client, life: &mut ProcessWatch) -> Result<(), Failure> {
        let ended = Instant::now();
        let mut ticks = ticks();
        loop {
            ticks.tick().await;
            let Ok(status) = own.status().await else { continue };
            if status.name != self.stop.name {
                return Err(self.wrong_node(&status.name));
            }
            life.saw(&status);
            if life.is_new && status.phase == LifecyclePhase::Running {
                return Ok(());
            }
            self.stage.replace(if life.is_new { RestartStage::Back } else { RestartStage::Same });
            if !life.is_new && ended.elapsed() >= RESTARTS_WITHIN {
                let up = wording::span(status.uptime_ms);
                let message =
                    format!("the command has not restarted {}: its process has run for {up}", self.stop.name);
                return Err(Failure::new(ExitCode::Failed, message).hint(format!("it was: {}", self.command)));
            }
        }
    }

    /// Waits until it has applied the leader's revision of its first look.
    async fn synced(&self) -> Result<(), Failure> {
        let mut target = None;
        let mut ticks = ticks();
        loop {
            ticks.tick().await;
            let why = match self.client.cluster().await {
                Ok(view) => match judge(&view, &self.stop.name, &mut target) {
                    Ok(()) => return Ok(()),
                    Err(why) => why,
                },
                Err(error) => {
                    let why = error.to_string();
                    passes(error).map(|()| why)?
                }
            };
            self.stage.replace(RestartStage::Synced(why));
        }
    }

    fn wrong_node(&self, name: &NodeName) -> Failure {
        let RestartTarget { name: wanted, address, .. } = self.stop;
        Failure::new(ExitCode::Failed, format!("at {address}, {name} answers instead of {wanted}"))
            .hint("'coffeectl list' shows the recorded addresses; 'advertise' in the configuration sets them")
    }
}

/// Ignores errors that may pass.
fn passes(error: Error) -> Result<(), Failure> {
    match error {
        Error::Unavailable(_) | Error::NoQuorum(_) | Error::Unknown { .. } | Error::Refused { .. } => Ok(()),
        error => Err(error.into()),
    }
}

fn ticks() -> tokio::time::Interval {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Starts a command. Its output goes to standard error, since standard output has our data.
fn spawn(command: &str) -> Result<Child, Failure> {
    Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(io::stderr())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| Failure::new(ExitCode::Failed, format!("no shell can be started: {error}")))
}

/// Tells a new process from the old one by its start time. Uptimes do not tell:
/// the old process may have been as young as the new one.
#[derive(Debug)]
struct ProcessWatch {
    started_at_ms: u64,
    is_new: bool,
}

impl ProcessWatch {
    fn of(status: &NodeStatus) -> Self {
        Self { started_at_ms: status.started_at_ms, is_new: false }
    }

    fn saw(&mut self, status: &NodeStatus) {
        self.is_new |= status.started_at_ms != self.started_at_ms;
    }
}

/// Checks that a node is a member with the leader's revision of the first look;
/// `target` keeps that revision. Returns what is missing.
fn judge(view: &ClusterView, name: &NodeName, target: &mut Option<Revision>) -> Result<(), String> {
    let leader = view.nodes.iter().find(|node| Some(&node.name) == view.leader.as_ref());
    let target = match (*target, leader.and_then(|leader| leader.applied)) {
        (Some(target), _) => target,
        (None, Some(applied)) => *target.insert(applied),
        (None, None) => return Err("no node leads".into()),
    };
    let node = view.nodes.iter().find(|node| node.name == *name).ok_or("it is not in the list")?;
    match (node.state, node.role, node.applied) {
        (NodeState::Up, Some(RaftRole::Candidate), _) => Err("it is a candidate".into()),
        (NodeState::Up, Some(_), Some(applied)) if applied >= target && view.leader.is_some() => Ok(()),
        (NodeState::Up, Some(_), Some(applied)) if applied < target => {
            Err(format!("it is at {applied} of {target}"))
        }
        (NodeState::Up, Some(_), _) => Err("no node leads".into()),
        (state, ..) => Err(format!("it is {}", wording::condition(state))),
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::{feature_level::LEVEL_MAX, id::Address, protocol::CertificateStatus};

    use super::*;
    use crate::sample_view::{name, node, view};

    fn status(started_at_ms: u64) -> NodeStatus {
        NodeStatus {
            pace: Default::default(),
            left_out: None,
            writes_refused: None,
            name: NodeName::new("hong").unwrap(),
            address: Address::new("hong:7400").unwrap(),
            version: String::new(),
            phase: LifecyclePhase::Running,
            uptime_ms: 1,
            raft: None,
            certificate: CertificateStatus { serial: "5a".to_owned(), valid_until_s: 0 },
            started_at_ms,
            disk_free_bytes: None,
            revocation_lists: Vec::new(),
            level: LEVEL_MAX,
            clock_ms: 1,
        }
    }

    #[test]
    fn a_new_process_has_started_at_another_time() {
        let mut life = ProcessWatch::of(&status(5_000));
        life.saw(&status(5_000));
        assert!(!life.is_new);
        // The clock may have been set back meanwhile.
        life.saw(&status(4_000));
        assert!(life.is_new);
        life.saw(&status(4_000));
        assert!(life.is_new, "and it stays one");
    }

    #[test]
    fn a_node_has_caught_up_with_what_the_leader_had_at_first() {
        let view = |leader_at, role, state, applied| {
            let ming = node("ming", Some(RaftRole::Leader), NodeState::Up, Some(leader_at));
            view(2, 2, vec![ming, node("hong", role, state, Some(applied))])
        };
        let mut target = None;
        let mut judged = |view: ClusterView| judge(&view, &name("hong"), &mut target);
        let follower = Some(RaftRole::Follower);
        assert_eq!(judged(view(10, follower, NodeState::Up, 8)), Err("it is at 8 of 10".into()));
        assert_eq!(judged(view(90, follower, NodeState::Up, 10)), Ok(()));
        assert_eq!(judged(view(90, None, NodeState::Unreachable, 10)), Err("it is unreachable".into()));
        let candidate = view(90, Some(RaftRole::Candidate), NodeState::Up, 10);
        assert_eq!(judged(candidate), Err("it is a candidate".into()));
        let headless = ClusterView { leader: None, ..view(90, follower, NodeState::Up, 10) };
        assert_eq!(judged(headless), Err("no node leads".into()));
    }
}
