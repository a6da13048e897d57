//! Steering that changes from turn to turn, for conversations and servers: vectors by name, and a model that keeps a part of
//! its plan for everything asked so far, so that turns with different steering are one batch.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::{Value, json};

use super::model::ModelFolder;
use super::steer::{Layers, Steer};
use crate::language_model::{Answer, CaptureSpec, LanguageModel, Prompt, Request, Sampling, StreamEvent};
use crate::model::QwenConfig;
use crate::runtime::{ModelSpec, Runtime};
use crate::steering::{Op, Part, Positions, SteeringPlan};
use crate::vector::{IncBase, Layer, VectorFile};
use crate::{Error, Result};

/// Parts that a plan may come to before those that nobody asks for now are dropped: each costs a product per token.
const PARTS_MAX: usize = 32;

/// A file of vectors and what it is called: `evil=runs/v.safetensors`, or the file alone, called by its stem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// What it is called.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

impl FromStr for NamedFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, path) = match text.split_once('=') {
            Some((name, path)) => (name.trim().to_owned(), PathBuf::from(path)),
            None => {
                let path = PathBuf::from(text);
                (path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), path)
            }
        };
        if name.is_empty() || path.as_os_str().is_empty() {
            return Err(format!("`{text}`: write FILE or NAME=FILE"));
        }
        Ok(Self { name, path })
    }
}

/// What somebody asks for: one vector's steering.
#[derive(Debug, Clone, PartialEq)]
pub struct SteeringRequest {
    /// The vector's name.
    pub vector: String,
    /// Add or ablate.
    pub op: Op,
    /// How strong.
    pub coef: f32,
    /// Where; `all` adds the increments.
    pub layers: Layers,
    /// At which tokens.
    pub positions: Positions,
}

/// A wish that can be granted.
#[derive(Debug, Clone, PartialEq)]
pub struct ActiveSteering {
    /// How strong.
    pub coef: f32,
    /// What is done, at strength 0.
    part: Part,
    /// The same in words, for answers and files.
    described: Value,
}

impl ActiveSteering {
    /// What was done: the steering in words, and at how many positions of prompt and answer it acted.
    pub fn applied(&self, positions_steered: usize) -> Value {
        let mut applied = self.described.clone();
        applied["positions_steered"] = json!(positions_steered);
        applied
    }

    /// The hash of its vector's numbers.
    pub fn fingerprint(&self) -> &str {
        self.described["fingerprint"].as_str().unwrap_or_default()
    }

    /// Where it acts, ascending.
    pub fn layers(&self) -> impl Iterator<Item = Layer> {
        self.part.steers.iter().map(|steer| steer.layer)
    }

    /// Norm of the shift at coefficient 1, over all its layers.
    pub fn norm(&self) -> f64 {
        let numbers = self.part.steers.iter().flat_map(|steer| &steer.vector);
        numbers.map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt()
    }
}

/// Vectors by their names, all of one model's shape.
#[derive(Debug)]
pub struct Vectors {
    files: BTreeMap<String, VectorFile>,
    layers: usize,
}

impl Vectors {
    /// Vectors for a model of so many layers.
    pub fn new(files: BTreeMap<String, VectorFile>, layers: usize) -> Self {
        Self { files, layers }
    }

    /// Reads the files and checks them against the model; what is odd but harmless comes back as warnings.
    ///
    /// # Errors
    /// A file that cannot be read or belongs to another model, a name that stands twice.
    pub fn read(files: &[NamedFile], model: &ModelFolder) -> Result<(Self, Vec<String>)> {
        let config = QwenConfig::read(&model.path)?;
        let fingerprint = model.fingerprint()?;
        let mut all = Self::new(BTreeMap::new(), config.num_hidden_layers);
        let mut warnings = Vec::new();
        for NamedFile { name, path } in files {
            super::paths::file("--vectors", path)?;
            let (file, odd) = VectorFile::read(path)?;
            let other = file.check(config.num_hidden_layers, config.hidden_size, &fingerprint);
            warnings.extend(odd);
            warnings.extend(other.map_err(|e| e.at(path.display()))?.map(|what| format!("{}: {what}", path.display())));
            if all.files.insert(name.clone(), file).is_some() {
                return Err(Error::usage(format!("--vectors: the name `{name}` stands twice"))
                    .hint("give each file a name of its own: --vectors NAME=FILE"));
            }
        }
        Ok((all, warnings))
    }

