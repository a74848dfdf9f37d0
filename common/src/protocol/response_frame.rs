//! The layout of a response.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::{Rejection, Response, welcome::Leader};
use crate::envelope::{DecodeError, FromBody};

/// A response with its envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseFrame {
    /// The `id` of the request.
    pub id: u64,
    /// The leader, as far as the answering node knows: where to send the next request.
    pub leader: Option<Leader>,
    /// The response, or why the request was not carried out. A response that this build does not know
    /// becomes [`Rejection::Unreadable`].
    #[serde(deserialize_with = "known_response")]
    pub result: Result<Response, Rejection>,
}

/// Decodes a result. A client must learn which request a response belongs to even if it does not know
/// the response.
fn known_response<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Result<Response, Rejection>, D::Error> {
    #[derive(Deserialize)]
    enum EncodedResult<'a> {
        Ok(&'a [u8]),
        Err(Rejection),
    }
    let body = match EncodedResult::deserialize(deserializer)? {
        EncodedResult::Ok(body) => body,
        EncodedResult::Err(rejection) => return Ok(Err(rejection)),
    };
    Ok(match Response::from_body(body) {
        Ok(response) => Ok(response),
        Err(DecodeError::Unknown(kind)) => Err(Rejection::Unreadable(format!(
            "the response comes from a newer version, and cannot be read here: {kind}"
        ))),
        Err(error) => return Err(D::Error::custom(error)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{envelope::Enveloped, frame};

    fn received(result: &[u8]) -> Result<Response, Rejection> {
        let message = [&[7, 0], result].concat();
        let frame: ResponseFrame = frame::decode(&message).expect("decodes");
        assert_eq!((frame.id, frame.leader), (7, None));
        frame.result
    }

    #[test]
    fn a_response_of_a_newer_version_is_an_answer_that_cannot_be_read() {
        for (newer, part) in [
            (&[0, 3, 99, 1, 2][..], "Response (99)"),
            // `Written`, with an outcome of a kind that is not known.
            (&[0, 4, 2, 2, 99, 1], "Outcome (99)"),
        ] {
            let unreadable = received(newer).expect_err("cannot be read");
            assert!(unreadable.to_string().ends_with(part), "{unreadable}");
            assert!(!unreadable.is_not_applied());
        }
    }

    #[test]
    fn a_leader_of_a_later_version_is_read() {
        let leader =
            Leader { name: "ming".parse().expect("legal"), address: "ming:7400".parse().expect("legal") };
        let later =
            (7_u64, Some(Enveloped(&(&leader.name, &leader.address, "zone"))), Ok::<_, ()>(Response::Backup));
        let frame = frame::encode(&later).expect("encodes");
        let frame: ResponseFrame = frame::decode(&frame[frame::HEADER_BYTES..]).expect("decodes");
        assert_eq!(frame, ResponseFrame { id: 7, leader: Some(leader), result: Ok(Response::Backup) });
    }

    #[test]
    fn a_response_that_was_cut_is_malformed() {
        assert!(frame::decode::<ResponseFrame>(&[7, 0, 0, 9, 4]).is_err());
        assert!(frame::decode::<ResponseFrame>(&[7, 0, 0, 2, 4, 9]).is_err());
    }
}
