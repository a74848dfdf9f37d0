//! Tests of retries, and of the outcome that calls report.

use std::time::Duration;

use coffee_client::{
    Batch, Condition, Error, Key, KeyRange, Operation, OutcomeKind, PageOptions, Response, Revision,
};
use coffee_common::{
    command::Outcome,
    entry::Entry,
    key::Value,
    limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX},
    protocol::{Rejection, Request},
    protocol_versions::ProtocolVersions,
};
use tokio::time::Instant;

use crate::fake::{Act, Lab, SOON, always, applied, unavailable, value};

#[tokio::test]
async fn a_call_is_answered() {
    let lab = Lab::new();
    let ming = lab.node("ming", |_, request| {
        Act::Say(match request {
            Request::Write { .. } => applied(7),
            _ => value(7, b"latte".to_vec()),
        })
    });
    let client = lab.client_of(&[&ming]).build().expect("builds");
    let written = client.set("order/1", "latte").await.expect("writes");
    assert_eq!(written.revision, Revision(7));
    assert_eq!(ming.write_ids(), [written.request]);
    assert_eq!(written.request.after, Revision(100), "based on the welcome");
    let entry = client.get("order/1").await.expect("reads").expect("is there");
    assert_eq!(entry.value.as_bytes(), "latte");
}

#[tokio::test]
async fn a_write_that_was_cut_off_is_tried_elsewhere_under_the_same_id() {
    let lab = Lab::new();
    let (ming, hong) = (lab.node("ming", |_, _: &Request| Act::Cut), lab.node("hong", always(applied(3))));
    let client = lab.client_of(&[&ming, &hong]).build().expect("builds");
    let written = client.set("k", "v").await.expect("writes");
    assert_eq!(ming.write_ids(), [written.request]);
    assert_eq!(hong.write_ids(), [written.request]);
}

#[tokio::test]
async fn a_write_without_an_answer_is_unknown_at_the_deadline_and_says_its_id() {
    let lab = Lab::new();
    let ming = lab.node("ming", |_, _: &Request| Act::Ignore);
    let client = lab.client_of(&[&ming]).timeout(Duration::from_millis(400)).build().expect("builds");
    let begin = Instant::now();
    let error = client.set("k", "v").await.expect_err("no node answers");
    assert!(begin.elapsed() < SOON);
    assert_eq!(error.outcome(), OutcomeKind::Unknown);
    let Error::Unknown { request, .. } = error else { panic!("{error:?}") };
    assert_eq!(request.as_ref(), ming.write_ids().first());
}

#[tokio::test]
async fn a_node_may_say_in_time_that_nothing_was_written() {
    let lab = Lab::new();
    let ming = lab.node("ming", |_, _: &Request| Act::SayAfter(Duration::from_millis(910), unavailable()));
    let client = lab.client_of(&[&ming]).timeout(Duration::from_secs(1)).build().expect("builds");
    let error = client.set("k", "v").await.expect_err("unavailable");
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    let told = ming.asks().first().map(|ask| ask.timeout_ms);
    assert!(told.is_some_and(|told| (600..=900).contains(&told)), "{told:?}");
}

#[tokio::test]
async fn a_forgotten_id_is_replaced_by_one_that_is_recent_enough() {
    let lab = Lab::new();
    let ming = lab.node("ming", |nth, _: &Request| {
        Act::Say(match nth {
            0 => Ok(Response::Written(Outcome::Forgotten { upto: Revision(500) })),
            _ => applied(501),
        })
    });
    let client = lab.client_of(&[&ming]).build().expect("builds");
    let written = client.set("k", "v").await.expect("writes");
    let ids = ming.write_ids();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[1], written.request);
    assert_eq!(ids[1].after, Revision(500));
    assert_ne!(ids[0].sequence, ids[1].sequence);
}

#[tokio::test]
async fn a_forgotten_id_of_a_write_in_doubt_leaves_it_unknown() {
    let lab = Lab::new();
    let forgotten = || Ok(Response::Written(Outcome::Forgotten { upto: Revision(500) }));
    let (ming, hong) = (lab.node("ming", |_, _: &Request| Act::Cut), lab.node("hong", always(forgotten())));
    let client = lab.client_of(&[&ming, &hong]).build().expect("builds");
    let error = client.set("k", "v").await.expect_err("unknown");
    assert_eq!(error.outcome(), OutcomeKind::Unknown);
    assert_eq!(hong.asked(), 1);
}

