//! Verbs that carry out transactions, and those that apply lines.

use coffee_common::{
    key::Value,
    transaction::{
        Check, Relation, Step, StepEffect, StepRead, Transaction, TransactionFailure, TransactionPart,
    },
};

use super::*;

fn key(text: &str) -> Key {
    Key::new(text).expect("legal")
}

fn transacted(then: bool, effects: Vec<StepEffect>, reads: Vec<StepRead>) -> Result<Response, Rejection> {
    let outcome = Outcome::Transacted { revision: Revision(4711), then, effects };
    Ok(Response::Transacted { outcome, reads })
}

fn failed(why: TransactionFailure) -> Result<Response, Rejection> {
    let outcome = Outcome::TransactionFailed { part: TransactionPart::Then(0), why };
    Ok(Response::Transacted { outcome, reads: Vec::new() })
}

/// The transactions that a node received.
fn transactions(node: &FakeNode) -> Vec<Transaction> {
    let transaction = |request| match request {
        Request::Transact { transaction, .. } => Some(transaction.as_ref().clone()),
        _ => None,
    };
    node.asks().into_iter().filter_map(|ask| transaction(ask.request)).collect()
}

fn added(sum: i64) -> Result<Response, Rejection> {
    transacted(true, vec![StepEffect::Added { sum, previous: None }], Vec::new())
}

#[test]
fn a_sum_is_printed_alone() {
    let (_lab, desk, ming) = saying(added(42));
    desk.asks(&[&ming], ["incr", "count", "--by", "-3", "--min", "0", "--max", "99"]).go().says("42\n");
    desk.asks(&[&ming], ["next-id", "orders/last", "-o", "plain"]).go().says("42\n");
    let ran = desk.asks(&[&ming], ["incr", "count", "-o", "json"]).go();
    assert_eq!(ran.json()["number"], 42);
    let steps: Vec<_> = transactions(&ming).into_iter().flat_map(|transaction| transaction.then).collect();
    let add = |name: &str, by, min, max| Step::Add { key: key(name), by, min, max };
    let any = (i64::MIN, i64::MAX);
    assert_eq!(
        steps,
        [add("count", -3, 0, 99), add("orders/last", 1, any.0, any.1), add("count", 1, any.0, any.1)]
    );
}

#[test]
fn a_step_that_fails_says_so_with_its_code() {
    let ran = ask(failed(TransactionFailure::OutOfBounds(99)), &["incr", "count", "--max", "99"]);
    ran.fails(4).complaining(
        "error: step 1: the sum would be out of bounds: the number is 99; nothing was changed\n",
    );
    let ran = ask(failed(TransactionFailure::NotANumber), &["next-id", "count"]);
    ran.fails(1).complaining("the value is not a number").complaining("hint: set the key to a number");
    let (_lab, desk, ming) = saying(added(1));
    desk.asks(&[&ming], ["incr", "count", "--min", "3", "--max", "2"])
        .go()
        .fails(2)
        .complaining("the lowest sum");
    desk.asks(&[&ming], ["incr", "count", "--by", "much"]).go().fails(2);
    assert_eq!(ming.asked(), 0);
}

#[test]
fn a_transaction_is_read_from_a_file_or_standard_input() {
    let reads = vec![StepRead::Entry(Some(entry(b"open")))];
    let (_lab, desk, ming) =
        saying(transacted(true, vec![StepEffect::Changed(None), StepEffect::Read], reads));
    let text = "if\nvalue shop = open\nthen\nset order/1 'flat white'\nget shop\nelse\nget shop\n";
    let said = "revision 4711: all conditions hold\nset order/1  did not exist\nget shop     open\n";
    desk.asks(&[&ming], ["txn", "-"]).reads(text).go().says(said);
    let file = desk.file("order.txn", text.as_bytes());
    desk.asks(&[&ming], ["txn", &file]).go().says(said);
    let json = r#"{"if": [{"key": "shop", "value": "open"}],
                   "then": [{"set": "order/1", "value": "flat white"}, {"get": "shop"}], "else": [{"get": "shop"}]}"#;
    let ran = desk.asks(&[&ming], ["txn", "-", "-o", "json"]).reads(json).go();
    assert_eq!(
        (&ran.json()["succeeded"], &ran.json()["steps"][1]["entry"]["value"]),
        (&true.into(), &"open".into())
    );
    let expected = Transaction {
        conditions: vec![Check::Value(key("shop"), Relation::Equal, Value::new("open").expect("legal"))],
        then: vec![
            Step::Set(key("order/1"), Value::new("flat white").expect("legal")),
            Step::Get(key("shop")),
        ],
        otherwise: vec![Step::Get(key("shop"))],
    };
    assert_eq!(transactions(&ming), [expected.clone(), expected.clone(), expected]);

    for (text, why) in [
        ("set order/1", "standard input: line 1: not a step"),
        ("{", "standard input: EOF while parsing"),
        ("", "a transaction needs at least one step"),
        ("set '' x", "a key cannot be empty"),
    ] {
        desk.asks(&[&ming], ["txn", "-"]).reads(text).go().fails(2).complaining(why);
    }
    desk.asks(&[&ming], ["txn", "/nowhere/order.txn"]).go().fails(2).complaining("/nowhere/order.txn: ");
    assert_eq!(ming.asked(), 3);
}

