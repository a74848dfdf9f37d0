//! A disk in memory that distinguishes durable from written bytes, fails on
//! demand, and can delay syncs.

use std::{
    io,
    sync::{Arc, Condvar, Mutex},
};

use redb::StorageBackend;

use crate::storage::log::lock;

/// A disk in memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogDisk {
    platter: Arc<Mutex<Platter>>,
    gate: Arc<SyncGate>,
}

#[derive(Debug, Default)]
struct Platter {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// The steps since the last sync, in order.
    unsynced: Vec<DiskStep>,
    syncs: u64,
    bytes_read: u64,
    /// How many more steps succeed; `None`: all do.
    fuel: Option<u64>,
}

#[derive(Debug, Clone)]
enum DiskStep {
    Write(u64, Vec<u8>),
    Resize(u64),
}

/// The effect of a power cut on each 512 unsynced bytes.
#[derive(Debug, Clone, Copy)]
pub(super) enum LogPowerCut {
    /// They are lost.
    LosesAll,
    /// Some of them were written: by the bits of this seed.
    LosesSome(u64),
}

#[derive(Debug, Default)]
struct SyncGate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    closed: bool,
    /// Whether a sync waits at the closed gate.
    waiting: bool,
}

impl LogDisk {
    /// The disk after a power cut.
    pub(super) fn power_cut(&self, how: LogPowerCut) -> Self {
        let platter = lock(&self.platter);
        let mut durable = platter.durable.clone();
        if let LogPowerCut::LosesSome(mut seed) = how {
            let sectors = platter.unsynced.iter().flat_map(DiskStep::sectors);
            for step in sectors {
                // xorshift64: enough to toss a coin.
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                if seed & 1 == 1 {
                    step.apply(&mut durable);
                }
            }
        }
        Self::holding(durable)
    }

    /// A disk on which these bytes are durable.
    pub(super) fn holding(bytes: Vec<u8>) -> Self {
        let platter = Platter { now: bytes.clone(), durable: bytes, ..Platter::default() };
        Self { platter: Arc::new(Mutex::new(platter)), gate: Arc::default() }
    }

    /// The durable bytes.
    pub(super) fn durable(&self) -> Vec<u8> {
        lock(&self.platter).durable.clone()
    }

    /// Whether nothing was ever written.
    pub(super) fn is_empty(&self) -> bool {
        lock(&self.platter).now.is_empty()
    }

    /// The number of syncs.
    pub(super) fn syncs(&self) -> u64 {
        lock(&self.platter).syncs
    }

    /// The number of bytes that were read.
    pub(super) fn bytes_read(&self) -> u64 {
        lock(&self.platter).bytes_read
    }

    /// Lets `steps` more writes and syncs succeed; all later ones fail. `None`:
    /// none fails.
    pub(super) fn fail_after(&self, steps: Option<u64>) {
        lock(&self.platter).fuel = steps;
    }

    /// Delays syncs.
    pub(crate) fn close_gate(&self) {
        lock(&self.gate.state).closed = true;
    }

    /// Ends the delay of syncs.
    pub(crate) fn open_gate(&self) {
        lock(&self.gate.state).closed = false;
        self.gate.changed.notify_all();
    }

    /// Waits until a sync is delayed.
    pub(crate) fn wait_for_a_sync(&self) {
        let held_up = self.gate.changed.wait_while(lock(&self.gate.state), |gate| !gate.waiting);
        assert!(held_up.is_ok());
    }

    fn step(&self, step: DiskStep) -> io::Result<()> {
        let mut platter = lock(&self.platter);
        platter.burn()?;
        step.apply(&mut platter.now);
        platter.unsynced.push(step);
        Ok(())
    }
}

impl Platter {
    fn burn(&mut self) -> io::Result<()> {
        match &mut self.fuel {
            None => Ok(()),
            Some(0) => Err(io::Error::from_raw_os_error(5)),
            Some(fuel) => {
                *fuel -= 1;
                Ok(())
            }
        }
    }
}

impl DiskStep {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Resize(len) => bytes.resize(*len as usize, 0),
            Self::Write(offset, data) => {
                let (start, end) = (*offset as usize, *offset as usize + data.len());
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[start..end].copy_from_slice(data);
            }
        }
    }

    /// The parts that can be lost independently.
    fn sectors(&self) -> Vec<Self> {
        match self {
            Self::Resize(_) => vec![self.clone()],
            Self::Write(offset, data) => {
                let (mut at, mut rest, mut parts) = (*offset, data.as_slice(), Vec::new());
                while !rest.is_empty() {
                    let (sector, after) = rest.split_at(rest.len().min(512 - at as usize % 512));
                    parts.push(Self::Write(at, sector.to_vec()));
                    (at, rest) = (at + sector.len() as u64, after);
                }
                parts
            }
        }
    }
}

impl StorageBackend for LogDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.platter).now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut platter = lock(&self.platter);
        platter.bytes_read += out.len() as u64;
        let end = offset as usize + out.len();
        match platter.now.get(offset as usize..end) {
            Some(bytes) => out.copy_from_slice(bytes),
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.step(DiskStep::Resize(len))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.step(DiskStep::Write(offset, data.to_vec()))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut gate = lock(&self.gate.state);
        while gate.closed {
            gate.waiting = true;
            self.gate.changed.notify_all();
            gate = self.gate.changed.wait(gate).expect("no test panics while it holds this");
        }
        gate.waiting = false;
        let mut platter = lock(&self.platter);
        platter.burn()?;
        platter.syncs += 1;
        platter.unsynced.clear();
        platter.durable = platter.now.clone();
        Ok(())
    }
}
