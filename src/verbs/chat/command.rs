//! What a line of the user means: words for the model, or a command that begins with a slash.

use std::path::PathBuf;
use std::str::FromStr;

use crate::verbs::steer::{Layers, Written};
use crate::{Error, Result};

/// What `/help` shows.
pub const HELP: &str = "\
/steer evil=-1.5@20   steer with a vector at a layer (12,16 or all for several); the same vector again replaces it
/steer evil=2         another strength, the same layer
/steer +0.5           every strength up by that much, or down (-0.5)
/steer evil off       without that vector; /steer off: without any
/steer                what is active
/compare TEXT         one turn without and with steering, on the same random numbers; it is not kept
/probe evil@20        show by colour how far each token lies along a vector; /probe off ends it
/system TEXT          the system prompt from now on; /system off: the model's default; /system shows it
/regenerate           the last answer anew, under the steering as it is now
/reset                forget the conversation; steering stays
/save FILE            write the conversation as JSONL, a row per answer, with the steering that was applied
/quit                 end (Ctrl-D too; Ctrl-C ends an answer)
//TEXT                say TEXT with a slash in front";

/// The commands, for completion.
pub const NAMES: [&str; 9] =
    ["/help", "/steer", "/compare", "/probe", "/system", "/regenerate", "/reset", "/save", "/quit"];

/// One line of the user.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Words for the model.
    Say(String),
    /// `/help`.
    Help,
    /// `/steer`.
    Steer(Change),
    /// `/compare`: these words, without and with steering.
    Compare(String),
    /// `/probe`: a vector and a layer; none to end it; absent to tell.
    Probe(Option<Option<Place>>),
    /// `/system`: other words; none for the model's own; absent to tell.
    System(Option<Option<String>>),
    /// `/regenerate`.
    Regenerate,
    /// `/reset`.
    Reset,
    /// `/save`.
    Save(PathBuf),
    /// `/quit`.
    Quit,
}

/// What becomes of the steering.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// It is told.
    Tell,
    /// This vector's ends, or all.
    Off(Option<String>),
    /// Every strength changes by this.
    By(f32),
    /// These vectors get a strength, and a layer where one is named.
    Set(Vec<(String, f32, Option<Layers>)>),
}

/// One layer of a vector: `evil@20`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The vector's name.
    pub vector: String,
    /// The layer's number.
    pub layer: usize,
}

impl FromStr for Command {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        let line = line.trim();
        let Some(rest) = line.strip_prefix('/') else { return Ok(Self::Say(line.into())) };
        if rest.starts_with('/') {
            return Ok(Self::Say(rest.into()));
        }
        let (name, words) =
            rest.split_once(char::is_whitespace).map_or((rest, ""), |(name, words)| (name, words.trim()));
        let needs = |what: &str| Error::usage(format!("/{name} needs {what}"));
        let optional = || match words {
            "" => None,
            "off" => Some(None),
            words => Some(Some(words)),
        };
        Ok(match name {
            "help" | "?" => Self::Help,
            "steer" => Self::Steer(change(words)?),
            "compare" if words.is_empty() => return Err(needs("words: /compare TEXT")),
            "compare" => Self::Compare(words.into()),
            "probe" => Self::Probe(optional().map(|words| words.map(place).transpose()).transpose()?),
            "system" => Self::System(optional().map(|words| words.map(str::to_owned))),
            "regenerate" => Self::Regenerate,
            "reset" => Self::Reset,
            "save" if words.is_empty() => return Err(needs("a file: /save talk.jsonl")),
            "save" => Self::Save(words.into()),
            "quit" | "exit" => Self::Quit,
            _ => {
                return Err(Error::usage(format!("there is no command /{name}"))
                    .hint("/help lists them; a message that begins with a slash is written with two"));
            }
        })
    }
}

