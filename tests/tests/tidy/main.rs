//! The tree's own rules: who may know whom, how large a file grows, what must
//! not be written down. Each rule says what to do when it is broken.

mod circles;
mod dialect;
mod documents;
mod files;
mod imports;
mod layers;
mod links;
mod names;
mod tree;
mod type_names;
mod words;
