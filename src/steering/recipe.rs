//! From vectors to a plan: rows or increments, one direction or the span of several, the real one or a random control.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{Op, Part, Positions, Steer, SteeringPlan};
use crate::record::seed_of;
use crate::stats::normal;
use crate::vector::math::{add_scaled, dot, norm};
use crate::vector::{IncBase, Layer, Layers, PersonaVector};
use crate::{Error, Result, ensure};

/// How a vector becomes a [`SteeringPlan`], without the vector: another one, extracted later, makes another plan of the same kind.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SteeringRecipe {
    /// Add or ablate.
    pub op: Op,
    /// Where.
    pub layers: Layers,
    /// In multiples of the vector; for an ablation the share removed.
    pub coef: f32,
    /// At which tokens.
    pub positions: Positions,
    /// Increments from row to row instead of rows (guide: method, "All layers").
    pub incremental: bool,
    /// What stands before the first layer then.
    pub base: IncBase,
}

impl SteeringRecipe {
    /// The plan that a vector makes, and the layers where it acts, ascending.
    ///
    /// # Errors
    /// A layer that the vector does not have, or at which it holds nothing.
    pub fn plan(&self, vector: &PersonaVector) -> Result<(SteeringPlan, Vec<Layer>)> {
        let numbers = self.layers.numbers(vector.layers())?;
        self.check_empty(vector, numbers.as_deref())?;
        let layers = numbers.unwrap_or_else(|| (1..=vector.layers()).map(Layer).collect());
        let plan = match (self.op, self.incremental) {
            (Op::Add, false) => SteeringPlan::rows(vector, &layers, self.coef, self.positions),
            (Op::Add, true) => {
                let mut plan = SteeringPlan::incremental(vector, self.base, self.coef, self.positions);
                plan.parts[0].steers.retain(|steer| layers.contains(&steer.layer));
                plan
            }
            (Op::Ablate, _) => SteeringPlan::ablate(vector, &layers, self.positions).at(self.coef),
        };
        Ok((plan, layers))
    }

    /// A file from elsewhere may not hold every layer; what it lacks is all zeros.
    fn check_empty(&self, vector: &PersonaVector, numbers: Option<&[Layer]>) -> Result<()> {
        let empty = vector.empty_layers();
        if let Some(layer) = numbers.unwrap_or_default().iter().find(|layer| empty.contains(layer)) {
            let what = format!("it holds nothing at {layer}; all its numbers there are zero");
            return Err(Error::usage(what).hint("see with `trimtab vectors show` which layers it holds"));
        }
        let first = (1..=vector.layers()).map(Layer).find(|layer| !empty.contains(layer));
        if let Some(hole) = empty.iter().find(|&&hole| self.incremental && first.is_none_or(|first| hole > first)) {
            let what = format!("increments need every layer, and it holds nothing at {hole}");
            return Err(Error::usage(what).hint("name the layers that it holds instead of `all`"));
        }
        Ok(())
    }
}

/// A direction of which less than this share of its length is its own points where those before it point: rounding in
/// f32 files is a thousand times smaller.
const OWN_SHARE_MIN: f64 = 1e-4;

impl SteeringPlan {
    /// Removes at each layer the span of several vectors' rows there: CAFT with a basis of rank k (guide: method, "Ablation"). The basis is
    /// orthonormal, one part for each of its directions, so that the parts one after the other are the projection on the
    /// span's complement; `share` of it is removed.
    ///
    /// # Errors
    /// No vector, vectors of different shapes, a layer that they do not have, a row of zeros, rows that span less than k.
    pub fn ablate_span(vectors: &[&PersonaVector], layers: &Layers, share: f32, positions: Positions) -> Result<Self> {
        let Some(first) = vectors.first() else { return Err(Error::usage("an ablation needs a vector")) };
        for (k, vector) in vectors.iter().enumerate() {
            let fits = (vector.layers(), vector.hidden()) == (first.layers(), first.hidden());
            ensure!(fits, "vector {} has another shape than the first: they belong to different models", k + 1);
        }
        let mut parts = vec![
            Part { op: Op::Ablate, coef: share, positions, steers: Vec::with_capacity(vectors.len()) };
            vectors.len()
        ];
        for layer in layers.of(first.layers())? {
            let rows: Vec<&[f32]> = vectors.iter().map(|vector| vector.row(layer)).collect();
            for (part, vector) in parts.iter_mut().zip(orthonormal(&rows).map_err(|e| e.at(layer))?) {
                part.steers.push(Steer { layer, vector });
            }
        }
        Ok(Self { parts })
    }

