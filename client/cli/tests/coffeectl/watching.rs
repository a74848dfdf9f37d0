//! `watch` and `undo` against scripted nodes.

use coffee_common::{
    protocol::{ChangeView, VersionView},
    transaction::{Check, StepEffect},
};

use super::*;

fn change(at: u64, name: &str, value: Option<&[u8]>, previous: Option<&[u8]>) -> ChangeView {
    let of = |bytes: &[u8], at: u64| Entry { modified: Revision(at), ..entry(bytes) };
    ChangeView {
        revision: Revision(at),
        key: Key::new(name).expect("legal"),
        entry: value.map(|bytes| of(bytes, at)),
        previous: previous.map(|_| Revision(at - 1)),
        previous_entry: previous.map(|bytes| of(bytes, at - 1)),
        at_ms: 1_795_399_453_000,
        author: "writer till".to_owned(),
    }
}

/// A node with these changes, which answers no more once they are told.
fn told(lab: &Lab, changes: Vec<ChangeView>) -> FakeNode {
    lab.node("ming", move |_, request: &Request| match request {
        Request::Watch { after: None, .. } => {
            Act::Say(Ok(Response::Changes { changes: Vec::new(), upto: Revision(10) }))
        }
        Request::Watch { after: Some(after), .. } => {
            let changes: Vec<_> = changes.iter().filter(|change| change.revision > *after).cloned().collect();
            match changes.last().map(|last| last.revision) {
                Some(upto) => Act::Say(Ok(Response::Changes { changes, upto })),
                None => Act::Ignore,
            }
        }
        other => Act::Say(Err(Rejection::Invalid(format!("{other:?}")))),
    })
}

#[test]
fn changes_are_printed_as_they_come() {
    let lab = Lab::new();
    let desk = Desk::of(&lab);
    let changes = vec![
        change(11, "order/1", Some(b"latte"), None),
        change(12, "order/1", None, Some(b"latte")),
        change(12, "order/2", Some(b"\xff"), None),
    ];
    let ming = told(&lab, changes);
    let watch = |more: &[&str]| {
        let words = ["watch", "order/", "--count", "3"].into_iter().chain(more.iter().copied());
        desk.asks(&[&ming], words).go()
    };
    watch(&[]).says("11 set order/1 latte\n12 del order/1\n12 set order/2 (1 bytes)\n");
    watch(&["-o", "plain", "--from", "10"])
        .says("set\t11\torder/1\tlatte\ndel\t12\torder/1\nset\t12\torder/2\t\\xff\n");
    let json = watch(&["-o", "json"]);
    let lines: Vec<serde_json::Value> =
        json.text().lines().map(|line| serde_json::from_str(line).expect("a document")).collect();
    assert_eq!((&lines[0]["event"], &lines[2]["value_base64"]), (&"set".into(), &"/w==".into()));
    desk.asks(&[&ming], ["watch", "--exact"]).go().fails(2);
    let late = desk.asks(&[&ming], ["watch", "--from", "12", "--count", "1", "--for", "300ms"]).go();
    late.fails(5).complaining("only 0 of 1 changes were made in time");
}

/// A change that nothing has printed is told again.
#[test]
fn the_cursor_stays_before_what_could_not_be_printed() {
    let lab = Lab::new();
    let desk = Desk::of(&lab);
    let ming = told(&lab, vec![change(11, "a", Some(b"x"), None), change(12, "b", Some(b"y"), None)]);
    let cursor = desk.file("cursor", b"10\n");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a full disk");
    let ran = desk.asks(&[&ming], ["watch", "--cursor", &cursor]).writes_to(full).go();
    ran.fails(1).complaining("standard output cannot be written");
    assert_eq!(std::fs::read_to_string(&cursor).expect("reads"), "10\n");
    desk.asks(&[&ming], ["watch", "--cursor", &cursor, "--count", "2"]).go().says("11 set a x\n12 set b y\n");
    assert_eq!(std::fs::read_to_string(&cursor).expect("reads"), "12\n");
}

