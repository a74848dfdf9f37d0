//! The tree's own rules: which module may use which, how long a file may be, which
//! words to avoid. A broken rule says how to fix it.

mod circles;
mod documents;
mod files;
mod imports;
mod layers;
mod links;
mod names;
mod text;
mod tree;
mod type_names;
mod words;
