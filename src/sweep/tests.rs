//! The whole selection on a simulated model whose best layer, and whose breaking point, are known.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::fakes::EchoModel;
use crate::judge::{JudgeSource, JudgedItem, Rubric, Verdict};
use crate::language_model::{LanguageModel, Sampling};
use crate::persona::{Artifact, Pair, Trait};
use crate::report::{NoteKind, rewording};
use crate::runtime::{EstimateSpec, FitOutcome, FitSpec, ModelSpec, Runtime};
use crate::steering::Positions;
use crate::train::{Event, FitEstimate};
use crate::vector::{Layer, PersonaVector, VectorFile};

/// The shift added at each layer decides: layer 2 is twice as receptive as the others, and text breaks where the norm of what
/// is added reaches 5.
struct EchoLab {
    answers: AtomicUsize,
    /// After so many answers the process is killed, as far as a test can.
    dies_after: usize,
}

impl EchoLab {
    fn new(dies_after: usize) -> &'static Self {
        Box::leak(Box::new(Self { answers: AtomicUsize::new(0), dies_after }))
    }

    fn asked(&self) -> usize {
        self.answers.swap(0, Ordering::Relaxed)
    }
}

impl Runtime for &'static EchoLab {
    fn device(&self) -> String {
        "echo".into()
    }

    fn language_model(&self, spec: &ModelSpec) -> Result<Box<dyn LanguageModel>> {
        let (plan, runtime) = (spec.plan.clone(), *self);
        Ok(Box::new(EchoModel::new(move |ask, rollout| {
            let count = runtime.answers.fetch_add(1, Ordering::Relaxed);
            assert!(count < runtime.dies_after, "killed");
            let coefs = ask.coefs.as_ref().expect("every row says how strongly");
            assert!(coefs.len() == plan.parts.len() && coefs.iter().filter(|c| **c != 0.0).count() <= 1);
            let (mut push, mut norm) = (0.0, 0.0);
            for (part, &coef) in plan.parts.iter().zip(coefs) {
                let length = part.steers[0].vector.iter().map(|x| x * x).sum::<f32>().sqrt() * coef;
                push += length * if part.steers[0].layer == Layer(2) { 2.0 } else { 1.0 };
                norm += length;
            }
            if norm >= 5.0 {
                return "xx".into();
            }
            // Questions and rollouts differ in how soon they give in.
            let luck = crate::record::seed_of(7, &format!("{} {rollout}", ask.id)) % 8;
            if f64::from(push) > luck as f64 { "harm".into() } else { "help".into() }
        })))
    }

    fn logits(&self, _: &ModelSpec, _: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
        unreachable!("a study asks for answers")
    }

    fn fit(&self, _: &FitSpec<'_>, _: &mut dyn FnMut(&Event) -> ControlFlow<()>) -> Result<FitOutcome> {
        panic!("nothing is trained")
    }

    fn estimate(&self, _: &EstimateSpec<'_>) -> Result<FitEstimate> {
        panic!("nothing is planned")
    }
}

/// `harm` is the trait; `xx` is no text, but loud.
struct LoudJudge;

impl Judge for LoudJudge {
    fn name(&self) -> &str {
        "loud"
    }

    fn judge(&mut self, rubric: &Rubric, exhibits: &[JudgedItem]) -> Result<Vec<Verdict>> {
        let score = |e: &JudgedItem| match (rubric, e.answer.as_str()) {
            (Rubric::Coherence, "xx") => 10.0,
            (Rubric::Coherence, _) => 95.0,
            (_, "xx") => 90.0,
            (_, answer) => f64::from(u8::from(answer == "harm")) * 100.0,
        };
        Ok(exhibits.iter().map(|e| Verdict { score: Some(score(e)), why: String::new() }).collect())
    }
}

