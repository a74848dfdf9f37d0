//! Frames on streams: what arrives, and what hostile bytes do.

use std::{iter, time::Duration};

use bytes::Bytes;
use tokio::time::{Instant, timeout};

use super::*;
use crate::{
    budget::ByteBudget,
    frame::{FrameError, decode, encode},
    limits::{
        CLIENT_STREAMS_MAX, CLIENT_WINDOW_BYTES, CONNECTION_STREAMS_MAX, FRAME_BYTES_MAX,
        NARROW_WINDOW_BYTES, STREAM_WINDOW_BYTES, WIDE_CONNECTIONS_MAX,
    },
};

const SOON: Duration = Duration::from_millis(200);

#[tokio::test]
async fn frames_go_both_ways() {
    let ca = TestCa::new();
    let (hong, ops) = (serve(&ca, "hong"), client(&ca, "admin"));
    let (dialled, accepted) = pair(&ops, &hong).await;
    let (mut to_node, mut from_node) = dialled.open(Priority::Normal).await.expect("opens");
    to_node.send(encode(&"ask").expect("encodes")).await.expect("sends");
    let (mut to_client, mut from_client) = accepted.accept().await.expect("a stream");
    let ask = from_client.receive().await.expect("receives").expect("a message");
    assert_eq!(decode::<String>(&ask).expect("decodes"), "ask");
    let mut answers = [1u8, 2].map(|answer| encode(&answer).expect("encodes"));
    to_client.send_all(&mut answers).await.expect("sends");
    to_client.finish();
    for expected in [1u8, 2] {
        let answer = from_node.receive().await.expect("receives").expect("a message");
        assert_eq!(decode::<u8>(&answer), Ok(expected));
    }
    assert_eq!(from_node.receive().await, Ok(None));
}

#[tokio::test]
async fn the_largest_frame_arrives_whole() {
    let ca = TestCa::new();
    let (hong, ops) = (serve(&ca, "hong"), client(&ca, "admin"));
    let (dialled, accepted) = pair(&ops, &hong).await;
    let body: Vec<u8> = (0..FRAME_BYTES_MAX - 4).map(|at| (at % 251) as u8).collect();
    let frame = encode(&body).expect("encodes");
    let send = async {
        let mut sender = accepted.open_uni(Priority::Bulk).await.expect("opens");
        sender.send(frame).await.expect("sends");
        sender.finish_and_wait().await.expect("arrives");
    };
    let receive = async {
        let mut receiver = dialled.accept_uni().await.expect("a stream");
        receiver.receive().await.expect("receives").expect("a message")
    };
    let ((), message) = tokio::join!(send, receive);
    assert!(decode::<Vec<u8>>(&message).expect("decodes") == body);
}

#[tokio::test]
async fn a_header_that_promises_too_much_ends_the_stream() {
    let ca = TestCa::new();
    let (hong, ops) = (serve(&ca, "hong"), client(&ca, "admin"));
    let (dialled, accepted) = pair(&ops, &hong).await;
    for (header, error) in [
        ([0xff, 0xff, 0xff, 0xff, 1], FrameError::TooLong(u32::MAX as usize)),
        ([1, 0, 64, 0, 1], FrameError::TooLong(FRAME_BYTES_MAX + 1)),
        ([1, 0, 0, 0, 9], FrameError::Version(9)),
    ] {
        let mut sender = accepted.open_uni(Priority::Normal).await.expect("opens");
        sender.send(Bytes::copy_from_slice(&header)).await.expect("sends");
        let mut receiver = dialled.accept_uni().await.expect("a stream");
        assert_eq!(receiver.receive().await, Err(StreamError::Frame(error)));
    }
    assert!(!accepted.is_closed(), "other streams go on");
}

