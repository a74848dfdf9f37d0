//! coffeed under systemd: what the daemon tells it, what the units allow, and
//! all of it in a machine whose PID 1 is systemd, with the package installed.
//!
//! The last one takes minutes, so it runs when it is asked for, as root:
//!
//! ```text
//! cargo test -p coffee-tests --test systemd -- --ignored --nocapture
//! ```
//!
//! `COFFEE_CYCLES` is the number of its start, stop and kill cycles under load:
//! 6 unless set. `machine` says what the host has to have.

mod machine;
mod notify;
mod programs;
mod units;
