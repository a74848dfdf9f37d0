//! Reads the imports of a crate: which file uses an item of which other file.
//!
//! An import counts for the file that defines the item, also where it is
//! re-exported further up. A module root may use its own submodules: it
//! composes them, so those imports are left out. Tests are left out too.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::{self, Source};

/// A module path below the crate root; the root itself is empty.
pub(crate) type ModulePath = Vec<String>;

/// The files of one crate, by module path.
pub(crate) struct Imports {
    code: BTreeMap<ModulePath, String>,
    reexports: BTreeMap<ModulePath, BTreeMap<String, ModulePath>>,
    used: BTreeMap<ModulePath, BTreeSet<ModulePath>>,
}

impl Imports {
    /// Reads the crate whose root file is `folder/root`, without the subfolders in `apart`.
    pub(crate) fn of_crate(folder: &str, root: &str, apart: &[&str]) -> Self {
        let ours = |source: &Source| !apart.iter().any(|apart| source.path.starts_with(apart));
        let sources = tree::rust(folder).into_iter().filter(ours);
        Self::read(sources.map(|source| (module_path(&source.path[folder.len()..], root), source.code())))
    }

    fn read(files: impl Iterator<Item = (ModulePath, String)>) -> Self {
        let mut code: BTreeMap<ModulePath, String> = files.collect();
        let tests: Vec<ModulePath> =
            code.iter().flat_map(|(module, code)| test_modules(module, code)).collect();
        code.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
        let mut imports = Self { code, reexports: BTreeMap::new(), used: BTreeMap::new() };
        for module in imports.code.keys().cloned().collect::<Vec<_>>() {
            imports.read_module(&module);
        }
        imports
    }

    fn read_module(&mut self, module: &ModulePath) {
        let code = without_inline_tests(&self.code[module]).to_owned();
        for statement in use_statements(&code) {
            for (path, alias) in leaves(statement.tree) {
                let Some(target) = self.absolute(module, &path) else { continue };
                if statement.public {
                    let name = alias.or_else(|| target.last().cloned()).unwrap_or_default();
                    self.reexports.entry(module.clone()).or_default().insert(name, target.clone());
                }
                self.used.entry(module.clone()).or_default().insert(target);
            }
        }
        for path in inline_paths(&code) {
            if let Some(target) = self.absolute(module, &path) {
                self.used.entry(module.clone()).or_default().insert(target);
            }
        }
    }

    /// A path as seen from the crate root, if it leads into this crate.
    fn absolute(&self, module: &ModulePath, path: &[String]) -> Option<ModulePath> {
        let climbs = path.iter().take_while(|segment| *segment == "super").count();
        let joined = |base: &[String], rest: &[String]| [base, rest].concat();
        match path.first()?.as_str() {
            "crate" => Some(path[1..].to_vec()),
            "self" => Some(joined(module, &path[1..])),
            "super" => Some(joined(&module[..module.len().checked_sub(climbs)?], &path[climbs..])),
            first => {
                let child = joined(module, &[first.to_owned()]);
                self.code.contains_key(&child).then(|| joined(module, path))
            }
        }
    }

    /// The module that defines what a path names.
    fn defined_in(&self, path: &[String], hops: usize) -> Option<ModulePath> {
        let at = (0..=path.len()).rev().find(|&at| self.code.contains_key(&path[..at]))?;
        let (module, rest) = path.split_at(at);
        let reexported =
            rest.first().and_then(|name| self.reexports.get(module).and_then(|names| names.get(name)));
        match reexported {
            Some(target) if hops > 0 => self.defined_in(&[target, &rest[1..]].concat(), hops - 1),
            _ => Some(module.to_vec()),
        }
    }

    /// For each module the modules whose items it uses, its own submodules aside.
    pub(crate) fn edges(&self) -> BTreeMap<ModulePath, BTreeSet<ModulePath>> {
        let resolve = |(module, used): (&ModulePath, &BTreeSet<ModulePath>)| {
            let targets = used.iter().filter_map(|path| self.defined_in(path, 5));
            (module.clone(), targets.filter(|target| !target.starts_with(module)).collect())
        };
        let none = BTreeSet::new();
        self.code.keys().map(|module| (module, self.used.get(module).unwrap_or(&none))).map(resolve).collect()
    }
}

