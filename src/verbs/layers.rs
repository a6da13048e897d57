//! `layers`: layer selection, the layer and the coefficient to steer with.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::choices::{Choices, one_of};
use super::judges::{self, JudgeArgs};
use super::model::{Model, ModelArgs};
use super::run::Progress;
use super::sampling::DrawArgs;
use super::steer::POSITIONS;
use super::traits::TraitArgs;
use super::{Context, Outcome};
use crate::judge::{JudgeSource, Rubric};
use crate::persona;
use crate::record::{create_folder, written};
use crate::report::{Cell, Note, NoteKind, Table};
use crate::steering::Positions;
use crate::sweep::{self, Compare, Inputs, LayersConfig, LayersReport, Rule, Split};
use crate::vector::Layers;
use crate::{Error, Result};

/// Select the layer and the coefficient to steer with: every layer at several coefficients, scored
///
/// The grid is one batch over shared weights; coefficient 0 is asked once. Two rules choose from it, and both are reported: the
/// paper's (the largest trait expression score at one coefficient) and the largest score whose text stays coherent. DIR holds grid.csv,
/// results.json, heatmap and curves as SVG and PNG, report.html, and every judged answer. A run that was interrupted goes on
/// when the same command is given again, and a larger grid asks only what is new.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  trimtab layers --model Qwen/Qwen2.5-7B-Instruct --trait evil --vectors evil.safetensors --judge openai \\\n      --layers 5-25 --confirm --auto-range --out runs/evil-layers"
)]
pub struct LayersArgs {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    trait_: TraitArgs,
    /// File of persona vectors (safetensors with `response_avg`)
    #[arg(long, value_name = "FILE")]
    vectors: PathBuf,
    /// Folder for the results
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The grid's layers: `all`, a range, numbers, or several of these [default: all]
    #[arg(long, value_name = "5-25|5,10,15")]
    layers: Option<Layers>,
    /// The grid's coefficients, in multiples of the raw vector [default: 0.5,1,1.5,2,2.5]
    #[arg(long, value_name = "A,...", value_delimiter = ',', allow_hyphen_values = true)]
    coefs: Vec<f32>,
    /// The coefficient at which the paper's rule compares layers [default: the largest]
    #[arg(long, value_name = "A", allow_negative_numbers = true)]
    at: Option<f32>,
    /// Smallest mean coherence that the coherent rule and --auto-range accept
    #[arg(long, value_name = "C", default_value_t = 75.0)]
    min_coherence: f64,
    /// The rule whose layer --auto-range and --compare-positions use
    #[arg(long, value_parser = one_of(RULES), default_value = "paper")]
    choose: Rule,
    /// Which of the trait's questions are asked
    #[arg(long, value_parser = one_of(SPLITS), default_value = "extract")]
    split: Split,
    /// Confirm on the other split's questions: coefficient 0 and both choices
    #[arg(long)]
    confirm: bool,
    /// Only the first N questions of a split [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    questions: Option<u32>,
    /// Answers per question; a single one is greedy [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rollouts: Option<u32>,
    /// Longest answer, in tokens [default: 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_new_tokens: Option<u32>,
    #[command(flatten)]
    draw: DrawArgs,
    /// Which tokens are steered [default: response]
    #[arg(long, value_parser = one_of(POSITIONS))]
    positions: Option<Positions>,
    /// A first look: every second layer of the middle, coefficients 1 and 2, 6 questions, 2 answers of at most 200 tokens
    #[arg(long)]
    quick: bool,
    /// Search the largest coefficient that keeps the text coherent, with at most N more batches [default N: 8]
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "8")]
    auto_range: Option<usize>,
    /// Compare the vectors of the three token positions at equal norms, on the evaluation split
    #[arg(long)]
    compare_positions: bool,
    /// Norms for --compare-positions [default: 0.1,0.2,0.3,0.4 of the residual's]
    #[arg(long, value_name = "N,...", value_delimiter = ',', requires = "compare_positions")]
    norms: Vec<f64>,
    /// The same as fractions of the residual's mean norm
    #[arg(long, value_name = "F,...", value_delimiter = ',', requires = "compare_positions", conflicts_with = "norms")]
    fractions: Vec<f64>,
    /// Discard the answers of another run in DIR
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    judge: JudgeArgs,
}

const SPLITS: &Choices<Split> = &[
    ("extract", Split::Extract, "The questions that the vector was made from"),
    ("eval", Split::Eval, "The evaluation questions"),
];

const RULES: &Choices<Rule> = &[
    ("paper", Rule::Paper, "The paper's rule"),
    ("coherent", Rule::Coherent, "The largest score whose text stays coherent"),
];

