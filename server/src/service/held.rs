//! The result of a request, and what it holds until it is sent.

use coffee_common::{
    budget::ByteCharge,
    protocol::{Rejection, Response},
};

use super::{
    in_flight::InFlightGuard,
    slots::{RequestSlots, WatchSlots},
};

/// Resources that requests hold until their responses are sent.
#[derive(Default)]
pub(crate) struct HeldResources {
    /// Stands for all of the requests.
    in_flight: Option<InFlightGuard>,
    slots: Option<RequestSlots>,
    watch: Option<WatchSlots>,
    charge: Option<ByteCharge>,
}

/// The result of a request.
pub(crate) struct OutgoingResponse {
    pub(crate) result: Result<Response, Rejection>,
    /// Accounts for the response's bytes until it is sent or, if it is large, received.
    pub(crate) charge: Option<ByteCharge>,
}

impl From<Result<Response, Rejection>> for OutgoingResponse {
    fn from(result: Result<Response, Rejection>) -> Self {
        Self { result, charge: None }
    }
}

impl HeldResources {
    pub(crate) fn of(
        in_flight: InFlightGuard,
        slots: Option<RequestSlots>,
        watch: Option<WatchSlots>,
    ) -> Self {
        Self { in_flight: Some(in_flight), slots, watch, charge: None }
    }

    /// Adds the bytes of the response.
    pub(crate) fn with_charge(self, charge: Option<ByteCharge>) -> Self {
        Self { charge, ..self }
    }

    /// Adds the resources of a request whose response is sent together with the others.
    pub(crate) fn merge(&mut self, other: Self) {
        self.in_flight = self.in_flight.take().or(other.in_flight);
        match (&mut self.slots, other.slots) {
            (Some(slots), Some(more)) => slots.merge(more),
            (slots, more) => *slots = slots.take().or(more),
        }
        debug_assert!(other.watch.is_none(), "a watch is answered alone");
        debug_assert!(other.charge.is_none(), "responses that are sent together are small");
    }
}
