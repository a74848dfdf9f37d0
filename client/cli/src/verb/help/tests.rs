//! The pages of help, in both places, and the exit codes in each format.

use super::*;
use crate::{
    args::PARSERS,
    printer::{Format, tests::printed},
};

#[test]
fn golden() {
    let codes = ExitCodes::new();
    assert_eq!(
        printed(Format::Table, &codes),
        "\
CODE  MEANING
   0  done, or already so
   1  failed, none of the below
   2  usage or configuration
   3  key, node or revision not found
   4  condition false (--if-rev, --if-absent)
   5  unavailable: no node, no leader, no quorum; nothing was written
   6  timed out or cut off: outcome unknown; retry with the same --request-id
   7  TLS, identity or permission
   8  refused by a safety check, or --yes missing
 130  interrupted (SIGINT)
 143  interrupted (SIGTERM)
"
    );
    assert!(printed(Format::Plain, &codes).starts_with("0\tdone, or already so\n1\tfailed"));
    let json = printed(Format::Json, &codes);
    assert!(json.starts_with(
        r#"{"apiVersion":"coffee/v1","exit_codes":[{"code":0,"meaning":"done, or already so"},"#
    ));
}

#[test]
fn every_verb_has_a_page() {
    for parser in [PARSERS.command_line, PARSERS.line] {
        for verb in parser().get_subcommands() {
            let topic = [verb.get_name().to_owned()];
            assert!(page(&topic, parser()).is_ok_and(|page| page.contains("Usage:")), "{topic:?}");
        }
        let words = ["node".to_owned(), "remove".to_owned()];
        assert!(page(&words, parser()).is_ok_and(|page| page.contains("lost node")));
        assert_eq!(page(&["brew".to_owned()], parser()).map_err(|f| f.code()), Err(ExitCode::Usage));
    }
}

#[test]
fn the_list_of_verbs_fits_a_terminal() {
    for parser in [PARSERS.command_line, PARSERS.line] {
        let text = verbs(&parser());
        assert!(text.lines().count() < 24, "{text}");
        assert!(text.lines().all(|line| line.len() < 80), "{text}");
        assert!(text.contains("\n  set ") && !text.contains("--") && !text.contains("recover"), "{text}");
    }
    assert!(verbs(&(PARSERS.line)()).contains("\n  quit "));
}

#[test]
fn the_options_have_a_page_without_verbs() {
    let text = options((PARSERS.command_line)());
    for part in ["Connection:\n", "--endpoints", "--timeout", "-o, --output"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("Usage:") && !text.contains("transfer"), "{text}");
    let at_the_prompt = options((PARSERS.line)());
    assert!(at_the_prompt.contains("--timeout") && !at_the_prompt.contains("--endpoints"), "{at_the_prompt}");
}

/// Every page of help, of this verb and those below it.
fn pages(verb: &mut clap::Command, found: &mut Vec<String>) {
    found.extend([verb.render_help().to_string(), verb.render_long_help().to_string()]);
    verb.get_subcommands_mut().for_each(|verb| pages(verb, found));
}

#[test]
fn every_page_fits_a_terminal() {
    for parser in [PARSERS.command_line, PARSERS.line] {
        let mut parser = parser();
        parser.build();
        let mut found = Vec::new();
        pages(&mut parser, &mut found);
        assert!(found.len() > 60, "too few to be all: {}", found.len());
        for page in found {
            let wide = page.lines().find(|line| line.chars().count() > 80);
            assert_eq!(wide, None, "{page}");
        }
    }
}
