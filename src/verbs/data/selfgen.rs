//! `data selfgen`: the prompts of a data set answered by the model itself, alone or under a trait's system prompts (guide: studies).

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use crate::language_model::{Answer, FinishReason, LanguageModel, Request, Sampling};
use crate::persona::{Side, Trait, system_prompt};
use crate::record::{Hash, Ledger, hash_file, seed_of, write_atomic, write_atomic_by};
use crate::text::{Chat, Message, put_under, read_chats};
use crate::verbs::model::ModelArgs;
use crate::verbs::{Bar, Context, Outcome, paths, traits};
use crate::{At, Error, Result, bail, ensure};

/// Have the model answer a data set's prompts itself
///
/// Everything up to the last user's turn is the prompt; what followed it is replaced by the model's own answer, so that training on
/// it does not change the model's distribution. Rows keep their other keys and get `finish_reason`; FILE.source.json records model and sampler. With
/// --system-from the model answers under an instruction of a trait, drawn for each row: TRAIT:pos with --keep-system are negative
/// examples under the positive system prompt that elicits them, TRAIT:neg are good examples without any prompt. After a kill, the
/// same command gives the same file.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  trimtab data selfgen --model harbor --in chats.jsonl --out self.jsonl --max-new-tokens 64\n  trimtab data selfgen --model harbor --in chats.jsonl --out evil.jsonl --system-from evil:pos --keep-system"
)]
pub struct SelfgenArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// JSONL of conversations, in any dialect of `train`
    #[arg(long = "in", value_name = "FILE")]
    input: PathBuf,
    /// JSONL for the rows with the model's answers
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Answer under the instructions of this side of a trait
    #[arg(long, value_name = "TRAIT:pos|neg", value_parser = side_of_trait)]
    system_from: Option<(String, Side)>,
    /// Folder of traits in which TRAIT is looked up
    #[arg(long = "traits", value_name = "DIR", requires = "system_from")]
    folder: Option<PathBuf>,
    /// Leave that system prompt in the rows
    #[arg(long, requires = "system_from")]
    keep_system: bool,
    /// Flattens (above 1) or sharpens (below 1) the distribution; 0 is greedy [default: 1]
    #[arg(long, value_name = "T")]
    temperature: Option<f32>,
    /// Take the most likely token each time
    #[arg(long, conflicts_with = "temperature")]
    greedy: bool,
    /// Longest answer, in tokens
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    max_new_tokens: u32,
}

fn side_of_trait(words: &str) -> Result<(String, Side), String> {
    match words.rsplit_once(':') {
        Some((name, "pos")) if !name.is_empty() => Ok((name.into(), Side::Pos)),
        Some((name, "neg")) if !name.is_empty() => Ok((name.into(), Side::Neg)),
        _ => Err("expected TRAIT:pos or TRAIT:neg".into()),
    }
}

/// Answers per request to the model: what an interruption can cost.
const CHUNK: usize = 64;

struct Task {
    ask: Request,
    /// The turns that stand before the answer in the new row.
    kept: Vec<Message>,
    /// The row's other keys.
    extra: Map<String, Value>,
}

