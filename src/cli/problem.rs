//! How an error looks on a terminal: what went wrong, where, and how to mend it.

use std::fmt;
use std::io::{IsTerminal, Write};

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};

use super::env;
use super::plain::plain;
use crate::Error;

/// An [`Error`] as miette sees it.
struct Shown<'a>(&'a Error);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&plain(&self.0.to_string()))
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        self.0.help().map(|help| Box::new(plain(help).into_owned()) as Box<dyn fmt::Display>)
    }
}

/// Prints an error on stderr: what went wrong, where, and how to mend it.
pub fn show(error: &Error) {
    let coloured = std::io::stderr().is_terminal() && !env::no_color();
    let theme = if coloured { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let mut text = String::new();
    let handler = GraphicalReportHandler::new_themed(theme).with_wrap_lines(false);
    if handler.render_report(&mut text, &Shown(error)).is_err() {
        text = plain(&error.to_string()).into_owned();
    }
    let _ = write!(std::io::stderr(), "{text}");
}