#[tokio::test]
async fn a_stream_that_ends_in_a_frame_is_not_a_clean_end() {
    let ca = TestCa::new();
    let (hong, ops) = (serve(&ca, "hong"), client(&ca, "admin"));
    let (dialled, accepted) = pair(&ops, &hong).await;
    let mut sender = accepted.open_uni(Priority::Normal).await.expect("opens");
    sender.send(Bytes::from_static(&[9, 0, 0, 0, 1, 7])).await.expect("sends");
    sender.finish();
    let mut receiver = dialled.accept_uni().await.expect("a stream");
    assert_eq!(receiver.receive().await, Err(StreamError::Truncated));
}

#[tokio::test]
async fn a_call_that_is_dropped_while_it_sends_breaks_the_stream_off() {
    let ca = TestCa::new();
    let (hong, ops) = (serve(&ca, "hong"), client(&ca, "admin"));
    let (dialled, accepted) = pair(&ops, &hong).await;
    let mut sender = accepted.open_uni(Priority::Normal).await.expect("opens");
    let large = encode(&vec![0u8; 3 << 20]).expect("encodes");
    // Nothing reads, so the window fills up in the middle of the frame.
    timeout(SOON, sender.send(large)).await.expect_err("stuck");
    assert_eq!(sender.send(encode(&1u8).expect("encodes")).await, Err(StreamError::Closed));
    drop(sender);
    let mut receiver = dialled.accept_uni().await.expect("a stream");
    assert_eq!(receiver.receive().await, Err(StreamError::Reset));
}

#[tokio::test]
async fn a_sender_that_is_dropped_between_frames_ends_cleanly() {
    let ca = TestCa::new();
    let (hong, ops) = (serve(&ca, "hong"), client(&ca, "admin"));
    let (dialled, accepted) = pair(&ops, &hong).await;
    let mut sender = accepted.open_uni(Priority::Normal).await.expect("opens");
    sender.send(encode(&7u8).expect("encodes")).await.expect("sends");
    drop(sender);
    let mut receiver = dialled.accept_uni().await.expect("a stream");
    assert_eq!(receiver.receive().await, Ok(Some(Bytes::from_static(&[7]))));
    assert_eq!(receiver.receive().await, Ok(None));
}

#[tokio::test]
async fn a_sender_learns_that_its_stream_is_not_read() {
    let ca = TestCa::new();
    let (hong, ops) = (serve(&ca, "hong"), client(&ca, "admin"));
    let (dialled, accepted) = pair(&ops, &hong).await;
    let mut sender = accepted.open_uni(Priority::Normal).await.expect("opens");
    sender.send(encode(&7u8).expect("encodes")).await.expect("sends");
    drop(dialled.accept_uni().await.expect("a stream"));
    // Otherwise the end may arrive before that is told.
    sender.stopped().await;
    assert_eq!(sender.finish_and_wait().await, Err(StreamError::Stopped));
}

#[tokio::test]
async fn unread_streams_do_not_hold_up_the_others() {
    let ca = TestCa::new();
    let (hong, ming) = (serve(&ca, "hong"), serve(&ca, "ming"));
    let (dialled, accepted) = pair(&ming, &hong).await;
    let large = encode(&vec![0u8; 3 << 20]).expect("encodes");
    let mut stuck = tokio::task::JoinSet::new();
    let mut unread = Vec::new();
    // The stream of the welcome counts until more are free.
    for _ in 2..CONNECTION_STREAMS_MAX {
        let mut sender = accepted.open_uni(Priority::Bulk).await.expect("opens");
        let large = large.clone();
        stuck.spawn(async move { sender.send(large).await });
        unread.push(dialled.accept_uni().await.expect("a stream"));
    }
    let mut last = accepted.open_uni(Priority::Normal).await.expect("opens");
    last.send(encode(&7u8).expect("encodes")).await.expect("sends");
    let mut receiver = dialled.accept_uni().await.expect("a stream");
    let message = timeout(Duration::from_secs(2), receiver.receive()).await.expect("not held up");
    assert_eq!(message, Ok(Some(Bytes::from_static(&[7]))));
}

