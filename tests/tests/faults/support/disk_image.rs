//! A disk per node that can fill up or lose power.
//!
//! Mounted inside the sandbox, and unmounted with it.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use crate::support::machine::{run, try_run};

/// Enough for a node and the load of a round.
const DISK_MB: u64 = 192;

/// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`: every further operation on the
/// file system fails, and unsynced data is lost.
const CUT_POWER: &str = "open(my $fs, '<', $ARGV[0]) or die $!; \
                         my $how = pack('L', 2); ioctl($fs, 0x8004587D, $how) or die $!";

/// A file system on a loop device.
#[derive(Debug)]
pub(crate) struct Ext4 {
    image: PathBuf,
    at: PathBuf,
}

impl Ext4 {
    /// Creates a file system, and mounts it `at`.
    pub(crate) fn mount(image: PathBuf, at: PathBuf) -> Self {
        let file = fs::File::create(&image).expect("a file for the disk");
        file.set_len(DISK_MB << 20).expect("room for the disk");
        run(&["mkfs.ext4", "-q", text(&image)]);
        fs::create_dir_all(&at).expect("a folder for the disk");
        let disk = Self { image, at };
        disk.attach();
        // A data directory must be empty.
        fs::remove_dir(disk.at.join("lost+found")).expect("an empty folder");
        disk
    }

    /// Cuts the power: every operation fails.
    pub(crate) fn cut_power(&self) {
        run(&["perl", "-e", CUT_POWER, text(&self.at)]);
    }

    /// Restores the power, with the synced data. No process may use the file system
    /// meanwhile.
    pub(crate) fn power_up(&self) {
        run(&["umount", text(&self.at)]);
        self.attach();
    }

    fn attach(&self) {
        run(&["mount", "-o", "loop", text(&self.image), text(&self.at)]);
    }
}

impl Drop for Ext4 {
    fn drop(&mut self) {
        let _ = try_run(&["umount", "-l", text(&self.at)]);
    }
}

/// A file system in memory, which can be filled.
#[derive(Debug)]
pub(crate) struct Small {
    at: PathBuf,
}

impl Small {
    /// Mounts a new one `at`.
    pub(crate) fn mount(at: PathBuf) -> Self {
        Self::mount_of(at, DISK_MB)
    }

    /// Mounts a new one of this size `at`.
    pub(crate) fn mount_of(at: PathBuf, megabytes: u64) -> Self {
        fs::create_dir_all(&at).expect("a folder for the disk");
        run(&["mount", "-t", "tmpfs", "-o", &format!("size={megabytes}m,mode=700"), "none", text(&at)]);
        Self { at }
    }

    /// Fills the remaining space.
    pub(crate) fn fill(&self) {
        let filler = OpenOptions::new().create(true).append(true).open(self.filler());
        let mut filler = filler.expect("a file can be made");
        for piece in [1 << 20, 4 << 10, 1] {
            let zeros = vec![0; piece];
            while filler.write_all(&zeros).is_ok() {}
        }
    }

    /// Frees that space.
    pub(crate) fn clear(&self) {
        fs::remove_file(self.filler()).expect("it was filled");
    }

    fn filler(&self) -> PathBuf {
        self.at.join("filler")
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = try_run(&["umount", "-l", text(&self.at)]);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}
