//! Produces each exit code.

use std::time::Duration;

use tokio::time::Instant;

use super::*;

#[test]
fn what_is_not_there_is_code_3() {
    let nothing = Ok(Response::Value { entry: None, at: Revision(9) });
    ask(nothing, &["get", "order/1"]).fails(3).complaining("there is no key order/1");
    let no_node = Err(Rejection::NotFound("there is no node hu".into()));
    ask(no_node, &["can-stop", "hu"]).fails(3).complaining("there is no node hu\nhint: ");
}

#[test]
fn a_false_condition_is_code_4() {
    let actual = Some(Revision(9));
    let outcome = Ok(Response::Written(Outcome::ConditionFalse { condition: 0, actual }));
    let (_lab, desk, ming) = saying(outcome);
    desk.asks(&[&ming], ["set", "k", "v", "--if-rev", "7"]).go().fails(4).complaining("at revision 9");
    desk.asks(&[&ming], ["set", "k", "v", "--if-absent"]).go().fails(4);
    desk.asks(&[&ming], ["del", "k", "--if-rev", "0"]).go().fails(4);
    let key = Key::new("k").expect("legal");
    let conditions: Vec<Condition> =
        operations(&ming).into_iter().flat_map(|batch| batch.conditions).collect();
    let absent = Condition::Absent(key.clone());
    assert_eq!(conditions, [Condition::RevisionIs(key, Revision(7)), absent.clone(), absent]);
}

#[test]
fn without_a_leader_it_is_code_5() {
    let ran = ask(unavailable(), &["set", "k", "v", "--timeout", "400ms"]);
    ran.fails(5).complaining("no leader").complaining("hint: ");
}

#[test]
fn without_a_node_it_is_code_5() {
    let lab = Lab::new();
    let mut ming = lab.node("ming", always(unavailable()));
    ming.kill();
    let desk = Desk::of(&lab);
    for words in [&["list"][..], &["set", "k", "v"], &["status"], &["wait", "--for", "leader"]] {
        let ran = desk.asks(&[&ming], words.iter().chain(&["--timeout", "300ms"])).go();
        assert_eq!(ran.code, Some(5), "{words:?}: {}", ran.err);
    }
}

#[test]
fn without_a_quorum_it_is_code_5_at_once() {
    let lab = Lab::new();
    let no_quorum = || Err(Rejection::NoQuorum { reached: vec![name("ming"), name("hong")], voters: 5 });
    let (ming, hong) = (lab.node("ming", always(no_quorum())), lab.node("hong", always(no_quorum())));
    let mut peng = lab.node("peng", always(no_quorum()));
    peng.kill();
    let desk = Desk::of(&lab);
    let sentence =
        "error: no quorum: 2 of 5 voters are in reach (ming, hong); nothing was done\nhint: start the nodes";
    let words: [&[&str]; 5] = [
        &["set", "k", "v"],
        &["get", "k"],
        &["transfer"],
        &["node", "remove", "peng", "--yes"],
        &["can-stop", "hong"],
    ];
    for words in words {
        let start = Instant::now();
        let ran = desk.asks(&[&ming, &hong, &peng], words.iter().chain(&["--timeout", "60s"])).go();
        ran.fails(5).complaining(sentence);
        assert!(start.elapsed() < Duration::from_secs(20), "{words:?}: {:?}", start.elapsed());
    }
}

#[test]
fn an_unknown_outcome_is_code_6_and_says_how_to_repeat_it() {
    let lab = Lab::new();
    let desk = Desk::of(&lab);
    let silent = lab.node("ming", |_, _: &Request| Act::Ignore);
    let ran = desk.asks(&[&silent], ["set", "order/1", "two words", "--timeout", "400ms"]).go();
    ran.fails(6).complaining("unknown");

    let id = silent.write_ids()[0];
    let command = format!("coffeectl set order/1 'two words' --timeout 400ms --request-id {id}\n");
    assert!(ran.err.ends_with(&command), "{}", ran.err);
    let hong = lab.node("hong", always(applied(12)));
    // Without the quotes, which a shell would remove.
    let words = ["set", "order/1", "two words", "--request-id", &id.to_string()];
    desk.asks(&[&hong], words).go().says("revision 12\n");
    assert_eq!(hong.write_ids(), [id]);
}

#[test]
fn a_missing_permission_is_code_7() {
    let denied = Err(Rejection::Denied("a reader may not write".into()));
    ask(denied, &["set", "k", "v"]).fails(7).complaining("a reader may not write\nhint: ");
}

#[test]
fn strangers_are_code_7() {
    let ming = Lab::new().node("ming", always(applied(1)));
    Desk::of(&Lab::new()).asks(&[&ming], ["set", "k", "v"]).go().fails(7).complaining("hint: ");
    assert_eq!(ming.asked(), 0);
}

#[test]
fn a_key_that_others_can_read_is_code_7() {
    use std::os::unix::fs::PermissionsExt;
    let (_lab, desk, ming) = saying(applied(1));
    let key = desk.certs().join("admin-ops.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("sets");
    desk.asks(&[&ming], ["list"]).go().fails(7).complaining("hint: chmod 600 ");
}

#[test]
fn a_refusal_is_code_8_with_the_hint_of_the_node() {
    let refused = Err(Rejection::Refused { reason: "hong lags".into(), hint: "wait for it".into() });
    let ran = ask(refused, &["transfer", "--to", "hong"]);
    ran.fails(8);
    assert_eq!(ran.err, "error: hong lags\nhint: wait for it\n");
    let ran = ask(Ok(Response::CanStop { yes: false, reason: "one is down".into() }), &["can-stop", "hong"]);
    assert_eq!((ran.code, ran.text()), (Some(8), "no: one is down\n"));
}

#[test]
fn usage_is_code_2_and_contacts_no_node() {
    let (_lab, desk, ming) = saying(applied(1));
    let large = desk.file("large", &vec![0; VALUE_BYTES_MAX + 1]);
    let long = "k".repeat(1025);
    for words in [
        &["brew"][..],
        &["set", "k"],
        &["set", "", "v"],
        &["set", &long, "v"],
        &["set", "k", "--file", &large],
        &["set", "k", "--file", "/nowhere/at/all"],
        &["set", "k", "v", "--request-id", "7"],
        &["wait", "--for", "quorum", "--node", "ming"],
    ] {
        desk.asks(&[&ming], words).go().fails(2);
    }
    let ran = desk.asks(&[&ming], ["set", "k", "--file", &large]).go();
    ran.complaining("has 1572865 bytes, more than the limit of 1572864");
    assert_eq!(ming.asked(), 0);
    bare(["list"]).go().fails(2).complaining("hint: add --certs DIR");
}
