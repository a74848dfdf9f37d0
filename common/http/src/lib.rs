//! The HTTP API of coffeed (`/v1/...`): each request becomes one of the client protocol, and each response
//! becomes HTTP and JSON.
//!
//! A [`Backend`] carries the requests out: a node does so itself, a proxy sends them to the cluster. Listeners,
//! connections, and who may connect are the business of the program that serves. [`respond`] answers one
//! request. Knows neither the client nor the server.

// Its tests are run as part of this version alone (tests/next).
#![cfg(not(all(test, coffee_twin)))]
#![deny(missing_docs)]

mod backend;
mod body;
mod cluster;
mod error;
mod exchange;
mod json;
mod openapi;
mod query;
mod reads;
mod request_body;
mod respond;
mod route;
mod sites;
mod transaction;
mod watching;
mod writes;

pub use self::{
    backend::{Backend, BackendAnswer, BodyKind, Change, ResponseHold},
    body::{HttpBody, UnreadResponses},
    error::HttpError,
    respond::respond,
    sites::{names_this_machine, refuse_other_sites},
    transaction::parse_transaction,
};
