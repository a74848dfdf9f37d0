//! Messages of clients and nodes of other versions: with fields that this build does not know, without
//! some that it knows, and of kinds that it does not know.

use super::*;

/// A kind that no version in sight has.
const LATER: u8 = 0x7f;

/// Bytes that a newer version may add to a body.
const MORE: [u8; 3] = [1, 0xff, 7];

/// Puts a body in an envelope.
fn enveloped(body: &[u8]) -> Vec<u8> {
    [encoded(&body.len()), body.to_vec()].concat()
}

/// The body of what is encoded in an envelope.
fn body<T: Serialize>(message: &T) -> Vec<u8> {
    let encoded = encoded(message);
    let (body, rest): (&[u8], &[u8]) = envelope::decode_first(&encoded).expect("an envelope");
    assert!(rest.is_empty());
    body.to_vec()
}

/// The envelope of a request, as a newer version writes it.
fn later_envelope(ask: &RequestFrame) -> Vec<u8> {
    let RequestFrame { id, timeout_ms, on_behalf_of, sent_from, cluster, .. } = ask.clone();
    enveloped(
        &[body(&RequestEnvelope { id, timeout_ms, on_behalf_of, sent_from, cluster }), MORE.to_vec()]
            .concat(),
    )
}

#[test]
fn requests_of_a_newer_client_are_read() {
    for ask in asks() {
        let request = enveloped(&[body(&ask.request), MORE.to_vec()].concat());
        let later = [later_envelope(&ask), request, MORE.to_vec()].concat();
        assert_eq!(frame::decode::<RequestFrame>(&later), Ok(ask));
    }
}

#[test]
fn requests_of_an_older_client_are_read() {
    let ask = &asks()[0];
    let older = [enveloped(&[7, 0x88, 0x27]), enveloped(&[0])].concat();
    let expected = RequestFrame {
        id: 7,
        timeout_ms: 5000,
        on_behalf_of: None,
        sent_from: None,
        cluster: None,
        request: ask.request.clone(),
    };
    assert_eq!(frame::decode::<RequestFrame>(&older), Ok(expected));
    for (older, newer) in [
        (
            &[4][..],
            Request::Range {
                range: KeyRange::all(),
                limit: 0,
                keys_only: false,
                consistency: Consistency::Linearizable,
                empty_pages: false,
            },
        ),
        (&[5], Request::Boot { node: name("a"), address: None }),
        (&[6], Request::Transfer { to: None }),
        (&[7], Request::Down { node: None, dry_run: false }),
        (&[8], Request::Remove { node: name("a"), dry_run: false }),
        (&[20], Request::Reload { force: false }),
        (&[21], Request::LogLevel { level: None }),
    ] {
        let with_name = [older, &[1, b'a']].concat();
        let older =
            if matches!(newer, Request::Boot { .. } | Request::Remove { .. }) { &with_name } else { older };
        assert_eq!(frame::decode::<Request>(&enveloped(older)), Ok(newer), "{older:?}");
    }
}

#[test]
fn a_request_of_an_unknown_kind_is_known_as_such() {
    for ask in asks() {
        let encoded = encoded(&ask);
        let (envelope, _) = frame::decode_first::<RequestEnvelope>(&encoded).expect("decodes");
        let later = [later_envelope(&ask), enveloped(&[&[LATER][..], &MORE].concat())].concat();
        let (same, request) = frame::decode_first::<RequestEnvelope>(&later).expect("decodes");
        assert_eq!(same, envelope);
        assert_eq!(RequestKind::of_number(envelope::kind(request).expect("a kind")), RequestKind::Unknown);
        assert!(matches!(frame::decode::<Request>(request), Err(frame::FrameError::Unknown(_))));
    }
    // Parts of known requests: a key with an unknown operation, a role that forwards.
    let write = [&[2][..], &[1; 3], &[0, 1, LATER]].concat();
    let part = frame::decode::<Request>(&enveloped(&write)).expect_err("is not known");
    assert_eq!(part.to_string(), "a message with an unknown Operation (127)");
    let identity = enveloped(&[1, b'a', LATER, 0]);
    let newer = enveloped(&[&[7, 1, 1][..], &identity].concat());
    let part = envelope::decode_first::<RequestEnvelope>(&newer).expect_err("is not known");
    assert_eq!(part.to_string(), "an unknown Role (127)");
    let start = envelope::decode_first::<coffee_common::protocol::EnvelopeStart>(&newer);
    assert!(start.is_ok_and(|(start, _)| (start.id, start.timeout_ms) == (7, 1)));
}

