//! The wall clock: takes the place of the C library's `clock_gettime` in this
//! program, for the threads that ask for it. All else is passed on.

use std::cell::Cell;

thread_local! { static NOW_MS: Cell<Option<i64>> = const { Cell::new(None) }; }

/// 2026-01-01: where the wall clock of each run begins.
const BEGIN_MS: i64 = 1_767_225_600_000;

/// From now on this thread's wall clock stands at so many milliseconds after
/// the begin, and before it, if they are negative.
pub(crate) fn set(after_begin_ms: i64) {
    NOW_MS.set(Some(BEGIN_MS + after_begin_ms));
}

/// # Safety
/// As `clock_gettime(3)`: `time` points to a place that may be written.
#[expect(unsafe_code, reason = "takes the place of a function of the C library, for this program alone")]
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> libc::c_int {
    match NOW_MS.try_with(Cell::get).ok().flatten() {
        Some(now_ms) if clock == libc::CLOCK_REALTIME => {
            let now = libc::timespec {
                tv_sec: now_ms.div_euclid(1000),
                tv_nsec: now_ms.rem_euclid(1000) * 1_000_000,
            };
            // SAFETY: the caller says so.
            unsafe { time.write(now) };
            0
        }
        // SAFETY: the same call, passed on to the kernel.
        _ => unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) as libc::c_int },
    }
}