#[test]
fn all_changes_of_a_revision_are_told_before_a_watch_ends() {
    let lab = Lab::new();
    let desk = Desk::of(&lab);
    let ming = told(&lab, vec![change(11, "a", Some(b"x"), None), change(11, "b", Some(b"y"), None)]);
    let cursor = desk.file("cursor", b"10\n");
    desk.asks(&[&ming], ["watch", "--cursor", &cursor, "--count", "1"]).go().says("11 set a x\n11 set b y\n");
    assert_eq!(std::fs::read_to_string(&cursor).expect("reads"), "11\n");
}

#[test]
fn a_history_that_begins_later_ends_a_watch() {
    let rejection = Err(Rejection::Compacted { floor: Revision(7) });
    let ran = ask(rejection, &["watch", "order/", "--from", "3"]);
    ran.fails(3)
        .complaining("hint: changes were missed: read the keys again with 'coffeectl keys --rev 7', delete");
}

#[test]
fn what_a_revision_has_changed_is_put_back_in_one_transaction() {
    let lab = Lab::new();
    let desk = Desk::of(&lab);
    let ming = lab.node("ming", |_, request: &Request| {
        Act::Say(Ok(match request {
            Request::Watch { after: Some(Revision(10)), wait_ms: 0, .. } => Response::Changes {
                changes: vec![change(11, "a", Some(b"new"), Some(b"old")), change(11, "b", Some(b"x"), None)],
                upto: Revision(12),
            },
            Request::Watch { after: Some(after), .. } => {
                Response::Changes { changes: Vec::new(), upto: Revision(12).max(*after) }
            }
            Request::History { key, .. } => Response::Versions {
                versions: vec![VersionView {
                    revision: Revision(if key.as_bytes() == b"c" { 12 } else { 11 }),
                    entry: None,
                    at_ms: None,
                    author: String::new(),
                }],
                more: true,
            },
            Request::Transact { .. } => Response::Transacted {
                outcome: Outcome::Transacted { revision: Revision(13), then: true, effects: Vec::new() },
                reads: Vec::new(),
            },
            other => panic!("{other:?}"),
        }))
    });
    let ran = desk.asks(&[&ming], ["undo", "11", "--dry-run"]).go();
    ran.says("nothing was changed; this would put back:\na  old\nb  (deleted)\n");
    desk.asks(&[&ming], ["undo", "12"]).go().fails(3).complaining("revision 12 has changed no key here");
    desk.asks(&[&ming], ["undo", "99"]).go().fails(2).complaining("revision 99 has not been reached yet");
    desk.asks(&[&ming], ["undo", "0"]).go().fails(2);
    let asked = ming.asks();
    assert!(asked.iter().all(|ask| !matches!(ask.request, Request::Transact { .. })), "nothing was changed");
}

/// The key was set and deleted again between the look at its history and the transaction.
#[test]
fn a_deletion_is_not_put_back_once_the_key_was_deleted_again() {
    let lab = Lab::new();
    let desk = Desk::of(&lab);
    let ming = lab.node("ming", |_, request: &Request| {
        Act::Say(Ok(match request {
            Request::Watch { .. } => {
                Response::Changes { changes: vec![change(11, "a", None, Some(b"old"))], upto: Revision(11) }
            }
            Request::History { .. } => Response::Versions {
                versions: vec![VersionView {
                    revision: Revision(11),
                    entry: None,
                    at_ms: None,
                    author: String::new(),
                }],
                more: true,
            },
            Request::Transact { transaction, .. } => {
                let then = transaction.conditions.iter().all(|check| matches!(check, Check::Absent(_)));
                let effects = if then { vec![StepEffect::Changed(None)] } else { Vec::new() };
                Response::Transacted {
                    outcome: Outcome::Transacted { revision: Revision(14), then, effects },
                    reads: Vec::new(),
                }
            }
            other => panic!("{other:?}"),
        }))
    });
    let ran = desk.asks(&[&ming], ["undo", "11"]).go();
    ran.fails(4).complaining("a key has changed since revision 11; nothing was put back");
}
