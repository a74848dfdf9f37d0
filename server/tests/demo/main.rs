//! `coffeed demo` driven by a pipe: lines in, a transcript out.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
};

use coffee_client::{Address, Client, CredentialFiles, Credentials};

/// The demo ends long before; a test that hangs has failed.
const SECONDS_MAX: &str = "120";

/// A longer script than that of the README.
const SCRIPT: [&str; 17] = [
    "list",
    "boot",
    "boot",
    "list",
    "set",
    "get",
    "down",
    "list",
    "get",
    "transfer",
    "list",
    "set order/1 latte",
    "get order/1",
    "keys order/",
    "boot",
    "list",
    "quit",
];

/// Demos prefer the same ports, and find out too late who was first.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Demo {
    child: Child,
}

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        let child = Command::new("timeout")
            .args([SECONDS_MAX, env!("CARGO_BIN_EXE_coffeed"), "demo"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        Self { child }
    }

    fn run(arguments: &[&str], lines: &[&str]) -> Ran {
        let mut demo = Self::start(arguments);
        demo.child.stdin.take().expect("is piped").write_all(lines.join("\n").as_bytes()).expect("reads");
        demo.end()
    }

    fn end(self) -> Ran {
        let output = self.child.wait_with_output().expect("ends");
        Ran {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("is UTF-8"),
            err: without_pace(&String::from_utf8(output.stderr).expect("is UTF-8")),
        }
    }
}

/// Removes the warnings of a machine that is busy with other tests.
fn without_pace(errors: &str) -> String {
    let is_pace = |line: &&str| line.starts_with("warning: the disk") || line.contains("was not scheduled");
    errors.lines().filter(|line| !is_pace(line)).map(|line| format!("{line}\n")).collect()
}

impl Ran {
    /// The output after each line.
    fn answers(&self) -> Vec<(&str, Vec<&str>)> {
        let mut answers: Vec<(&str, Vec<&str>)> = Vec::new();
        for line in self.out.lines() {
            match (line.strip_prefix("coffee> "), answers.last_mut()) {
                (Some(line), _) => answers.push((line, Vec::new())),
                (None, Some((_, answer))) => answer.push(line),
                (None, None) => {}
            }
        }
        answers
    }

    /// Name, role and state in a list.
    fn nodes<'a>(answer: &[&'a str]) -> Vec<[&'a str; 3]> {
        let node = |line: &&'a str| {
            let mut words = line.split_whitespace();
            [(); 3].map(|()| words.next().unwrap_or_default())
        };
        answer[1..answer.len() - 1].iter().map(node).collect()
    }
}

#[test]
fn the_script_of_the_readme() {
    let _turn = one_at_a_time();
    let ran = Demo::run(&[], &SCRIPT);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", ran.out);
    let answers = ran.answers();
    assert_eq!(answers.iter().map(|(line, _)| *line).collect::<Vec<_>>(), SCRIPT);
    let answer = |nth: usize| &answers[nth].1[..];
    assert_eq!(Ran::nodes(answer(0)), [["ming", "leader", "up"]]);
    assert!(answer(1)[0].starts_with("hong is a voter now: id "), "{}", ran.out);
    assert!(answer(2)[0].starts_with("peng is a voter now: id "), "{}", ran.out);
    let three = [["ming", "leader", "up"], ["hong", "follower", "up"], ["peng", "follower", "up"]];
    assert_eq!(Ran::nodes(answer(3)), three);
    let number = answer(4)[0].strip_prefix("demo/number = ").expect("a number");
    assert!(answer(4)[1].starts_with("revision "), "{}", ran.out);
    assert_eq!((answer(5), answer(8)), (&[number][..], &[number][..]));
    assert!(answer(6)[0].starts_with("ming is down: voters 3 -> 2, leader "), "{}", ran.out);
    assert_eq!(Ran::nodes(answer(7))[0], ["ming", "-", "shutdown"]);
    assert!(answer(9)[0].starts_with("leadership went from "), "{}", ran.out);
    let leader =
        |nth| Ran::nodes(answer(nth)).into_iter().find(|node| node[1] == "leader").map(|node| node[0]);
    assert!(leader(7).is_some() && leader(10).is_some() && leader(7) != leader(10), "{}", ran.out);
    assert!(answer(11)[0].starts_with("revision "), "{}", ran.out);
    assert_eq!((answer(12), answer(13)), (&["latte"][..], &["order/1"][..]));
    assert!(answer(14)[0].starts_with("long is a voter now: id "), "{}", ran.out);
    assert_eq!(Ran::nodes(answer(15))[3][2], "up");
    assert!(answer(15)[5].starts_with("3 of 3 voters in reach, 1 more may be lost; leader "), "{}", ran.out);
}

