//! The demo's prompt: the verbs of `coffeectl`, and forms that need all shops in one process.
//!
//! `boot` without a name opens the next shop; `set` and `get` without arguments
//! use a random number. Everything else goes to the interpreter.

use std::hash::{BuildHasher, RandomState};

use super::shops::Shops;
use coffeectl::{
    exit::ExitCode,
    interpreter::{self, Flow, Interpreter},
    options::ConnectionOptions,
    printer::Printer,
    prompt::{KnownKeys, Shell},
};

/// The key of `set` and `get` without arguments.
const KEY: &str = "demo/number";

const HELP: &str = "\
In the demo:
  boot         Open the next shop, or one that is down, and add it to the cluster
  boot SHOP    Open this shop (ming, hong, peng, long, hu) and add it
  set          Set demo/number to a random value
  get          Print demo/number
  down         Remove the leader and close its shop, without confirmation
  quit         Close all shops and end the demo

";

/// Runs the lines typed at the demo's prompt.
pub(super) struct DemoShell<'a> {
    interpreter: Interpreter,
    shops: &'a mut Shops,
}

impl<'a> DemoShell<'a> {
    pub(super) fn new(interpreter: Interpreter, shops: &'a mut Shops) -> Self {
        Self { interpreter, shops }
    }

    /// The number of open shops.
    pub(super) fn count(&self) -> usize {
        self.shops.endpoints().len()
    }

    /// Opens the next shop and adds it to the cluster.
    pub(super) async fn boot_next(&mut self) -> Flow {
        match self.shops.next() {
            Some(next) => self.boot(next).await,
            None => {
                self.interpreter.printer().note("all shops are open");
                Flow::Next(ExitCode::Done)
            }
        }
    }

    async fn boot(&mut self, which: usize) -> Flow {
        let shop = &mut self.shops[which];
        if let Err(failure) = shop.open().await {
            return self.interpreter.failed(&failure);
        }
        let (name, address) = (shop.name().to_string(), shop.address().to_string());
        self.words(&["boot", &name, "--address", &address]).await
    }

    async fn set_number(&mut self) -> Flow {
        let number = (RandomState::new().hash_one(KEY) % 10_000).to_string();
        self.interpreter.printer().text(&format!("{KEY} = {number}\n"));
        self.words(&["set", KEY, &number]).await
    }

    async fn carry_out(&mut self, words: &[String]) -> Flow {
        let shop = words.get(1).and_then(|name| self.shops.named(name));
        match (&words.iter().map(String::as_str).collect::<Vec<_>>()[..], shop) {
            (["boot"], _) => self.boot_next().await,
            (["boot", _], Some(shop)) => self.boot(shop).await,
            (["set"], _) => self.set_number().await,
            (["get"], _) => self.words(&["get", KEY]).await,
            (["help"], _) => {
                self.interpreter.printer().text(HELP);
                self.interpreter.words(words).await
            }
            _ => self.interpreter.words(words).await,
        }
    }

    async fn words(&mut self, words: &[&str]) -> Flow {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        self.interpreter.words(&words).await
    }

    /// Points the client at the open shops, which earlier lines may have changed.
    fn follow_shops(&mut self) {
        for failed in self.shops.reap() {
            self.interpreter.printer().note(&failed);
        }
        let endpoints = self.shops.endpoints();
        if !endpoints.is_empty() {
            let session = self.interpreter.session();
            session.set_connection(ConnectionOptions { endpoints, ..session.connection().clone() });
        }
    }
}

impl Shell for DemoShell<'_> {
    async fn line(&mut self, line: &str) -> Flow {
        let words = match interpreter::split(line) {
            Ok(words) => words,
            Err(failure) => return self.interpreter.failed(&failure),
        };
        self.follow_shops();
        let flow = self.carry_out(&words).await;
        // A removed shop closes before the next line.
        self.shops.settle().await;
        flow
    }

    fn interrupted(&mut self, code: ExitCode) -> Flow {
        self.interpreter.interrupted(code)
    }

    async fn keys(&mut self, prefix: &str) -> KnownKeys {
        Shell::keys(&mut self.interpreter, prefix).await
    }

    fn printer(&mut self) -> &mut Printer {
        self.interpreter.printer()
    }
}
