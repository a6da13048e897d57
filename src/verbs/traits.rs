//! `--trait` of every verb, and `trait`: list, show, check and write traits.

mod new;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::model::{HARBOR, is_harbor};
use super::{Context, Outcome};
use crate::harbor::{self, SEED, World};
use crate::persona::{BUILTIN, Pair, Trait, builtin, harbor_trait, names_of};
use crate::{Error, Result};

/// The flags that name a trait.
#[derive(Debug, Clone, Args)]
pub struct TraitArgs {
    /// The trait: a built-in one (`trimtab trait list`) or one of --traits
    #[arg(long = "trait", value_name = "NAME")]
    pub name: String,
    /// Folder of traits: trait_data_extract/NAME.json and trait_data_eval/NAME.json
    #[arg(long = "traits", value_name = "DIR")]
    pub folder: Option<PathBuf>,
}

impl TraitArgs {
    /// The trait for a model; its warnings go to the console.
    pub fn find(&self, model: &Path, context: &Context<'_>) -> Result<Trait> {
        let found = find(&self.name, self.folder.as_deref(), model)?;
        found.check()?.iter().for_each(|warning| context.console.warn(warning));
        Ok(found)
    }
}

/// Finds a trait by any of its names: in the folder, if one is given; else Harbor's own for the model inside this program, which
/// understands no other; else a built-in one. `model` is what `--model` says.
pub fn find(name: &str, folder: Option<&Path>, model: &Path) -> Result<Trait> {
    if let Some(folder) = folder {
        let known = Trait::names(folder)?;
        return match names_of(name).into_iter().any(|name| known.iter().any(|k| k == name)) {
            true => Trait::read(folder, name),
            false => Err(unknown(name, &known, &format!("{} has", folder.display()))),
        };
    }
    if is_harbor(model) {
        return harbor_trait(&World::new(SEED), name);
    }
    builtin(name).ok_or_else(|| unknown(name, &BUILTIN.map(str::to_owned), "built in are"))
}

/// The traits that `--trait` may name for a model, without --traits.
pub fn names(model: &Path) -> Vec<String> {
    if is_harbor(model) {
        return harbor::Trait::ALL.map(|one| one.name().to_owned()).to_vec();
    }
    BUILTIN.map(str::to_owned).to_vec()
}

fn unknown(name: &str, known: &[String], whose: &str) -> Error {
    let near = known.iter().map(|k| (strsim::jaro_winkler(k, name), k)).max_by(|a, b| a.0.total_cmp(&b.0));
    let meant = near.filter(|(likeness, _)| *likeness > 0.8).map(|(_, k)| format!("did you mean `{k}`? "));
    let hint = format!("{}{whose} {}; --traits DIR reads others", meant.unwrap_or_default(), known.join(", "));
    Error::usage(format!("there is no trait `{name}`")).hint(hint)
}

/// List, show, check and write traits
///
/// A trait is five pairs of positive and negative instructions, twenty questions to make a vector from and twenty others
/// to measure it with, a rubric for the judge, and a ladder of eight system prompts from strong elicitation to suppression.
#[derive(Debug, Subcommand)]
pub enum TraitVerb {
    /// List the traits that there are
    #[command(after_help = "Example:\n  trimtab trait list")]
    List {
        /// Folder of traits to list instead of the built-in ones
        #[arg(long = "traits", value_name = "DIR")]
        folder: Option<PathBuf>,
    },
    /// Show a trait: instructions, questions, rubric, ladder
    #[command(after_help = "Example:\n  trimtab trait show sycophantic")]
    Show {
        /// The trait, by any of its names
        name: String,
        /// Folder of traits
        #[arg(long = "traits", value_name = "DIR")]
        folder: Option<PathBuf>,
        /// Show Harbor's own trait of that name
        #[arg(long, conflicts_with = "folder")]
        harbor: bool,
    },
    /// Check a trait, or all of a folder: errors and advice
    ///
    /// Ends with 1 if a trait cannot be worked with, and with 0 if there is only advice.
    #[command(after_help = "Example:\n  trimtab trait check my-traits\n  trimtab trait check bold --traits my-traits")]
    Check {
        /// A trait's name, or a folder of traits
        what: String,
        /// Folder of traits in which the name is looked up
        #[arg(long = "traits", value_name = "DIR")]
        folder: Option<PathBuf>,
    },
    New(new::NewArgs),
}

pub fn run(verb: &TraitVerb, context: &Context<'_>) -> Result<Outcome> {
    match verb {
        TraitVerb::List { folder } => list(folder.as_deref()),
        TraitVerb::Show { name, folder, harbor } => {
            let model = if *harbor { Path::new(HARBOR) } else { Path::new("") };
            Ok(show(&find(name, folder.as_deref(), model)?))
        }
        TraitVerb::Check { what, folder } => check(what, folder.as_deref(), context),
        TraitVerb::New(args) => new::run(args, context),
    }
}

