//! Bodies that other versions wrote, round trips, and hostile lengths.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
};

use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};

use super::*;
use crate::{bounded::at_most, id::NodeName};

/// An enum as version 1 has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
enum Drink {
    Water,
    Tea(String),
    Coffee { cups: u16, milk: Option<bool> },
}

/// The same enum in version 2.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
enum LaterDrink {
    Water { sparkling: bool },
    Tea(String, u64),
    Coffee { cups: u16, milk: Option<bool>, extras: Vec<String>, place: ServedAt, shots: [u8; 2] },
    Juice,
}

/// An enum that is not in an envelope of its own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum ServedAt {
    Here,
    ToGo,
}

/// A message with envelopes in the middle of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    number: u128,
    drinks: Vec<Drink>,
    gift: Option<Drink>,
    notes: BTreeMap<u32, String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct LaterOrder {
    number: u128,
    drinks: Vec<LaterDrink>,
    gift: Option<LaterDrink>,
    notes: BTreeMap<u32, String>,
    place: ServedAt,
    tip: Option<u32>,
}

crate::enveloped!(Drink, LaterDrink);

/// Encodes a value in one pass, and as postcard does.
fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_to(&mut bytes, value).expect("encodes");
    assert_eq!(bytes, postcard::to_stdvec(value).expect("encodes"), "in one pass or two");
    bytes
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    decode_body(bytes)
}

fn unknown(of: &'static str, kind: u32) -> DecodeError {
    DecodeError::Unknown(UnknownKind { of, kind })
}

#[test]
fn an_envelope_is_a_length_and_a_body() {
    assert_eq!(encode(&Drink::Water), [1, 0]);
    assert_eq!(encode(&Drink::Tea("oolong".to_owned())), b"\x08\x01\x06oolong");
    assert_eq!(encode(&Drink::Coffee { cups: 300, milk: Some(true) }), [5, 2, 0xac, 2, 1, 1]);
    assert_eq!(encode(&Enveloped(&(1_u8, 2_u8))), [2, 1, 2]);
}

#[test]
fn an_envelope_has_any_length() {
    for bytes in [0, 100, 126, 127, 4000, 4085, 4090, 4095, 4100, 16_380, 16_390, 1 << 21] {
        let drink = Drink::Tea("t".repeat(bytes));
        let order = Order {
            number: 7,
            drinks: vec![drink.clone(), Drink::Water],
            gift: Some(drink),
            notes: BTreeMap::new(),
        };
        let encoded = encode(&(1_u8, Enveloped(&order), 2_u8));
        let inner = decode_first::<(u8, Wrapped)>(&encoded);
        assert_eq!(inner, Ok(((1, Wrapped(order)), &[2][..])), "{bytes}");
    }
    // Many small values rather than a large one.
    for numbers in [127, 16_380, 16_390] {
        assert_eq!(kind(&encode(&Enveloped(&vec![300_u16; numbers]))), Ok(numbers as u32));
    }
}

#[test]
fn what_a_newer_version_added_is_skipped() {
    let later = LaterOrder {
        number: 7,
        drinks: vec![
            LaterDrink::Water { sparkling: true },
            LaterDrink::Tea("oolong".to_owned(), 3),
            LaterDrink::Coffee {
                cups: 2,
                milk: None,
                extras: vec!["sugar".to_owned()],
                place: ServedAt::ToGo,
                shots: [1, 2],
            },
        ],
        gift: Some(LaterDrink::Tea(String::new(), u64::MAX)),
        notes: BTreeMap::from([(4, "hot".to_owned())]),
        place: ServedAt::ToGo,
        tip: Some(1),
    };
    let known = Order {
        number: 7,
        drinks: vec![Drink::Water, Drink::Tea("oolong".to_owned()), Drink::Coffee { cups: 2, milk: None }],
        gift: Some(Drink::Tea(String::new())),
        notes: BTreeMap::from([(4, "hot".to_owned())]),
    };
    assert_eq!(read::<Order>(&encode(&later)), Ok(known));
}