    /// Every vector with its name, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &VectorFile)> {
        self.files.iter().map(|(name, file)| (name.as_str(), file))
    }

    /// Number of the model's layers.
    pub fn layers(&self) -> usize {
        self.layers
    }

    /// The vector of that name.
    ///
    /// # Errors
    /// If there is none; the error names those that are known.
    pub fn get(&self, name: &str) -> Result<&VectorFile> {
        self.files.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.files.keys().map(String::as_str).collect();
            let error = Error::usage(format!("there is no vector `{name}`"));
            match &known[..] {
                [] => error.hint("no vectors were loaded; name their files with --vectors"),
                known => error.hint(format!("there are: {}", known.join(", "))),
            }
        })
    }

    /// Finds out whether a wish can be granted.
    ///
    /// # Errors
    /// A name or a layer that does not exist, a strength that is no number, a direction of zero to ablate.
    pub fn settle(&self, wish: &SteeringRequest) -> Result<ActiveSteering> {
        let SteeringRequest { vector: name, op, coef, layers, positions } = wish;
        let file = self.get(name)?;
        if !coef.is_finite() {
            return Err(Error::usage(format!("`{name}`: a strength of {coef} is no number")));
        }
        let (op, positions) = (*op, *positions);
        let incremental = op == Op::Add && *layers == Layers::Word("all".into());
        let base = IncBase::default();
        let steer = Steer { vectors: Path::new(name), layers, op, coef: 0.0, positions, incremental, base };
        let (plan, layers) = steer.of(&file.response_avg)?;
        let part = plan.parts.into_iter().next().expect("one vector makes one part");
        if let Some(zero) = part.steers.iter().find(|s| op == Op::Ablate && s.vector.iter().all(|&x| x == 0.0)) {
            let what = format!("`{name}` is zero at {}: there is no direction to ablate", zero.layer);
            return Err(Error::usage(what));
        }
        if part.steers.iter().all(|s| s.vector.iter().all(|&x| x == 0.0)) {
            return Err(Error::usage(format!("`{name}` is zero there, so that nothing would be steered")));
        }
        let described = json!({
            "vector": name,
            "fingerprint": file.fingerprint,
            "op": op,
            "coef": coef,
            "layers": layers,
            "incremental": incremental,
            "positions": positions,
        });
        Ok(ActiveSteering { coef: *coef, part, described })
    }
}

/// One turn to be answered under its own steering.
#[derive(Debug, Clone)]
pub struct Turn {
    /// Names it, and keys its random numbers.
    pub id: String,
    /// What the model is given.
    pub prompt: Prompt,
    /// How it is steered.
    pub steering: Vec<ActiveSteering>,
}

/// A model whose steering changes from turn to turn.
pub struct Live<'a> {
    runtime: &'a dyn Runtime,
    /// Its plan has a part for everything asked so far, at strength 0: a turn that does not want it is not touched.
    spec: ModelSpec,
    subject: Box<dyn LanguageModel>,
}

impl<'a> Live<'a> {
    /// Loads the model, unsteered.
    ///
    /// # Errors
    /// If it or its adapter cannot be loaded.
    pub fn open(runtime: &'a dyn Runtime, model: PathBuf, adapter: Option<PathBuf>) -> Result<Self> {
        let spec = ModelSpec { model, adapter, plan: SteeringPlan::none() };
        let subject = runtime.language_model(&spec)?;
        Ok(Self { runtime, spec, subject })
    }