#[tokio::test]
async fn a_write_tells_its_id_before_it_is_sent() {
    let lab = Lab::new();
    let ming = lab.node("ming", |_, _: &Request| Act::Ignore);
    let client = lab.client_of(&[&ming]).timeout(Duration::from_millis(400)).build().expect("builds");
    let key = Key::new("k").expect("legal");
    let batch = Batch::of(Operation::Delete(key));
    let mut told = Vec::new();
    let error = client.batch_named(batch, |id| told.push(id)).await.expect_err("no node answers");
    assert_eq!(told[..1], ming.write_ids()[..1]);
    assert!(matches!(error, Error::Unknown { request: Some(id), .. } if told == [id]), "{error:?}");
}

#[tokio::test]
async fn a_false_condition_is_told_and_not_tried_again() {
    let lab = Lab::new();
    let outcome = Outcome::ConditionFalse { condition: 0, actual: Some(Revision(9)) };
    let ming = lab.node("ming", always(Ok(Response::Written(outcome))));
    let client = lab.client_of(&[&ming]).build().expect("builds");
    let absent = Condition::Absent(Key::new("k").expect("legal"));
    let error = client.set_with("k", "v", [absent]).await.expect_err("the key is there");
    assert_eq!(error, Error::ConditionFalse { condition: 0, actual: Some(Revision(9)) });
    assert_eq!(ming.asked(), 1);
}

#[tokio::test]
async fn large_values_travel_both_ways() {
    let lab = Lab::new();
    let large = vec![7u8; VALUE_BYTES_MAX];
    let answer = large.clone();
    let ming = lab.node("ming", move |_, request| {
        Act::Say(match request {
            Request::Write { .. } => applied(7),
            _ => value(7, answer.clone()),
        })
    });
    let client = lab.client_of(&[&ming]).build().expect("builds");
    client.set("k", large.clone()).await.expect("writes");
    let entry = client.get("k").await.expect("reads").expect("is there");
    assert_eq!(entry.value.as_bytes(), &large);
    let Request::Write { batch, .. } = &ming.asks()[0].request else { panic!("a write") };
    assert!(format!("{batch:?}").contains(&format!("Value({VALUE_BYTES_MAX} bytes)")));
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_anything_is_sent() {
    let lab = Lab::new();
    let ming = lab.node("ming", always(applied(1)));
    let client = lab.client_of(&[&ming]).build().expect("builds");
    for (key, length) in
        [("k".repeat(KEY_BYTES_MAX + 1), 1), ("k".into(), VALUE_BYTES_MAX + 1), (String::new(), 1)]
    {
        let error = client.set(key, vec![0; length]).await.expect_err("too large");
        assert!(matches!(error, Error::Invalid(_)), "{error:?}");
    }
    assert_eq!(*ming.connections().borrow(), 0, "not even a connection was made");
}

#[tokio::test]
async fn certificates_of_another_ca_are_told_as_such() {
    let (lab, other) = (Lab::new(), Lab::new());
    let (ming, hong) = (lab.node("ming", always(applied(1))), lab.node("hong", always(applied(1))));
    let client = other.client_of(&[&ming, &hong]).build().expect("builds");
    let begin = Instant::now();
    let error = client.set("k", "v").await.expect_err("another CA");
    assert!(matches!(error, Error::Identity(_)), "{error:?}");
    assert!(begin.elapsed() < SOON, "there is nothing to wait for");
}

#[tokio::test]
async fn what_may_be_done_once_is_not_tried_again_in_doubt() {
    let lab = Lab::new();
    let (ming, hong) = (lab.node("ming", |_, _: &Request| Act::Cut), lab.node("hong", always(unavailable())));
    let client = lab.client_of(&[&ming, &hong]).build().expect("builds");
    let error = client.transfer(None).await.expect_err("cut off");
    assert_eq!(error.outcome(), OutcomeKind::Unknown);
    assert_eq!((ming.asked(), hong.asked()), (1, 0));
}

#[tokio::test]
async fn a_rejection_is_told_with_its_kind() {
    let lab = Lab::new();
    let denied = lab.node("ming", always(Err(Rejection::Denied("a reader may not write".into()))));
    let client = lab.client_of(&[&denied]).build().expect("builds");
    assert!(matches!(client.set("k", "v").await, Err(Error::Denied(_))));
    let page = client.range(KeyRange::all(), PageOptions::default()).await;
    assert!(matches!(page, Err(Error::Denied(_))), "{page:?}");
}

#[tokio::test]
async fn a_page_of_an_older_node_ends_with_its_last_key() {
    let lab = Lab::new();
    let entry = |revision| Entry {
        value: Value::new("v").expect("legal"),
        created: Revision(revision),
        modified: Revision(revision),
        version: 1,
    };
    let entries: Vec<_> = ["a", "b"].map(|key| (Key::new(key).expect("legal"), entry(3))).into();
    let old = Response::Page { entries, more: true, at: Revision(9), upto: None };
    let old = lab.node("ming", always(Ok(old)));
    let client = lab.client_of(&[&old]).build().expect("builds");
    let page = client.range(KeyRange::all(), PageOptions::default()).await.expect("reads");
    assert_eq!(page.upto.as_ref().map(Key::as_bytes), Some(&b"b"[..]));
}

#[tokio::test]
async fn ten_thousand_calls_share_a_connection() {
    let lab = Lab::new();
    let ming = lab.node("ming", always(applied(1)));
    let client = lab.client_of(&[&ming]).timeout(Duration::from_secs(60)).build().expect("builds");
    let calls: Vec<_> = (0..10_000)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move { client.set(format!("k{n}"), "v").await })
        })
        .collect();
    for call in calls {
        call.await.expect("no panic").expect("writes");
    }
    assert_eq!(ming.asked(), 10_000);
    let mut sequences: Vec<_> = ming.write_ids().iter().map(|id| id.sequence).collect();
    sequences.sort_unstable();
    sequences.dedup();
    assert_eq!(sequences.len(), 10_000, "each under an id of its own");
    assert_eq!(*ming.connections().borrow(), 1);
}

