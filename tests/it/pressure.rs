//! The pressure of the gradient along a vector against finite differences of the loss, and the ablation to a mean.

use std::ops::ControlFlow;

use burn_flex::Flex;
use burn_tensor::activation::log_softmax;
use burn_tensor::{Int, Tensor, TensorData};
use trimtab::model::{Learning, Transformer};
use trimtab::steering::{Positions, SteeringPlan};
use trimtab::text::{Batch, TrainingExample};
use trimtab::train::{self, Event, FitContext, FitSettings, GradientReport, Mode, ProbeCallback};
use trimtab::vector::{IncBase, Layer, Layers};

use crate::support::reference::{
    adapted, batch, examples, gradient_projection, recipe, regularizer, rolled, settings, steps, values, vectors, watch,
};

/// The mean loss, and what a regulariser adds to it, with `alpha` times the unit vector added to the output of one block at
/// every learned token, before its steering.
fn loss_moved(
    model: &Transformer<Flex>,
    examples: &[TrainingExample],
    mode: Option<Mode>,
    at: Layer,
    alpha: f32,
) -> f64 {
    let device = Default::default();
    let batch = Batch::collate(&examples.iter().collect::<Vec<_>>(), 0);
    let (n, width) = (batch.weights.len(), batch.rows.width);
    let column = |values: Vec<f32>| Tensor::<Flex, 2>::from_data(TensorData::new(values, [n, 1]), &device);
    let own = column((0..n).map(|i| if i % width == 0 { 0.0 } else { batch.weights[i - 1] }).collect());
    let unit = |layer: Layer| {
        let (row, norm) = (vectors().row(layer).to_vec(), f64::from(vectors().norm(layer)));
        let unit: Vec<f32> = row.iter().map(|&x| (f64::from(x) / norm) as f32).collect();
        Tensor::<Flex, 2>::from_data(TensorData::new(unit, [1, row.len()]), &device)
    };
    let pass = model.pass(&batch.rows, width);
    let stream = |model: &Transformer<Flex>, alpha: f32| {
        let (mut h, mut rows) = (model.embed(&pass), Vec::new());
        for (index, block) in model.blocks.iter().enumerate() {
            h = block.forward(h, &pass).0;
            if index == at.block() {
                h = h + own.clone().matmul(unit(at)).mul_scalar(alpha);
            }
            h = model.steer(index, h, &pass);
            rows.push(h.clone());
        }
        rows
    };
    let (rows, base) = (stream(model, alpha), stream(&model.bare(), 0.0));
    let divisor: f32 = batch.weights.iter().sum();
    let targets: Vec<i32> = batch.targets.iter().map(|&id| id as i32).collect();
    let targets = Tensor::<Flex, 2, Int>::from_data(TensorData::new(targets, [n, 1]), &device);
    let picked = log_softmax(model.logits(rows.last().unwrap()), 1).gather(1, targets);
    // In f64: differences of f32 sums would drown in rounding.
    let picked: Vec<f64> = values(picked).into_iter().map(f64::from).collect();
    let mut loss = -picked.iter().zip(&batch.weights).map(|(p, &w)| p * f64::from(w)).sum::<f64>();
    for direction in mode.iter().flat_map(|&mode| regularizer(mode).directions) {
        let of = |rows: &[Tensor<Flex, 2>]| {
            values(rows[direction.layer.block()].clone().matmul(unit(direction.layer).transpose()))
        };
        let moved = of(&rows).into_iter().zip(of(&base)).map(|(a, b)| f64::from(a - b).powi(2));
        loss += 0.1 * moved.zip(values(own.clone())).map(|(d, w)| d * f64::from(w)).sum::<f64>();
    }
    loss / f64::from(divisor)
}

