//! Vectors by name, and requests for steering resolved against them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::spec::NamedFile;
use crate::steering::{Op, Part, Positions, SteeringRecipe};
use crate::vector::{IncBase, Layer, Layers, VectorFile};
use crate::{Error, Result};

#[derive(Debug, Clone, PartialEq)]
pub struct SteeringRequest {
    pub vector: String,
    pub op: Op,
    /// In multiples of the vector; for an ablation the share removed.
    pub coef: f32,
    /// Where; `all` adds the increments.
    pub layers: Layers,
    pub positions: Positions,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ActiveSteering {
    /// In multiples of the vector.
    pub coef: f32,
    /// What is done, at coefficient 0: requests that differ in their coefficients alone share one part of a plan.
    pub(super) part: Part,
    /// The request as a JSON object, for answers and files.
    described: Value,
}

impl ActiveSteering {
    /// What was applied, and at how many positions of prompt and answer.
    pub fn applied(&self, positions_steered: usize) -> Value {
        let mut applied = self.described.clone();
        applied["positions_steered"] = json!(positions_steered);
        applied
    }

    pub fn fingerprint(&self) -> &str {
        self.described["fingerprint"].as_str().unwrap_or_default()
    }

    pub fn layers(&self) -> Vec<Layer> {
        self.part.steers.iter().map(|steer| steer.layer).collect()
    }

    /// Norm of the shift at coefficient 1, over all its layers.
    pub fn norm(&self) -> f64 {
        self.part.norm()
    }
}

/// Vectors by their names, all of one model.
#[derive(Debug, Clone)]
pub struct VectorSet {
    files: BTreeMap<String, Arc<VectorFile>>,
    layers: usize,
}

impl VectorSet {
    pub fn new(files: BTreeMap<String, VectorFile>, layers: usize) -> Self {
        Self { files: files.into_iter().map(|(name, file)| (name, Arc::new(file))).collect(), layers }
    }

    /// Reads the files for a model of `(layers, hidden)`; what is odd but harmless comes back as warnings.
    pub fn read(files: &[NamedFile], shape: (usize, usize), model_fingerprint: &str) -> Result<(Self, Vec<String>)> {
        let mut all = Self::new(BTreeMap::new(), shape.0);
        let mut warnings = Vec::new();
        for NamedFile { name, path } in files {
            let (file, odd) = VectorFile::read_for(path, shape, model_fingerprint)?;
            warnings.extend(odd);
            all.add(name, file)?;
        }
        Ok((all, warnings))
    }

    pub fn add(&mut self, name: &str, file: VectorFile) -> Result<()> {
        if self.files.contains_key(name) {
            return Err(Error::usage(format!("two files of vectors have the name `{name}`"))
                .hint("give each file a name of its own: --vectors NAME=FILE"));
        }
        self.files.insert(name.to_owned(), Arc::new(file));
        Ok(())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &VectorFile)> {
        self.files.iter().map(|(name, file)| (name.as_str(), file.as_ref()))
    }

    pub fn layers(&self) -> usize {
        self.layers
    }

    pub fn get(&self, name: &str) -> Result<&VectorFile> {
        self.files.get(name).map(Arc::as_ref).ok_or_else(|| {
            let known: Vec<&str> = self.files.keys().map(String::as_str).collect();
            let error = Error::usage(format!("there is no vector `{name}`"));
            match &known[..] {
                [] => error.hint("no vectors were loaded; name their files with --vectors"),
                known => error.hint(format!("there are: {}", known.join(", "))),
            }
        })
    }

    pub fn resolve(&self, request: &SteeringRequest) -> Result<ActiveSteering> {
        let SteeringRequest { vector: name, op, coef, layers, positions } = request;
        let file = self.get(name)?;
        if !coef.is_finite() {
            return Err(Error::usage(format!("`{name}`: the coefficient must be finite, not {coef}")));
        }
        let (op, positions) = (*op, *positions);
        let incremental = op == Op::Add && *layers == Layers::all();
        let base = IncBase::default();
        let recipe = SteeringRecipe { layers: layers.clone(), op, coef: 0.0, positions, incremental, base };
        let (plan, layers) = recipe.plan(&file.response_avg).map_err(|e| e.at(name))?;
        let part = plan.parts.into_iter().next().expect("one vector makes one part");
        let zeros = || part.steers.iter().filter(|steer| steer.vector.iter().all(|&x| x == 0.0));
        if let Some(zero) = zeros().next().filter(|_| op == Op::Ablate) {
            let what = format!("`{name}` is zero at {}: there is no direction to ablate", zero.layer);
            return Err(Error::usage(what));
        }
        if zeros().count() == part.steers.len() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::PersonaVector;

    fn vectors() -> VectorSet {
        let rows = vec![vec![0.0, 1.0], vec![0.0, 0.0], vec![3.0, 4.0]];
        let vector = PersonaVector::new(rows).unwrap();
        let file = VectorFile::new(vector, None, None, Default::default()).unwrap();
        VectorSet::new(BTreeMap::from([("evil".to_owned(), file)]), 2)
    }

    fn request(vector: &str, layers: &str, op: Op, coef: f32) -> SteeringRequest {
        let layers = layers.parse().unwrap();
        SteeringRequest { vector: vector.into(), op, coef, layers, positions: Positions::Response }
    }

    #[test]
    fn a_request_is_described_as_it_will_be_applied() {
        let active = vectors().resolve(&request("evil", "2", Op::Add, -1.5)).unwrap();
        assert_eq!((active.coef, active.norm(), active.layers()), (-1.5, 5.0, vec![Layer(2)]));
        let applied = active.applied(7);
        let found = ["coef", "layers", "positions", "positions_steered", "vector"].map(|key| applied[key].clone());
        assert_eq!(found, [json!(-1.5), json!([2]), json!("response"), json!(7), json!("evil")]);
        let all = vectors().resolve(&request("evil", "all", Op::Add, 1.0)).unwrap();
        assert_eq!((all.layers().len(), all.applied(0)["incremental"].clone()), (2, json!(true)));
        assert_eq!(all.part.steers[0].vector, [0.0, -1.0], "an increment, not the row");
    }

    #[test]
    fn a_request_that_cannot_be_resolved_says_what_can() {
        let refused = |request: SteeringRequest| {
            let e = vectors().resolve(&request).unwrap_err();
            format!("{e}; {}", e.help().unwrap_or_default())
        };
        assert_eq!(refused(request("good", "1", Op::Add, 1.0)), "there is no vector `good`; there are: evil");
        assert!(refused(request("evil", "3", Op::Add, 1.0)).contains("the model has layers 1 to 2"));
        assert!(refused(request("evil", "2", Op::Add, f32::INFINITY)).contains("must be finite"));
        assert!(refused(request("evil", "1", Op::Add, 1.0)).contains("holds nothing at layer 1 (block 0)"));
        assert!(refused(request("evil", "all", Op::Ablate, 1.0)).contains("zero at layer 1 (block 0)"));
    }
}