#[test]
fn what_an_older_version_did_not_write_is_zero() {
    let earlier = Order {
        number: 7,
        drinks: vec![Drink::Water, Drink::Tea("oolong".to_owned()), Drink::Coffee { cups: 2, milk: None }],
        gift: None,
        notes: BTreeMap::new(),
    };
    let later = LaterOrder {
        number: 7,
        drinks: vec![
            LaterDrink::Water { sparkling: false },
            LaterDrink::Tea("oolong".to_owned(), 0),
            LaterDrink::Coffee {
                cups: 2,
                milk: None,
                extras: Vec::new(),
                place: ServedAt::Here,
                shots: [0; 2],
            },
        ],
        gift: None,
        notes: BTreeMap::new(),
        place: ServedAt::Here,
        tip: None,
    };
    assert_eq!(read::<LaterOrder>(&encode(&earlier)), Ok(later));
    let nothing = Order { number: 0, drinks: Vec::new(), gift: None, notes: BTreeMap::new() };
    assert_eq!(read::<Order>(&[]), Ok(nothing), "all of it");
    assert_eq!(read::<NodeName>(&[]), Err(DecodeError::Invalid), "an empty name is not valid");
}

#[test]
fn a_kind_of_a_newer_version_is_known_as_such_wherever_it_is() {
    assert_eq!(read::<Drink>(&encode(&LaterDrink::Juice)), Err(unknown("Drink", 3)));
    assert_eq!(read::<Vec<Drink>>(&encode(&vec![LaterDrink::Juice])), Err(unknown("Drink", 3)));
    assert_eq!(read::<(u8, ServedAt)>(&[1, 2]), Err(unknown("ServedAt", 2)), "without an envelope");
    assert_eq!(read::<ServedAt>(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Err(unknown("ServedAt", u32::MAX)));
    assert_eq!(unknown("Drink", 3).to_string(), "an unknown Drink (3)");
}

#[test]
fn the_kind_is_read_before_the_rest_is_there() {
    let tea = encode(&Drink::Tea("oolong".to_owned()));
    for end in 2..=tea.len() {
        assert_eq!(kind(&tea[..end]), Ok(1), "{end} bytes");
    }
    for none in [&[][..], &[8], &[0, 1]] {
        assert_eq!(kind(none), Err(DecodeError::Short), "{none:?}");
    }
}

#[test]
fn a_value_that_was_cut_is_malformed() {
    for (cut, error) in [
        (&[8, 1, 6, b'o'][..], DecodeError::Short),
        // The body ends within a number, a text, and a sequence.
        (&[2, 2, 0xac], DecodeError::Short),
        (&[3, 1, 6, b'o'], DecodeError::Short),
    ] {
        assert_eq!(read::<Drink>(cut), Err(error), "{cut:?}");
    }
    assert_eq!(read::<Vec<(u8, u8)>>(&[2, 1, 1, 1]), Err(DecodeError::Short), "no element is made up");
    assert_eq!(read::<BTreeSet<u8>>(&[3, 1, 2]), Err(DecodeError::Short));
    assert_eq!(decode_first::<(u8, u8)>(&[1]), Err(DecodeError::Short), "more would follow");
    assert_eq!(decode_first::<(u8, u8)>(&[1, 2, 3]), Ok(((1, 2), &[3][..])));
}

#[test]
fn numbers_have_the_range_of_their_type() {
    assert_eq!(read::<u16>(&[0xff, 0xff, 3]), Ok(u16::MAX));
    assert_eq!(read::<u16>(&[0xff, 0xff, 4]), Err(DecodeError::Number));
    assert_eq!(read::<u16>(&[0x80, 0x80, 0x80, 0]), Err(DecodeError::Number));
    assert_eq!(read::<u64>(&[[0xff; 9].as_slice(), &[1]].concat()), Ok(u64::MAX));
    assert_eq!(read::<u64>(&[[0xff; 9].as_slice(), &[2]].concat()), Err(DecodeError::Number));
    assert_eq!(read::<u128>(&[[0xff; 18].as_slice(), &[3]].concat()), Ok(u128::MAX));
    assert_eq!(read::<u128>(&[[0xff; 18].as_slice(), &[4]].concat()), Err(DecodeError::Number));
    assert_eq!(read::<u128>(&[[0x80; 19].as_slice(), &[0]].concat()), Err(DecodeError::Number));
    for bytes in 1..=18 {
        assert_eq!(read::<u128>(&[0xff; 18][..bytes]), Err(DecodeError::Short), "{bytes} bytes");
    }
    for number in [0, 127, 128, 1 << 32, u64::MAX] {
        assert_eq!(read::<u64>(&encode(&number)), Ok(number));
        assert_eq!(read::<u128>(&encode(&(u128::from(number) << 64))), Ok(u128::from(number) << 64));
    }
    assert_eq!(
        (read::<bool>(&[2]), read::<Option<u8>>(&[2])),
        (Err(DecodeError::Invalid), Err(DecodeError::Invalid))
    );
}

thread_local! {
    static DECODED: Cell<usize> = const { Cell::new(0) };
}

#[derive(Debug, PartialEq)]
struct Spied;

impl<'de> Deserialize<'de> for Spied {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        DECODED.set(DECODED.get() + 1);
        u8::deserialize(deserializer).map(|_| Self)
    }
}

