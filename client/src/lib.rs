//! .

#[cfg(feature = "cert")]
pub mod cert;
