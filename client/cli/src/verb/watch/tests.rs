//! Changes as they are printed.

use coffee_client::{Entry, Value};

use super::*;
use crate::printer::{Format, tests::printed};

fn changes() -> RevisionChanges {
    let entry = Entry {
        value: Value::new("a\tb").unwrap(),
        created: Revision(3),
        modified: Revision(4711),
        version: 2,
    };
    let change = |name: &str, entry, previous: Option<u64>| KeyChange {
        key: Key::new(name).unwrap(),
        entry,
        previous: previous.map(Revision),
        previous_entry: None,
    };
    RevisionChanges {
        revision: Revision(4711),
        at_ms: 1_795_399_453_999,
        author: "writer till".to_owned(),
        changes: vec![change("order/1", Some(entry), Some(7)), change("order/2", None, None)],
    }
}

#[test]
fn values_before_are_printed_on_request() {
    let entry = changes().changes[0].entry.clone();
    let before = |value: &[u8]| {
        entry.clone().map(|entry| Entry { value: Value::new(value.to_vec()).unwrap(), ..entry })
    };
    let mut changes = changes();
    let (set, deleted) = (changes.changes[0].clone(), changes.changes[1].clone());
    changes.changes = vec![
        KeyChange { previous_entry: before(b"tea\n"), ..set.clone() },
        KeyChange { key: Key::new("it's").unwrap(), ..set.clone() },
        KeyChange { previous: Some(Revision(7)), previous_entry: before(b"\xff"), ..deleted },
        KeyChange { previous: None, ..set },
    ];
    let all = |format| -> Vec<String> {
        let row = |change| ChangeRow {
            before: Some(PreviousValue::of(change)),
            ..ChangeRow::new(&changes, change)
        };
        changes.changes.iter().map(|change| printed(format, &row(change))).collect()
    };
    assert_eq!(
        all(Format::Table),
        [
            "4711 set order/1 a\\tb (before: tea\\n)\n",
            "4711 set it's a\\tb (before: left out; coffeectl get --rev 4710 -- 'it'\\''s')\n",
            "4711 del order/2 (before: (1 bytes))\n",
            "4711 set order/1 a\\tb\n",
        ]
    );
    assert_eq!(
        all(Format::Plain),
        [
            "set\t4711\torder/1\ta\\tb\t7\ttea\\n\n",
            "set\t4711\tit's\ta\\tb\t7\n",
            "del\t4711\torder/2\t\t7\t\\xff\n",
            "set\t4711\torder/1\ta\\tb\t\n",
        ]
    );
    let json = all(Format::Json);
    for (json, field) in json.iter().zip([
        r#""previous":7,"previous_value":"tea\n","time""#,
        r#""previous":7,"previous_omitted":true,"time""#,
        r#""previous":7,"previous_value_base64":"/w==","time""#,
        r#""previous":null,"time""#,
    ]) {
        assert!(json.contains(field), "{json}");
    }
}

#[test]
fn golden() {
    let changes = changes();
    let all = |format| -> String {
        changes.changes.iter().map(|change| printed(format, &ChangeRow::new(&changes, change))).collect()
    };
    assert_eq!(all(Format::Table), "4711 set order/1 a\\tb\n4711 del order/2\n");
    assert_eq!(all(Format::Plain), "set\t4711\torder/1\ta\\tb\ndel\t4711\torder/2\n");
    assert_eq!(
        all(Format::Json),
        "{\"apiVersion\":\"coffee/v1\",\"event\":\"set\",\"key\":\"order/1\",\"value\":\"a\\tb\",\"revision\":4711,\
         \"version\":2,\"previous\":7,\"time\":\"2026-11-23T02:04:13Z\",\"role\":\"writer\",\"author\":\"till\"}\n\
         {\"apiVersion\":\"coffee/v1\",\"event\":\"del\",\"key\":\"order/2\",\"revision\":4711,\"version\":null,\
         \"previous\":null,\"time\":\"2026-11-23T02:04:13Z\",\"role\":\"writer\",\"author\":\"till\"}\n"
    );
}
