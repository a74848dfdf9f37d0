//! Parses the flags of this package's commands. Each flag takes a value.

/// Parses an integer of at least 1.
///
/// # Errors
/// If it is not one, as a message.
pub fn number(flag: &str, text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(number) if (1..=100_000_000).contains(&number) => Ok(number),
        _ => Err(format!("{flag} takes numbers from 1")),
    }
}

/// Parses comma-separated integers of at least 1.
///
/// # Errors
/// If one of them is not.
pub fn numbers(flag: &str, text: &str) -> Result<Vec<u64>, String> {
    text.split(',').map(|word| number(flag, word)).collect()
}

/// Looks up comma-separated names.
///
/// # Errors
/// If one of them is unknown.
pub fn named<T: Copy>(flag: &str, text: &str, known: &[(&str, T)]) -> Result<Vec<T>, String> {
    let find = |word: &str| {
        let found = known.iter().find(|(name, _)| *name == word);
        found.map(|(_, meant)| *meant).ok_or_else(|| format!("{flag} does not know {word:?}"))
    };
    text.split(',').map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read() {
        assert_eq!(numbers("--keys", "1,20"), Ok(vec![1, 20]));
        assert_eq!(named("--parts", "b,a", &[("a", 1), ("b", 2)]), Ok(vec![2, 1]));
        assert_eq!(number("--keys", "0"), Err("--keys takes numbers from 1".to_owned()));
        assert!(numbers("--keys", "1,").is_err());
        assert_eq!(named("--parts", "a,c", &[("a", 1)]), Err("--parts does not know \"c\"".to_owned()));
    }
}
