//! Helpers of the hostile tests: the attacked cluster, forged certificates and messages,
//! and a tally of how each piece was answered.

pub(crate) mod background_client;
pub(crate) mod cert_forger;
pub(crate) mod door_bystander;
pub(crate) mod door_caller;
pub(crate) mod environment;
pub(crate) mod lying_peer;
pub(crate) mod mutated_frames;
pub(crate) mod raw_client;
pub(crate) mod relay;
pub(crate) mod tally;