    /// An ablation to a mean instead of to nothing: after it the stream lies along each ablated direction where `mean` does,
    /// `h ← h − c (h·v̂) v̂ + c (mean·v̂) v̂`, as far as the share c goes. Composed of the ablation and a constant shift, so the
    /// gradient is the ablation's. `mean` holds a state for each row; the ablated directions of a layer must be orthogonal,
    /// as those of [`SteeringPlan::ablate_span`] are.
    pub fn to_mean(mut self, mean: &PersonaVector) -> Self {
        let ablations: Vec<&Part> = self.parts.iter().filter(|part| part.op == Op::Ablate).collect();
        let Some(&Part { coef, positions, .. }) = ablations.first().copied() else { return self };
        let mut shifts: BTreeMap<Layer, Vec<f64>> = BTreeMap::new();
        for Steer { layer, vector } in ablations.iter().flat_map(|part| &part.steers) {
            let square = norm(vector).powi(2);
            let shift = shifts.entry(*layer).or_insert_with(|| vec![0.0; vector.len()]);
            add_scaled(shift, dot(vector, mean.row(*layer)) / square, vector);
        }
        let steer =
            |(layer, shift): (Layer, Vec<f64>)| Steer { layer, vector: shift.iter().map(|&x| x as f32).collect() };
        self.parts.push(Part { op: Op::Add, coef, positions, steers: shifts.into_iter().map(steer).collect() });
        self
    }

    /// The same plan along random directions: each layer's is drawn uniformly from the sphere, independent of the others',
    /// and scaled to the norm of the vector that it replaces. The control that tells a direction from a disturbance
    /// (guide: method, "Controls").
    pub fn random_like(&self, seed: u64) -> Self {
        let part = |(number, part): (usize, &Part)| {
            let drawn = |steer: &Steer| {
                // The first part's draws do not depend on how many follow.
                let of = if number == 0 { steer.layer.to_string() } else { format!("{} part {number}", steer.layer) };
                Steer { layer: steer.layer, vector: random(&steer.vector, seed_of(seed, &of)) }
            };
            Part { steers: part.steers.iter().map(drawn).collect(), ..part.clone() }
        };
        Self { parts: self.parts.iter().enumerate().map(part).collect() }
    }
}

/// Modified Gram-Schmidt in f64: an orthonormal basis of the rows' span, as many as there are rows.
fn orthonormal(rows: &[&[f32]]) -> Result<Vec<Vec<f32>>> {
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(rows.len());
    for (k, row) in rows.iter().enumerate() {
        let whole = norm(row);
        ensure!(whole > 0.0, "vector {} is zero: there is no direction to ablate", k + 1);
        let mut own: Vec<f64> = row.iter().map(|&x| f64::from(x) / whole).collect();
        // Twice is enough (Giraud and Langou 2002): what rounding leaves of the earlier ones goes too.
        for earlier in basis.iter().chain(&basis) {
            let along = dot(&own, earlier);
            add_scaled(&mut own, -along, earlier);
        }
        let left = norm(&own);
        if left < OWN_SHARE_MIN {
            let what = format!("vector {} points where those before it point", k + 1);
            return Err(Error::usage(what).hint("leave it out: there it adds nothing to what is ablated"));
        }
        basis.push(own.iter().map(|x| x / left).collect());
    }
    Ok(basis.iter().map(|row| row.iter().map(|&x| x as f32).collect()).collect())
}

