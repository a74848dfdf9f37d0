//! The JSON form of a transaction, as the HTTP API has it too.

use coffee_common::transaction::Step;

use super::{StepLabel, TxnFile};

/// Reads a document.
///
/// # Errors
///
/// It is malformed. For people.
pub(super) fn parse(content: &str) -> Result<TxnFile, String> {
    let transaction = coffee_http::parse_transaction(content.as_bytes())?;
    let labels = |steps: &[Step]| steps.iter().map(label).collect();
    let (then, otherwise) = (labels(&transaction.then), labels(&transaction.otherwise));
    Ok(TxnFile { txn: transaction.into(), then, otherwise })
}

/// Returns the label of a step, as the text form gives it.
fn label(step: &Step) -> StepLabel {
    let label = |verb, key: &[u8]| StepLabel { verb, key: key.to_owned(), with_values: false };
    match step {
        Step::Get(key) => label("get", key.as_bytes()),
        Step::Set(key, _) => label("set", key.as_bytes()),
        Step::Delete(key) => label("del", key.as_bytes()),
        Step::DeleteRange { range, .. } => label("del --prefix", range.from()),
        Step::Add { key, .. } => label("add", key.as_bytes()),
        Step::Range { range, keys_only, .. } => {
            StepLabel { with_values: !keys_only, ..label("keys", range.from()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use coffee_client::Relation;

    use super::{super::text, *};

    #[test]
    fn a_document_is_the_same_as_the_text() {
        let document = r#"{
            "if": [{"key": "shop/ming", "value": "open"}, {"key": "orders/1", "relation": ">", "revision": 7}, {"key": "orders/7", "absent": true},
                   {"key": "b", "present": true}, {"key": "c", "version": 3}, {"key": "d", "created": 2},
                   {"prefix": "tmp/", "empty": true}, {"key": "a", "relation": "!=", "value_base64": "/w=="}],
            "then": [{"set": "orders/7", "value": "latte"}, {"add": "orders/count", "by": -1, "min": 0, "max": 9},
                     {"del_prefix": "tmp/"}, {"del": "e"}, {"keys": "orders/", "limit": 10, "values": true}],
            "else": [{"get": "shop/ming"}]}"#;
        let text = "if\nvalue shop/ming = open\nrev orders/1 > 7\nabsent orders/7\npresent b\nversion c = 3\n\
                    created d = 2\nempty tmp/\nthen\nset orders/7 latte\nadd orders/count -1 --min 0 --max 9\n\
                    del tmp/ --prefix\ndel e\nkeys orders/ --limit 10 --values\nelse\nget shop/ming\n";
        let with_bytes = |file: TxnFile| file.txn.when_value("a", Relation::NotEqual, vec![0xff]);
        let (json, text) = (parse(document).unwrap(), text::parse(text).unwrap());
        assert_eq!((&json.then, &json.otherwise), (&text.then, &text.otherwise));
        assert_eq!(json.txn, with_bytes(text));
    }

    #[test]
    fn a_malformed_document_says_where() {
        for (document, why) in [
            ("{", "EOF while parsing"),
            (r#"{"when": []}"#, "unknown field `when`"),
            (r#"{"if": [{"value": "x"}]}"#, "condition 1: key is missing"),
            (r#"{"if": [{"key": "k"}]}"#, "condition 1: give just one of"),
            (r#"{"if": [{"key": "k", "version": 1, "revision": 2}]}"#, "condition 1: give just one of"),
            (
                r#"{"if": [{"key": "k", "relation": ">", "absent": true}]}"#,
                "condition 1: relation is for value",
            ),
            (r#"{"if": [{"key": "k", "prefix": "p", "empty": true}]}"#, "condition 1: prefix and empty"),
            (r#"{"then": [{"del_prefix": ""}]}"#, "step 1 of then: an empty prefix"),
            (r#"{"if": [{"prefix": "k"}]}"#, "condition 1: prefix and empty"),
            (r#"{"then": [{"set": "", "value": "x"}]}"#, "step 1 of then: a key cannot be empty"),
            (r#"{"then": [{"get": "a", "set": "b"}]}"#, "step 1 of then: give just one of"),
            (r#"{"else": [{"get": "a", "value": "b"}]}"#, "step 1 of else: value is for set"),
            (r#"{"then": [{"set": "a"}]}"#, "step 1 of then: neither value nor"),
        ] {
            let error = parse(document).unwrap_err();
            assert!(error.starts_with(why), "{document}: {error}");
        }
    }
}
