//! Chance from a seed: takes the place of the C library's `getrandom` in this
//! program, for the threads that ask for it.
//!
//! Everything below draws from there: the keys of TLS, the hash maps of the
//! standard library, the generators of tokio, openraft and turmoil.

use std::cell::Cell;

pub(crate) use coffee_common::random::mix;

thread_local! { static STATE: Cell<Option<u64>> = const { Cell::new(None) }; }

/// From now on this thread's chance comes from `seed`.
pub(crate) fn seed(seed: u64) {
    STATE.set(Some(seed));
}

/// A generator for what the simulation itself decides.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// One of its own, for one purpose.
    pub(crate) fn new(seed: u64, purpose: u64) -> Self {
        Self(mix(seed ^ mix(purpose)))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mix(self.0)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// One of these.
    pub(crate) fn of<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).expect("below a length")]
    }
}

/// # Safety
/// As `getrandom(2)`: `buffer` points to `length` bytes that may be written.
#[expect(unsafe_code, reason = "takes the place of a function of the C library, for this program alone")]
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, flags: u32) -> isize {
    let Some(mut state) = STATE.try_with(Cell::get).ok().flatten() else {
        // SAFETY: the same call, passed on to the kernel.
        let drawn = unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) };
        return isize::try_from(drawn).unwrap_or(-1);
    };
    // SAFETY: the caller says so.
    let bytes = unsafe { std::slice::from_raw_parts_mut(buffer, length) };
    for chunk in bytes.chunks_mut(8) {
        state = state.wrapping_add(1);
        chunk.copy_from_slice(&mix(state).to_le_bytes()[..chunk.len()]);
    }
    STATE.set(Some(state));
    isize::try_from(length).unwrap_or(-1)
}

/// Some crates ask the kernel by `syscall(2)`: the keys of TLS come that way.
///
/// # Safety
/// As `syscall(2)`.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "takes the place of a function of the C library, for this program alone")]
#[unsafe(no_mangle)]
unsafe extern "C" fn syscall(number: i64, a: i64, b: i64, c: i64, d: i64, e: i64, f: i64) -> i64 {
    if number == libc::SYS_getrandom && STATE.try_with(Cell::get).ok().flatten().is_some() {
        let (length, flags) = (usize::try_from(b).unwrap_or(0), u32::try_from(c).unwrap_or(0));
        // SAFETY: the caller says so.
        return unsafe { getrandom(a as *mut u8, length, flags) } as i64;
    }
    let result: i64;
    // SAFETY: the same call; the kernel changes no registers but these (syscall(2), table of architectures).
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
    // SAFETY: each thread has a place for its last error.
    unsafe { *libc::__errno_location() = i32::try_from(-result).unwrap_or(libc::EINVAL) };
    -1
}
