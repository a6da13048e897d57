//! Conversations on the screen: a line editor and colours on a terminal, plain lines in a pipe.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Editor, Helper};

use super::plain::plain;
use super::{env, problem, progress};
use crate::session::{AnswerSink, ProbeScale};
use crate::verbs::chat::{Screen, command};
use crate::{Error, Result};

const PROMPT: &str = "> ";
const HISTORY_MAX: usize = 1000;

/// The screen for stdin and stdout as they are: with an editor if both are a terminal. `cache` is where the history is kept;
/// `quiet` leaves notes out, `silent` answers too.
pub fn screen(cache: Option<&Path>, quiet: bool, silent: bool) -> Result<Box<dyn Screen>> {
    if !silent && std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        return Ok(Box::new(Terminal::new(cache)?));
    }
    Ok(Box::new(Piped { quiet, silent, line: 0 }))
}

struct Terminal {
    editor: Editor<Commands, FileHistory>,
    history: Option<PathBuf>,
    paint: Paint<std::io::Stdout>,
}

impl Terminal {
    fn new(cache: Option<&Path>) -> Result<Self> {
        let failed = |e: ReadlineError| Error::new(format!("the line editor: {e}"));
        let config = Config::builder().max_history_size(HISTORY_MAX).map_err(failed)?.auto_add_history(true).build();
        let mut editor = Editor::with_config(config).map_err(failed)?;
        editor.set_helper(Some(Commands));
        let history = cache.map(|cache| cache.join("chat-history"));
        if let Some(path) = &history {
            // The first time there is none.
            let _ = editor.load_history(path);
        }
        let mut screen = Self { editor, history, paint: Paint { out: std::io::stdout(), colours: !env::no_color() } };
        screen.note("/help lists the commands; Ctrl-C ends an answer, Ctrl-D the conversation");
        Ok(screen)
    }
}

impl Screen for Terminal {
    fn read(&mut self) -> Result<Option<String>> {
        loop {
            match self.editor.readline(PROMPT) {
                Ok(line) => {
                    // A Ctrl-C that came too late for the last answer must not end the next.
                    progress::take_interrupt();
                    return Ok(Some(line));
                }
                Err(ReadlineError::Interrupted) => {}
                Err(ReadlineError::Eof) => return Ok(None),
                Err(e) => return Err(Error::new(format!("cannot read from the terminal: {e}"))),
            }
        }
    }

    fn refused(&mut self, error: Error) -> Result<()> {
        problem::show(&error);
        Ok(())
    }
}

impl AnswerSink for Terminal {
    fn begin(&mut self, title: Option<&str>, scale: Option<&ProbeScale>) {
        title.into_iter().for_each(|title| self.paint.dim(title));
        scale.into_iter().for_each(|scale| self.paint.legend(scale));
    }

    fn text(&mut self, text: &str, shade: Option<f64>) {
        self.paint.text(text, shade);
    }

    fn end(&mut self) {
        self.paint.text("\n", None);
    }

    fn note(&mut self, text: &str) {
        self.paint.dim(text);
    }

    fn stop(&mut self) -> bool {
        progress::take_interrupt()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(path) = &self.history {
            // A history that cannot be written is no failure.
            let _ = path.parent().map(std::fs::create_dir_all);
            let _ = self.editor.save_history(path);
        }
    }
}

struct Commands;

impl Completer for Commands {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &rustyline::Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let begun = &line[..at];
        let names = command::NAMES.iter().filter(|name| begun.starts_with('/') && name.starts_with(begun));
        Ok((0, names.map(|name| format!("{name} ")).collect()))
    }
}

impl Hinter for Commands {
    type Hint = String;
}

impl Highlighter for Commands {}
impl Validator for Commands {}
impl Helper for Commands {}

/// Text with or without colours. A closed stdout shows when the next line is read.
struct Paint<W> {
    out: W,
    colours: bool,
}

/// Shades from far below neutral to far above: background and foreground among the 256 colours that every terminal has.
const SHADES: [Option<(u8, u8)>; 9] = [
    Some((25, 231)),
    Some((68, 231)),
    Some((110, 16)),
    Some((153, 16)),
    None,
    Some((224, 16)),
    Some((217, 16)),
    Some((203, 16)),
    Some((160, 231)),
];

