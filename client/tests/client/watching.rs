//! Watches at scripted nodes: no gap and no repetition, whatever the nodes do.

use std::time::Duration;

use coffee_client::{Error, KeyRange, Request, Response, Revision, WatchEvent, WatchOptions};
use coffee_common::{
    entry::Entry,
    key::{Key, Value},
    protocol::{ChangeKinds, ChangeView, Consistency, Rejection, WatchSpec},
};

use crate::fake::{Act, FakeNode, Lab, SOON, always, unavailable};

fn change(at: u64, name: &str) -> ChangeView {
    let at = Revision(at);
    ChangeView {
        revision: at,
        key: Key::new(name).expect("legal"),
        entry: Some(Entry { value: Value::default(), created: at, modified: at, version: 1 }),
        previous: None,
        previous_entry: None,
        at_ms: 5,
        author: "writer till".to_owned(),
    }
}

fn told(changes: Vec<ChangeView>, upto: u64) -> Act {
    Act::Say(Ok(Response::Changes { changes, upto: Revision(upto) }))
}

async fn next(watch: &mut coffee_client::Watch) -> WatchEvent {
    tokio::time::timeout(SOON, watch.next()).await.expect("in time").expect("goes on")
}

fn revision(event: &WatchEvent) -> (u64, usize) {
    match event {
        WatchEvent::Changes(changes) => (changes.revision.0, changes.changes.len()),
        WatchEvent::Beat(upto) => (upto.0, 0),
    }
}

#[tokio::test]
async fn a_watch_goes_on_at_another_node_after_what_it_returned() {
    let lab = Lab::new();
    let script = |nth: usize, request: &Request| match request {
        Request::Watch { after: None, .. } => told(Vec::new(), 10),
        Request::Watch { after: Some(Revision(10)), .. } if nth > 3 => {
            told(vec![change(12, "a"), change(12, "b"), change(15, "a")], 17)
        }
        Request::Watch { after: Some(Revision(17)), .. } => told(vec![change(18, "c")], 18),
        Request::Watch { after: Some(Revision(18)), .. } => {
            let changes = vec![change(19, "d")];
            Act::SayAfter(Duration::from_millis(200), Ok(Response::Changes { changes, upto: Revision(19) }))
        }
        Request::Watch { after: Some(Revision(19)), .. } => Act::Ignore,
        // Neither failure moves the cursor.
        Request::Watch { .. } if nth % 2 == 1 => Act::Cut,
        Request::Watch { .. } => Act::Say(unavailable()),
        other => panic!("{other:?}"),
    };
    let (ming, hong) = (lab.node("ming", script), lab.node("hong", script));
    let client = lab.client_of(&[&ming, &hong]).build().expect("a client");
    let mut watch = client.watch(KeyRange::all(), WatchOptions::default());
    assert_eq!(watch.cursor(), None);
    let mut seen = Vec::new();
    for cursor in [10, 12, 17, 18] {
        seen.push(revision(&next(&mut watch).await));
        assert_eq!(watch.cursor(), Some(Revision(cursor)));
    }
    assert_eq!(seen, [(10, 0), (12, 2), (15, 1), (18, 1)]);
    // Only the beginning asks for the newest state.
    let fresh = |node: &FakeNode| {
        node.asks()
            .iter()
            .filter(|ask| {
                matches!(ask.request, Request::Watch { consistency: Consistency::Linearizable, .. })
            })
            .count()
    };
    assert_eq!(fresh(&ming) + fresh(&hong), 1);
    // Waits that are dropped leave the same question to the next ones.
    let before = ming.asked() + hong.asked();
    let event = loop {
        if let Ok(event) = tokio::time::timeout(Duration::from_millis(20), watch.next()).await {
            break event.expect("goes on");
        }
    };
    assert_eq!((revision(&event), watch.cursor()), ((19, 1), Some(Revision(19))));
    assert!(ming.asked() + hong.asked() <= before + 1, "it was asked once");
    client.close().await;
}

/// A single request to watch, as the proxy sends it, waits longer than any other may take.
#[tokio::test]
async fn a_node_that_waits_for_changes_is_not_taken_for_slow() {
    let lab = Lab::new();
    let wait = Duration::from_millis(1500);
    let script = move |_: usize, _: &Request| {
        let changes = vec![change(8, "a")];
        Act::SayAfter(wait, Ok(Response::Changes { changes, upto: Revision(8) }))
    };
    let (ming, hong) = (lab.node("ming", script), lab.node("hong", script));
    let client = lab.client_of(&[&ming, &hong]).build().expect("a client");
    let request = Request::Watch {
        spec: WatchSpec {
            range: KeyRange::all(),
            kinds: ChangeKinds::All,
            keys_only: false,
            with_previous: false,
        },
        after: Some(Revision(7)),
        wait_ms: u32::try_from(wait.as_millis()).expect("it is short"),
        consistency: Consistency::Local,
    };
    let answer = client.ask(request).await.expect("it answers");
    assert!(matches!(answer, Response::Changes { upto: Revision(8), .. }), "{answer:?}");
    assert_eq!(ming.asked() + hong.asked(), 1);
    client.close().await;
}

#[tokio::test]
async fn what_no_node_can_answer_ends_a_watch() {
    let lab = Lab::new();
    let ming = lab.node("ming", always(Err(Rejection::Compacted { floor: Revision(30) })));
    let client = lab.client_of(&[&ming]).build().expect("a client");
    let options = WatchOptions { after: Some(Revision(7)), ..WatchOptions::default() };
    let ended = client.watch(KeyRange::all(), options).next().await;
    assert_eq!(ended, Err(Error::Compacted { floor: Revision(30) }));
    let long = KeyRange::prefix("k".repeat(2000));
    assert!(matches!(client.watch(long, options).next().await, Err(Error::Invalid(_))));
    assert_eq!(ming.asked(), 1);
    client.close().await;
}

#[tokio::test]
async fn a_watch_ends_once_every_node_refuses_it() {
    let lab = Lab::new();
    let refusing = || always(Err(Rejection::Unsupported("older".into())));
    let (ming, hong) = (lab.node("ming", refusing()), lab.node("hong", refusing()));
    let client = lab.client_of(&[&ming, &hong]).build().expect("a client");
    let ended = client.watch(KeyRange::all(), WatchOptions::default()).next().await;
    assert_eq!(ended, Err(Error::Unsupported("older".into())));
    assert_eq!((ming.asked(), hong.asked()), (1, 1));
    client.close().await;
}

/// A clone may be closed while another one waits: it would wait for ever.
#[tokio::test]
async fn a_watch_ends_once_its_client_is_closed() {
    let lab = Lab::new();
    let ming = lab.node("ming", |_, _| Act::Ignore);
    let client = lab.client_of(&[&ming]).build().expect("a client");
    let mut watch = client.watch(KeyRange::all(), WatchOptions::default());
    while ming.asked() == 0 {
        let waited = tokio::time::timeout(Duration::from_millis(20), watch.next()).await;
        assert!(waited.is_err(), "{waited:?}");
    }
    client.clone().close().await;
    let ended = tokio::time::timeout(SOON, watch.next()).await.expect("it ends");
    assert_eq!(ended, Err(Error::Closed));
    let ended = tokio::time::timeout(SOON, client.get("k")).await.expect("it ends");
    assert_eq!(ended, Err(Error::Closed));
    let backup = client.backup(Consistency::Local).await;
    assert_eq!(backup.map(|_| "a backup"), Err(Error::Closed));
}
