//! Fault injection: deliberate bugs that prove that the simulator finds them.
//!
//! They exist only in a build with `--cfg coffee_planted`, which only their test
//! makes. `COFFEE_PLANTED` names the active fault. Each site is one line, next to
//! the code that keeps the rule which the fault breaks:
//!
//! ```text
//! planted!("name", break_the_rule());
//! if planted!("name") { the rule broken } else { the rule kept }
//! ```

/// Whether the fault of this name is active: never in a production build.
macro_rules! planted {
    ($name:literal) => {
        cfg!(coffee_planted) && $crate::planted::is($name)
    };
    ($name:literal, $fault:expr) => {
        if planted!($name) {
            $fault;
        }
    };
}

/// Whether `COFFEE_PLANTED` names this fault.
pub(crate) fn is(name: &str) -> bool {
    static PLANTED: std::sync::LazyLock<Option<String>> =
        std::sync::LazyLock::new(|| std::env::var("COFFEE_PLANTED").ok());
    PLANTED.as_deref() == Some(name)
}
