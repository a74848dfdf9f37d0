//! A minimal DER reader (X.690) for the fields of a revocation list that webpki parses but does not
//! expose, the signed bytes, the signature and the validity period, and for those of a private key.
//!
//! x509-parser could do this, but the library would gain some fifteen crates (nom, asn1-rs,
//! num-bigint) and their build time for two dates and a signature. The input is small, comes from
//! the operator's file and has passed webpki's own parser, and the reader is tested with arbitrary
//! bytes.
//!
//! Pure. Anything unexpected yields `None`, and no length is trusted beyond the bytes that exist.

/// A DER element: its tag, its content, and the whole with its header.
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    pub(super) whole: &'a [u8],
}

pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
const BIT_STRING: u8 = 0x03;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Reads consecutive elements.
pub(super) struct DerReader<'a>(pub(super) &'a [u8]);

impl<'a> DerReader<'a> {
    /// Returns the next element.
    pub(super) fn next(&mut self) -> Option<Element<'a>> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // No file that is read here needs a longer length.
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
            }
            _ => return None,
        };
        let (content, after) = rest.split_at_checked(length)?;
        let whole = &self.0[..self.0.len() - after.len()];
        self.0 = after;
        Some(Element { tag, content, whole })
    }

    /// Returns the next element if it has this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Option<Element<'a>> {
        self.next().filter(|element| element.tag == tag)
    }

    /// Returns the bytes of a bit string without unused bits.
    pub(super) fn bits(&mut self) -> Option<&'a [u8]> {
        match self.expect(BIT_STRING)?.content.split_first()? {
            (0, bits) => Some(bits),
            _ => None,
        }
    }

    /// Returns a point in time, in seconds since 1970 (RFC 5280, section 4.1.2.5).
    pub(super) fn time(&mut self) -> Option<u64> {
        let Element { tag, content, .. } = self.next()?;
        let digits = content.strip_suffix(b"Z")?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number = |digits: &[u8]| digits.iter().fold(0, |n, digit| 10 * n + i64::from(digit - b'0'));
        let (year, rest) = match tag {
            UTC_TIME => {
                let (year, rest) = digits.split_at_checked(2)?;
                let year = number(year);
                (if year < 50 { 2000 + year } else { 1900 + year }, rest)
            }
            GENERALIZED_TIME => {
                let (year, rest) = digits.split_at_checked(4)?;
                (number(year), rest)
            }
            _ => return None,
        };
        let ([month, day, hour, minute, second], []) = rest.as_chunks::<2>() else { return None };
        let days = days_since_1970(year, number(month), number(day));
        let seconds = 60 * (60 * (24 * days + number(hour)) + number(minute)) + number(second);
        u64::try_from(seconds).ok()
    }
}

/// Counts days in the Gregorian calendar. Years start in March, so the leap day comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        let time = |tag, text: &str| {
            let bytes = [&[tag, u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
            DerReader(&bytes).time()
        };
        assert_eq!(time(UTC_TIME, "700101000000Z"), Some(0));
        assert_eq!(time(UTC_TIME, "261123021413Z"), Some(1_795_400_053));
        assert_eq!(time(GENERALIZED_TIME, "20000229235959Z"), Some(951_868_799));
        assert_eq!(time(GENERALIZED_TIME, "21000301000000Z"), Some(4_107_542_400));
        for bad in ["", "Z", "700101000000", "7001010000Z", "70010100000xZ", "7001010000000Z"] {
            assert_eq!(time(UTC_TIME, bad), None, "{bad}");
        }
        assert_eq!(time(SEQUENCE, "700101000000Z"), None);
    }

    #[test]
    fn elements_are_taken_one_by_one() {
        let mut long = vec![SEQUENCE, 0x82, 1, 4];
        long.extend([7; 260]);
        let bytes = [&[BIT_STRING, 3, 0, 1, 2][..], &long].concat();
        let mut reader = DerReader(&bytes);
        assert_eq!(reader.bits(), Some(&[1, 2][..]));
        let element = reader.expect(SEQUENCE).expect("it is there");
        assert_eq!((element.content, element.whole), (&[7; 260][..], &long[..]));
        assert!(reader.next().is_none());
        for cut in [&[SEQUENCE][..], &[SEQUENCE, 1], &[SEQUENCE, 0x84, 255, 255, 255, 255], &[SEQUENCE, 0x80]]
        {
            assert!(DerReader(cut).next().is_none(), "{cut:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_elements_or_none(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = DerReader(&bytes);
            let mut left = bytes.len();
            while let Some(element) = reader.next() {
                prop_assert!(element.whole.len() >= 2 && element.whole.len() <= left);
                left -= element.whole.len();
            }
            let _ = DerReader(&bytes).time();
            let _ = DerReader(&bytes).bits();
        }
    }
}