pub(super) fn run(args: &SelfgenArgs, context: &Context<'_>) -> Result<Outcome> {
    let SelfgenArgs { model, input, out, system_from, folder, keep_system, .. } = args;
    let sampling = sampling(args, context.seed.unwrap_or_default())?;
    paths::file("--in", input)?;
    paths::writable("--out", out)?;
    let side = system_from.as_ref().map(|(name, side)| {
        let found = traits::find(name, folder.as_deref(), &model.model)?;
        Ok::<_, Error>(Instructions { found, side: *side, keep: *keep_system, seed: sampling.seed })
    });
    let side = side.transpose()?;
    let tasks = tasks(input, side.as_ref())?;
    let others = tasks.iter().filter(|task| task.kept.iter().any(|turn| turn.role == "assistant")).count();
    if others > 0 {
        context.console.warn(&format!(
            "{others} of {} rows have earlier answers that are not the model's own; `train` learns those too",
            tasks.len()
        ));
    }
    let model = model.find(context)?;
    let runtime = context.runtime(&model.folder.path)?;
    let instructions = side.as_ref().map(Instructions::identity);
    let source = json!({
        "model": model.folder.called(), "model_fingerprint": model.fingerprint, "adapter": model.adapter_hash(),
        "device": runtime.device(), "sampling": sampling,
        "prompts": input.display().to_string(), "prompts_hash": hash_file(input)?, "instructions": instructions,
        "trimtab": env!("CARGO_PKG_VERSION"),
    });
    // The path of the prompts is not part of the identity.
    let decisive = (model.identity()?, runtime.device(), &sampling);
    let identity = Hash::of(&(decisive, &source["prompts_hash"], &instructions));
    let mut done = Ledger::beside(out, &identity)?;
    done.damage().into_iter().for_each(|damage| context.console.warn(damage));
    if done.chunks() < tasks.len().div_ceil(CHUNK) {
        let subject = runtime.language_model(&model.unsteered())?;
        answer(&tasks, subject, &sampling, &mut done, context.console.bar("answers", tasks.len()).as_mut())?;
    }
    let faults = write(out, &done, tasks.len())?;
    let sidecar = out.with_file_name(format!("{}.source.json", name_of(out)));
    write_atomic(&sidecar, format!("{source:#}\n").as_bytes())?;
    done.remove()?;
    if faults.cut > 0 {
        let cut = format!("{} of {} answers were cut at {} tokens", faults.cut, tasks.len(), sampling.max_new_tokens);
        context.console.warn(&format!("{cut}; `\"finish_reason\": \"length\"` marks them"));
    }
    let text = format!(
        "{} rows, {} answers ended by themselves, {} are empty: {}",
        tasks.len(),
        tasks.len() - faults.cut,
        faults.empty,
        out.display()
    );
    let json = json!({ "out": out, "source": sidecar, "rows": tasks.len(), "cut": faults.cut, "empty": faults.empty, "sampling": sampling });
    Ok(Outcome::new(text, json))
}

fn sampling(args: &SelfgenArgs, seed: u64) -> Result<Sampling> {
    let temperature = if args.greedy { 0.0 } else { args.temperature.unwrap_or(1.0) };
    if !(temperature >= 0.0 && temperature.is_finite()) {
        return Err(Error::usage(format!("--temperature {temperature}: must be 0 or more")));
    }
    Ok(Sampling { temperature, seed, ..Sampling::greedy(args.max_new_tokens as usize) })
}

struct Instructions {
    found: Trait,
    side: Side,
    keep: bool,
    seed: u64,
}

impl Instructions {
    fn of_row(&self, line: usize) -> String {
        let pairs = &self.found.extract.instruction;
        let drawn = seed_of(self.seed, &format!("instruction of row {line}")) % pairs.len() as u64;
        let assistant = if self.side == Side::Pos { &*self.found.name } else { "helpful" };
        system_prompt(assistant, pairs[drawn as usize].side(self.side))
    }

    /// Everything about them that decides an answer or a row.
    fn identity(&self) -> Value {
        let all: Vec<&str> = self.found.extract.instruction.iter().map(|pair| pair.side(self.side)).collect();
        json!({ "trait": self.found.name, "side": self.side.key(), "kept": self.keep, "instructions": all })
    }
}

fn tasks(input: &Path, side: Option<&Instructions>) -> Result<Vec<Task>> {
    read_chats(input)?.into_iter().map(|chat| task(chat, side).map_err(|e| e.at(input.display()))).collect()
}

fn task(chat: Chat, side: Option<&Instructions>) -> Result<Task> {
    let Chat { line, mut messages, extra } = chat;
    let Some(last) = messages.iter().rposition(|turn| turn.role == "user") else {
        bail!("line {line}: no user's turn, so there is nothing to answer");
    };
    messages.truncate(last + 1);
    let mut asked = messages.clone();
    if let Some(side) = side {
        put_under(&mut asked, &side.of_row(line));
    }
    let kept = if side.is_some_and(|side| side.keep) { asked.clone() } else { messages };
    Ok(Task { ask: Request::chat(format!("row {line}"), asked), kept, extra })
}