/// What is measured before the first step.
fn pressed(plan: &SteeringPlan, mode: Option<Mode>) -> GradientReport {
    let (examples, settings, watch) =
        (examples(), settings(), ProbeCallback { pressure: Some(gradient_projection()), ..watch(None) });
    let settings = FitSettings { max_steps: Some(1), ..settings };
    let regularizer = mode.map(regularizer);
    let context = FitContext {
        watch: Some(&watch),
        regularize: regularizer.as_ref(),
        ..FitContext::new(&examples, 0, &settings)
    };
    let mut first = None;
    let mut model = adapted::<Flex>(&Default::default()).steered(plan).unwrap();
    train::fit(&mut model, Learning::Lora, &context, &mut |event| {
        if let Event::GradientProjected(report) = event {
            first.get_or_insert(report.clone());
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    first.unwrap()
}

#[test]
fn the_pressure_is_the_slope_of_the_loss_along_the_vector() {
    const STEP: f32 = 0.05;
    let (vectors, all) = (vectors(), Positions::All);
    let steered = SteeringPlan::incremental(&vectors, IncBase::Embedding, 2.0, all);
    let span = |share, layers| SteeringPlan::ablate_span(&[&vectors], &layers, share, all).unwrap();
    let (plain, examples) = (adapted::<Flex>(&Default::default()), gradient_projection().examples);
    for (name, plan, mode) in [
        ("plain", SteeringPlan::none(), None),
        ("steered at all layers", steered.clone(), None),
        ("ablated at all layers", span(1.0, Layers::all()), None),
        ("half ablated at one", span(0.5, Layers::One(2)), None),
        ("match", SteeringPlan::none(), Some(Mode::Match)),
        ("match, steered", steered, Some(Mode::Match)),
    ] {
        let found = pressed(&plan, mode);
        assert_eq!(found.on == found.off, name == "plain", "{name}");
        for (model, mode, found) in
            [(plain.steered(&plan).unwrap(), mode, &found.on), (plain.clone(), None, &found.off)]
        {
            let slope = |layer: Layer| {
                let loss = |alpha| loss_moved(&model, &examples, mode, layer, alpha);
                -(loss(STEP) - loss(-STEP)) / (2.0 * f64::from(STEP))
            };
            let slopes: Vec<f64> = (1..=4).map(|l| slope(Layer(l))).collect();
            let largest = slopes.iter().fold(0.0, |largest: f64, slope| largest.max(slope.abs()));
            let whole = name == "ablated at all layers" && model.steering.is_some();
            assert_eq!(largest < 1e-4, whole, "{name}: a block cannot learn along what is taken from it: {slopes:?}");
            for (found, slope) in found.iter().zip(&slopes) {
                let off = (found.unwrap() - slope).abs();
                assert!(off < 0.01 * largest.max(1e-4), "{name}: {found:?}, differences give {slope} of {slopes:?}");
            }
        }
    }
}

#[test]
fn after_an_ablation_to_the_mean_the_stream_lies_at_the_mean() {
    let (vectors, mean) = (vectors(), rolled());
    let span = SteeringPlan::ablate_span(&[&vectors], &Layers::all(), 1.0, Positions::All).unwrap();
    let base = adapted::<Flex>(&Default::default());
    let model = base.steered(&span.clone().to_mean(&mean)).unwrap();
    let (batch, _) = batch(3);
    let real: Vec<bool> = batch.rows.places().map(|place| place.is_some()).collect();
    let mut means = Vec::new();
    model.stream(&model.pass(&batch.rows, batch.rows.width), None, |row, h| {
        let unit = |x: &f32| f64::from(*x) / f64::from(vectors.norm(Layer(row)));
        let along = |h: &[f32]| h.iter().zip(&vectors.rows[row]).map(|(&h, v)| f64::from(h) * unit(v)).sum::<f64>();
        if row > 0 {
            let want = along(&mean.rows[row]);
            means.push(want);
            let all = values(h.clone());
            for (h, _) in all.chunks(64).zip(&real).filter(|(_, real)| **real) {
                assert!((along(h) - want).abs() < 1e-3, "row {row}: {}, the mean {want}", along(h));
            }
        }
    });
    let proofs = train::prove(&model, &batch).unwrap();
    // The ablation and the shift at each of four layers by themselves, then both together.
    assert_eq!(proofs.len(), 3 * 4);
    for (proof, want) in proofs[8..].iter().zip(means) {
        assert!((proof.planned - want).abs() < 1e-5 && (proof.measured - want).abs() < 1e-3, "{proof:?}, {want}");
    }
    // What passes back is what passes back through the ablation.
    let pass = model.pass(&batch.rows, batch.rows.width);
    let (steering, zero) = (model.steering.as_ref().unwrap(), base.steered(&span).unwrap());
    let dy = model.embed(&pass);
    let other = zero.pass(&batch.rows, batch.rows.width);
    let to_zero = zero.steering.as_ref().unwrap().backward(1, dy.clone(), other.steer.as_ref().unwrap());
    assert_eq!(values(steering.backward(1, dy, pass.steer.as_ref().unwrap())), values(to_zero));
}

#[test]
fn watching_changes_nothing_that_is_learned() {
    let (examples, settings) = (examples(), settings());
    let plan = recipe().plan(&vectors()).unwrap().0;
    let learned = |watch: Option<&ProbeCallback>| {
        let mut model = adapted::<Flex>(&Default::default()).steered(&plan).unwrap();
        let reports = steps(&mut model, &FitContext { watch, ..FitContext::new(&examples, 0, &settings) });
        let losses: Vec<f64> = reports.iter().map(|report| report.loss).collect();
        (losses, model.parameters(Learning::Lora).into_iter().map(|(_, p)| values(p.flat())).collect::<Vec<_>>())
    };
    let watch = ProbeCallback { pressure: Some(gradient_projection()), ..watch(None) };
    assert_eq!(learned(Some(&watch)), learned(None));
}
