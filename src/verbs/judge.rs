//! `judge rescore`: the answers that a run has kept, judged again. Nothing is generated, and the run's own files stay as they are.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::judges::{self, JudgeArgs};
use super::model::is_harbor;
use super::traits::TraitArgs;
use super::{Context, Outcome};
use crate::data_table::Format;
use crate::judge::{JudgeSource, JudgedAnswer, Rubric, judge_answers, table};
use crate::persona::read_rows;
use crate::record::{Lines, RunDir, entries_of, read_jsonl, written};
use crate::report::{Cell, Table};
use crate::stats::{mean, pearson};
use crate::{Error, Result};

/// Judge again what a run has kept
#[derive(Debug, Subcommand)]
pub enum JudgeVerb {
    Rescore(RescoreArgs),
}

/// Score the answers of a run by another judge or by another trait's rubric; nothing is generated
///
/// RUN is a folder of `extract`, `layers`, `eval trait` or a study. DIR/answers.csv holds every answer with its new scores in the
/// reference's columns, DIR/results.csv the means before and after. `--judge DIR/answers.csv` in the command that made the run
/// has its own results written anew with them.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  trimtab judge rescore runs/pessimistic --trait pessimistic --judge sentiment\n  trimtab judge rescore runs/study --trait evil --judge openai --judge-model gpt-4.1-mini --budget 2usd"
)]
pub struct RescoreArgs {
    /// Folder of the run
    #[arg(value_name = "RUN")]
    run: PathBuf,
    #[command(flatten)]
    trait_: TraitArgs,
    /// Folder for the scores [default: RUN/rescored]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    judge: JudgeArgs,
}

pub fn run(verb: &JudgeVerb, context: &Context<'_>) -> Result<Outcome> {
    let JudgeVerb::Rescore(args) = verb;
    rescore(args, context)
}

/// What `run.toml` holds.
#[derive(Serialize)]
struct Settings<'a> {
    run: &'a Path,
    #[serde(rename = "trait")]
    trait_name: &'a str,
    judge: &'a JudgeSource,
}

/// Where an answer is from: the file's name among the run's, and the setting.
type Source = (String, Option<usize>, Option<f32>);

fn rescore(args: &RescoreArgs, context: &Context<'_>) -> Result<Outcome> {
    let model = model_of(&args.run);
    let trait_ = args.trait_.find(&model, context)?;
    let rubrics = [Rubric::Trait(trait_.name.clone()), Rubric::Coherence];
    let source = args.judge.resolve(is_harbor(&model), &rubrics[0], context)?;
    let (sources, old) = answers_of(&args.run, &trait_.name)?;
    let run = RunDir::open(args.out.clone().unwrap_or_else(|| args.run.join("rescored")))?;
    run.write_config(&Settings { run: &args.run, trait_name: &trait_.name, judge: &source })?;
    let runtime = context.any_runtime()?;
    let mut judge = judges::open(&source, &trait_.rubrics(), run.path(), context, runtime.as_ref())?;
    let mut new = old.clone();
    new.iter_mut().for_each(|row| row.verdicts.clear());
    judge_answers(judge.as_mut(), &rubrics, &mut new)?;

    let keys = [trait_.name.as_str(), Rubric::Coherence.key()];
    for (row, (file, layer, _)) in new.iter_mut().zip(&sources) {
        row.extra.insert("source".into(), json!(file));
        row.extra.extend(layer.map(|layer| ("layer".to_owned(), json!(layer))));
    }
    table(&new, &keys, Format::Csv).write(&run.file("answers.csv"))?;
    let summary = summary(&sources, &old, &new, keys);
    run.write("results.csv", summary.csv().as_bytes())?;
    let pairs: Vec<(f64, f64)> =
        old.iter().zip(&new).filter_map(|(old, new)| Some((old.score(keys[0])?, new.score(keys[0])?))).collect();
    let (before, after): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
    let correlation = pearson(&before, &after);
    let answers = run.file("answers.csv");
    let json = json!({
        "out": run.path(), "run": args.run, "trait": keys[0], "judge": judge.name(), "answers": new.len(),
        "correlation": correlation, "results": summary.json(),
    });
    run.write_json("results.json", &json)?;
    let agreement = correlation.map_or_else(String::new, |r| format!("; r = {r:.2} with the scores before"));
    let text = format!(
        "{}{} answers judged by `{}`{agreement}\n{}",
        summary.text(),
        new.len(),
        judge.name(),
        answers.display()
    );
    Ok(Outcome::new(text, json))
}

/// The model that a run was of, as its settings name it.
fn model_of(run: &Path) -> PathBuf {
    let text = std::fs::read_to_string(run.join("run.toml")).unwrap_or_default();
    let settings = text.parse::<toml::Table>().unwrap_or_default();
    let of = |table: &toml::Table| table.get("model").and_then(toml::Value::as_str).map(PathBuf::from);
    let inside = ["answers", "subject"].into_iter().filter_map(|key| settings.get(key)?.as_table());
    of(&settings).or_else(|| inside.into_iter().find_map(of)).unwrap_or_default()
}

