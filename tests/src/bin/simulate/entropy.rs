//! Seeded randomness: replaces the C library's `getrandom` in this program, for threads
//! that ask for it.
//!
//! Everything draws from it: TLS keys, the standard library's hash maps, and the
//! generators of tokio, openraft and turmoil.

use std::cell::Cell;

pub(crate) use coffee_common::random::mix;

thread_local! { static STATE: Cell<Option<u64>> = const { Cell::new(None) }; }

/// Seeds this thread's randomness.
pub(crate) fn seed(seed: u64) {
    STATE.set(Some(seed));
}

/// A generator for the simulation's own decisions.
#[derive(Debug, Clone)]
pub(crate) struct SimRng(u64);

impl SimRng {
    /// Creates an independent generator for one purpose.
    pub(crate) fn new(seed: u64, purpose: u64) -> Self {
        Self(mix(seed ^ mix(purpose)))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mix(self.0)
    }

    /// Returns a number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Returns one of these values.
    pub(crate) fn of<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).expect("below a length")]
    }
}

/// # Safety
/// As for `getrandom(2)`: `buffer` must be valid for writes of `length` bytes.
#[expect(unsafe_code, reason = "replaces a function of the C library, in this program only")]
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, flags: u32) -> isize {
    let Some(mut state) = STATE.try_with(Cell::get).ok().flatten() else {
        // SAFETY: the same call, passed on to the kernel.
        let drawn = unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) };
        return isize::try_from(drawn).unwrap_or(-1);
    };
    // SAFETY: guaranteed by the caller.
    let bytes = unsafe { std::slice::from_raw_parts_mut(buffer, length) };
    for chunk in bytes.chunks_mut(8) {
        state = state.wrapping_add(1);
        chunk.copy_from_slice(&mix(state).to_le_bytes()[..chunk.len()]);
    }
    STATE.set(Some(state));
    isize::try_from(length).unwrap_or(-1)
}

/// Some crates call the kernel through `syscall(2)`; TLS keys are drawn that way.
///
/// # Safety
/// As for `syscall(2)`.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "replaces a function of the C library, in this program only")]
#[unsafe(no_mangle)]
unsafe extern "C" fn syscall(number: i64, a: i64, b: i64, c: i64, d: i64, e: i64, f: i64) -> i64 {
    if number == libc::SYS_getrandom && STATE.try_with(Cell::get).ok().flatten().is_some() {
        let (length, flags) = (usize::try_from(b).unwrap_or(0), u32::try_from(c).unwrap_or(0));
        // SAFETY: guaranteed by the caller.
        return unsafe { getrandom(a as *mut u8, length, flags) } as i64;
    }
    let result: i64;
    // SAFETY: the same call; the kernel changes no other registers (syscall(2), table of
    // architectures).
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    if !(-4095..0).contains(&result) {
        return result;
    }
    // SAFETY: each thread has its own `errno`.
    unsafe { *libc::__errno_location() = i32::try_from(-result).unwrap_or(libc::EINVAL) };
    -1
}