/// A random vector as long as `like`.
fn random(like: &[f32], seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let drawn: Vec<f64> = like.iter().map(|_| normal(&mut rng)).collect();
    let scale = norm(like) / norm(&drawn);
    drawn.iter().map(|x| (x * scale) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(salt: f32) -> PersonaVector {
        let row = |l: usize| (0..32).map(|d| ((l * l + d) as f32 * salt).sin() * (l + 1) as f32).collect();
        PersonaVector::new((0..5).map(row).collect()).unwrap()
    }

    #[test]
    fn random_vectors_have_the_norm_of_each_layers_increment() {
        let real_plan = SteeringPlan::incremental(&vector(0.7), IncBase::Embedding, 1.5, Positions::All);
        let random_plan = real_plan.random_like(7);
        let (real, random) = (&real_plan.parts[0], &random_plan.parts[0]);
        assert_eq!((random.coef, random.positions, random.steers.len()), (1.5, Positions::All, 4));
        for (a, b) in real.steers.iter().zip(&random.steers) {
            assert_eq!(a.layer, b.layer);
            assert!((norm(&a.vector) / norm(&b.vector) - 1.0).abs() < 1e-6);
            let cosine = dot(&a.vector, &b.vector) / norm(&a.vector) / norm(&b.vector);
            assert!(cosine.abs() < 0.6, "another direction");
        }
        assert_ne!(random.steers[0].vector, random.steers[1].vector);
        assert_eq!(random_plan, real_plan.random_like(7));
        assert_ne!(random_plan, real_plan.random_like(8));
        let twice = real_plan.clone().and(real_plan).random_like(7);
        assert_eq!(twice.parts[0], random_plan.parts[0]);
        assert_ne!(twice.parts[1].steers, twice.parts[0].steers, "every part has draws of its own");
    }

    #[test]
    fn a_span_has_an_orthonormal_basis_at_every_layer() {
        let vectors = [vector(0.7), vector(1.3), vector(0.71)];
        let vectors: Vec<&PersonaVector> = vectors.iter().collect();
        let plan = SteeringPlan::ablate_span(&vectors, &Layers::all(), 1.0, Positions::All).unwrap();
        assert_eq!(plan.parts.len(), 3);
        for layer in 0..4 {
            let basis: Vec<&[f32]> = plan.parts.iter().map(|part| part.steers[layer].vector.as_slice()).collect();
            for (i, a) in basis.iter().enumerate() {
                for (j, b) in basis.iter().enumerate() {
                    let want = if i == j { 1.0 } else { 0.0 };
                    assert!((dot(a, b) - want).abs() < 1e-6, "layer {}: {i} and {j}", layer + 1);
                }
            }
            // Each vector lies in the span.
            for vector in &vectors {
                let row = vector.row(Layer(layer + 1));
                let inside: f64 = basis.iter().map(|b| dot(row, b).powi(2)).sum();
                assert!((inside.sqrt() / norm(row) - 1.0).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn an_ablation_to_the_mean_adds_the_means_part_in_the_span() {
        let (vectors, mean) = ([vector(0.7), vector(1.3)], vector(0.3));
        let vectors: Vec<&PersonaVector> = vectors.iter().collect();
        let plan = SteeringPlan::ablate_span(&vectors, &Layers::These(vec![1, 3]), 0.5, Positions::Response).unwrap();
        let moved = plan.clone().to_mean(&mean);
        let (ablations, shift) = (&moved.parts[..2], &moved.parts[2]);
        assert_eq!(ablations, plan.parts);
        assert_eq!((shift.op, shift.coef, shift.positions), (Op::Add, 0.5, Positions::Response));
        for (k, Steer { layer, vector: shift }) in shift.steers.iter().enumerate() {
            assert_eq!(layer.row(), [1, 3][k]);
            let rest: Vec<f32> = mean.row(*layer).iter().zip(shift).map(|(m, s)| m - s).collect();
            for part in ablations {
                assert!(dot(&rest, &part.steers[k].vector).abs() < 1e-5, "the mean lies where the shift does");
            }
            let inside: f64 = ablations.iter().map(|part| dot(shift, &part.steers[k].vector).powi(2)).sum();
            assert!((inside.sqrt() / norm(shift) - 1.0).abs() < 1e-6, "and the shift lies in the span");
        }
        let added = SteeringPlan::rows(vectors[0], &[Layer(1)], 1.0, Positions::All);
        assert_eq!(added.clone().to_mean(&mean), added, "nothing is ablated");
    }

    #[test]
    fn vectors_that_span_too_little_are_refused() {
        let (a, b) = (vector(0.7), vector(0.7));
        let all = Layers::all();
        let refused = |vectors: &[&PersonaVector]| {
            SteeringPlan::ablate_span(vectors, &all, 1.0, Positions::All).unwrap_err().to_string()
        };
        assert!(refused(&[&a, &b]).contains("vector 2 points where those before it point"));
        assert!(refused(&[]).contains("needs a vector"));
        let zero = PersonaVector::new(vec![vec![0.0; 32]; 5]).unwrap();
        assert!(refused(&[&a, &zero]).contains("vector 2 is zero"));
        let other = PersonaVector::new(vec![vec![1.0; 16]; 5]).unwrap();
        assert!(refused(&[&a, &other]).contains("another shape"));
    }
}