#[tokio::test]
async fn dropped_calls_leave_room_for_others() {
    let lab = Lab::new();
    let ming =
        lab.node("ming", |nth, _: &Request| if nth < 9_000 { Act::Ignore } else { Act::Say(applied(1)) });
    let client = lab.client_of(&[&ming]).build().expect("builds");
    for _ in 0..9 {
        let calls: Vec<_> = (0..1_000).map(|_| client.set("k", "v")).collect();
        let all = futures_util::future::join_all(calls);
        assert!(tokio::time::timeout(Duration::from_millis(300), all).await.is_err(), "no node answers");
    }
    let deadline = Instant::now() + SOON;
    while ming.asked() < 9_000 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    client.set("k", "v").await.expect("there is room");
}

#[tokio::test]
async fn a_client_that_is_dropped_closes_its_connections() {
    let lab = Lab::new();
    let ming = lab.node("ming", always(applied(1)));
    let mut connections = ming.connections();
    let client = lab.client_of(&[&ming]).build().expect("builds");
    client.set("k", "v").await.expect("writes");
    assert_eq!(*connections.borrow_and_update(), 1);
    drop(client);
    let closed = connections.wait_for(|count| *count == 0);
    assert!(tokio::time::timeout(SOON, closed).await.is_ok(), "the connection stays");
}

/// Waiting does not help, and the error says which side to upgrade.
#[tokio::test]
async fn a_node_without_a_common_version_of_the_protocol_is_named_with_both_ranges() {
    let lab = Lab::new();
    let ming = lab.node("ming", always(value(1, b"v".to_vec())));
    ming.speaks(ProtocolVersions { min: 7, max: 9 });
    let client = lab.client_of(&[&ming]).build().expect("builds");
    let began = Instant::now();
    let error = client.get("k").await.expect_err("not understood");
    assert!(matches!(&error, Error::Unsupported(why) if why.contains("version 7 to 9")), "{error:?}");
    assert!(error.to_string().ends_with("and this side version 1: upgrade the older one"), "{error}");
    assert_eq!(error.outcome(), OutcomeKind::NotApplied);
    assert!(began.elapsed() < Duration::from_secs(3), "it does not wait for the deadline");
    ming.speaks(ProtocolVersions { min: 1, max: 9 });
    client.get("k").await.expect("version 1 is common");
}