#[test]
fn conditions_that_do_not_hold_are_code_4_unless_there_is_an_else() {
    let ran = ask_with(transacted(false, Vec::new(), Vec::new()), "if\nabsent a\nthen\nset a b\n");
    ran.fails(4).complaining("error: a condition does not hold; nothing was changed\n");
    let ran = ask_with(
        transacted(false, vec![StepEffect::Read], vec![StepRead::Entry(None)]),
        "if\nabsent a\nthen\nset a b\nelse\nget a\n",
    );
    ran.says("revision 4711: a condition does not hold\nget a  did not exist\n");
}

fn ask_with(result: Result<Response, Rejection>, text: &str) -> CommandOutput {
    let (_lab, desk, ming) = saying(result);
    desk.asks(&[&ming], ["txn", "-"]).reads(text).go()
}

#[test]
fn keys_with_a_prefix_are_deleted_part_by_part() {
    let lab = Lab::new();
    let desk = Desk::of(&lab);
    let ming = lab.node("ming", |nth, _: &Request| {
        let rest = (nth < 2).then(|| key(&format!("tmp/{nth}")));
        Act::Say(transacted(true, vec![StepEffect::RangeDeleted { count: 1000, rest }], Vec::new()))
    });
    desk.asks(&[&ming], ["del", "tmp/", "--prefix"]).go().says("3000 keys deleted\n");
    let ranges: Vec<_> = transactions(&ming)
        .into_iter()
        .flat_map(|transaction| transaction.then)
        .map(|step| match step {
            Step::DeleteRange { range, limit: 1000 } => range,
            other => panic!("{other:?}"),
        })
        .collect();
    let all = KeyRange::prefix("tmp/");
    let from = |name: &str| KeyRange::between(name, all.to());
    assert_eq!(ranges, [all.clone(), from("tmp/0"), from("tmp/1")]);
    desk.asks(&[&ming], ["del", "tmp/", "--prefix", "--if-rev", "7"]).go().fails(2);
    desk.asks(&[&ming], ["del", "", "--prefix"]).go().fails(2).complaining("a key cannot be empty");

    let refusing = lab.node("hong", |nth, _: &Request| {
        Act::Say(match nth {
            0 => transacted(
                true,
                vec![StepEffect::RangeDeleted { count: 9, rest: Some(key("tmp/9")) }],
                Vec::new(),
            ),
            _ => Err(Rejection::Refused { reason: "no".to_owned(), hint: "why".to_owned() }),
        })
    });
    let ran = desk.asks(&[&refusing], ["del", "tmp/", "--prefix"]).go();
    ran.fails(8).complaining("hint: 9 keys deleted before; run it again for the rest\n");
}

#[test]
fn a_batch_is_applied_line_by_line() {
    let (_lab, desk, ming) = saying(applied(7));
    let text = "# orders of today\nset order/1 'flat white'\n{\"set\": \"order/2\", \"value\": \"tea\"}\ndel order/3\n";
    desk.asks(&[&ming], ["batch", "-"]).reads(text).go().says("3 changes applied\n");
    let set = |name: &str, value: &'static str| Operation::Set(key(name), Value::new(value).expect("legal"));
    let applied = operations(&ming);
    assert_eq!(
        applied[0].operations,
        [set("order/1", "flat white"), set("order/2", "tea"), Operation::Delete(key("order/3"))]
    );
    let file = desk.file("orders.batch", format!("{text}oops\n").as_bytes());
    let ran = desk.asks(&[&ming], ["batch", &file]).go();
    ran.fails(2).complaining(
        "orders.batch: line 5: not a change: set KEY VALUE or del KEY\nhint: nothing was changed\n",
    );
    let ran = desk.asks(&[&ming], ["batch", &file, "--from-line", "6"]).go();
    ran.says("0 changes checked; nothing was changed\n");
    assert_eq!(ming.asked(), 1);
}

#[test]
fn an_older_node_says_that_it_knows_no_transactions() {
    let unsupported = || {
        Err(Rejection::Unsupported("ming runs coffeed 0.1.0, which does not know this request".to_owned()))
    };
    ask(unsupported(), &["incr", "count"]).fails(1).complaining("does not know this request");
}