fn change(words: &str) -> Result<Change> {
    let number = |text: &str| text.parse::<f32>().ok().filter(|x| x.is_finite());
    let words: Vec<&str> = words.split_whitespace().collect();
    match &words[..] {
        [] => Ok(Change::Tell),
        ["off"] => Ok(Change::Off(None)),
        [name, "off"] => Ok(Change::Off(Some((*name).to_owned()))),
        [step] if step.starts_with(['+', '-']) && number(step).is_some() => {
            Ok(Change::By(number(step).expect("just looked at")))
        }
        several => several.iter().map(|word| set(word)).collect::<Result<_>>().map(Change::Set),
    }
}

/// `evil=-1.5@20` or `evil=-1.5`.
fn set(word: &str) -> Result<(String, f32, Option<Layers>)> {
    if word.contains('@') {
        let Written { vectors, coef, layers } = word.parse().map_err(|e: String| wrong(&e))?;
        return Ok((vectors, coef, Some(layers)));
    }
    let (name, coef) = word.rsplit_once('=').ok_or_else(|| wrong(&format!("`{word}` is no steering")))?;
    let coef = coef.parse::<f32>().ok().filter(|coef| coef.is_finite());
    let coef = coef.ok_or_else(|| wrong(&format!("`{word}`: a strength is a number such as -1.5")))?;
    Ok((name.to_owned(), coef, None))
}

fn wrong(what: &str) -> Error {
    Error::usage(what).hint("write /steer evil=-1.5@20, /steer evil=2, /steer +0.5, /steer evil off, or /steer off")
}

fn place(words: &str) -> Result<Place> {
    let found = words.rsplit_once('@').and_then(|(vector, layer)| Some((vector, layer.parse().ok()?)));
    let (vector, layer) = found.filter(|(vector, _)| !vector.is_empty()).ok_or_else(|| {
        Error::usage(format!("`{words}` is no place")).hint("write a vector and a layer: /probe evil@20")
    })?;
    Ok(Place { vector: vector.to_owned(), layer })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, want: Command) {
        assert_eq!(line.parse::<Command>().unwrap(), want, "{line}");
    }

    #[test]
    fn a_line_is_words_or_a_command() {
        check("  Who are you? ", Command::Say("Who are you?".into()));
        check("//etc/passwd?", Command::Say("/etc/passwd?".into()));
        check("/help", Command::Help);
        check("/compare  What now? ", Command::Compare("What now?".into()));
        check("/system", Command::System(None));
        check("/system off", Command::System(Some(None)));
        check("/system Be brief.", Command::System(Some(Some("Be brief.".into()))));
        check("/probe evil@20", Command::Probe(Some(Some(Place { vector: "evil".into(), layer: 20 }))));
        check("/probe off", Command::Probe(Some(None)));
        check("/save a b.jsonl", Command::Save("a b.jsonl".into()));
        for bad in ["/stear", "/compare", "/save", "/probe evil", "/probe @2", "/probe evil@x"] {
            assert!(bad.parse::<Command>().is_err(), "{bad}");
        }
        for name in NAMES {
            assert!(HELP.contains(name) || name == "/help", "/help does not tell of {name}");
        }
    }

    #[test]
    fn steering_is_set_changed_and_ended() {
        let layers = |text: &str| Some(text.parse().unwrap());
        let check = |words: &str, want: Change| check(&format!("/steer {words}"), Command::Steer(want));
        check("", Change::Tell);
        check("off", Change::Off(None));
        check("evil off", Change::Off(Some("evil".into())));
        check("+0.5", Change::By(0.5));
        check("-2", Change::By(-2.0));
        check("evil=-1.5@20", Change::Set(vec![("evil".into(), -1.5, layers("20"))]));
        check("evil=+2", Change::Set(vec![("evil".into(), 2.0, None)]));
        check(
            "evil=1@all kind=2@3,4",
            Change::Set(vec![("evil".into(), 1.0, layers("all")), ("kind".into(), 2.0, layers("3,4"))]),
        );
        for bad in ["evil", "evil=", "evil=much@2", "evil=1@", "1.5", "+x", "+inf"] {
            assert!(format!("/steer {bad}").parse::<Command>().is_err(), "{bad}");
        }
    }
}