impl<W: Write> Paint<W> {
    /// A piece of an answer on the colour of its shade; -1 and 1 are the ends of the scale.
    fn text(&mut self, text: &str, shade: Option<f64>) {
        let text = plain(text);
        let place = |shade: f64| ((shade.clamp(-1.0, 1.0) + 1.0) * 4.0).round() as usize;
        let colour = shade.filter(|_| self.colours).and_then(|shade| SHADES[place(shade)]);
        let _ = match colour {
            // A colour at the end of a line would run to the terminal's edge.
            Some((back, fore)) => text.split_inclusive('\n').try_for_each(|line| {
                let (words, end) = line.strip_suffix('\n').map_or((line, ""), |words| (words, "\n"));
                write!(self.out, "\x1b[48;5;{back};38;5;{fore}m{words}\x1b[0m{end}")
            }),
            None => write!(self.out, "{text}"),
        };
        let _ = self.out.flush();
    }

    fn dim(&mut self, text: &str) {
        let text = plain(text);
        let _ = if self.colours { writeln!(self.out, "\x1b[2m{text}\x1b[0m") } else { writeln!(self.out, "{text}") };
        let _ = self.out.flush();
    }

    /// The colours and the projections at their ends.
    fn legend(&mut self, scale: &ProbeScale) {
        if !self.colours {
            return;
        }
        let [low, high] = scale.ends();
        let _ = write!(self.out, "\x1b[2m{}: {low:.3} \x1b[0m", scale.name);
        for i in 0..SHADES.len() {
            self.text("  ", Some(i as f64 / 4.0 - 1.0));
        }
        self.dim(&format!(" {high:.3}"));
    }
}

/// Lines from a pipe, answers into one.
struct Piped {
    quiet: bool,
    silent: bool,
    line: usize,
}

impl Screen for Piped {
    fn read(&mut self) -> Result<Option<String>> {
        self.line += 1;
        let mut line = String::new();
        match std::io::stdin().lock().read_line(&mut line) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(line)),
            Err(e) => Err(Error::new(format!("cannot read line {} of stdin: {e}", self.line))),
        }
    }

    fn refused(&mut self, error: Error) -> Result<()> {
        Err(error.at(format!("line {} of stdin", self.line)))
    }
}

impl AnswerSink for Piped {
    fn begin(&mut self, title: Option<&str>, _: Option<&ProbeScale>) {
        title.into_iter().for_each(|title| self.note(title));
    }

    fn text(&mut self, text: &str, _: Option<f64>) {
        if !self.silent {
            let mut out = std::io::stdout().lock();
            let text = if out.is_terminal() { plain(text) } else { text.into() };
            let _ = write!(out, "{text}").and_then(|()| out.flush());
        }
    }

    fn end(&mut self) {
        self.text("\n", None);
    }

    fn note(&mut self, text: &str) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr(), "{}", plain(text));
        }
    }

    fn stop(&mut self) -> bool {
        // Ctrl-C ends the program at once, since its input is a pipe.
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(colours: bool, paint: impl Fn(&mut Paint<Vec<u8>>)) -> String {
        let mut page = Paint { out: Vec::new(), colours };
        paint(&mut page);
        String::from_utf8(page.out).unwrap()
    }

    #[test]
    fn a_shade_is_the_background_of_its_words() {
        let word = |text: &str, shade| painted(true, |page| page.text(text, shade));
        assert_eq!(word("up", Some(3.0)), "\x1b[48;5;160;38;5;231mup\x1b[0m");
        assert_eq!(word("down", Some(-0.99)), "\x1b[48;5;25;38;5;231mdown\x1b[0m");
        assert_eq!(word("neutral", Some(0.1)), "neutral");
        assert_eq!(word("plain", None), "plain");
        assert!(word("a\nb", Some(0.5)).contains("ma\x1b[0m\n\x1b[48"), "no colour runs over a line's end");
        assert_eq!(painted(false, |page| page.text("up", Some(3.0))), "up");
    }

    #[test]
    fn the_legend_names_the_ends_of_the_scale() {
        let scale = ProbeScale { name: "evil at layer 2 (block 1)".into(), neutral: -3.0, norm: 1.0, reach: 2.0 };
        let legend = painted(true, |page| page.legend(&scale));
        assert!(legend.contains("evil at layer 2 (block 1): -5.000 ") && legend.contains(" -1.000"), "{legend}");
        assert_eq!(legend.matches("\x1b[48;5;").count(), 8, "every shade but neutral");
    }
}