#[tokio::test]
async fn the_number_of_open_streams_is_bounded() {
    let ca = TestCa::new();
    let (hong, ming) = (serve(&ca, "hong"), serve(&ca, "ming"));
    for (dialler, is_known, most) in [
        (&ming, true, CONNECTION_STREAMS_MAX),
        (&ming, false, CLIENT_STREAMS_MAX),
        (&client(&ca, "admin"), false, CLIENT_STREAMS_MAX),
    ] {
        let (dialled, accepted) = pair(dialler, &hong).await;
        if is_known {
            accepted.widen();
        }
        let mut open = Vec::new();
        for _ in 0..most {
            open.push(
                timeout(SOON * 10, dialled.open(Priority::Normal)).await.expect("one more").expect("opens"),
            );
        }
        assert!(timeout(SOON, dialled.open(Priority::Normal)).await.is_err(), "one more has to wait");
    }
}

/// Nothing reads other streams: each would hold a window of bytes until the connection ends.
#[tokio::test]
async fn a_dialler_opens_streams_of_two_directions_and_an_acceptor_of_one() {
    let ca = TestCa::new();
    let hong = serve(&ca, "hong");
    for dialler in [serve(&ca, "ming"), client(&ca, "admin")] {
        let (dialled, accepted) = pair(&dialler, &hong).await;
        assert!(timeout(SOON, dialled.open_uni(Priority::Normal)).await.is_err(), "not by the dialler");
        assert!(timeout(SOON, accepted.open(Priority::Normal)).await.is_err(), "not by the acceptor");
        dialled.open(Priority::Normal).await.expect("opens");
        accepted.open_uni(Priority::Normal).await.expect("opens");
    }
}

/// Many connections of one client hold little of what is not read yet. So do those of a node, until
/// it is known to belong to the cluster.
#[tokio::test]
async fn only_the_first_connections_of_a_client_have_wide_windows() {
    let ca = TestCa::new();
    let hong = serve(&ca, "hong");
    for dialler in [client(&ca, "writer"), serve(&ca, "ming")] {
        let mut kept = Vec::new();
        for number in 0..WIDE_CONNECTIONS_MAX + 2 {
            let (dialled, accepted) = pair(&dialler, &hong).await;
            let (mut sender, _back) = dialled.open(Priority::Bulk).await.expect("opens");
            let window =
                if number < WIDE_CONNECTIONS_MAX { CLIENT_WINDOW_BYTES } else { NARROW_WINDOW_BYTES };
            // As much as fits the window is sent, though nothing reads it.
            let fits = Bytes::from(vec![0; window as usize - 1000]);
            timeout(SOON * 50, sender.send(fits)).await.expect("it fits").expect("is sent");
            timeout(SOON, sender.send(Bytes::from(vec![0; 2000]))).await.expect_err("no more");
            kept.push((dialled, accepted, sender));
        }
        let (dialled, accepted, _) = &kept[WIDE_CONNECTIONS_MAX];
        accepted.widen();
        let (mut sender, _back) = dialled.open(Priority::Bulk).await.expect("opens");
        let fits = Bytes::from(vec![0; STREAM_WINDOW_BYTES as usize]);
        timeout(SOON * 50, sender.send(fits)).await.expect("it fits").expect("is sent");
    }
}

/// Frames that never end use up the share of their client; the next is cut, and those that are
/// complete at once cost nothing.
#[tokio::test]
async fn an_incomplete_frame_is_charged_and_has_to_end() {
    let ca = TestCa::new();
    let (hong, ops) = (serve(&ca, "hong"), client(&ca, "writer"));
    let (dialled, accepted) = pair(&ops, &hong).await;
    let budget = ByteBudget::new(1 << 20);
    let share = budget.share(100 << 10);
    let large = encode(&vec![7u8; 60 << 10]).expect("encodes");
    let begin = async || {
        let (mut sender, _back) = dialled.open(Priority::Normal).await.expect("opens");
        sender.send(large.slice(..large.len() - 1)).await.expect("sends");
        let (_back, mut receiver) = accepted.accept().await.expect("a stream");
        receiver.bound(90 << 10, share.clone(), Duration::from_secs(5));
        (sender, receiver)
    };
    let (mut first, mut whole) = begin().await;
    assert!(timeout(SOON, whole.receive()).await.is_err(), "a byte is missing");
    assert_eq!(budget.used(), 61 << 10);
    let (_second, mut cut) = begin().await;
    let message = timeout(SOON * 10, cut.receive()).await.expect("at once").expect("a message");
    assert_eq!((message.expect("a message").len(), cut.last_cut()), (1 << 10, Some(CutReason::NoRoom)));
    first.send(large.slice(large.len() - 1..)).await.expect("sends");
    let message = whole.receive().await.expect("in time").expect("a message");
    assert_eq!((decode(&message), whole.last_cut()), (Ok(vec![7u8; 60 << 10]), None));
    assert_eq!(budget.used(), 0);
    assert_eq!(cut.receive().await, Err(StreamError::Late), "it still has to end");
}

