//! Every variant of every message has a sample.

use super::*;

/// Asserts that every variant of an enum is among the samples, by the numbers in their bodies.
#[track_caller]
fn assert_has_all_variants<T: DeserializeOwned>(numbers: impl IntoIterator<Item = u8>) {
    let is_known = |number: &u8| match envelope::decode_body::<T>(&[1, *number]) {
        Err(DecodeError::Unknown(unknown)) => unknown.kind != u32::from(*number),
        _ => true,
    };
    let known: BTreeSet<u8> = (0..=u8::MAX).take_while(is_known).collect();
    assert_eq!(numbers.into_iter().collect::<BTreeSet<u8>>(), known, "{}", std::any::type_name::<T>());
}

/// The number of the variant of a sample.
fn number<T: Serialize>(sample: &T) -> u8 {
    u8::try_from(envelope::kind(&encoded(sample)).expect("a kind")).expect("few")
}

#[test]
fn every_message_has_a_sample() {
    let later: &[Request] = &[
        #[cfg(coffee_future)]
        Request::FutureTouch(name("hong")),
    ];
    assert_has_all_variants::<Request>(requests().iter().chain(later).map(number));
    let (responses, rejections): (Vec<_>, Vec<_>) = results().into_iter().partition(Result::is_ok);
    assert_has_all_variants::<Response>(responses.into_iter().flatten().map(|response| number(&response)));
    assert_has_all_variants::<Outcome>(outcomes().iter().map(number));
    let kind_of = |rejection: Rejection| {
        let encoded = encoded(&rejection);
        let (_, kind): ((u8, String), &[u8]) = envelope::decode_first(&encoded).expect("a class and a text");
        u8::try_from(envelope::kind(kind).expect("a kind")).expect("few")
    };
    let kinds: BTreeSet<u8> = rejections.into_iter().filter_map(Result::err).map(kind_of).collect();
    // One that is not known is told by its text alone.
    let text = |number| frame::decode::<Rejection>(&[&[1, 1, b'?', 1], &[number][..]].concat());
    let unknown = (0..=u8::MAX).find(|number| text(*number) == Ok(Rejection::Unsupported("?".to_owned())));
    assert_eq!(kinds, (0..unknown.expect("few")).collect());
    let (welcome, responses) = (0, 1);
    let numbers: BTreeSet<u8> = answers().iter().map(|answer| encoded(answer)[0]).collect();
    assert_eq!(numbers, BTreeSet::from([welcome, responses]));
}
