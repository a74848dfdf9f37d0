//! coffeed under systemd: its notifications, its units, and the package in a machine
//! whose PID 1 is systemd.
//!
//! The last one takes minutes, so it runs only on request, as root:
//!
//! ```text
//! cargo test -p coffee-tests --test systemd -- --ignored --nocapture
//! ```
//!
//! `COFFEE_CYCLES` sets the number of its stop, start and kill cycles under load; the
//! default is 6. `machine` lists what the host must provide.

mod machine;
mod notify;
mod support;
mod units;
