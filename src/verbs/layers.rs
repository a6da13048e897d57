//! `layers`: where to steer, and how strongly.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::judges::{self, JudgeArgs};
use super::model::ModelFolder;
use super::steer::PositionsArg;
use super::traits::{TraitArgs, is_harbor};
use super::{Bar, Context, Outcome, paths};
use crate::judge::{JudgeSource, Rubrics};
use crate::persona;
use crate::record::{Hash, create_folder, hash_file};
use crate::report::{Cell, Note, NoteKind, Table};
use crate::steering::Positions;
use crate::sweep::{self, Compare, Inputs, LayersConfig, LayersReport, Rule, Split};
use crate::vector::{Layer, VectorFile};
use crate::{Error, Result};

/// Find the layer to steer, and how strongly: every layer at several coefficients, scored
///
/// The grid is one batch over shared weights; coefficient 0 is asked once. Two rules choose from it, and both are always told: the
/// paper's (the largest trait score at one coefficient) and the largest score whose text stays coherent. DIR holds grid.csv,
/// results.json, heatmap and curves as SVG and PNG, report.html, and every judged answer. A run that was interrupted goes on
/// when the same command is given again, and a larger grid asks only what is new.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  trimtab layers --model Qwen/Qwen2.5-7B-Instruct --trait evil --vectors evil.safetensors --judge openai \\\n      --layers 5-25 --confirm --auto-range --out runs/evil-layers"
)]
pub struct LayersArgs {
    /// The model: a folder in Hugging Face's layout, a hub name (`owner/name`, `owner/name@revision`), or `harbor`
    #[arg(long, value_name = "MODEL")]
    model: PathBuf,
    /// Folder of a PEFT adapter that the model wears
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,
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
    layers: Option<Span>,
    /// The grid's coefficients, in multiples of the raw vector [default: 0.5,1,1.5,2,2.5]
    #[arg(long, value_name = "A,...", value_delimiter = ',', allow_negative_numbers = true)]
    coefs: Vec<f32>,
    /// The coefficient at which the paper's rule compares layers [default: the largest]
    #[arg(long, value_name = "A", allow_negative_numbers = true)]
    at: Option<f32>,
    /// The least mean coherence of the other rule and of --auto-range
    #[arg(long, value_name = "C", default_value_t = 75.0)]
    min_coherence: f64,
    /// Whose layer --auto-range and --compare-positions use
    #[arg(long, value_enum, default_value_t)]
    choose: RuleArg,
    /// Which of the trait's questions are asked
    #[arg(long, value_enum, default_value_t)]
    split: SplitArg,
    /// Request the other split's questions too, of coefficient 0 and of both choices
    #[arg(long)]
    confirm: bool,
    /// Only the first N questions of a split [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    questions: Option<u32>,
    /// Answers per question; a single one is greedy, several are drawn at temperature 1 [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rollouts: Option<u32>,
    /// Longest answer, in tokens [default: 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_new_tokens: Option<u32>,
    /// Which tokens are steered [default: response]
    #[arg(long, value_enum)]
    positions: Option<PositionsArg>,
    /// A first look: every second layer of the middle, coefficients 1 and 2, 6 questions, 2 answers of at most 200 tokens
    #[arg(long)]
    quick: bool,
    /// Search the largest coefficient that leaves the text coherent, with at most N more batches [default N: 8]
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "8")]
    auto_range: Option<usize>,
    /// Steer along the directions of the three token positions at equal norms, on the evaluation split
    #[arg(long)]
    compare_positions: bool,
    /// Norms for --compare-positions [default: 0.1,0.2,0.3,0.4 of the residual's]
    #[arg(long, value_name = "N,...", value_delimiter = ',', requires = "compare_positions")]
    norms: Vec<f64>,
    /// The same as fractions of the residual's mean norm
    #[arg(long, value_name = "F,...", value_delimiter = ',', requires = "compare_positions", conflicts_with = "norms")]
    fractions: Vec<f64>,
    /// Throw away the answers of another run in DIR
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    judge: JudgeArgs,
}