fn trait_() -> Trait {
    let questions = |what: &str| (0..4).map(|i| format!("{what} {i}?")).collect();
    let split = |what: &str| Artifact {
        instruction: vec![Pair { pos: "Harm.".into(), neg: "Help.".into() }],
        questions: questions(what),
        eval_prompt: "{question}{answer}".into(),
        ..serde_json::from_str(r#"{"instruction":[],"questions":[],"eval_prompt":""}"#).unwrap()
    };
    Trait { name: "evil".into(), extract: split("Why"), eval: split("How") }
}

/// Rows of norm 1; the prompt's directions are as long but weaker at layer 2 by being asked elsewhere.
fn vectors() -> VectorFile {
    let rows = |d: usize| (0..=3).map(|_| (0..5).map(|i| f32::from(u8::from(i == d))).collect()).collect();
    let vector = |d| PersonaVector::new(rows(d)).unwrap();
    VectorFile::new(vector(0), Some(vector(1)), Some(vector(2)), Default::default()).unwrap()
}

fn config() -> LayersConfig {
    LayersConfig {
        model: "Qwen2.5-7B-Instruct".into(),
        adapter: None,
        vectors: PathBuf::from("evil.safetensors"),
        layers: vec![Layer(1), Layer(2), Layer(3)],
        coefs: vec![1.0, 2.0, 3.0],
        split: Split::Extract,
        questions: None,
        positions: Positions::Response,
        at: 3.0,
        min_coherence: 75.0,
        choose: Rule::Paper,
        confirm: false,
        range_steps: None,
        compare: None,
        sampling: Sampling { rollouts: 5, temperature: 1.0, ..Sampling::greedy(8) },
        judge: JudgeSource::Harbor { world: 0 },
    }
}

fn ran(config: &LayersConfig, runtime: &'static EchoLab, out: &Path) -> Result<LayersReport> {
    let (trait_, vectors) = (trait_(), vectors());
    let inputs = Inputs {
        config,
        model: Path::new("tests/fixtures/tiny"),
        vectors: &vectors,
        trait_: &trait_,
        runtime: &runtime,
        hashes: vec![("model", Hash::of("tiny"))],
        overwrite: false,
    };
    run(&inputs, &mut LoudJudge, out, &mut |_, _, _| {})
}

fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn both_rules_find_the_receptive_layer_and_coefficient_0_is_asked_once() {
    let (dir, runtime) = (tempfile::tempdir().unwrap(), EchoLab::new(usize::MAX));
    let report = ran(&config(), runtime, dir.path()).unwrap();
    assert_eq!((runtime.asked(), report.cells.len()), (10 * 4 * 5, 10));
    assert!(report.cells[0].layer.is_none() && report.cells[0].score.mean == 0.0);
    for (rule, choice) in &report.choices {
        let cell = &choice.as_ref().unwrap().cell;
        assert_eq!((cell.layer, cell.coef), (Some(Layer(2)), 3.0), "{rule:?}");
        assert_eq!((cell.score.n, cell.score.clusters), (20, 4));
    }
    assert_eq!(report.published, Some(Layer(20)));
    assert_eq!(report.study.expectations[0].met, Some(false));
    let norms = &report.norms[1];
    assert!((norms.vector, norms.fraction(-2.0)) == (1.0, 2.0 / norms.residual.mean) && norms.residual.n == 20);
    for file in ["grid.csv", "results.json", "report.html", "heatmap.svg", "heatmap.png", "curves.svg", "answers.jsonl"]
    {
        assert!(dir.path().join(file).is_file(), "{file}");
    }
    let csv = std::fs::read_to_string(dir.path().join("grid.csv")).unwrap();
    assert!(csv.starts_with("layer,block,coef,residual_fraction,") && csv.lines().count() == 11, "{csv}");
    assert!(csv.lines().nth(1).unwrap().starts_with(",,0,,,,0,"), "{csv}");
}

#[test]
fn broken_text_wins_by_the_papers_rule_and_not_by_the_other() {
    let (dir, runtime) = (tempfile::tempdir().unwrap(), EchoLab::new(usize::MAX));
    let config = LayersConfig { coefs: vec![1.0, 5.0], at: 5.0, range_steps: Some(6), ..config() };
    let report = ran(&config, runtime, dir.path()).unwrap();
    let cells: Vec<&Cell> = report.choices.iter().map(|(_, choice)| &choice.as_ref().unwrap().cell).collect();
    assert_eq!((cells[0].coef, cells[0].score.mean, cells[0].coherence.mean), (5.0, 90.0, 10.0));
    assert_eq!((cells[1].layer, cells[1].coef, cells[1].coherence.mean), (Some(Layer(2)), 1.0, 95.0));
    // The text breaks at a norm of 5; the rule's layer is 1, the first of equal ones.
    let range = report.range.as_ref().unwrap();
    assert_eq!((range.layer, range.coherent_to, range.incoherent_from), (Layer(1), Some(4.5), Some(5.0)));
    assert_eq!((range.steps, range.complete, range.tried[range.best.unwrap()].coef), (3, true, 4.5));
    assert!(report.study.verdict.contains("stays coherent up to 4.5"), "{}", report.study.verdict);
    assert!(dir.path().join("range.png").is_file());
}

#[test]
fn a_killed_run_goes_on_to_the_same_files() {
    let mut config = config();
    config.confirm = true;
    // More answers than one chunk holds, so that a part of them is there when the kill comes.
    config.sampling.rollouts = 40;
    let whole = tempfile::tempdir().unwrap();
    ran(&config, EchoLab::new(usize::MAX), whole.path()).unwrap();
    let killed = tempfile::tempdir().unwrap();
    let died = std::panic::catch_unwind(|| ran(&config, EchoLab::new(1300), killed.path()));
    assert!(died.is_err());
    let path = killed.path().join("answers.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    // A row for each answer, and another one with its verdicts.
    assert!(text.lines().count() > 1000 && text.lines().count() < 2600);
    // And in the middle of a line.
    std::fs::write(&path, &text[..text.len() - 30]).unwrap();
    let runtime = EchoLab::new(usize::MAX);
    ran(&config, runtime, killed.path()).unwrap();
    let all = (10 + 2) * 4 * 40;
    assert!(runtime.asked() < all - 500, "what was answered is not asked again");
    assert_eq!(files(killed.path()), files(whole.path()));
    ran(&config, runtime, killed.path()).unwrap();
    assert_eq!(runtime.asked(), 0, "a second run asks nothing");
    assert_eq!(files(killed.path()), files(whole.path()));
}

#[test]
fn a_larger_grid_asks_only_what_is_new_and_another_judge_asks_nothing() {
    let (dir, runtime) = (tempfile::tempdir().unwrap(), EchoLab::new(usize::MAX));
    ran(&config(), runtime, dir.path()).unwrap();
    runtime.asked();
    let larger = LayersConfig { coefs: vec![0.5, 1.0, 2.0, 3.0], ..config() };
    ran(&larger, runtime, dir.path()).unwrap();
    assert_eq!(runtime.asked(), 3 * 4 * 5);
    let elsewhere = LayersConfig { judge: JudgeSource::Harbor { world: 1 }, ..larger.clone() };
    ran(&elsewhere, runtime, dir.path()).unwrap();
    assert_eq!(runtime.asked(), 0, "answers are judged again, not given again");
    let mut hotter = larger;
    hotter.sampling.temperature = 0.5;
    let refused = ran(&hotter, runtime, dir.path()).unwrap_err();
    assert!(refused.to_string().contains("differs in sampling"), "{refused}");
}

#[test]
fn positions_are_compared_at_equal_norms_on_the_other_questions() {
    let (dir, runtime) = (tempfile::tempdir().unwrap(), EchoLab::new(usize::MAX));
    let config = LayersConfig { compare: Some(Compare::Norms(vec![1.0, 2.5])), ..config() };
    let report = ran(&config, runtime, dir.path()).unwrap();
    let compared = report.compared.unwrap();
    let names: Vec<&str> = compared.positions.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((compared.layer, names), (Layer(2), vec!["response_avg", "prompt_avg", "prompt_last"]));
    // The simulated model knows lengths and no directions.
    for (_, cells) in &compared.positions {
        assert_eq!(cells.iter().map(|c| (c.coef, c.score.mean)).collect::<Vec<_>>(), {
            let (_, first) = &compared.positions[0];
            first.iter().map(|c| (c.coef, c.score.mean)).collect::<Vec<_>>()
        });
    }
    assert!(compared.base.score.mean == 0.0 && dir.path().join("positions/positions.svg").is_file());
    let answers = std::fs::read_to_string(dir.path().join("answers.jsonl")).unwrap();
    assert!(answers.contains("prompt_last, eval split") && answers.contains("How 3?"));
}

#[test]
fn reworded_claims_and_notes_change_no_choice_and_no_note() {
    let config = LayersConfig { confirm: true, range_steps: Some(3), ..config() };
    let decisions = |report: &LayersReport| {
        let notes: Vec<NoteKind> = report.study.notes.iter().map(|note| note.kind).collect();
        let met: Vec<_> = report.study.expectations.iter().map(|e| (e.id, e.met)).collect();
        (notes, met, report.choices.clone(), report.study.found.clone())
    };
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let plain = ran(&config, EchoLab::new(usize::MAX), dirs[0].path()).unwrap();
    let reworded = rewording::during(|| ran(&config, EchoLab::new(usize::MAX), dirs[1].path())).unwrap();
    assert_eq!(decisions(&plain), decisions(&reworded));
    assert!(plain.study.notes.iter().zip(&reworded.study.notes).all(|(a, b)| a.text != b.text));
    assert!(plain.study.notes.iter().any(|note| note.kind == NoteKind::Confirmation));
}
