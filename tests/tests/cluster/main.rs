//! A cluster of real processes: daemons with configuration files and certificates, used
//! through `coffeectl` and through the library.

mod addresses;
mod audit;
mod backup;
mod bench;
mod certificates;
mod chores;
mod cut_leader;
mod damage;
mod data_directory;
mod divergence;
mod doctor;
mod events;
mod exit_codes;
mod export;
mod founding;

mod history;
mod hostile;
mod key_scopes;
mod keys_of_bytes;
mod languages;
mod left_out;
mod limits;
mod listing;
mod logs;
mod members;
mod nightly;
mod no_quorum;
mod order_boards;
mod partial_partition;
mod proxy;
mod recover;
mod restart;
mod revocation;
mod rolling;
mod round_trips;
mod schemathesis;
mod support;
mod transactions;
mod two_clusters;
mod verbs;
mod watch;
