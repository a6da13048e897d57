//! A line of the user: a message to the model, or a command that begins with a slash.

use std::path::PathBuf;
use std::str::FromStr;

use crate::session::{ProbePlace, SteeringSpec};
use crate::vector::Layers;
use crate::{Error, Result};

pub const HELP: &str = "\
/steer evil=-1.5@20   steer with a vector at a layer (12,16 or all for several); the same vector again replaces it
/steer evil=2         another coefficient, the same layer
/steer +0.5           add to every coefficient, or take away (-0.5)
/steer evil off       without that vector; /steer off: without any
/steer                show what is active
/compare TEXT         answer once without and once with steering, on the same random numbers; it is not kept
/probe evil@20        colour each token by its projection onto a vector; /probe off ends it
/system TEXT          use this system prompt from now on; /system off: the model's default; /system shows it
/regenerate           give the last answer again, under the steering as it is now
/reset                forget the conversation; steering stays
/save FILE            write the conversation as JSONL, a row per answer, with the steering that was applied
/quit                 end the conversation (Ctrl-D too; Ctrl-C ends an answer)
//TEXT                say TEXT with a slash in front";

pub const NAMES: [&str; 9] =
    ["/help", "/steer", "/compare", "/probe", "/system", "/regenerate", "/reset", "/save", "/quit"];

#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    Say(String),
    Help,
    Steer(SteeringChange),
    /// `/compare`: this message, without and with steering.
    Compare(String),
    /// `/probe`: a vector and a layer; none to end it; absent to show it.
    Probe(Option<Option<ProbePlace>>),
    /// `/system`: another prompt; none for the model's own; absent to show it.
    System(Option<Option<String>>),
    Regenerate,
    Reset,
    Save(PathBuf),
    Quit,
}

#[derive(Debug, Clone, PartialEq)]
pub enum SteeringChange {
    Show,
    /// End steering along this vector, or all of it.
    Off(Option<String>),
    /// Add to every coefficient.
    By(f32),
    /// Give these vectors a coefficient, and a layer where one is named.
    Set(Vec<(String, f32, Option<Layers>)>),
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

fn change(words: &str) -> Result<SteeringChange> {
    let number = |text: &str| text.parse::<f32>().ok().filter(|x| x.is_finite());
    let words: Vec<&str> = words.split_whitespace().collect();
    match &words[..] {
        [] => Ok(SteeringChange::Show),
        ["off"] => Ok(SteeringChange::Off(None)),
        [name, "off"] => Ok(SteeringChange::Off(Some((*name).to_owned()))),
        [step] if step.starts_with(['+', '-']) && number(step).is_some() => {
            Ok(SteeringChange::By(number(step).expect("just looked at")))
        }
        several => several.iter().map(|word| set(word)).collect::<Result<_>>().map(SteeringChange::Set),
    }
}

/// `evil=-1.5@20` or `evil=-1.5`.
fn set(word: &str) -> Result<(String, f32, Option<Layers>)> {
    if word.contains('@') {
        let SteeringSpec { vector, coef, layers } = word.parse().map_err(|e: String| wrong(&e))?;
        return Ok((vector, coef, Some(layers)));
    }
    let (name, coef) = word.rsplit_once('=').ok_or_else(|| wrong(&format!("`{word}` is no steering")))?;
    let coef = coef.parse::<f32>().ok().filter(|coef| coef.is_finite());
    let coef = coef.ok_or_else(|| wrong(&format!("`{word}`: a coefficient is a number such as -1.5")))?;
    Ok((name.to_owned(), coef, None))
}

fn wrong(what: &str) -> Error {
    Error::usage(what).hint("write /steer evil=-1.5@20, /steer evil=2, /steer +0.5, /steer evil off, or /steer off")
}

fn place(words: &str) -> Result<ProbePlace> {
    let found = words.rsplit_once('@').and_then(|(vector, layer)| Some((vector, layer.parse().ok()?)));
    let (vector, layer) = found.filter(|(vector, _)| !vector.is_empty()).ok_or_else(|| {
        Error::usage(format!("`{words}` names no layer of a vector")).hint("write a vector and a layer: /probe evil@20")
    })?;
    Ok(ProbePlace { vector: vector.to_owned(), layer })
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
        check("/probe evil@20", Command::Probe(Some(Some(ProbePlace { vector: "evil".into(), layer: 20 }))));
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
        let check = |words: &str, want: SteeringChange| check(&format!("/steer {words}"), Command::Steer(want));
        check("", SteeringChange::Show);
        check("off", SteeringChange::Off(None));
        check("evil off", SteeringChange::Off(Some("evil".into())));
        check("+0.5", SteeringChange::By(0.5));
        check("-2", SteeringChange::By(-2.0));
        check("evil=-1.5@20", SteeringChange::Set(vec![("evil".into(), -1.5, layers("20"))]));
        check("evil=+2", SteeringChange::Set(vec![("evil".into(), 2.0, None)]));
        check(
            "evil=1@all kind=2@3,4",
            SteeringChange::Set(vec![("evil".into(), 1.0, layers("all")), ("kind".into(), 2.0, layers("3,4"))]),
        );
        for bad in ["evil", "evil=", "evil=much@2", "evil=1@", "1.5", "+x", "+inf"] {
            assert!(format!("/steer {bad}").parse::<Command>().is_err(), "{bad}");
        }
    }
}