/// Layers as they are written: `all`, `5-25`, `5,10,15`, `3,8-12`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Span {
    All,
    These(Vec<usize>),
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        let mut numbers = Vec::new();
        for part in text.split(',') {
            let bad = || format!("`{part}` is no layer; write 20, 5,10,15, 5-25 or all");
            let number = |text: &str| text.trim().parse::<usize>().map_err(|_| bad());
            match part.split_once('-') {
                Some((from, to)) if number(from)? <= number(to)? => numbers.extend(number(from)?..=number(to)?),
                Some(_) => return Err(bad()),
                None => numbers.push(number(part)?),
            }
        }
        Ok(Self::These(numbers))
    }
}

impl Span {
    /// Ascending, each once.
    fn layers(&self, layers: usize) -> Result<Vec<Layer>> {
        let mut found = match self {
            Self::All => (1..=layers).map(Layer).collect(),
            Self::These(numbers) => numbers.iter().map(|&n| Layer::of(n, layers)).collect::<Result<Vec<_>>>()?,
        };
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

/// `--split`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum SplitArg {
    /// The questions that the vector was made from
    #[default]
    Extract,
    /// The evaluation questions
    Eval,
}

impl From<SplitArg> for Split {
    fn from(split: SplitArg) -> Self {
        match split {
            SplitArg::Extract => Self::Extract,
            SplitArg::Eval => Self::Eval,
        }
    }
}

/// `--choose`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum RuleArg {
    /// The paper's rule
    #[default]
    Paper,
    /// The largest score whose text stays coherent
    Coherent,
}

impl From<RuleArg> for Rule {
    fn from(rule: RuleArg) -> Self {
        match rule {
            RuleArg::Paper => Self::Paper,
            RuleArg::Coherent => Self::Coherent,
        }
    }
}

/// What `--quick` asks for where nothing else is said.
mod quick {
    pub const COEFS: [f32; 2] = [1.0, 2.0];
    pub const QUESTIONS: usize = 6;
    pub const ROLLOUTS: usize = 2;
    pub const MAX_NEW_TOKENS: usize = 200;

    /// Every second layer from 0.3 to 0.8 of the way up: good layers lie between 0.44 and 0.71 (METHOD C.6).
    pub fn layers(layers: usize) -> impl Iterator<Item = usize> {
        let (first, last) = ((0.3 * layers as f64).round() as usize, (0.8 * layers as f64).round() as usize);
        (first.max(1)..=last.max(1)).step_by(if layers > 8 { 2 } else { 1 })
    }
}