/// The defaults of `--quick`.
mod quick {
    pub const COEFS: [f32; 2] = [1.0, 2.0];
    pub const QUESTIONS: usize = 6;
    pub const ROLLOUTS: usize = 2;
    pub const MAX_NEW_TOKENS: usize = 200;

    /// Every second layer from 0.3 to 0.8 of the way up: the paper's layers lie between 0.44 and 0.71 (Chen et al. 2025, appendix B.4).
    pub fn layers(layers: usize) -> impl Iterator<Item = usize> {
        let (first, last) = ((0.3 * layers as f64).round() as usize, (0.8 * layers as f64).round() as usize);
        (first.max(1)..=last.max(1)).step_by(if layers > 8 { 2 } else { 1 })
    }
}

impl LayersArgs {
    fn resolve(&self, model: &Model, trait_: &persona::Trait, judge: JudgeSource, seed: u64) -> Result<LayersConfig> {
        let layers = model.config.num_hidden_layers;
        let Self { quick, .. } = *self;
        let mut coefs = self.coefs.clone();
        if coefs.is_empty() {
            coefs = if quick { quick::COEFS.to_vec() } else { vec![0.5, 1.0, 1.5, 2.0, 2.5] };
        }
        if let Some(bad) = coefs.iter().find(|coef| !coef.is_finite()) {
            return Err(Error::usage(format!("--coefs {bad}: must be finite")));
        }
        // Coefficient 0 is always asked, once.
        coefs.retain(|&coef| coef != 0.0);
        coefs.sort_by(f32::total_cmp);
        coefs.dedup();
        let Some(&largest) = coefs.last() else { return Err(Error::usage("--coefs names no coefficient besides 0")) };
        let at = self.at.unwrap_or(largest);
        if !coefs.contains(&at) {
            let written: Vec<String> = coefs.iter().map(f32::to_string).collect();
            return Err(Error::usage(format!("--at {at}: is none of the coefficients {}", written.join(", "))));
        }
        if !(0.0..=100.0).contains(&self.min_coherence) {
            return Err(Error::usage(format!("--min-coherence {}: scores are 0 to 100", self.min_coherence)));
        }
        let lengths = |flag: &str, lengths: &[f64]| match lengths.iter().find(|x| !(x.is_finite() && **x > 0.0)) {
            Some(bad) => Err(Error::usage(format!("{flag} {bad}: must be above 0"))),
            None => Ok(lengths.to_vec()),
        };
        let compare = match (self.compare_positions, self.norms.is_empty(), self.fractions.is_empty()) {
            (false, ..) => None,
            (true, false, _) => Some(Compare::Norms(lengths("--norms", &self.norms)?)),
            (true, true, false) => Some(Compare::Fractions(lengths("--fractions", &self.fractions)?)),
            (true, true, true) => Some(Compare::Fractions(vec![0.1, 0.2, 0.3, 0.4])),
        };
        let mut chosen = match (&self.layers, quick) {
            (Some(chosen), _) => chosen.clone(),
            (None, true) => Layers::These(quick::layers(layers).collect()),
            (None, false) => Layers::all(),
        };
        if let Layers::These(numbers) = &mut chosen {
            // A grid may be written as ranges that overlap.
            numbers.sort_unstable();
            numbers.dedup();
        }
        let rollouts = self.rollouts.map_or(if quick { quick::ROLLOUTS } else { 10 }, |n| n as usize);
        let mut sampling = self.draw.apply(persona::sampling(rollouts, seed))?;
        if quick {
            sampling.max_new_tokens = quick::MAX_NEW_TOKENS;
        }
        sampling.max_new_tokens = self.max_new_tokens.map_or(sampling.max_new_tokens, |n| n as usize);
        let all = trait_.extract.questions.len().max(trait_.eval.questions.len());
        let questions = self.questions.map(|n| n as usize).or(quick.then_some(quick::QUESTIONS));
        Ok(LayersConfig {
            model: model.name().to_owned(),
            adapter: model.adapter_path(),
            vectors: self.vectors.clone(),
            layers: chosen.of(layers)?,
            coefs: coefs.iter().map(|&coef| written(coef)).collect(),
            split: self.split,
            questions: questions.filter(|&n| n < all),
            positions: self.positions.unwrap_or(Positions::Response),
            at: written(at),
            min_coherence: self.min_coherence,
            choose: self.choose,
            confirm: self.confirm,
            range_steps: self.auto_range,
            compare,
            sampling,
            judge,
        })
    }
}

