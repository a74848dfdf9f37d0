//! The streams, formats and colours of the output.

use std::sync::{Arc, Mutex};

use super::*;

/// A stream that keeps the text written to it.
#[derive(Clone, Default)]
pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns a printer, its standard output and its standard error.
pub(crate) fn captured(format: Format) -> (Printer, Captured, Captured) {
    let (out, err) = (Captured::default(), Captured::default());
    (Printer::new(format, Box::new(out.clone()), Box::new(err.clone())), out, err)
}

/// Returns the output of `report` in `format`.
pub(crate) fn printed(format: Format, report: &impl Printable) -> String {
    let (mut printer, out, _) = captured(format);
    printer.report(report);
    out.text()
}

struct Fails(io::ErrorKind);

impl Write for Fails {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Serialize)]
struct Cup {
    name: &'static str,
}

impl Printable for Cup {
    fn table(&self) -> String {
        format!("a cup of {}\n", self.name)
    }
    fn plain(&self) -> Vec<Vec<String>> {
        vec![vec!["cup".into(), self.name.into()]]
    }
}

#[test]
fn each_format() {
    let cup = Cup { name: "latte" };
    assert_eq!(printed(Format::Table, &cup), "a cup of latte\n");
    assert_eq!(printed(Format::Plain, &cup), "cup\tlatte\n");
    assert_eq!(printed(Format::Json, &cup), "{\"apiVersion\":\"coffee/v1\",\"name\":\"latte\"}\n");
}

#[test]
fn a_list_of_pages_is_one_document() {
    #[derive(Serialize)]
    struct CupsTail {
        more: bool,
    }
    let print = |format| {
        let (mut printer, out, _) = captured(format);
        printer.list_start("cups");
        printer.list_page(&[Cup { name: "latte" }, Cup { name: "mocha" }], |_| "two cups\n".into());
        printer.list_page(&[Cup { name: "ristretto" }], |_| "a cup\n".into());
        printer.list_end(&CupsTail { more: false });
        out.text()
    };
    assert_eq!(print(Format::Table), "two cups\na cup\n");
    assert_eq!(print(Format::Plain), "cup\tlatte\ncup\tmocha\ncup\tristretto\n");
    assert_eq!(
        print(Format::Json),
        "{\"apiVersion\":\"coffee/v1\",\"cups\":[{\"name\":\"latte\"},{\"name\":\"mocha\"},{\"name\":\"ristretto\"}],\"more\":false}\n"
    );
}

#[test]
fn values_are_byte_exact_unless_lines_are_wanted() {
    let (mut printer, out, _) = captured(Format::Table);
    printer.value(b"latte", &Cup { name: "latte" });
    let mut printer = printer.with_line_ends(true);
    printer.value(b"mocha", &Cup { name: "mocha" });
    assert_eq!(out.text(), "lattemocha\n");
}

#[test]
fn failures_go_to_standard_error() {
    let (mut printer, out, err) = captured(Format::Json);
    printer.failure(&Failure::usage("no such verb: brew").hint("see 'coffeectl help'"));
    assert_eq!(
        (out.text().as_str(), err.text().as_str()),
        ("", "error: no such verb: brew\nhint: see 'coffeectl help'\n")
    );
}

#[test]
fn each_stream_has_its_own_colours() {
    #[derive(Serialize)]
    struct PaintedState;
    impl Printable for PaintedState {
        fn table(&self) -> String {
            format!("hong is {}\n", colour::red("unreachable"))
        }
        fn plain(&self) -> Vec<Vec<String>> {
            vec![vec!["unreachable".into()]]
        }
    }
    let print = |format, out_colours, err_colours| {
        let (printer, out, err) = captured(format);
        let mut printer = Printer { out_colours, err_colours, ..printer };
        printer.report(&PaintedState);
        printer.failure(&Failure::usage("no"));
        (out.text(), err.text())
    };
    let (red, plain) = ("hong is \x1b[31munreachable\x1b[0m\n", "hong is unreachable\n");
    assert_eq!(print(Format::Table, true, false), (red.into(), "error: no\n".into()));
    assert_eq!(print(Format::Table, false, true), (plain.into(), "\x1b[31merror:\x1b[0m no\n".into()));
    assert_eq!(print(Format::Plain, true, true).0, "unreachable\n", "scripts get no colours");
}

#[test]
fn a_closed_pipe_is_not_a_failure() {
    let mut printer =
        Printer::new(Format::Table, Box::new(Fails(io::ErrorKind::BrokenPipe)), Box::new(io::sink()));
    printer.report(&Cup { name: "latte" });
    assert!(printer.is_closed());
    assert_eq!(printer.finish(), Ok(()));
}

#[test]
fn a_full_disk_is_a_failure() {
    let mut printer =
        Printer::new(Format::Table, Box::new(Fails(io::ErrorKind::StorageFull)), Box::new(io::sink()));
    printer.report(&Cup { name: "latte" });
    assert_eq!(printer.finish().map_err(|failure| failure.code()), Err(ExitCode::Failed));
}