impl LayersArgs {
    /// Every setting with its default, for a model of so many layers.
    fn resolve(
        &self,
        model: &str,
        trait_: &persona::Trait,
        judge: JudgeSource,
        (layers, seed): (usize, u64),
    ) -> Result<LayersConfig> {
        let Self { quick, .. } = *self;
        let mut coefs = self.coefs.clone();
        if coefs.is_empty() {
            coefs = if quick { quick::COEFS.to_vec() } else { vec![0.5, 1.0, 1.5, 2.0, 2.5] };
        }
        if let Some(bad) = coefs.iter().find(|coef| !coef.is_finite()) {
            return Err(Error::usage(format!("--coefs {bad}: no strength")));
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
        let span = match (&self.layers, quick) {
            (Some(span), _) => span.clone(),
            (None, true) => Span::These(quick::layers(layers).collect()),
            (None, false) => Span::All,
        };
        let rollouts = self.rollouts.map_or(if quick { quick::ROLLOUTS } else { 10 }, |n| n as usize);
        let mut sampling = persona::sampling(rollouts, seed);
        if quick {
            sampling.max_new_tokens = quick::MAX_NEW_TOKENS;
        }
        sampling.max_new_tokens = self.max_new_tokens.map_or(sampling.max_new_tokens, |n| n as usize);
        let all = trait_.extract.questions.len().max(trait_.eval.questions.len());
        let questions = self.questions.map(|n| n as usize).or(quick.then_some(quick::QUESTIONS));
        Ok(LayersConfig {
            model: model.to_owned(),
            adapter: self.adapter.clone(),
            vectors: self.vectors.clone(),
            layers: span.layers(layers)?,
            coefs: coefs.iter().map(|&coef| sweep::written(coef)).collect(),
            split: self.split.into(),
            questions: questions.filter(|&n| n < all),
            positions: self.positions.map_or(Positions::Response, Positions::from),
            at: sweep::written(at),
            min_coherence: self.min_coherence,
            choose: self.choose.into(),
            confirm: self.confirm,
            range_steps: self.auto_range,
            compare,
            sampling,
            judge,
        })
    }
}

/// Chooses.
///
/// # Errors
/// Vectors of another model, an unknown trait, a folder of another run, and what goes wrong with the model and the judge.
pub fn run(args: &LayersArgs, context: &Context<'_>) -> Result<Outcome> {
    let console = context.console;
    paths::file("--vectors", &args.vectors)?;
    let model = ModelFolder::find(&args.model, context)?;
    let trait_ = args.trait_.find(&args.model, context)?;
    let judge = args.judge.resolve(is_harbor(&args.model), context)?;
    let (vectors, mut warnings) = VectorFile::read(&args.vectors)?;
    let shape = crate::model::QwenConfig::read(&model.path)?;
    let fingerprint = model.fingerprint()?;
    let other = vectors.check(shape.num_hidden_layers, shape.hidden_size, &fingerprint);
    warnings.extend(other.map_err(|e| e.at(args.vectors.display()))?);
    warnings.iter().for_each(|warning| console.warn(warning));
    let seed = context.seed.unwrap_or(0);
    let config = args.resolve(&model.name, &trait_, judge, (shape.num_hidden_layers, seed))?;

    let mut hashes = vec![("model", Hash::of(&fingerprint))];
    if let Some(dir) = &args.adapter {
        hashes.push(("adapter", hash_file(&dir.join("adapter_model.safetensors"))?));
    }
    let runtime = context.runtime()?;
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
        model: &model.path,
        vectors: &vectors,
        trait_: &trait_,
        runtime: runtime.as_ref(),
        hashes,
        overwrite: args.overwrite,
    };
    create_folder(&args.out)?;
    let rubrics = Rubrics::default().with(&trait_.name, &trait_.eval.eval_prompt);
    let mut judge = judges::call(&config.judge, &rubrics, false, &args.out, context, runtime.as_ref())?;
    let mut bar: Option<(String, Box<dyn Bar>)> = None;
    let mut tell = |what: &str, done: usize, of: usize| {
        if bar.as_ref().is_none_or(|(name, _)| name != what) {
            bar = Some((what.to_owned(), console.bar(what, of)));
        }
        bar.iter_mut().for_each(|(_, bar)| bar.at(done, "answers"));
    };
    let report = sweep::run(&inputs, judge.as_mut(), &args.out, &mut tell)?;
    drop(bar);
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
    fn layers_are_written_as_ranges_and_lists() {
        let layers = |text: &str| -> Vec<usize> {
            text.parse::<Span>().unwrap().layers(28).unwrap().iter().map(|layer| layer.row()).collect()
        };
        assert_eq!(layers("all").len(), 28);
        assert_eq!(layers("5-8"), [5, 6, 7, 8]);
        assert_eq!(layers("10, 3,9-10"), [3, 9, 10]);
        for bad in ["some", "8-5", "1-", "-3", ""] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
        assert!("29".parse::<Span>().unwrap().layers(28).is_err());
    }

    #[test]
    fn a_quick_look_stays_in_the_middle() {
        assert_eq!(quick::layers(28).collect::<Vec<_>>(), [8, 10, 12, 14, 16, 18, 20, 22]);
        assert_eq!(quick::layers(4).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(quick::layers(1).collect::<Vec<_>>(), [1]);
    }
}