    /// The model, with the strength 0 of all that was asked for.
    pub fn language_model(&mut self) -> &mut dyn LanguageModel {
        self.subject.as_mut()
    }

    /// Answers every turn in one batch; [`Answer::steered`] counts for the turn's own settings, in their order.
    ///
    /// # Errors
    /// As [`LanguageModel::answer`].
    pub fn answer(
        &mut self,
        turns: &[Turn],
        sampling: &Sampling,
        keep: &CaptureSpec,
        hear: &mut dyn FnMut(StreamEvent<'_>) -> ControlFlow<()>,
    ) -> Result<Vec<Answer>> {
        self.make_room(turns)?;
        let asks: Vec<Request> = turns
            .iter()
            .map(|turn| Request { id: turn.id.clone(), prompt: turn.prompt.clone(), coefs: Some(self.coefs(turn)) })
            .collect();
        let mut answers = self.subject.answer(&asks, sampling, keep, hear)?;
        for (i, answer) in answers.iter_mut().enumerate() {
            let counts = std::mem::take(&mut answer.steered);
            let places = turns[i / sampling.rollouts].steering.iter().map(|setting| self.place(setting));
            answer.steered =
                places.map(|place| place.and_then(|p| counts.get(p)).copied().unwrap_or_default()).collect();
        }
        Ok(answers)
    }

    /// Gives the plan a part for every setting. Models share their weights, so another plan is another handle.
    fn make_room(&mut self, turns: &[Turn]) -> Result<()> {
        let wanted = || turns.iter().flat_map(|turn| &turn.steering);
        let mut parts = self.spec.plan.parts.clone();
        let known = parts.len();
        for setting in wanted() {
            if !parts.contains(&setting.part) {
                parts.push(setting.part.clone());
            }
        }
        if parts.len() == known {
            return Ok(());
        }
        if parts.len() > PARTS_MAX {
            parts.retain(|part| wanted().any(|setting| setting.part == *part));
        }
        let spec = ModelSpec { plan: SteeringPlan { parts }, ..self.spec.clone() };
        self.subject = self.runtime.language_model(&spec)?;
        self.spec = spec;
        Ok(())
    }

    fn place(&self, setting: &ActiveSteering) -> Option<usize> {
        self.spec.plan.parts.iter().position(|part| *part == setting.part)
    }

    /// The turn's strength for each part of the plan; the same part twice adds up.
    fn coefs(&self, turn: &Turn) -> Vec<f32> {
        let mut coefs = vec![0.0; self.spec.plan.parts.len()];
        for setting in &turn.steering {
            if let Some(place) = self.place(setting) {
                coefs[place] += setting.coef;
            }
        }
        coefs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::EchoLab;
    use crate::vector::PersonaVector;

    fn vectors() -> Vectors {
        let rows = vec![vec![0.0, 1.0], vec![0.0, 0.0], vec![3.0, 4.0]];
        let vector = PersonaVector::new(rows).unwrap();
        let file = VectorFile::new(vector, None, None, Default::default()).unwrap();
        Vectors::new(BTreeMap::from([("evil".to_owned(), file)]), 2)
    }

    fn wish(vector: &str, layers: &str, op: Op, coef: f32) -> SteeringRequest {
        let layers = layers.parse().unwrap();
        SteeringRequest { vector: vector.into(), op, coef, layers, positions: Positions::Response }
    }

    #[test]
    fn a_file_is_called_by_its_stem_unless_it_has_a_name() {
        let named = |text: &str| text.parse::<NamedFile>().map(|n| (n.name, n.path.display().to_string()));
        assert_eq!(named("runs/evil.safetensors").unwrap(), ("evil".into(), "runs/evil.safetensors".into()));
        assert_eq!(named("bad=runs/a=b.gguf").unwrap(), ("bad".into(), "runs/a=b.gguf".into()));
        assert!(named("=x").is_err() && named("x=").is_err() && named("").is_err());
    }

    #[test]
    fn a_wish_is_described_as_it_will_be_done() {
        let setting = vectors().settle(&wish("evil", "2", Op::Add, -1.5)).unwrap();
        assert_eq!((setting.coef, setting.norm()), (-1.5, 5.0));
        assert_eq!(setting.layers().collect::<Vec<_>>(), [Layer(2)]);
        let applied = setting.applied(7);
        let found = ["coef", "layers", "positions", "positions_steered", "vector"].map(|key| applied[key].clone());
        assert_eq!(found, [json!(-1.5), json!([2]), json!("response"), json!(7), json!("evil")]);
        let all = vectors().settle(&wish("evil", "all", Op::Add, 1.0)).unwrap();
        assert_eq!((all.layers().count(), all.applied(0)["incremental"].clone()), (2, json!(true)));
        assert_eq!(all.part.steers[0].vector, [0.0, -1.0], "an increment, not the row");
    }

    #[test]
    fn a_plan_holds_what_was_asked_for_lately() {
        let file = |x: f32| {
            let vector = PersonaVector::new(vec![vec![x], vec![x]]).unwrap();
            VectorFile::new(vector, None, None, Default::default()).unwrap()
        };
        let files = (1..=PARTS_MAX + 5).map(|i| (format!("v{i}"), file(i as f32))).collect();
        let vectors = Vectors::new(files, 1);
        let runtime = EchoLab(|ask, _| format!("{:?}", ask.coefs.as_ref().unwrap()));
        let mut live = Live::open(&runtime, "model".into(), None).unwrap();
        let mut ask = |names: &[&str]| -> Vec<Vec<f32>> {
            let steering = |name: &&str| vec![vectors.settle(&wish(name, "1", Op::Add, 3.0)).unwrap()];
            let turn =
                |name: &&str| Turn { id: "t".into(), prompt: Prompt::Text("?".into()), steering: steering(name) };
            let turns: Vec<Turn> = names.iter().map(turn).collect();
            let answers =
                live.answer(&turns, &Sampling::greedy(1), &CaptureSpec::default(), &mut |_| ControlFlow::Continue(()));
            answers.unwrap().iter().map(|answer| serde_json::from_str(&answer.text).unwrap()).collect()
        };
        assert_eq!(ask(&["v1", "v2", "v1"]), [[3.0, 0.0], [0.0, 3.0], [3.0, 0.0]]);
        for i in 3..=PARTS_MAX {
            let coefs = ask(&[&format!("v{i}")]).remove(0);
            assert_eq!((coefs.len(), coefs[i - 1], coefs.iter().sum::<f32>()), (i, 3.0, 3.0));
        }
        let (old, new) = ("v2", format!("v{}", PARTS_MAX + 1));
        assert_eq!(ask(&[old, &new]), [[3.0, 0.0], [0.0, 3.0]], "what nobody asks for now is dropped");
        assert_eq!(ask(&["v1"]), [[0.0, 0.0, 3.0]]);
    }

    #[test]
    fn a_wish_that_cannot_be_granted_says_what_can() {
        let refused = |wish: SteeringRequest| {
            let e = vectors().settle(&wish).unwrap_err();
            format!("{e}; {}", e.help().unwrap_or_default())
        };
        assert_eq!(refused(wish("good", "1", Op::Add, 1.0)), "there is no vector `good`; there are: evil");
        assert!(refused(wish("evil", "3", Op::Add, 1.0)).contains("the model has layers 1 to 2"));
        assert!(refused(wish("evil", "2", Op::Add, f32::INFINITY)).contains("no number"));
        assert!(refused(wish("evil", "1", Op::Add, 1.0)).contains("holds nothing at layer 1 (block 0)"));
        assert!(refused(wish("evil", "all", Op::Ablate, 1.0)).contains("zero at layer 1 (block 0)"));
    }
}
