//! The keys that an identity may use.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    bounded::at_most,
    key::{Key, KeyError, KeyRange},
    limits::KEY_PREFIXES_MAX,
};

/// The keys that an identity may read and write: all, or those that begin with one of some prefixes.
///
/// A range or a condition is within the scope like a key: it would tell something about the others.
/// The prefixes are text, as a certificate names them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Prefixes", into = "Vec<String>")]
pub struct KeyScope(Option<Arc<[String]>>);

/// A scope as it is encoded.
#[derive(Deserialize)]
struct Prefixes(#[serde(deserialize_with = "at_most::<_, _, KEY_PREFIXES_MAX>")] Vec<String>);

/// Why a list of prefixes cannot be a scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyScopeError {
    /// There are more than [`KEY_PREFIXES_MAX`].
    #[error("there are {0} prefixes of keys, more than {KEY_PREFIXES_MAX}")]
    TooMany(usize),
    /// A prefix has a NUL byte: the nodes of feature level 1 refuse it.
    #[error("a prefix has a NUL byte")]
    Nul,
    /// No key begins with a prefix.
    #[error("not a prefix of keys: {0}")]
    Prefix(#[from] KeyError),
}

impl KeyScope {
    /// Creates the scope of all keys that begin with one of these prefixes; all keys without one.
    ///
    /// # Errors
    /// There are more than [`KEY_PREFIXES_MAX`], or a prefix is not a valid key.
    pub fn new<P: Into<String>>(prefixes: impl IntoIterator<Item = P>) -> Result<Self, KeyScopeError> {
        let mut prefixes: Vec<String> = prefixes.into_iter().map(Into::into).collect();
        for prefix in &prefixes {
            Key::new(prefix)?;
            if prefix.contains('\0') {
                return Err(KeyScopeError::Nul);
            }
        }
        prefixes.sort();
        prefixes.dedup();
        match prefixes.len() {
            0 => Ok(Self::default()),
            1..=KEY_PREFIXES_MAX => Ok(Self(Some(prefixes.into()))),
            more => Err(KeyScopeError::TooMany(more)),
        }
    }

    /// Returns whether it is that of all keys.
    pub fn is_all(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the prefixes in order; none if it is that of all keys.
    pub fn prefixes(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|prefixes| prefixes.iter()).map(String::as_str)
    }

    /// Returns whether a key is in the scope.
    pub fn contains(&self, key: &Key) -> bool {
        self.is_all() || self.prefixes().any(|prefix| key.as_bytes().starts_with(prefix.as_bytes()))
    }

    /// Returns whether every key of another scope is in this one.
    pub fn includes(&self, other: &Self) -> bool {
        let has = |prefix: &str| self.prefixes().any(|own| prefix.starts_with(own));
        self.is_all() || (!other.is_all() && other.prefixes().all(has))
    }

    /// Returns whether every key of a range is in the scope, by one of its prefixes.
    pub fn covers(&self, range: &KeyRange) -> bool {
        self.is_all() || range.is_empty() || self.prefixes().any(|prefix| range.is_within(prefix.as_bytes()))
    }
}

impl TryFrom<Prefixes> for KeyScope {
    type Error = KeyScopeError;

    fn try_from(Prefixes(prefixes): Prefixes) -> Result<Self, KeyScopeError> {
        Self::new(prefixes)
    }
}

impl From<KeyScope> for Vec<String> {
    fn from(scope: KeyScope) -> Self {
        scope.prefixes().map(str::to_owned).collect()
    }
}

impl fmt::Display for KeyScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_all() {
            true => f.write_str("all keys"),
            false => {
                let prefixes: Vec<_> = self.prefixes().collect();
                write!(f, "keys that begin with {}", prefixes.join(" or "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scope(prefixes: &[&str]) -> KeyScope {
        KeyScope::new(prefixes.iter().copied()).expect("legal")
    }

    #[test]
    fn a_scope_is_all_or_some_prefixes() {
        assert_eq!(scope(&[]), KeyScope::default());
        assert_eq!(scope(&[]).to_string(), "all keys");
        let till = scope(&["till/ming/", "menu/", "menu/"]);
        assert_eq!(till.to_string(), "keys that begin with menu/ or till/ming/");
        assert_eq!(KeyScope::new([""]), Err(KeyScopeError::Prefix(KeyError::Empty)));
        let many: Vec<String> = (0..=KEY_PREFIXES_MAX).map(|n| format!("{n}/")).collect();
        assert_eq!(KeyScope::new(many), Err(KeyScopeError::TooMany(KEY_PREFIXES_MAX + 1)));
    }

    #[test]
    fn a_scope_includes_narrower_ones() {
        let (all, till) = (scope(&[]), scope(&["till/", "menu/"]));
        for (narrower, is_included) in [
            (&[][..], false),
            (&["till/"], true),
            (&["till/ming/", "menu/"], true),
            (&["till/", "staff/"], false),
            (&["till"], false),
        ] {
            assert_eq!(till.includes(&scope(narrower)), is_included, "{narrower:?}");
            assert!(all.includes(&scope(narrower)));
        }
    }

    #[test]
    fn a_range_is_covered_as_a_whole() {
        let till = scope(&["till/ming/", "menu/"]);
        let covers =
            |from: &str, to: Option<&str>| till.covers(&KeyRange::between(from, to.map(str::as_bytes)));
        assert!(till.covers(&KeyRange::prefix("menu/")));
        assert!(till.covers(&KeyRange::prefix("till/ming/7")));
        assert!(till.covers(&KeyRange::prefix("menu/").after(&"menu/tea".parse().expect("legal"))));
        assert!(covers("menu/a", Some("menu/b")) && covers("menu/a", Some("menu0")));
        assert!(covers("x", Some("a")), "empty");
        assert!(!till.covers(&KeyRange::all()) && !till.covers(&KeyRange::prefix("menu")));
        assert!(
            !covers("menu/a", None) && !covers("menu/a", Some("menu0\0")) && !covers("menu", Some("menu/b"))
        );
        assert!(!covers("menu/a", Some("till/ming/b")), "there are others in between");
    }

    fn bytes(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(b"\0abcd\xf4\x8f\xbf\xff".to_vec()), count)
    }

    proptest! {
        #[test]
        fn a_covered_range_has_no_other_key(
            prefix in "[a-c\u{10ffff}]{1,2}",
            from in bytes(0..4),
            to in prop::option::of(bytes(0..4)),
            key in bytes(1..5),
        ) {
            let (scope, key) = (scope(&[&prefix]), Key::new(key).expect("legal"));
            let range = KeyRange::between(from, to.as_deref());
            prop_assert!(!scope.covers(&range) || !range.contains(&key) || scope.contains(&key));
        }

        #[test]
        fn a_scope_is_decoded_as_it_was_encoded(prefixes in prop::collection::vec("[a-c/]{1,3}", 0..5)) {
            let scope = KeyScope::new(prefixes).expect("legal");
            let bytes = postcard::to_stdvec(&scope).expect("encodes");
            prop_assert_eq!(postcard::from_bytes::<KeyScope>(&bytes).expect("decodes"), scope);
        }
    }
}
