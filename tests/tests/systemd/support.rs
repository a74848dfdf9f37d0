//! Shared by the tests of this folder.

pub(crate) mod programs;
