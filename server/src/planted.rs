//! Faults that are planted on purpose, to prove that the simulator finds them.
//!
//! They exist only in a build with `--cfg coffee_planted`, which nothing but
//! their test makes; the one that `COFFEE_PLANTED` names is then in force. A
//! site is one line, and stands where the rule that it breaks is kept:
//!
//! ```text
//! planted!("name", break_the_rule());
//! if planted!("name") { the rule broken } else { the rule kept }
//! ```

/// Whether the fault of this name is planted: never, in a build for use.
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
