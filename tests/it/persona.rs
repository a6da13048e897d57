//! Extraction and projection against the reference's numbers: the states of the six golden samples are given, all that is
//! made of them is ours. (That the model gives these states is tested with the model.)

use std::collections::HashMap;
use std::ops::ControlFlow;

use serde::Deserialize;
use trimtab::judge::JudgedAnswer;
use trimtab::language_model::{
    Answer, CaptureSpec, Finished, LanguageModel, Likelihood, Request, Residuals, Sampling, StreamEvent,
};
use trimtab::persona::{Border, ExtractionRecipe, Filter, Metric, Probe, extract, projections, read_rows, write_rows};
use trimtab::text::Tokenizer;
use trimtab::vector::{Layer, VectorFile};

use crate::support::goldens::{assert_close, fixture, floats, json};
use crate::support::reference::vectors;

#[derive(Deserialize)]
struct Sample {
    group: String,
    prompt: String,
    answer: String,
    ids: Vec<u32>,
    prompt_len: usize,
}

/// Knows the states of the golden samples, and of nothing else.
struct GoldenStates {
    tokenizer: Tokenizer,
    states: HashMap<(Vec<u32>, Vec<u32>), Residuals>,
    shape: (usize, usize),
}

impl GoldenStates {
    fn new(samples: &[Sample]) -> Self {
        let golden = |name: &str| floats(&format!("extract.{name}"));
        let [response_avg, prompt_avg, prompt_last] = ["response_avg", "prompt_avg", "prompt_last"].map(golden);
        let [_, rows, hidden] = response_avg.shape[..] else { panic!("[sample, layer + 1, hidden]") };
        let of = |values: &[f32], i: usize| -> Vec<Vec<f32>> {
            values.chunks(hidden).skip(i * rows).take(rows).map(<[f32]>::to_vec).collect()
        };
        let entry = |(i, sample): (usize, &Sample)| {
            let (prompt, response) = sample.ids.split_at(sample.prompt_len);
            let residuals = Residuals {
                response_avg: of(&response_avg.values, i),
                prompt_avg: of(&prompt_avg.values, i),
                prompt_last: of(&prompt_last.values, i),
            };
            ((prompt.to_vec(), response.to_vec()), residuals)
        };
        let states = samples.iter().enumerate().map(entry).collect();
        Self { tokenizer: Tokenizer::load(&fixture("tiny")).unwrap(), states, shape: (rows - 1, hidden) }
    }
}

impl LanguageModel for GoldenStates {
    fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    fn shape(&self) -> (usize, usize) {
        self.shape
    }

    fn answer(
        &mut self,
        _: &[Request],
        _: &Sampling,
        _: &CaptureSpec,
        _: &mut dyn FnMut(StreamEvent<'_>) -> ControlFlow<()>,
    ) -> trimtab::Result<Vec<Answer>> {
        unreachable!("nothing is generated here")
    }

    fn choose(&mut self, _: &[Request], _: &[Vec<Vec<u32>>]) -> trimtab::Result<Vec<Vec<f32>>> {
        unreachable!("nothing is chosen here")
    }

    fn residuals(&mut self, texts: &[Finished]) -> trimtab::Result<Vec<Residuals>> {
        let of = |text: &Finished| self.states[&(text.prompt_ids.clone(), text.response_ids.clone())].clone();
        Ok(texts.iter().map(of).collect())
    }

    fn likelihoods(&mut self, _: &[Finished]) -> trimtab::Result<Vec<Likelihood>> {
        unreachable!("nothing is compared here")
    }
}

fn rows(samples: &[Sample], group: &str) -> Vec<JudgedAnswer> {
    let score = Some(if group == "pos" { 90.0 } else { 10.0 });
    let row = |(i, sample): (usize, &Sample)| {
        let (prompt, answer) = (sample.prompt.clone(), sample.answer.clone());
        let question_id = format!("flattering_{i}_{group}_0");
        JudgedAnswer { prompt, answer, question_id, ..JudgedAnswer::default() }.scored("flattering", score, Some(80.0))
    };
    samples.iter().filter(|s| s.group == group).enumerate().map(row).collect()
}

#[test]
fn extraction_from_csv_is_the_references() {
    let samples: Vec<Sample> = json("extract.samples");
    let mut model = GoldenStates::new(&samples);
    let dir = tempfile::tempdir().unwrap();
    let [pos, neg] = ["pos", "neg"].map(|group| {
        let path = dir.path().join(format!("flattering_{group}_instruct.csv"));
        write_rows(&path, "flattering", &rows(&samples, group)).unwrap();
        read_rows(&path, "flattering").unwrap()
    });
    // One golden answer begins with a newline, which the reference's joint tokenisation merges into the prompt.
    for filter in [Filter::paired(), Filter::independent()] {
        let recipe = ExtractionRecipe {
            border: Border::Joint,
            chunk: 2,
            filter,
            ..ExtractionRecipe::new("flattering", "tiny", "golden")
        };
        let made = extract(&mut model, &pos, &neg, &recipe, &mut |_, _| {}).unwrap();
        let (file, path) = (made.file, dir.path().join("flattering.safetensors"));
        file.write(&path).unwrap();
        let (back, warnings) = VectorFile::read(&path).unwrap();
        assert_eq!((&back, warnings.len()), (&file, 0));
        for (name, vector) in [
            ("response_avg", Some(&back.response_avg)),
            ("prompt_avg", back.prompt_avg.as_ref()),
            ("prompt_last", back.prompt_last.as_ref()),
        ] {
            let golden = floats(&format!("extract.{name}_diff"));
            assert_close(name, &vector.unwrap().rows.concat(), &golden.values, 1e-6);
        }
        assert_eq!(back.metadata["n_pos"], "3");
    }
}

#[test]
fn projections_are_the_references() {
    let samples: Vec<Sample> = json("extract.samples");
    let mut model = GoldenStates::new(&samples);
    let file = VectorFile::new(vectors(), None, None, Default::default()).unwrap();
    let (layers, _) = model.shape();
    let numbers: Vec<usize> = (1..=layers).collect();
    let split = |s: &Sample| Finished {
        prompt_ids: s.ids[..s.prompt_len].to_vec(),
        response_ids: s.ids[s.prompt_len..].to_vec(),
    };
    let texts: Vec<Finished> = samples.iter().map(split).collect();
    for (metric, name) in
        [(Metric::Proj, "response_avg"), (Metric::PromptLast, "prompt_last"), (Metric::Cosine, "response_avg_cosine")]
    {
        let probes = Probe::of_file("tiny", "steer", &file, &numbers, metric).unwrap();
        assert_eq!(probes[1].layer, Layer(2));
        let ours = projections(&mut model, &texts, &probes, 4, &mut |_| {}).unwrap();
        let golden = floats(&format!("proj.{name}"));
        // The golden table has the embedding's row too, which is no layer.
        let golden: Vec<f32> = golden.values.chunks(layers + 1).flat_map(|row| &row[1..]).copied().collect();
        let ours: Vec<f32> = ours.concat().into_iter().map(|x| x as f32).collect();
        assert_close(name, &ours, &golden, 1e-5);
    }
}
