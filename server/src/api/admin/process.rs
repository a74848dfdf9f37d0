//! Metrics of the process, under the names that all Prometheus clients use.
//!
//! Read from `/proc`. Without it, these metrics are missing.

use std::fs;

use super::exposition::Text;

/// The kernel reports the times of a process in hundredths of a second (proc(5), USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;

pub(super) fn metrics() -> String {
    let mut text = Text::default();
    let read = |file: &str| fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
    if let Some(ticks) = cpu_ticks(&read("stat")) {
        text.family(
            "process_cpu_seconds_total",
            super::exposition::MetricKind::Counter,
            "User and system CPU time spent.",
        )
        .sample(&[], ticks as f64 / TICKS_PER_SECOND);
    }
    let status = read("status");
    for (name, help, line) in [
        ("process_resident_memory_bytes", "Resident memory.", "VmRSS"),
        ("process_virtual_memory_bytes", "Virtual memory.", "VmSize"),
    ] {
        if let Some(bytes) = kibibytes(&status, line) {
            text.gauge(name, help, bytes << 10);
        }
    }
    if let Some(threads) = number_after(&status, "Threads") {
        text.gauge("process_threads", "Threads of the process.", threads);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        text.gauge("process_open_fds", "Open file descriptors.", open.count() as u64);
    }
    if let Some(most) = open_files_max(&read("limits")) {
        text.gauge("process_max_fds", "Maximum number of open file descriptors.", most);
    }
    text.finish()
}

/// Returns user plus system time. The program name, in parentheses, may contain anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system) = (fields.next()?.parse::<u64>().ok()?, fields.next()?.parse::<u64>().ok()?);
    user.checked_add(system)
}

fn number_after(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

fn kibibytes(status: &str, name: &str) -> Option<u64> {
    number_after(status, name)
}

fn open_files_max(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_where_the_kernel_puts_them() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 40 2 0 0";
        assert_eq!(cpu_ticks(stat), Some(42));
        let status = "Name:\tcoffeed\nVmSize:\t  200 kB\nVmRSS:\t     100 kB\nThreads:\t4\n";
        assert_eq!((kibibytes(status, "VmRSS"), number_after(status, "Threads")), (Some(100), Some(4)));
        let limits =
            "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024      4096     files\n";
        assert_eq!(open_files_max(limits), Some(1024));
        assert_eq!(open_files_max("Max open files  unlimited unlimited files"), None);
    }

    #[test]
    fn this_process_has_all_of_them() {
        let text = metrics();
        for name in ["cpu_seconds_total", "resident_memory_bytes", "open_fds", "max_fds", "threads"] {
            assert!(text.contains(&format!("\nprocess_{name} ")), "{name}: {text}");
        }
    }
}