#[test]
fn answers_of_a_newer_node_are_read() {
    for answer in answers() {
        let later = [encoded(&answer), MORE.to_vec()].concat();
        assert_eq!(frame::decode::<ServerMessage>(&later), Ok(answer.clone()), "at the end of the frame");
        let ServerMessage::Response(ResponseFrame { id, leader, result: Ok(response) }) = answer else {
            continue;
        };
        let start = [vec![1], encoded(&(id, &leader)), vec![0]].concat();
        let later = [start, enveloped(&[body(&response), MORE.to_vec()].concat()), MORE.to_vec()].concat();
        let answer = ServerMessage::Response(ResponseFrame { id, leader, result: Ok(response) });
        assert_eq!(frame::decode::<ServerMessage>(&later), Ok(answer), "in the response");
    }
}

#[test]
fn answers_of_an_older_node_are_read() {
    let welcome = Welcome {
        node: name("ming"),
        version: "0.1.0".to_owned(),
        cluster: None,
        applied: Revision(0),
        leader: None,
        lease_ms: 0,
        versions: ProtocolVersions { min: 0, max: 0 },
        #[cfg(coffee_future)]
        future_note: 0,
    };
    let older = b"\x00\x04ming\x050.1.0";
    assert_eq!(frame::decode::<ServerMessage>(older), Ok(ServerMessage::Welcome(welcome)));
    for (older, response) in [
        (&[3][..], Response::Value { entry: None, at: Revision(0) }),
        (&[4], Response::Page { entries: Vec::new(), more: false, at: Revision(0), upto: None }),
        (&[2, 2, 0, 9], Response::Written(Outcome::Applied { revision: Revision(9), effects: Vec::new() })),
        (&[12], Response::Done { changed: false }),
        (&[13], Response::StateDigest(None)),
        (&[14], Response::Room { bytes: None, history_takes_it: false }),
        (&[20], Response::Announced(false)),
    ] {
        assert_eq!(frame::decode::<Response>(&enveloped(older)), Ok(response), "{older:?}");
    }
}

#[test]
fn an_answer_of_an_unknown_kind_is_for_its_request() {
    for response in [enveloped(&[LATER, 1, 2]), enveloped(&[2, 2, LATER, 1])] {
        let later = [vec![1, 9, 0, 0], response].concat();
        let Ok(ServerMessage::Response(frame)) = frame::decode(&later) else { panic!("not a response") };
        assert_eq!(frame.id, 9);
        assert!(matches!(frame.result, Err(Rejection::Unreadable(_))), "{frame:?}");
    }
    let rejected = [vec![1, 9, 0, 1, 1, 3], b"why".to_vec(), enveloped(&[LATER, 1, 2])].concat();
    let Ok(ServerMessage::Response(frame)) = frame::decode(&rejected) else { panic!("not a response") };
    assert_eq!((frame.id, frame.result), (9, Err(Rejection::Unsupported("why".to_owned()))));
}

proptest! {
    #[test]
    fn a_length_of_a_hostile_client_costs_nothing(length in 200u64.., kind in any::<u8>()) {
        let hostile = [encoded(&length), vec![kind]].concat();
        prop_assert!(frame::decode::<RequestFrame>(&hostile).is_err());
        prop_assert!(frame::decode::<Request>(&hostile).is_err());
        prop_assert!(frame::decode::<Response>(&hostile).is_err());
        prop_assert!(frame::decode::<Outcome>(&hostile).is_err());
        prop_assert!(frame::decode::<Rejection>(&[vec![1, 0], hostile].concat()).is_err());
    }
}