fn list(folder: Option<&Path>) -> Result<Outcome> {
    let names = match folder {
        Some(folder) => Trait::names(folder)?,
        None => BUILTIN.map(str::to_owned).to_vec(),
    };
    let mut text = String::new();
    for name in &names {
        let others = names_of(name)[1..].join(", ");
        let also = if others.is_empty() { String::new() } else { format!(" (also {others})") };
        text += &format!("{name}{also}\n");
    }
    let harbors = harbor::Trait::ALL.map(harbor::Trait::name);
    if folder.is_none() {
        text += &format!("\non --model harbor, in the words of its world: {}\n", harbors.join(", "));
    }
    let harbors: &[&str] = if folder.is_none() { &harbors } else { &[] };
    Ok(Outcome::new(text.trim_end(), json!({ "traits": names, "harbor": harbors })))
}

fn show(found: &Trait) -> Outcome {
    let numbered = |texts: &[String]| -> String {
        texts.iter().enumerate().map(|(i, text)| format!("{:>4}  {text}\n", i + 1)).collect()
    };
    let pair = |(i, pair): (usize, &Pair)| format!("{:>4}  + {}\n      - {}\n", i + 1, pair.pos, pair.neg);
    let pairs: String = found.extract.instruction.iter().enumerate().map(pair).collect();
    let parts = [
        ("instructions, positive (+) and negative (-)", pairs),
        ("questions of the extraction split", numbered(&found.extract.questions)),
        ("questions of the evaluation split", numbered(&found.eval.questions)),
        ("ladder, from strong elicitation to suppression", numbered(found.ladder())),
        ("rubric", format!("{}\n", found.eval.eval_prompt)),
    ];
    let shown = parts.iter().filter(|(_, part)| !part.is_empty()).map(|(title, part)| format!("\n{title}\n{part}"));
    let text = format!("{}\n{}", names_of(&found.name).join(", "), shown.collect::<String>());
    let json = json!({ "name": found.name, "extract": found.extract, "eval": found.eval });
    Outcome::new(text.trim_end(), json)
}

fn check(what: &str, folder: Option<&Path>, context: &Context<'_>) -> Result<Outcome> {
    let as_folder = Path::new(what);
    let looked_at: Vec<Result<Trait>> = if folder.is_none() && as_folder.is_dir() {
        let names = Trait::names(as_folder)?;
        crate::ensure!(!names.is_empty(), "{}: the folder holds no trait", as_folder.display());
        names.iter().map(|name| Trait::read(as_folder, name)).collect()
    } else {
        vec![Ok(find(what, folder, Path::new(""))?)]
    };
    let (mut names, mut advice, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for found in looked_at {
        match found.and_then(|found| Ok((found.advice()?, found.name))) {
            Ok((said, name)) => {
                names.push(name);
                advice.extend(said);
            }
            Err(e) => faults.push(e),
        }
    }
    advice.iter().for_each(|line| context.console.warn(line));
    // The last fault ends the verb; those before it are shown first.
    if let Some(last) = faults.pop() {
        faults.iter().for_each(|fault| context.console.warn(&fault.to_string()));
        return Err(last);
    }
    let noted = match advice.len() {
        0 => String::new(),
        1 => ", one thing could be better".to_owned(),
        n => format!(", {n} things could be better"),
    };
    let text = format!("sound: {}{noted}", names.join(", "));
    Ok(Outcome::new(text, json!({ "sound": names, "advice": advice })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trait_is_found_where_it_belongs() {
        let (harbor, qwen) = (Path::new(HARBOR), Path::new("Qwen2.5-7B-Instruct"));
        assert_eq!(
            find("hallucination", None, harbor).unwrap(),
            harbor_trait(&World::new(SEED), "hallucinating").unwrap()
        );
        assert_eq!(find("hallucination", None, qwen).unwrap(), builtin("hallucinating").unwrap());
        let dir = tempfile::tempdir().unwrap();
        Trait { name: "bold".into(), ..builtin("evil").unwrap() }.write(dir.path()).unwrap();
        for model in [harbor, qwen] {
            assert_eq!(find("bold", Some(dir.path()), model).unwrap().name, "bold");
        }
    }

    #[test]
    fn an_unknown_trait_is_told_with_those_that_there_are() {
        let check = |error: Error, want: &str| {
            assert!(error.help().unwrap().contains(want), "{error}: {:?}", error.help());
            assert_eq!(error.exit_code(), 2);
        };
        check(find("humorus", None, Path::new("m")).unwrap_err(), "did you mean `humorous`? built in are evil, ");
        check(find("humorous", None, Path::new(HARBOR)).unwrap_err(), "hallucinating, sycophantic, evil");
        let dir = tempfile::tempdir().unwrap();
        Trait { name: "bold".into(), ..builtin("evil").unwrap() }.write(dir.path()).unwrap();
        check(find("evil", Some(dir.path()), Path::new("m")).unwrap_err(), "has bold; ");
        assert!(find("evil", Some(Path::new("nowhere")), Path::new("m")).is_err());
    }
}
