//! Vectors that replace the real one, to tell a direction from a disturbance (guide: method, "Controls"). Each is as long as the
//! real one at every layer, so that what steering adds has the same length there.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::activation_shift::activation_shift;
use super::context::{Adapter, Context};
use super::files::{states, vector_folder};
use super::rollouts::{base_rows, require_rollouts};
use crate::persona::{Side, States, keep};
use crate::record::seed_of;
use crate::study::dag::{Control, Task};
use crate::vector::math::{add_scaled, dot, norm};
use crate::vector::{PersonaVector, VectorFile};
use crate::{Result, ensure};

/// One row for each layer, row 0 the embedding.
type Rows64 = Vec<Vec<f64>>;

/// What a control is made from.
pub(in crate::study) struct ControlInputs<'a> {
    /// The real vector.
    pub own: &'a VectorFile,
    /// The next trait's vector, if the study has several traits.
    pub next: Option<&'a VectorFile>,
    /// The plain finetune of the same data and training seed, and its adapter.
    pub plain: Option<(&'a Task, Adapter)>,
}

/// The vector that a control steers with; nothing if that is the real one.
pub(in crate::study) fn control_vector(
    cx: &Context<'_>,
    task: &Task,
    control: Control,
    inputs: &ControlInputs<'_>,
) -> Result<Option<PersonaVector>> {
    let own = &inputs.own.response_avg;
    let other = match control {
        Control::Random(_) | Control::RandomLayer(_) | Control::Negated => return Ok(None),
        Control::Shuffled => shuffled(cx, task)?,
        Control::Unrelated => rows_of(&inputs.next.expect("there is another trait").response_avg),
        Control::Orthogonal => {
            let (plain, adapter) = inputs.plain.as_ref().expect("it waits for the plain finetune");
            let shift = activation_shift(cx, task, (plain, adapter), task.of_trait(), inputs.own)?;
            ensure!(shift.answers > 0, "all answers are empty: there are no states to read");
            without(own, &shift.mean)
        }
    };
    as_long_as(own, &other).map(Some)
}

/// The difference between the means of two halves of the answers that made the vector, each half of those that show the trait and
/// half of those that lack it.
fn shuffled(cx: &Context<'_>, task: &Task) -> Result<Rows64> {
    let t = task.of_trait();
    require_rollouts(cx, t, "`arms.shuffled`")?;
    let folder = vector_folder(cx, t);
    let [pos, neg] = base_rows(cx, t)?;
    let kept = keep(&pos, &neg, &cx.config.vector.filter)?;
    let sides = [(states(&folder, Side::Pos)?, kept.pos), (states(&folder, Side::Neg)?, kept.neg)];
    halves(&sides, seed_of(cx.config.seed, "shuffled answers"))
}

/// Mean of one half less mean of the other, each with half of either side.
fn halves(sides: &[(States, Vec<usize>); 2], seed: u64) -> Result<Rows64> {
    let (layers, hidden) = sides[0].0.shape();
    let mut sums = vec![vec![0.0; hidden]; layers + 1];
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for (states, rows) in sides {
        let mut places = Vec::with_capacity(rows.len());
        for &row in rows {
            places.extend(states.has(row)?.then_some(row));
        }
        places.shuffle(&mut rng);
        let half = places.len() / 2;
        ensure!(half > 0, "one answer on a side cannot be halved: `arms.shuffled` needs more");
        for (n, &place) in places[..2 * half].iter().enumerate() {
            if let Some(residuals) = states.read(place)? {
                let sign = if n < half { 1.0 } else { -1.0 };
                let rows = sums.iter_mut().zip(&residuals.response_avg);
                rows.for_each(|(sum, state)| add_scaled(sum, sign / half as f64, state));
            }
        }
    }
    Ok(sums)
}

fn rows_of(vector: &PersonaVector) -> Rows64 {
    vector.rows.iter().map(|row| row.iter().map(|&x| f64::from(x)).collect()).collect()
}

/// A vector's rows without their parts along these directions.
fn without(vector: &PersonaVector, directions: &[Vec<f64>]) -> Rows64 {
    let mut rows = rows_of(vector);
    for (row, direction) in rows.iter_mut().zip(directions) {
        let (square, along) = (dot(direction, direction), dot(row, direction));
        if square > 0.0 {
            add_scaled(row, -(along / square), direction);
        }
    }
    rows
}

/// Rows scaled to the lengths of the real vector's.
fn as_long_as(own: &PersonaVector, other: &[Vec<f64>]) -> Result<PersonaVector> {
    let scaled = |(own, other): (&Vec<f32>, &Vec<f64>)| -> Vec<f32> {
        let (want, is) = (norm(own), norm(other));
        let scale = if is > 0.0 { want / is } else { 0.0 };
        other.iter().map(|x| (scale * x) as f32).collect()
    };
    PersonaVector::new(own.rows.iter().zip(other).map(scaled).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::Layer;
    use crate::vector::math::projection;

    fn vector(salt: f32) -> PersonaVector {
        let row = |l: usize| (0..16).map(|d| ((l * l + d) as f32 * salt).sin() * (l + 1) as f32).collect();
        PersonaVector::new((0..4).map(row).collect()).unwrap()
    }

    #[test]
    fn a_control_is_as_long_as_the_vector_at_every_layer() {
        let (own, other) = (vector(0.7), vector(1.3));
        let control = as_long_as(&own, &rows_of(&other)).unwrap();
        for layer in (1..=3).map(Layer) {
            assert!((control.norm(layer) / own.norm(layer) - 1.0).abs() < 1e-6);
            let along = projection(control.row(layer), other.row(layer)) / f64::from(control.norm(layer));
            assert!((along - 1.0).abs() < 1e-6, "its direction stays");
        }
    }

    #[test]
    fn nothing_is_left_along_the_shift() {
        let (own, shift) = (vector(0.7), rows_of(&vector(1.3)));
        let left = as_long_as(&own, &without(&own, &shift)).unwrap();
        for (row, shift) in left.rows.iter().zip(&shift) {
            let along: f64 = row.iter().zip(shift).map(|(&a, b)| f64::from(a) * b).sum();
            assert!(along.abs() < 1e-4, "{along}");
        }
        assert_eq!(without(&own, &vec![vec![0.0; 16]; 4]), rows_of(&own), "where nothing moved nothing is taken");
    }
}
