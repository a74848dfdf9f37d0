//! The wall clock: replaces the C library's `clock_gettime` in this program, for threads
//! that ask for it. Other clocks are passed on to the kernel.

use std::cell::Cell;

thread_local! { static NOW_MS: Cell<Option<i64>> = const { Cell::new(None) }; }

/// 2026-01-01: initial wall clock of each run.
const BEGIN_MS: i64 = 1_767_225_600_000;

/// Sets this thread's wall clock, in milliseconds after the initial time; negative values
/// are before it.
pub(crate) fn set(after_begin_ms: i64) {
    NOW_MS.set(Some(BEGIN_MS + after_begin_ms));
}

/// # Safety
/// As for `clock_gettime(3)`: `time` must be valid for writes.
#[expect(unsafe_code, reason = "replaces a function of the C library, in this program only")]
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> libc::c_int {
    match NOW_MS.try_with(Cell::get).ok().flatten() {
        Some(now_ms) if clock == libc::CLOCK_REALTIME => {
            let now = libc::timespec {
                tv_sec: now_ms.div_euclid(1000),
                tv_nsec: now_ms.rem_euclid(1000) * 1_000_000,
            };
            // SAFETY: guaranteed by the caller.
            unsafe { time.write(now) };
            0
        }
        // SAFETY: the same call, passed on to the kernel.
        _ => unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) as libc::c_int },
    }
}