#[test]
fn a_folder_keeps_the_data_and_who_is_down() {
    let _turn = one_at_a_time();
    let folder = tempfile::tempdir().expect("a folder");
    let data = ["--data", folder.path().to_str().expect("is UTF-8")];
    // A start that was interrupted leaves an empty folder.
    std::fs::create_dir(folder.path().join("ming")).expect("is new");
    let ran = Demo::run(&data, &["boot", "boot", "set order/1 'flat white'", "down hong"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", ran.out);
    let ran = Demo::run(&data, &["get order/1", "list", "boot", "boot", "list", "boot hong"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", ran.out);
    let answers = ran.answers();
    assert_eq!(answers[0].1, ["flat white"]);
    let hong = Ran::nodes(&answers[1].1).into_iter().find(|node| node[0] == "hong");
    assert_eq!(hong, Some(["hong", "-", "shutdown"]));
    assert!(answers[2].1[0].starts_with("long is a voter now"), "{}", ran.out);
    assert!(answers[3].1[0].starts_with("hu is a voter now"), "{}", ran.out);
    assert_eq!(Ran::nodes(&answers[4].1).iter().filter(|node| node[2] == "up").count(), 4);
    assert!(answers[5].1[0].starts_with("hong is a voter now"), "{}", ran.out);
}

#[test]
fn nonsense_does_no_harm() {
    let _turn = one_at_a_time();
    let lines = [
        "brew",
        "",
        "   ",
        "# nothing",
        "set k 'open",
        "down peng",
        "get nothing",
        "boot hu nonsense",
        "down",
    ];
    let ran = Demo::run(&[], &lines);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let errors: Vec<&str> = ran.err.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 6, "{}", ran.err);
    assert!(
        errors[5].contains("ming") || errors[5].contains("quorum"),
        "the last one must stay: {}",
        ran.err
    );
    assert_eq!(Demo::run(&[], &[]).code, Some(0));
}

#[test]
fn all_shops_at_once_and_a_client_from_elsewhere() {
    let _turn = one_at_a_time();
    let mut demo = Demo::start(&["--nodes", "5"]);
    let stdin = demo.child.stdin.take().expect("is piped");
    let mut out = BufReader::new(demo.child.stdout.take().expect("is piped"));
    let mut lines = String::new();
    while !lines.contains("\n  coffeectl list\n") {
        assert!(out.read_line(&mut lines).expect("reads") > 0, "it says how to reach it");
    }
    let wide = lines.lines().find(|line| line.len() > 80 && !line.contains("COFFEECTL_CERTS="));
    assert_eq!(wide, None, "wider than a terminal");
    let lines = lines.replace("\\\n", "");
    let exported = |name: &str| {
        let value = lines.lines().find_map(|line| line.trim_start().strip_prefix(name));
        value.unwrap_or_else(|| panic!("{lines}")).to_owned()
    };
    let certs = PathBuf::from(exported("export COFFEECTL_CERTS="));
    let (got, endpoints) = (certs.join("ca.crt"), exported("export COFFEECTL_ENDPOINTS="));
    let files = CredentialFiles::new(got, certs.join("admin-demo.crt"), certs.join("admin-demo.key"));
    let runtime = tokio::runtime::Runtime::new().expect("builds");
    runtime.block_on(async {
        let endpoints = endpoints.split(',').map(|text| Address::new(text).expect("an address"));
        let credentials = Credentials::load(&files).expect("loads");
        let client = Client::builder().endpoints(endpoints).credentials(credentials).build().expect("builds");
        let written = client.set("order/1", "mocha").await.expect("writes");
        assert_eq!(
            client.get("order/1").await.expect("reads").map(|entry| entry.modified),
            Some(written.revision)
        );
    });
    drop(stdin);
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("reads");
    let ran = demo.end();
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{rest}");
    assert_eq!(rest.matches(" is a voter now: id ").count(), 4, "{rest}");
    assert!(!certs.exists(), "the temporary folder is gone");
}

#[test]
fn sigterm_closes_the_shops_and_takes_the_folder_away() {
    let _turn = one_at_a_time();
    let folder = tempfile::tempdir().expect("a folder");
    let mut demo = Command::new(env!("CARGO_BIN_EXE_coffeed"))
        .arg("demo")
        .env("TMPDIR", folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    // Waiting would close it, and the demo ends at the end of its input as well.
    let stdin = demo.stdin.take();
    let mut out = BufReader::new(demo.stdout.take().expect("is piped"));
    out.read_line(&mut String::new()).expect("it says something");
    let killed = Command::new("kill").args(["-TERM", &demo.id().to_string()]).status();
    assert!(killed.expect("kill runs").success());
    assert_eq!(demo.wait().expect("ends").code(), Some(143));
    drop(stdin);
    assert_eq!(std::fs::read_dir(folder.path()).expect("reads").count(), 0);
}