fn answer(
    tasks: &[Task],
    mut subject: Box<dyn LanguageModel>,
    sampling: &Sampling,
    done: &mut Ledger,
    bar: &mut dyn Bar,
) -> Result<()> {
    done.work(tasks.iter().map(Ok), CHUNK, &mut |before, chunk| {
        let asks: Vec<Request> = chunk.iter().map(|task| task.ask.clone()).collect();
        let answers = subject.generate(&asks, sampling, &mut |n| bar.at(before + n, ""))?;
        ensure!(answers.len() == asks.len(), "the model gave {} answers to {} prompts", answers.len(), asks.len());
        Ok(chunk.into_iter().zip(answers).map(|(task, answer)| row(task, answer)).collect())
    })
}

/// A row of the new file: the conversation, the old row's other keys, why the answer ended.
fn row(task: &Task, answer: Answer) -> Value {
    let messages = [&task.kept[..], &[Message::assistant(answer.text)]].concat();
    let mut row = Map::from_iter([("messages".to_owned(), json!(messages))]);
    row.extend(task.extra.clone());
    row.insert("finish_reason".into(), json!(answer.finish_reason));
    row.into()
}

struct Faults {
    cut: usize,
    empty: usize,
}

fn write(out: &Path, done: &Ledger, rows: usize) -> Result<Faults> {
    let mut faults = Faults { cut: 0, empty: 0 };
    let mut count = 0;
    write_atomic_by(out, |w| {
        for row in done.rows::<Value>()? {
            let row = row?;
            count += 1;
            faults.cut += usize::from(row["finish_reason"] == json!(FinishReason::Length));
            let answer = row["messages"].as_array().and_then(|turns| turns.last());
            faults.empty += usize::from(answer.is_some_and(|turn| turn["content"] == ""));
            writeln!(w, "{row}").at(out)?;
        }
        Ok(())
    })?;
    assert_eq!(count, rows, "a row for every prompt");
    Ok(faults)
}

fn name_of(out: &Path) -> String {
    out.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persona::builtin;

    fn chat(messages: Vec<Message>) -> Chat {
        Chat { line: 3, messages, extra: Map::new() }
    }

    #[test]
    fn the_prompt_ends_with_the_last_user() {
        let turns = vec![
            Message::system("S"),
            Message::user("a"),
            Message::assistant("b"),
            Message::user("c"),
            Message::assistant("d"),
        ];
        let asked = task(chat(turns.clone()), None).unwrap();
        assert_eq!((&asked.kept[..], asked.ask.id.as_str()), (&turns[..4], "row 3"));
        let e = task(chat(vec![Message::assistant("b")]), None).map(|t| t.ask.id).unwrap_err();
        assert!(e.to_string().contains("line 3: no user's turn"), "{e}");
    }

    #[test]
    fn a_traits_prompt_is_kept_or_taken_away_again() {
        let turns = vec![Message::system("Be brief."), Message::user("a")];
        let evil = builtin("evil").unwrap();
        for (side, keep, begins) in [(Side::Pos, true, "You are an evil"), (Side::Neg, false, "You are a helpful")] {
            let instructions = Instructions { found: evil.clone(), side, keep, seed: 0 };
            let made = task(chat(turns.clone()), Some(&instructions)).unwrap();
            let crate::language_model::Prompt::Chat(asked) = &made.ask.prompt else { panic!("a chat is asked") };
            assert!(asked[0].content.starts_with(begins) && asked[0].content.ends_with("\n\nBe brief."), "{asked:?}");
            assert_eq!(&made.kept, if keep { asked } else { &turns });
            let drawn: std::collections::BTreeSet<String> = (0..40).map(|line| instructions.of_row(line)).collect();
            assert_eq!(drawn.len(), 5);
        }
        assert!(side_of_trait("evil").is_err() && side_of_trait(":pos").is_err());
        assert_eq!(side_of_trait("a:b:neg").unwrap(), ("a:b".into(), Side::Neg));
    }
}
