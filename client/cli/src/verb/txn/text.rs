//! The text form of a transaction: one condition or step per line.

use coffee_client::{Relation, Revision, TxnStep};
use coffee_common::key::KeyRange;

use super::{StepLabel, TxnFile};
use crate::words;

/// The part of the file that a line belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FilePart {
    If,
    Then,
    Else,
}

/// Reads a file.
///
/// # Errors
///
/// A line is malformed. For people, with its number.
pub(super) fn parse(content: &str) -> Result<TxnFile, String> {
    let mut file = TxnFile::default();
    // Without conditions, 'then' may be left out.
    let mut part = FilePart::Then;
    for (line, number) in content.lines().zip(1..) {
        let of_line = |why: String| format!("line {number}: {why}");
        let words = words::split(line).map_err(|error| of_line(error.to_string()))?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match (&words[..], part) {
            ([], _) => {}
            (["if"], _) => part = FilePart::If,
            (["then"], _) => part = FilePart::Then,
            (["else"], _) => part = FilePart::Else,
            (words, FilePart::If) => condition(&mut file, words).map_err(of_line)?,
            (words, FilePart::Then) => {
                let (step, label) = step(words).map_err(of_line)?;
                file.then(step, label);
            }
            (words, FilePart::Else) => {
                let (step, label) = step(words).map_err(of_line)?;
                file.otherwise(step, label);
            }
        }
    }
    Ok(file)
}

fn condition(file: &mut TxnFile, words: &[&str]) -> Result<(), String> {
    match *words {
        ["absent", key] => file.when(|txn| txn.when_absent(key)),
        ["present", key] => file.when(|txn| txn.when_present(key)),
        ["empty", prefix] => file.when(|txn| txn.when_empty(KeyRange::prefix(prefix))),
        ["value", key, is, value] => {
            let relation = relation(is)?;
            file.when(|txn| txn.when_value(key, relation, value.to_owned()));
        }
        [what @ ("rev" | "created" | "version"), key, is, to] => {
            let (relation, to) = (relation(is)?, number(to)?);
            file.when(|txn| match what {
                "rev" => txn.when_revision(key, relation, Revision(to)),
                "created" => txn.when_created(key, relation, Revision(to)),
                _ => txn.when_version(key, relation, to),
            });
        }
        _ => {
            return Err(
                "not a condition: value, rev, created or version KEY = VALUE; absent or present KEY; \
                        empty PREFIX"
                    .to_owned(),
            );
        }
    }
    Ok(())
}

fn step(words: &[&str]) -> Result<(TxnStep, StepLabel), String> {
    let label = |verb, key: &str| StepLabel { verb, key: key.into(), with_values: false };
    Ok(match *words {
        ["get", key] => (TxnStep::get(key), label("get", key)),
        ["set", key, value] => (TxnStep::set(key, value.to_owned()), label("set", key)),
        ["del", key] => (TxnStep::delete(key), label("del", key)),
        ["del", "", "--prefix"] | ["del", "--prefix", ""] => {
            return Err("an empty prefix would delete all keys".to_owned());
        }
        ["del", prefix, "--prefix"] | ["del", "--prefix", prefix] => {
            (TxnStep::delete_range(KeyRange::prefix(prefix)), label("del --prefix", prefix))
        }
        ["add", key, by, ref options @ ..] => {
            let (mut min, mut max) = (i64::MIN, i64::MAX);
            for option in options.chunks(2) {
                match option {
                    ["--min", bound] => min = number(bound)?,
                    ["--max", bound] => max = number(bound)?,
                    _ => return Err("add takes KEY NUMBER [--min NUMBER] [--max NUMBER]".to_owned()),
                }
            }
            (TxnStep::add_within(key, number(by)?, min..=max), label("add", key))
        }
        ["keys", prefix, ref options @ ..] => {
            let (mut limit, mut with_values, mut options) = (0, false, options);
            loop {
                match options {
                    [] => break,
                    ["--values", rest @ ..] => (with_values, options) = (true, rest),
                    ["--limit", count, rest @ ..] => (limit, options) = (number(count)?, rest),
                    _ => return Err("keys takes PREFIX [--limit COUNT] [--values]".to_owned()),
                }
            }
            let range = KeyRange::prefix(prefix);
            let step = match with_values {
                true => TxnStep::range(range, limit),
                false => TxnStep::keys(range, limit),
            };
            (step, StepLabel { with_values, ..label("keys", prefix) })
        }
        _ => {
            return Err(
                "not a step: get KEY; set KEY VALUE; del KEY [--prefix]; add KEY NUMBER [--min NUMBER] \
                        [--max NUMBER]; keys PREFIX [--limit COUNT] [--values]"
                    .to_owned(),
            );
        }
    })
}

/// Reads a relation as a file writes it.
pub(super) fn relation(text: &str) -> Result<Relation, String> {
    match text {
        "=" => Ok(Relation::Equal),
        "!=" => Ok(Relation::NotEqual),
        "<" => Ok(Relation::Less),
        ">" => Ok(Relation::Greater),
        other => Err(format!("{other} is not one of = != < >")),
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is not a number that fits"))
}

#[cfg(test)]
mod tests {
    use coffee_client::Txn;

    use super::*;

    #[test]
    fn a_file_is_read_line_by_line() {
        let content = "\
# closes a shop
if
  value shop/ming = 'wide open'   # it is open
  rev orders/1 > 7
  absent orders/7
  empty tmp/
then
  set orders/7 \"flat white\"
  add orders/count -1 --min 0 --max 9
  del tmp/ --prefix
  keys orders/ --values --limit 10
else
  get shop/ming
";
        let file = parse(content).unwrap();
        let txn = Txn::new()
            .when_value("shop/ming", Relation::Equal, "wide open")
            .when_revision("orders/1", Relation::Greater, Revision(7))
            .when_absent("orders/7")
            .when_empty(KeyRange::prefix("tmp/"))
            .then(TxnStep::set("orders/7", "flat white"))
            .then(TxnStep::add_within("orders/count", -1, 0..=9))
            .then(TxnStep::delete_range(KeyRange::prefix("tmp/")))
            .then(TxnStep::range(KeyRange::prefix("orders/"), 10))
            .otherwise(TxnStep::get("shop/ming"));
        assert_eq!(file.txn, txn);
        let verbs: Vec<_> = file.then.iter().map(|label| (label.verb, &label.key[..])).collect();
        assert_eq!(
            verbs,
            [
                ("set", &b"orders/7"[..]),
                ("add", b"orders/count"),
                ("del --prefix", b"tmp/"),
                ("keys", b"orders/")
            ]
        );
        assert!(file.then[3].with_values);
        assert_eq!(file.otherwise.len(), 1);
    }

    #[test]
    fn steps_alone_need_no_word_before_them() {
        assert_eq!(parse("set k v\n").unwrap().txn, Txn::new().then(TxnStep::set("k", "v")));
    }

    #[test]
    fn a_wrong_line_is_named_by_its_number() {
        for (content, why) in [
            ("set k", "line 1: not a step"),
            ("\nif\nvalue k ~ v", "line 3: ~ is not one of = != < >"),
            ("if\nset k v", "line 2: not a condition"),
            ("add k one", "line 1: one is not a number that fits"),
            ("add k 1 --min", "line 1: add takes"),
            ("keys p --limit", "line 1: keys takes"),
            ("del '' --prefix", "line 1: an empty prefix would delete all keys"),
            ("set k 'v", "line 1: the line ends within single quotes"),
        ] {
            let error = parse(content).unwrap_err();
            assert!(error.starts_with(why), "{content}: {error}");
        }
    }
}