#[test]
fn hostile_lengths_cost_nothing() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct AtMostThree(#[serde(deserialize_with = "at_most::<_, _, 3>")] Vec<Spied>);
    let huge = [[0xff; 9].as_slice(), &[1]].concat();
    let long = [0xff, 0xff, 0xff, 0x7f];
    for length in [&huge[..], &long] {
        assert_eq!(read::<Vec<Spied>>(length), Err(DecodeError::Short), "of a sequence");
        assert_eq!(read::<Vec<u128>>(&[length, &[0; 100]].concat()), Err(DecodeError::Short));
        assert_eq!(read::<String>(length), Err(DecodeError::Short), "of a text");
        assert_eq!(read::<Drink>(&[length, &[1, 1, b'a']].concat()), Err(DecodeError::Short), "of a body");
        assert_eq!(read::<BTreeMap<u8, u8>>(length), Err(DecodeError::Short), "of a map");
    }
    assert_eq!(read::<AtMostThree>(&[[4].as_slice(), &[0; 4]].concat()), Err(DecodeError::Invalid));
    assert_eq!(DECODED.get(), 0);
    assert_eq!(read::<AtMostThree>(&[3, 0, 0, 0]).map(|few| few.0.len()), Ok(3));
}

#[test]
fn another_decoder_does_not_take_a_length_for_a_field() {
    assert!(postcard::from_bytes::<Drink>(&encode(&Drink::Water)).is_err());
}

#[test]
fn the_error_of_a_value_keeps_none_of_its_bytes() {
    let text = encode(&"X".repeat(100_000));
    assert_eq!(read::<NodeName>(&text), Err(DecodeError::Invalid));
    assert_eq!(read::<String>(&[2, 0xc3, 0x28]), Err(DecodeError::Invalid));
}

fn any_drink() -> impl Strategy<Value = Drink> {
    prop_oneof![
        Just(Drink::Water),
        ".{0,200}".prop_map(Drink::Tea),
        (any::<u16>(), any::<Option<bool>>()).prop_map(|(cups, milk)| Drink::Coffee { cups, milk }),
    ]
}

fn any_order() -> impl Strategy<Value = Order> {
    let notes = prop::collection::btree_map(any::<u32>(), ".{0,9}", 0..4);
    (any::<u128>(), prop::collection::vec(any_drink(), 0..5), prop::option::of(any_drink()), notes)
        .prop_map(|(number, drinks, gift, notes)| Order { number, drinks, gift, notes })
}

proptest! {
    #[test]
    fn any_value_comes_back(order in any_order()) {
        prop_assert_eq!(read::<Order>(&encode(&order)), Ok(order));
    }

    #[test]
    fn any_value_is_the_same_with_more_bytes_in_its_bodies(
        drink in any_drink(),
        more in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let body = [&encode(&DrinkBody(&drink)), &more[..]].concat();
        let longer = [encode(&body.len()), body].concat();
        prop_assert_eq!(kind(&longer), kind(&encode(&drink)));
        prop_assert_eq!(decode_first::<Drink>(&longer), Ok((drink, &[][..])));
    }

    /// Where postcard decodes a plain value, so does ours.
    #[test]
    fn plain_values_are_decoded_as_postcard_does(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        type Plain = (i64, u16, Option<String>, Vec<(u8, bool)>, u128, Result<ServedAt, u64>, (), BTreeSet<u32>);
        if let Ok((value, rest)) = postcard::take_from_bytes::<Plain>(&bytes) {
            prop_assert_eq!(decode_first::<Plain>(&bytes), Ok((value, rest)));
        } else {
            prop_assert!(decode_first::<Plain>(&bytes).is_err());
        }
    }

    #[test]
    fn any_bytes_are_a_value_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        if let Ok(order) = read::<Order>(&bytes) {
            prop_assert_eq!(read::<Order>(&encode(&order)), Ok(order));
        }
        let _ = kind(&bytes);
    }
}

/// An order in an envelope.
#[derive(Debug, PartialEq, Deserialize)]
struct Wrapped(#[serde(with = "crate::envelope")] Order);

/// The body of a drink.
struct DrinkBody<'a>(&'a Drink);

impl Serialize for DrinkBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Drink::serialize(self.0, serializer)
    }
}