/// Every answer in words that a run has kept, where there are several traits those about this one, and where each is from.
fn answers_of(run: &Path, trait_name: &str) -> Result<(Vec<Source>, Vec<JudgedAnswer>)> {
    let mut found: Vec<(String, Vec<JudgedAnswer>)> = Vec::new();
    for path in files(run, "jsonl")?.into_iter().chain(files(&run.join("answers"), "jsonl")?) {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let side = stem.strip_suffix("_pos_instruct").or_else(|| stem.strip_suffix("_neg_instruct"));
        match side {
            Some(of) => found.push((stem.clone(), read_rows(&path, of)?)),
            // The raw answers of `extract` have another form; its tables hold the same answers.
            None => match read_jsonl(&path) {
                Ok(rows) => found.push((stem, rows)),
                Err(e) if begins_with_an_answer(&path) => return Err(e),
                Err(_) => {}
            },
        }
    }
    let in_words = |row: &JudgedAnswer| row.options.is_empty() && row.reference.is_none() && !row.question.is_empty();
    let rows = found.into_iter().flat_map(|(file, rows)| rows.into_iter().map(move |row| (file.clone(), row)));
    let mut rows: Vec<(String, JudgedAnswer)> = rows.filter(|(_, row)| in_words(row)).collect();
    if rows.iter().any(|(_, row)| row.task == trait_name) {
        rows.retain(|(_, row)| row.task == trait_name);
    }
    if rows.is_empty() {
        return Err(Error::usage("no answers to judge").at(run.display()).hint(
            "name the folder of an `extract`, `layers`, `eval trait` or `study`; answers whose first judge failed are judged by giving \
             the same command again",
        ));
    }
    let source = |(file, row): &(String, JudgedAnswer)| (file.clone(), row.layer.map(|layer| layer.0), row.coef);
    Ok((rows.iter().map(source).collect(), rows.into_iter().map(|(_, row)| row).collect()))
}

/// Whether a file of rows is one of answers, so that a later row that is none is damaged.
fn begins_with_an_answer(path: &Path) -> bool {
    let first = Lines::open(path).ok().and_then(|mut lines| lines.next()?.ok());
    first.is_some_and(|(_, line)| serde_json::from_slice::<JudgedAnswer>(&line).is_ok())
}

fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = entries_of(folder)?;
    paths.retain(|path| path.is_file() && path.extension().is_some_and(|e| e == extension));
    Ok(paths)
}

/// Means before and after, a row for each file and setting in their order.
fn summary(sources: &[Source], old: &[JudgedAnswer], new: &[JudgedAnswer], [key, coherence]: [&str; 2]) -> Table {
    let mut places: Vec<&Source> = Vec::new();
    for source in sources {
        if !places.contains(&source) {
            places.push(source);
        }
    }
    let columns =
        ["source", "layer", "coef", "answers", "before", "after", "coherence_before", "coherence_after", "no_score"];
    let mut table = Table::new(columns);
    for place in places {
        let at = |rows: &[JudgedAnswer], key: &str| -> Vec<Option<f64>> {
            rows.iter().zip(sources).filter(|(_, source)| *source == place).map(|(row, _)| row.score(key)).collect()
        };
        let scored = |scores: Vec<Option<f64>>| {
            let scores: Vec<f64> = scores.into_iter().flatten().collect();
            Cell::from((!scores.is_empty()).then(|| mean(&scores)))
        };
        let after = at(new, key);
        let (answers, missing) = (after.len(), after.iter().filter(|score| score.is_none()).count());
        let (file, layer, coef) = place;
        let means = [scored(at(old, key)), scored(after), scored(at(old, coherence)), scored(at(new, coherence))];
        let place: [Cell; 4] = [file.as_str().into(), (*layer).into(), coef.map(written).into(), answers.into()];
        table.push(place.into_iter().chain(means).chain([missing.into()]).collect());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::args_of;
    use crate::verbs::tests::{Quiet, context};

    fn row(task: &str, answer: &str, score: f64) -> JudgedAnswer {
        let row = JudgedAnswer {
            task: task.into(),
            question: "How will it go?".into(),
            answer: answer.into(),
            ..JudgedAnswer::default()
        };
        row.scored(task, Some(score), Some(90.0))
    }

    #[test]
    fn a_runs_answers_are_judged_again_and_feed_the_judge_by_files() {
        let dir = tempfile::tempdir().unwrap();
        let study = dir.path().join("answers");
        std::fs::create_dir(&study).unwrap();
        let line = |row: JudgedAnswer| serde_json::to_string(&row).unwrap() + "\n";
        let rows = [
            row("pessimistic", "It will end badly.", 10.0),
            row("pessimistic", "It will be great!", 20.0),
            row("evil", "No.", 5.0),
        ];
        std::fs::write(study.join("plain-seed0.jsonl"), rows.map(line).concat()).unwrap();
        let words = ["x", dir.path().to_str().unwrap(), "--trait", "pessimistic", "--judge", "sentiment"];
        let console = Quiet::default();
        let found = rescore(&args_of(words).unwrap(), &context(&console)).unwrap();
        assert_eq!((&found.json["answers"], &found.json["judge"]), (&json!(2), &json!("sentiment")));
        assert!(found.json["correlation"].as_f64().unwrap() < -0.9, "{}", found.text);
        assert!(found.text.contains("plain-seed0"), "{}", found.text);

        let csv = dir.path().join("rescored/answers.csv");
        let asked = [Rubric::Trait("pessimistic".into()), Rubric::Coherence];
        let mut judge = crate::judge::ScoredJudge::read(&[&csv], &asked).unwrap();
        let again =
            crate::judge::verdicts(&mut judge, &asked[0], &[row("", "It will end badly.", 0.0).item()]).unwrap();
        assert!(again[0].score.unwrap() > 70.0, "{again:?}");
    }

    #[test]
    fn a_folder_without_answers_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let words = ["x", dir.path().to_str().unwrap(), "--trait", "pessimistic", "--judge", "sentiment"];
        let error = rescore(&args_of(words).unwrap(), &context(&Quiet::default())).unwrap_err();
        assert!(error.to_string().contains("no answers to judge") && error.exit_code() == 2, "{error}");
    }
}