/// The module path of a file; `path` begins with a slash below the crate's folder.
fn module_path(path: &str, root: &str) -> ModulePath {
    let path = path.trim_start_matches('/');
    match path == root {
        true => ModulePath::new(),
        false => path.trim_end_matches(".rs").split('/').map(str::to_owned).collect(),
    }
}

/// The code before the tests that stand at the end of a file.
fn without_inline_tests(code: &str) -> &str {
    let inline = |(at, found): &(usize, &str)| {
        code[at + found.len()..].lines().next().is_some_and(|line| line.ends_with('{'))
    };
    match code.match_indices("#[cfg(test)]\nmod ").find(inline) {
        Some((at, _)) => &code[..at],
        None => code,
    }
}

/// Modules in files of their own that a module declares for tests only.
fn test_modules(module: &ModulePath, code: &str) -> Vec<ModulePath> {
    let declared = |after: &str| {
        let line = after.trim_start().lines().next()?.strip_suffix(';')?;
        let (_, name) = line.rsplit_once("mod ")?;
        Some([module.as_slice(), &[name.to_owned()]].concat())
    };
    code.split("#[cfg(test)]").skip(1).filter_map(declared).collect()
}

struct UseStatement<'a> {
    public: bool,
    tree: &'a str,
}

fn use_statements(code: &str) -> impl Iterator<Item = UseStatement<'_>> {
    code.match_indices("use ").filter_map(|(at, found)| {
        let before = code[..at].rsplit('\n').next().unwrap_or_default().trim();
        let starts = before.is_empty() || before.starts_with("pub");
        let tree = code[at + found.len()..].split(';').next()?;
        starts.then_some(UseStatement { public: before.starts_with("pub"), tree })
    })
}

/// The single paths of a use tree, each with its alias.
fn leaves(tree: &str) -> Vec<(ModulePath, Option<String>)> {
    let tree = tree.trim();
    let Some((prefix, group)) = tree.split_once('{') else {
        let (path, alias) = match tree.split_once(" as ") {
            Some((path, alias)) => (path, Some(alias.trim().to_owned())),
            None => (tree, None),
        };
        let mut path: ModulePath = path.split("::").map(|segment| segment.trim().to_owned()).collect();
        if path.len() > 1 && path.last().is_some_and(|segment| segment == "self") {
            path.pop();
        }
        return vec![(path, alias)];
    };
    let prefix = prefix.trim().trim_end_matches("::");
    let inner = group.rsplit_once('}').map_or(group, |(inner, _)| inner);
    split_at_commas(inner).into_iter().flat_map(|item| leaves(&format!("{prefix}::{item}"))).collect()
}

/// The items of a group, nested groups kept whole.
fn split_at_commas(group: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut depth = 0;
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(String::new());
                continue;
            }
            _ => {}
        }
        items.last_mut().expect("never empty").push(c);
    }
    items.into_iter().map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
}

/// Paths in code such as `crate::a::f()`, `super::b::g()` and `child::h()`.
fn inline_paths(code: &str) -> Vec<ModulePath> {
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    code.split(|c: char| !word(c))
        .filter(|token| token.contains("::"))
        .map(|token| token.split("::").map(str::to_owned).collect::<ModulePath>())
        .filter(|path| path.iter().all(|segment| !segment.is_empty() && !segment.contains(':')))
        .filter(|path| path[0].starts_with(|c: char| c.is_lowercase() || c == '_'))
        .collect()
}

#[test]
fn imports_are_resolved_through_groups_reexports_and_parents() {
    let file = |module: &str, code: &str| (module.split('/').map(str::to_owned).collect(), code.to_owned());
    let imports = Imports::read(
        [
            file("a", "mod b;\nmod t;\n#[cfg(test)]\nmod tests;\npub use self::b::{Item, Other as O};"),
            file("a/b", "use crate::{c::{self, d::E}, a::t::run};\nfn f() {}"),
            file("a/t", "use super::Item;\nfn g() { super::O::new(); crate::c::h() }"),
            file("a/tests", "use crate::nowhere::X;"),
            file("c", "mod d;"),
            file("c/d", ""),
        ]
        .into_iter(),
    );
    let edges = imports.edges();
    let of = |module: &str| -> Vec<String> {
        let module: ModulePath = module.split('/').map(str::to_owned).collect();
        edges[&module].iter().map(|path| path.join("/")).collect()
    };
    assert_eq!(of("a"), [""; 0]);
    assert_eq!(of("a/b"), ["a/t", "c", "c/d"]);
    assert_eq!(of("a/t"), ["a/b", "c"]);
}
