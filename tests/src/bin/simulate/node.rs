//! A simulated node: its software, its disk, and its observable state.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use coffee_common::{
    id::{Address, ClusterId, NodeName},
    protocol::{LifecyclePhase, NodeStatus},
};
use coffee_tests::sim::observation::Inside;

use crate::{
    build::{NodeEnd, NodeSetup, SimBuild, SimCredentials, SimServer},
    disk::SimDisk,
    entropy::SimRng,
    socket::SimSocket,
    trace::Trace,
};

/// Port of every node, unless it has moved.
const PORT: u16 = 7400;

/// Port of a node that has moved.
const PORT_ELSEWHERE: u16 = 7500;

/// First port of clients.
pub(crate) const CLIENT_PORT: u16 = 9000;

/// The software of a node's host, run at each start.
#[derive(Clone)]
pub(crate) struct SimNode {
    pub(crate) name: NodeName,
    pub(crate) credentials: SimCredentials,
    pub(crate) disk: SimDisk,
    pub(crate) folder: PathBuf,
    /// The nodes to join after the first start, and from the first one on unless it founds.
    pub(crate) join: [&'static str; 2],
    pub(crate) founds: bool,
    /// The first cluster: another one does not count.
    pub(crate) cluster: Arc<OnceLock<ClusterId>>,
    pub(crate) seed: u64,
    pub(crate) trace: Trace,
    pub(crate) life: Arc<Mutex<NodeRun>>,
}

/// State observable from outside.
#[derive(Default)]
pub(crate) struct NodeRun {
    server: Option<Arc<dyn SimServer>>,
    /// The version with which it starts next.
    installed: SimBuild,
    /// The version that last opened its data.
    build: SimBuild,
    /// Whether it was asked to stop, and has not ended yet.
    stopping: bool,
    /// Violations that its own start has shown.
    wrong: Vec<String>,
    /// How many times it was started.
    pub(crate) starts: u64,
    /// Whether it advertises another address than at first.
    moved: bool,
    /// The addresses of the other nodes in its configuration; empty for their first ones.
    others: Vec<Address>,
    /// Its next start founds another cluster, by mistake.
    founds_another: bool,
    /// The ids under which it ended for good, as one that was removed.
    removed: Vec<u64>,
    /// Why it ended on its own, if it did.
    pub(crate) ended: Option<String>,
}

impl SimNode {
    fn life<T>(&self, work: impl FnOnce(&mut NodeRun) -> T) -> T {
        work(&mut self.life.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Its own status, while it runs. In another cluster it counts as a node without one.
    pub(crate) fn status(&self) -> Option<NodeStatus> {
        let mut status = self.life(|life| life.server.as_ref().map(|server| server.status()))?;
        status.raft = status.raft.filter(|raft| self.is_first(raft.cluster));
        Some(status)
    }

    /// Whether it cannot tell yet to which cluster it belongs.
    pub(crate) fn is_starting(&self) -> bool {
        let phase = self.life(|life| life.server.as_ref().map(|server| server.status().phase));
        phase.is_none_or(|phase| phase == LifecyclePhase::Opening)
    }

    /// Whether it belongs to another cluster than the first.
    pub(crate) fn is_elsewhere(&self) -> bool {
        let status = self.life(|life| life.server.as_ref().map(|server| server.status()));
        status.and_then(|status| status.raft).is_some_and(|raft| !self.is_first(raft.cluster))
    }

    fn is_first(&self, cluster: ClusterId) -> bool {
        self.cluster.get().is_none_or(|first| *first == cluster)
    }

    /// A description for humans.
    pub(crate) fn describe(&self) -> String {
        match self.status() {
            None => format!("{} is down", self.name),
            Some(status) => match status.raft {
                None => format!("{} runs without this cluster: {:?}", self.name, status.phase),
                Some(raft) => format!(
                    "{} {:?} {:?} in term {} under {:?}, log {}..{}, committed {}, applied {}, voters {:?}, learners {:?}, on record {:?}",
                    self.name,
                    status.phase,
                    raft.role,
                    raft.term,
                    raft.leader,
                    raft.purged,
                    raft.last_log,
                    raft.committed,
                    raft.applied,
                    raft.voters,
                    raft.learners,
                    raft.nodes.iter().map(|n| (n.id.0, n.name.as_str(), n.standing)).collect::<Vec<_>>()
                ),
            },
        }
    }

    /// Whether it claims to lead.
    pub(crate) fn leads(&self) -> bool {
        self.server().is_some_and(|server| server.leads())
    }

    /// Its server, while it has a replica of the first cluster.
    pub(crate) fn server(&self) -> Option<Arc<dyn SimServer>> {
        let server = self.life(|life| life.server.clone())?;
        let cluster = server.cluster()?;
        self.is_first(cluster).then_some(server)
    }

    /// The version with which it starts next.
    pub(crate) fn installed(&self) -> SimBuild {
        self.life(|life| life.installed)
    }

    /// Installs a version, with which it starts from then on.
    pub(crate) fn install(&self, build: SimBuild) {
        self.life(|life| life.installed = build);
    }

    /// Whether it runs this version, as a member or not.
    pub(crate) fn runs(&self, build: SimBuild) -> bool {
        self.life(|life| life.server.is_some() && life.build == build)
    }

    /// Whether its data is of a level that this version does not know.
    pub(crate) fn is_too_new_for(&self, build: SimBuild) -> bool {
        self.identity().is_some_and(|identity| identity.level > build.level())
    }

    /// Asks it to stop, if it runs.
    pub(crate) fn stop(&self) {
        let server = self.life(|life| {
            life.stopping = life.server.is_some();
            life.server.clone()
        });
        server.iter().for_each(|server| server.stop());
    }

    /// Whether it was asked to stop, and has not ended yet.
    pub(crate) fn is_stopping(&self) -> bool {
        self.life(|life| life.stopping)
    }

    /// Takes the violations that its own start has shown since the last call.
    pub(crate) fn take_wrong(&self) -> Vec<String> {
        self.life(|life| std::mem::take(&mut life.wrong))
    }

    /// Examines its disk, and the state that it has applied. The node `id` may be down.
    pub(crate) fn look_inside(&self, id: u64) -> Result<Inside, String> {
        let inside = self.life(|life| life.build).look(&self.disk, id)?;
        let state = self.server().and_then(|server| server.state());
        let marked = self.identity().filter(|identity| identity.id == id).map(|identity| identity.level);
        Ok(Inside { state, marked, ..inside })
    }

    /// Takes the ids under which it ended for good since the last call.
    pub(crate) fn take_removed(&self) -> Vec<u64> {
        self.life(|life| std::mem::take(&mut life.removed))
    }

    /// Takes the reason why it ended on its own, if it did since the last call.
    pub(crate) fn take_end(&self) -> Option<String> {
        self.life(|life| life.ended.take())
    }

    /// Drops the crashed server's state.
    pub(crate) fn forget(&self) {
        let server = self.life(|life| {
            life.stopping = false;
            life.server.take()
        });
        drop(server);
    }

    /// Replaces its disk by an empty one. The node must be down.
    pub(crate) fn lose_disk(&self) {
        self.disk.wipe();
        fs::remove_dir_all(&self.folder).expect("a folder of ours");
    }

    /// Whether it advertises another address than at first.
    pub(crate) fn is_moved(&self) -> bool {
        self.life(|life| life.moved)
    }

    /// Makes its next start advertise another address: its first one if it has moved.
    pub(crate) fn move_away(&self) {
        self.life(|life| life.moved = !life.moved);
    }

    /// Names these addresses of the other nodes in its configuration, from its next start on.
    pub(crate) fn name_others(&self, addresses: Vec<Address>) {
        self.life(|life| life.others = addresses);
    }

    fn port(&self) -> u16 {
        if self.is_moved() { PORT_ELSEWHERE } else { PORT }
    }

    /// The address that it advertises, from its next start on.
    pub(crate) fn address(&self) -> Address {
        std::net::SocketAddr::from((turmoil::lookup(self.name.as_str()), self.port())).into()
    }

    /// Makes its next start found another cluster, as an operator might on a node that has lost its
    /// disk.
    pub(crate) fn found_another(&self) {
        self.life(|life| life.founds_another = true);
    }

    /// The configuration varies with each start.
    fn setup(&self, socket: Arc<SimSocket>, starts: u64, founds: bool) -> NodeSetup {
        let mut join = Vec::new();
        if !founds {
            join = self.life(|life| life.others.clone());
            if join.is_empty() {
                join.extend(self.join.map(address));
            }
        }
        let mut rng = SimRng::new(self.seed ^ starts, 3);
        NodeSetup {
            name: self.name.clone(),
            port: self.port(),
            advertise: self.address(),
            join,
            snapshot_every_entries: rng.of(&[300, 300, 100, 1000]),
            log_keep_entries: rng.of(&[100, 100, 20, 400]),
            folder: self.folder.clone(),
            credentials: self.credentials.clone(),
            seed: self.seed ^ starts,
            socket,
            disk: self.disk.mount(),
        }
    }

    /// Runs the node until it ends.
    pub(crate) async fn run(self) -> Result<(), Box<dyn std::error::Error>> {
        let starts = self.life(|life| {
            life.starts += 1;
            life.starts
        });
        let how = match self.live(starts).await {
            Ok(end) => {
                if end.is_newer {
                    self.install(SimBuild::Next);
                }
                if let Some(identity) = self.identity().filter(|_| end.is_removed) {
                    self.life(|life| life.removed.push(identity.id));
                }
                end.how
            }
            Err(error) => format!("does not start: {error}"),
        };
        let server = self.life(|life| life.server.take());
        drop(server);
        self.life(|life| life.ended = Some(how));
        // The host stays up, like a machine without the daemon.
        std::future::pending().await
    }

    /// The identity file expects databases beside it; without them it would be reported
    /// as damage.
    fn stand_in(&self) -> std::io::Result<()> {
        if self.folder.join("identity.toml").exists() {
            for file in ["log.wal", "state.redb"] {
                fs::write(self.folder.join(file), "on the simulated disk")?;
            }
        }
        Ok(())
    }

    /// Reads its identity, if it has one.
    fn identity(&self) -> Option<NotedIdentity> {
        let text = fs::read_to_string(self.folder.join("identity.toml")).ok()?;
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
            line.and_then(|value| value.parse::<u64>().ok())
        };
        Some(NotedIdentity { id: value("id")?, level: u32::try_from(value("level")?).ok()? })
    }

    /// All that is on its disk.
    fn contents(&self) -> Vec<(String, Vec<u8>)> {
        let mut contents = self.disk.contents();
        let mut paths = vec![self.folder.clone()];
        while let Some(path) = paths.pop() {
            if path.is_dir() {
                let entries = fs::read_dir(path).expect("a folder of ours");
                paths.extend(entries.map(|entry| entry.expect("a file of ours").path()));
            } else {
                contents.push((path.display().to_string(), fs::read(path).expect("a file of ours")));
            }
        }
        contents.sort();
        contents
    }

    /// Starts a version that does not know the level of the data: it must say so, and change nothing.
    /// The operator then installs the next version again.
    async fn refuse(&self, build: SimBuild, setup: NodeSetup) -> NodeEnd {
        let before = self.contents();
        let end = match build.start(setup).await {
            Ok(_) => NodeEnd {
                how: "it starts on data of a newer version".to_owned(),
                is_newer: false,
                is_removed: false,
            },
            Err(end) => end,
        };
        if !(end.is_newer && end.how.contains("written by a newer version")) {
            self.accuse(&end.how);
        }
        if self.contents() != before {
            self.accuse("a start that was refused has changed the data");
        }
        self.trace.note("start refused", u64::from(build.level()));
        self.install(SimBuild::Next);
        end
    }

    fn accuse(&self, what: &str) {
        let wrong = format!("{}: {what}", self.name);
        self.life(|life| life.wrong.push(wrong));
    }

    async fn live(&self, starts: u64) -> Result<NodeEnd, Box<dyn std::error::Error>> {
        let founds = self.life(|life| std::mem::take(&mut life.founds_another)) || self.founds && starts == 1;
        let ip = turmoil::lookup(self.name.as_str());
        let socket = SimSocket::bind(ip, self.port(), self.trace.clone()).await?;
        self.stand_in()?;
        let build = self.installed();
        let setup = self.setup(socket, starts, founds);
        if self.is_too_new_for(build) {
            return Ok(self.refuse(build, setup).await);
        }
        self.life(|life| life.build = build);
        let server = match build.start(setup).await {
            Ok(server) => server,
            Err(end) => {
                if end.is_newer {
                    self.accuse(&end.how);
                }
                return Ok(end);
            }
        };
        self.life(|life| life.server = Some(Arc::clone(&server)));
        if founds {
            let cluster = server.found().await?;
            self.cluster.get_or_init(|| cluster);
        }
        Ok(server.closed().await)
    }
}

/// The identity that a node has noted: a file whose lines are `name = value`.
#[derive(Debug)]
struct NotedIdentity {
    id: u64,
    level: u32,
}

/// First address of a node.
pub(crate) fn address(name: &str) -> Address {
    std::net::SocketAddr::from((turmoil::lookup(name), PORT)).into()
}