pub fn run(args: &LayersArgs, context: &Context<'_>) -> Result<Outcome> {
    let console = context.console;
    let trait_ = args.trait_.find(&args.model.model, context)?;
    let judge = args.judge.resolve(args.model.is_harbor(), &Rubric::Trait(trait_.name.clone()), context)?;
    let model = args.model.find(context)?;
    let vectors = model.vectors(&args.vectors, console)?;
    let config = args.resolve(&model, &trait_, judge, context.seed.unwrap_or(0))?;
    let mut hashes = vec![("model", model.hash()?)];
    hashes.extend(model.adapter_hash().map(|hash| ("adapter", hash.clone())));
    let runtime = context.runtime(&model.folder.path)?;
    let questions = config.questions.unwrap_or(trait_.extract.questions.len()).min(trait_.extract.questions.len());
    let (cells, rollouts) = (config.layers.len() * config.coefs.len() + 1, config.sampling.rollouts);
    console.say(&format!(
        "grid: {} layers x {} coefficients and 0, {questions} questions, {rollouts} answers each: {} answers to be judged twice",
        config.layers.len(),
        config.coefs.len(),
        cells * questions * rollouts
    ));
    let inputs = Inputs {
        config: &config,
        model: &model.folder.path,
        vectors: &vectors,
        trait_: &trait_,
        runtime: runtime.as_ref(),
        hashes,
        overwrite: args.overwrite,
    };
    create_folder(&args.out)?;
    let rubrics = trait_.rubrics();
    let mut judge = judges::open(&config.judge, &rubrics, &args.out, context, runtime.as_ref())?;
    let mut progress = Progress::new(console);
    let mut tell = |what: &str, done: usize, of: usize| progress.show(what, done, of, "answers");
    let report = sweep::run(&inputs, judge.as_mut(), &args.out, &mut tell)?;
    drop(progress);
    report.damage.iter().for_each(|line| console.warn(line));
    Ok(outcome(&report, args))
}

fn outcome(report: &LayersReport, args: &LayersArgs) -> Outcome {
    let mut text = table(report).text();
    text += &format!("\n{}\n", report.verdict.join("\n"));
    for expectation in &report.study.expectations {
        text += &format!("{}: {}.\n", expectation.claim, expectation.measured);
    }
    // The others say how to read the page.
    let told =
        |note: &&Note| matches!(note.kind, NoteKind::Confirmation | NoteKind::FewScores | NoteKind::UnreadableLayers);
    report.study.notes.iter().filter(told).for_each(|note| text += &format!("{}\n", note.text));
    if let Some(compared) = &report.compared {
        let mut table = Table::new(["position", "norm", "score", "coherence"]);
        for (name, cells) in &compared.positions {
            for cell in cells {
                let (score, coherence) = (Cell::Interval(cell.score), Cell::Interval(cell.coherence));
                table.push(vec![name.as_str().into(), cell.coef.into(), score, coherence]);
            }
        }
        text += &format!("\n{}", table.text());
    }
    let page = report.files.first().map_or_else(String::new, |page| page.display().to_string());
    text += &format!("\nreport: {page}");
    let files: Vec<String> = report.files.iter().map(|file| file.display().to_string()).collect();
    let mut json = serde_json::Map::from_iter([("out".to_owned(), json!(args.out))]);
    json.extend(report.study.found.clone());
    json.insert("grid".to_owned(), json!(report.cells));
    json.insert("files".to_owned(), json!(files));
    Outcome::new(text, Value::Object(json))
}

/// The grid for a terminal: a row for each layer, trait / coherence at each coefficient.
fn table(report: &LayersReport) -> Table {
    let mut coefs: Vec<f64> = report.cells.iter().filter(|cell| cell.layer.is_some()).map(|cell| cell.coef).collect();
    coefs.sort_by(f64::total_cmp);
    coefs.dedup();
    let shown = |cell: &sweep::Cell| format!("{:.0} / {:.0}", cell.score.mean, cell.coherence.mean).replace("NaN", "–");
    let mut table =
        Table::new(["layer".to_owned(), "1 =".to_owned()].into_iter().chain(coefs.iter().map(f64::to_string)));
    for row in report.cells.chunk_by(|a, b| a.layer == b.layer) {
        let Some(layer) = row[0].layer else {
            let mut cells = vec![Cell::from("unsteered"), Cell::from(shown(&row[0]).as_str())];
            cells.extend(coefs.iter().map(|_| Cell::from("")));
            table.push(cells);
            continue;
        };
        let percent = 100.0 * report.norms[layer.block()].fraction(1.0);
        let mut cells = vec![Cell::from(layer.to_string().as_str()), Cell::from(format!("{percent:.1} %").as_str())];
        cells.extend(row.iter().map(|cell| Cell::from(shown(cell).as_str())));
        table.push(cells);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quick_look_stays_in_the_middle() {
        assert_eq!(quick::layers(28).collect::<Vec<_>>(), [8, 10, 12, 14, 16, 18, 20, 22]);
        assert_eq!(quick::layers(4).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(quick::layers(1).collect::<Vec<_>>(), [1]);
    }
}