/// So the request can be rejected by its id, and the others of the connection continue.
#[tokio::test]
async fn of_a_late_frame_the_beginning_is_kept() {
    let ca = TestCa::new();
    let (hong, ops) = (serve(&ca, "hong"), client(&ca, "writer"));
    let (dialled, accepted) = pair(&ops, &hong).await;
    let budget = ByteBudget::new(1 << 20);
    let large = encode(&vec![7u8; 60 << 10]).expect("encodes");
    let begin = async |bytes| {
        let (mut sender, _back) = dialled.open(Priority::Normal).await.expect("opens");
        sender.send(large.slice(..bytes)).await.expect("sends");
        let (_back, mut receiver) = accepted.accept().await.expect("a stream");
        receiver.bound(90 << 10, budget.share(100 << 10), SOON);
        (sender, receiver)
    };
    let (mut sender, mut late) = begin(50 << 10).await;
    let message = late.receive().await.expect("in time").expect("a message");
    assert_eq!((message.len(), late.last_cut()), (1 << 10, Some(CutReason::Late)));
    assert_eq!(budget.used(), 0);
    sender.send(large.slice(50 << 10..)).await.expect("sends");
    sender.send(encode(&7u8).expect("encodes")).await.expect("sends");
    let message = late.receive().await.expect("the stream continues").expect("a message");
    assert_eq!((decode(&message), late.last_cut()), (Ok(7u8), None));
    let (_sender, mut little) = begin(100).await;
    assert_eq!(little.receive().await, Err(StreamError::Late), "nothing is known of it");
    let (_sender, mut uncharged) = begin(50 << 10).await;
    uncharged.limit(90 << 10, SOON);
    assert_eq!(uncharged.receive().await, Err(StreamError::Late), "it is not charged");
}

/// A slow reader is not one that has stopped, however much is sent to it at once.
#[tokio::test]
async fn a_peer_that_reads_slowly_is_sent_all() {
    const WITHIN: Duration = Duration::from_secs(1);
    let ca = TestCa::new();
    let (hong, ops) = (serve(&ca, "hong"), client(&ca, "reader"));
    let (dialled, accepted) = pair(&ops, &hong).await;
    let frame = encode(&vec![7u8; 60 << 10]).expect("encodes");
    let frames = || iter::repeat_n(frame.clone(), 64).collect::<Vec<_>>();
    let mut sender = accepted.open_uni(Priority::Normal).await.expect("opens");
    let began = Instant::now();
    let send = async {
        sender.send_all_moving(&mut frames(), WITHIN).await.expect("it reads");
        began.elapsed()
    };
    let read = async {
        let mut receiver = dialled.accept_uni().await.expect("a stream");
        for _ in 0..64 {
            tokio::time::sleep(Duration::from_millis(40)).await;
            receiver.receive().await.expect("receives").expect("a message");
        }
        receiver
    };
    let (took, _unread) = tokio::join!(send, read);
    assert!(took > WITHIN, "only {took:?}: the test proves nothing");
    let sent = sender.send_all_moving(&mut frames(), WITHIN).await;
    assert_eq!(sent, Err(StreamError::Late), "it has stopped");
}
