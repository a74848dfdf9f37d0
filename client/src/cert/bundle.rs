//! Several certificates in one PEM file.

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Returns the certificates in some PEM, each from its BEGIN to its END line,
/// without the text between them.
pub(super) fn split(pem: &str) -> impl Iterator<Item = String> {
    pem.split_inclusive(END).filter_map(|piece| {
        let certificate = &piece[piece.find(BEGIN)?..];
        certificate.ends_with(END).then(|| format!("{}\n", certificate.replace('\r', "")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_come_one_by_one() {
        let one = |letter: &str| format!("{BEGIN}\n{letter}\n{END}\n");
        let text = format!(
            "the new one\n{}{}\nand no more\n{BEGIN}\ntorn",
            one("A"),
            one("B").replace('\n', "\r\n")
        );
        assert_eq!(split(&text).collect::<Vec<_>>(), [one("A"), one("B")]);
        assert_eq!(split("nothing").count(), 0);
    }
}
