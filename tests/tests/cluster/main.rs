//! A cluster in real processes: daemons with configuration files and
//! certificates, asked and run with `coffeectl` and with the library.

mod backup;
mod bench;
mod certificates;
mod damage;
mod differs;
mod exit_codes;
mod hostile;
mod limits;
mod logs;
mod members;
mod nightly;
mod offline;
mod recover;
mod refused;
mod restart;
mod rolling;
mod verbs;
