//! Percent-encoding (RFC 3986, section 2.1) with a single form for each text.

/// Encodes everything but unreserved characters and `/`.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                encoded.push(byte.into());
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// Decodes what [`encode`] wrote; `None` for any other form.
pub(super) fn decode(encoded: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = encoded;
    while let Some(first) = rest.chars().next() {
        let length = if first == '%' { 3 } else { first.len_utf8() };
        let (piece, after) = rest.split_at_checked(length)?;
        match piece.strip_prefix('%') {
            Some(digits) => bytes.push(u8::from_str_radix(digits, 16).ok()?),
            None => bytes.extend(piece.bytes()),
        }
        rest = after;
    }
    String::from_utf8(bytes).ok().filter(|text| encode(text) == encoded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_has_one_form() {
        assert_eq!(encode("till/ming 7/"), "till/ming%207/");
        for other in ["a b", "%", "%2", "%zz", "%+1", "%61", "%c3%a4", "\u{e4}", "%FF", "%2\u{e4}"] {
            assert_eq!(decode(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn it_is_decoded_as_it_was_encoded(text in ".{0,8}") {
            prop_assert_eq!(decode(&encode(&text)), Some(text));
        }

        #[test]
        fn any_text_is_decoded_or_not(text in "[a%/\u{e4}0-9A-F]{0,8}") {
            let _ = decode(&text);
        }
    }
}
