//! Percent-encoding in paths and queries, and the parameters of a query.
//!
//! Guards that a parameter which is not understood is an error.

use coffee_common::{
    id::Revision,
    key::{Key, KeyRange},
    limits::KEY_BYTES_MAX,
};

use super::error::HttpError;

/// The most parameters of a query.
const PARAMETERS_MAX: usize = 16;

/// Turns bytes into a key.
pub(super) fn key(bytes: Vec<u8>) -> Result<Key, HttpError> {
    Key::new(bytes).map_err(|error| HttpError::bad(error.to_string()))
}

/// Turns bytes into the range of the keys with this prefix.
pub(super) fn prefix(bytes: Vec<u8>) -> Result<KeyRange, HttpError> {
    if bytes.len() > KEY_BYTES_MAX {
        return Err(HttpError::bad(format!("the prefix has more than {KEY_BYTES_MAX} bytes")));
    }
    Ok(KeyRange::prefix(bytes))
}

/// Decodes a path segment (RFC 3986, section 2.1).
pub(super) fn decode_path(text: &str) -> Result<Vec<u8>, HttpError> {
    decode(text, false)
}

/// Encodes the value of a parameter.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(*byte));
            }
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

fn decode(text: &str, plus_is_space: bool) -> Result<Vec<u8>, HttpError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        rest = others;
        bytes.push(match first {
            b'%' => {
                let [high, low, after @ ..] = others else { return Err(malformed()) };
                rest = after;
                hex(*high)? << 4 | hex(*low)?
            }
            b'+' if plus_is_space => b' ',
            byte => *byte,
        });
    }
    Ok(bytes)
}

fn hex(digit: u8) -> Result<u8, HttpError> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or_else(malformed)
}

fn malformed() -> HttpError {
    HttpError::bad("a '%' is not followed by two hexadecimal digits").hint("encode a '%' itself as %25")
}

/// The parameters of a query. Forms and `curl --data-urlencode` write them: `+` is a space.
#[derive(Debug, Default)]
pub(super) struct QueryParameters(Vec<(String, Vec<u8>)>);

impl QueryParameters {
    /// Parses a query.
    ///
    /// # Errors
    /// It is malformed, or has a parameter twice.
    pub(super) fn parse(query: Option<&str>) -> Result<Self, HttpError> {
        let mut parameters: Vec<(String, Vec<u8>)> = Vec::new();
        for part in query.unwrap_or_default().split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            if parameters.iter().any(|(known, _)| known == name) {
                return Err(HttpError::bad(format!("the parameter {name} is given twice")));
            }
            if parameters.len() == PARAMETERS_MAX {
                return Err(HttpError::bad("too many parameters"));
            }
            parameters.push((name.to_owned(), decode(value, true)?));
        }
        Ok(Self(parameters))
    }

    /// Takes the bytes of a parameter.
    pub(super) fn take(&mut self, name: &str) -> Option<Vec<u8>> {
        let place = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(place).1)
    }

    /// Takes a parameter that is a word or number.
    ///
    /// # Errors
    /// It is something else.
    pub(super) fn parsed<T: std::str::FromStr>(
        &mut self,
        name: &str,
        form: &str,
    ) -> Result<Option<T>, HttpError> {
        let Some(bytes) = self.take(name) else { return Ok(None) };
        let parsed = std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok());
        parsed.map(Some).ok_or_else(|| HttpError::bad(format!("{name} is not {form}")))
    }

    /// Takes a revision.
    ///
    /// # Errors
    /// It is not a number.
    pub(super) fn revision(&mut self, name: &str) -> Result<Option<Revision>, HttpError> {
        Ok(self.parsed(name, "a revision")?.map(Revision))
    }

    /// Takes `true` or `false`; without a value, a parameter is true.
    ///
    /// # Errors
    /// It is something else.
    pub(super) fn flag(&mut self, name: &str) -> Result<bool, HttpError> {
        match self.take(name).as_deref() {
            None | Some(b"false") => Ok(false),
            Some(b"" | b"true") => Ok(true),
            Some(_) => Err(HttpError::bad(format!("{name} is neither true nor false"))),
        }
    }

    /// Takes a duration such as `30s` or `500ms`, in milliseconds.
    ///
    /// # Errors
    /// It is something else.
    pub(super) fn duration_ms(&mut self, name: &str) -> Result<Option<u32>, HttpError> {
        let Some(bytes) = self.take(name) else { return Ok(None) };
        let wrong = || HttpError::bad(format!("{name} is not a duration such as 30s or 500ms"));
        let text = std::str::from_utf8(&bytes).map_err(|_| wrong())?;
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit_ms = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            _ => return Err(wrong()),
        };
        let ms = number.parse::<u32>().ok().and_then(|number| number.checked_mul(unit_ms));
        ms.map(Some).ok_or_else(wrong)
    }

    /// Fails if a parameter is left: it is not known.
    ///
    /// # Errors
    /// A parameter is left.
    pub(super) fn finish(self) -> Result<(), HttpError> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => Err(HttpError::bad(format!("unknown parameter {name:?}"))
                .hint("GET /v1/openapi.json describes all parameters")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_query_is_taken_to_pieces() {
        let mut query =
            QueryParameters::parse(Some("prefix=a%2F+b&values&limit=7&wait=30s&")).expect("parses");
        assert_eq!(query.take("prefix"), Some(b"a/ b".to_vec()));
        assert!(query.flag("values").expect("a flag"));
        assert!(!query.flag("previous").expect("absent"));
        assert_eq!(query.parsed::<u32>("limit", "a number").expect("a number"), Some(7));
        assert_eq!(query.duration_ms("wait").expect("a duration"), Some(30_000));
        query.finish().expect("all were taken");
    }

    #[test]
    fn malformed_queries_are_errors() {
        for bad in ["a=%", "a=%4", "a=%zz", "a=1&a=2", &"a&".repeat(2)] {
            assert!(QueryParameters::parse(Some(bad)).is_err(), "{bad}");
        }
        let many: String = (0..=PARAMETERS_MAX).map(|n| format!("p{n}&")).collect();
        assert!(QueryParameters::parse(Some(&many)).is_err());
        let mut query =
            QueryParameters::parse(Some("limit=x&wait=30&late=99999999m&values=1")).expect("parses");
        assert!(query.parsed::<u32>("limit", "a number").is_err());
        assert!(query.duration_ms("wait").is_err() && query.duration_ms("late").is_err());
        assert!(query.flag("values").is_err());
        assert!(QueryParameters::parse(Some("limits=3")).expect("parses").finish().is_err());
    }

    proptest! {
        #[test]
        fn bytes_are_decoded_as_they_were_encoded(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let text = encode(&bytes);
            prop_assert_eq!(decode_path(&text).expect("decodes"), bytes.clone());
            let mut query = QueryParameters::parse(Some(&format!("a={text}"))).expect("parses");
            prop_assert_eq!(query.take("a"), Some(bytes));
        }

        #[test]
        fn hostile_queries_do_no_harm(query in "\\PC{0,60}") {
            let _ = QueryParameters::parse(Some(&query));
        }
    }
}
