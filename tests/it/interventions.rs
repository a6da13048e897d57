//! Interventions of training time against PyTorch and PEFT (`interventions.safetensors`), against finite differences, and
//! through kills: what was measured, extracted anew and regularised on the way is the same after them.

use trimtab::kernels::FusedOps;
use trimtab::model::Learning;
use trimtab::steering::{Positions, SteeringPlan};
use trimtab::train::{self, FitContext, Mode, Penalty, StepReport};
use trimtab::vector::{IncBase, Layer, Layers};

use crate::support::goldens::{assert_close, intervention};
use crate::support::reference::{
    adapted, batch, check_parameters, examples, regularizer, rolled, settings, steps, values, vectors,
};

const MODES: [(&str, Mode); 3] = [("match", Mode::Match), ("hinge", Mode::Hinge), ("zero", Mode::Zero)];

fn check(prefix: &str, found: Vec<(String, [usize; 2], Vec<f32>)>, bound: f32) {
    let kept: Vec<_> = found.into_iter().filter(|(name, ..)| name.contains(".0.") || name.contains(".2.")).collect();
    assert_eq!(kept.len(), 2 * 7 * 2, "tensors of two blocks");
    check_parameters(prefix, intervention, kept, bound);
}

fn gradients<B: FusedOps>(device: &B::Device) {
    let (batch, divisor) = batch(4);
    let (vectors, all) = (vectors(), Positions::All);
    let span = SteeringPlan::ablate_span(&[&vectors, &rolled()], &Layers::all(), 1.0, all).unwrap();
    let list = SteeringPlan::rows(&vectors, &[Layer(1), Layer(3)], 2.0, all);
    let increments = SteeringPlan::incremental(&vectors, IncBase::Embedding, 5.0, all);
    let regularised = MODES.map(|(name, mode)| (name, SteeringPlan::none(), Some(mode)));
    let others = [("match_steered", increments, Some(Mode::Match)), ("ablate2", span, None), ("list", list, None)];
    for (name, plan, mode) in regularised.into_iter().chain(others) {
        let mut model = adapted::<B>(device).steered(&plan).unwrap();
        let penalty = mode.map(|mode| Penalty::new(&regularizer(mode), &model, Learning::Lora).unwrap());
        for recompute in [false, true] {
            let found = train::gradients(&model, Learning::Lora, &batch, divisor, recompute, penalty.as_ref());
            let golden = |key: &str| intervention(&format!("grad.{name}.{key}")).values;
            assert_close(&format!("loss {name}"), &values(found.loss), &golden("loss"), 1e-5);
            assert_eq!(found.regularisation.is_some(), mode.is_some());
            if let Some(loss) = found.regularisation {
                assert_close(&format!("regularisation {name}"), &values(loss), &golden("regularisation"), 1e-5);
            }
            let parameters = model.parameters(Learning::Lora).into_iter().zip(found.parameters);
            let found = parameters.map(|((name, parameter), grad)| (name, parameter.dims(), values(grad))).collect();
            check(&format!("grad.{name}"), found, 2e-5);
        }
    }
}

fn ten_steps<B: FusedOps>(device: &B::Device) {
    let examples = examples();
    for (name, mode) in MODES {
        let mut model = adapted::<B>(device);
        let regularizer = regularizer(mode);
        let settings = settings();
        let context = FitContext { regularize: Some(&regularizer), ..FitContext::new(&examples, 0, &settings) };
        let reports = steps(&mut model, &context);
        let column = |f: &dyn Fn(&StepReport) -> f64| reports.iter().map(|r| f(r) as f32).collect::<Vec<_>>();
        let golden = |key: &str| intervention(&format!("train.{name}.{key}")).values;
        assert_close(&format!("{name} loss"), &column(&|r| r.loss), &golden("loss"), 1e-5);
        let found = column(&|r| r.regularisation.unwrap());
        assert_close(&format!("{name} regularisation"), &found, &golden("regularisation"), 1e-5);
        assert_close(&format!("{name} norm"), &column(&|r| r.grad_norm), &golden("grad_norm"), 1e-4);
        let parameters = model.parameters(Learning::Lora).into_iter();
        let found = parameters.map(|(name, parameter)| (name, parameter.dims(), values(parameter.flat()))).collect();
        check(&format!("train.{name}.final"), found, 1e-5);
    }
}

on_every_backend! {
    gradients_of_every_intervention_equal_pytorch: gradients,
    ten_steps_with_every_regulariser_equal_pytorch: ten_steps,
}

#[cfg(feature = "cpu")]
mod by_other_means {
    use std::ops::ControlFlow;
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
    use std::path::Path;

    use burn_autodiff::Autodiff;
    use burn_flex::Flex;
    use burn_tensor::activation::{log_softmax, relu};
    use burn_tensor::{Int, Tensor, TensorData};
    use trimtab::language_model::Direction;
    use trimtab::model::{Parameter, Transformer};
    use trimtab::train::{
        Event, FitSettings, GradientReport, ProbeCallback, Recompute, RecomputeReport, Regularizer, StopReason,
        VectorRecompute,
    };

    use super::*;
    use crate::support::reference::{gradient_projection, recipe, texts, watch};

    type A = Autodiff<Flex>;

    /// What stands at the blocks' outputs, and what is punished there: each by itself, and together.
    fn interventions() -> Vec<(&'static str, SteeringPlan, Option<Mode>)> {
        let (vectors, all) = (vectors(), Positions::All);
        let span = |share| SteeringPlan::ablate_span(&[&vectors, &rolled()], &Layers::all(), share, all).unwrap();
        let increments = SteeringPlan::incremental(&vectors, IncBase::Embedding, 3.0, Positions::Response);
        vec![
            ("match", SteeringPlan::none(), Some(Mode::Match)),
            ("hinge", SteeringPlan::none(), Some(Mode::Hinge)),
            ("zero", SteeringPlan::none(), Some(Mode::Zero)),
            ("rank 2", span(1.0), None),
            ("rank 2 to a mean", span(1.0).to_mean(&rolled()), None),
            ("half of rank 2, match", span(0.5), Some(Mode::Match)),
            ("increments, then one of rank 2, hinge", increments.and(span(0.7)), Some(Mode::Hinge)),
        ]
    }

    /// The loss with its regularisation, and its gradient, flat.
    fn slope(model: &Transformer<Flex>, mode: Option<Mode>) -> (f64, Vec<Vec<f32>>) {
        let (batch, divisor) = batch(3);
        let penalty = mode.map(|mode| Penalty::new(&regularizer(mode), model, Learning::Lora).unwrap());
        let found = train::gradients(model, Learning::Lora, &batch, divisor, false, penalty.as_ref());
        let one = |t: Tensor<Flex, 1>| f64::from(values(t)[0]);
        (one(found.loss) + found.regularisation.map_or(0.0, one), found.parameters.into_iter().map(values).collect())
    }

    #[test]
    fn gradients_equal_central_differences() {
        const STEP: f64 = 2e-3;
        for (name, plan, mode) in interventions() {
            let model = adapted::<Flex>(&Default::default()).steered(&plan).unwrap();
            let (_, gradient) = slope(&model, mode);
            // Along the gradient, where the slope is steepest, and along every other entry of it.
            for keep in [1, 2] {
                let mut along: Vec<Vec<f32>> = gradient.clone();
                let mut number = 0_usize;
                along.iter_mut().flatten().for_each(|x| {
                    number += 1;
                    *x = if number.is_multiple_of(keep) { *x } else { 0.0 };
                });
                let norm = along.iter().flatten().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
                let moved = |step: f64| {
                    let mut model = model.clone();
                    for ((_, mut parameter), along) in model.parameters(Learning::Lora).into_iter().zip(&along) {
                        let shift: Vec<f32> = along.iter().map(|&x| (f64::from(x) / norm * step) as f32).collect();
                        let n = shift.len();
                        let shift = Tensor::from_data(TensorData::new(shift, [n]), &Default::default());
                        parameter.set(parameter.flat() + shift);
                    }
                    slope(&model, mode).0
                };
                let difference = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
                assert!((difference / norm - 1.0).abs() < 2e-3, "{name}: slope {norm}, differences give {difference}");
            }
        }
    }

    /// The same loss composed of Burn's tensors and differentiated by Burn.
    fn twin(plan: &SteeringPlan, mode: Option<Mode>) -> (f64, Vec<Vec<f32>>) {
        let device = Default::default();
        let mut model = adapted::<A>(&device).steered(plan).unwrap();
        let base = model.bare();
        for (_, parameter) in model.parameters(Learning::Lora) {
            if let Parameter::Matrix(matrix) = parameter {
                *matrix = matrix.clone().require_grad();
            }
        }
        let (batch, divisor) = batch(3);
        let pass = model.pass(&batch.rows, batch.rows.width);
        let stream = |model: &Transformer<A>| {
            let mut rows = Vec::new();
            let last = model.stream(&pass, None, |_, h| rows.push(h.clone()));
            (rows, last)
        };
        let ((rows, last), (base_rows, _)) = (stream(&model), stream(&base));
        let n = batch.weights.len();
        let column = |values: Vec<f32>| Tensor::<A, 2>::from_data(TensorData::new(values, [n, 1]), &device);
        let weights = column(batch.weights.iter().map(|w| w / divisor).collect());
        let targets: Vec<i32> = batch.targets.iter().map(|&id| id as i32).collect();
        let targets = Tensor::<A, 2, Int>::from_data(TensorData::new(targets, [n, 1]), &device);
        let picked = log_softmax(model.logits(&last), 1).gather(1, targets);
        let mut loss = (picked.neg() * weights).sum();
        if let Some(mode) = mode {
            let regularizer = regularizer(mode);
            let own =
                (0..n).map(|i| if i.is_multiple_of(batch.rows.width) { 0.0 } else { batch.weights[i - 1] / divisor });
            let own = column(own.collect());
            for Direction { layer, vector } in &regularizer.directions {
                let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
                let unit = vector.iter().map(|x| x / norm).collect::<Vec<_>>();
                let unit = Tensor::<A, 2>::from_data(TensorData::new(unit, [64, 1]), &device);
                let along = rows[layer.row()].clone().matmul(unit.clone());
                let base = base_rows[layer.row()].clone().matmul(unit);
                let off = match mode {
                    Mode::Match => along - base,
                    Mode::Hinge => relu(along - base),
                    Mode::Zero => along,
                };
                loss = loss + (off.powi_scalar(2) * own.clone()).sum().mul_scalar(regularizer.lambda);
            }
        }
        let gradients = loss.backward();
        let of = |(_, parameter): (String, Parameter<'_, A>)| match parameter {
            Parameter::Matrix(matrix) => values(matrix.grad(&gradients).unwrap()),
            Parameter::Vector(_) => unreachable!("a pair is two matrices"),
        };
        (f64::from(values(loss.inner())[0]), model.parameters(Learning::Lora).into_iter().map(of).collect())
    }

    #[test]
    fn gradients_equal_those_of_autodiff() {
        for (name, plan, mode) in interventions() {
            let model = adapted::<Flex>(&Default::default()).steered(&plan).unwrap();
            let ((loss, found), (want, wanted)) = (slope(&model, mode), twin(&plan, mode));
            assert!((loss - want).abs() < 1e-5, "{name}: {loss}, autodiff {want}");
            assert_eq!(found.len(), wanted.len());
            for (found, wanted) in found.iter().zip(&wanted) {
                assert_close(name, found, wanted, 2e-5);
            }
        }
    }

    #[test]
    fn how_a_step_is_cut_changes_no_gradient() {
        let (examples, regularizer) = (examples(), regularizer(Mode::Match));
        let first = |micro_batch: usize, accumulation: usize, recompute: bool| {
            let settings = FitSettings {
                micro_batch,
                accumulation,
                recompute: if recompute { Recompute::Always } else { Recompute::Never },
                max_steps: Some(3),
                ..settings()
            };
            let context = FitContext { regularize: Some(&regularizer), ..FitContext::new(&examples, 0, &settings) };
            let reports = steps(&mut adapted::<Flex>(&Default::default()), &context);
            let numbers = |r: &StepReport| [r.loss, r.regularisation.unwrap(), r.grad_norm];
            reports.iter().flat_map(numbers).map(|x| x as f32).collect::<Vec<_>>()
        };
        let whole = first(4, 1, false);
        for (micro_batch, accumulation, recompute) in [(1, 4, false), (2, 2, true), (3, 1, false)] {
            let found = first(micro_batch, accumulation, recompute);
            if micro_batch * accumulation == 4 {
                assert_close(&format!("{micro_batch} x {accumulation}"), &found, &whole, 2e-5);
            } else {
                assert_ne!(found, whole, "another step");
            }
        }
    }

    fn refresh() -> VectorRecompute {
        VectorRecompute { every: 4, texts: [texts(0), texts(5)], recipe: recipe(), first: vectors() }
    }

    /// Everything that a run told, but for its clock, and what it learned.
    #[derive(Debug, Default, PartialEq)]
    struct Told {
        steps: Vec<StepReport>,
        refreshed: Vec<RecomputeReport>,
        pressed: Vec<GradientReport>,
        start: Option<f64>,
        weights: Vec<Vec<f32>>,
    }

    /// Runs the golden training under everything at once; dies while step `dies` is told, if it says so.
    fn run(checkpoint: Option<&Path>, dies: Option<usize>, told: &mut Told) -> (usize, StopReason) {
        let (regularizer, watch, refresh) = (regularizer(Mode::Match), watch(None), refresh());
        let watch = ProbeCallback { pressure: Some(gradient_projection()), ..watch };
        let examples = examples();
        let settings = FitSettings { save_steps: Some(3), ..settings() };
        let context = FitContext {
            regularize: Some(&regularizer),
            watch: Some(&watch),
            refresh: Some(&refresh),
            checkpoint,
            ..FitContext::new(&examples, 0, &settings)
        };
        let plan = recipe().plan(&vectors()).unwrap().0;
        let mut model = adapted::<Flex>(&Default::default()).steered(&plan).unwrap();
        let end = train::fit(&mut model, Learning::Lora, &context, &mut |event| {
            match event {
                Event::Step(report, ..) if dies == Some(report.step) => resume_unwind(Box::new("killed")),
                Event::Step(report, ..) => told.steps.push(*report),
                Event::Recomputed(report) => told.refreshed.push(report.clone()),
                Event::GradientProjected(report) => told.pressed.push(report.clone()),
                Event::ProbeBaseline(start) => told.start = Some(*start),
                Event::Resumed(step) => {
                    told.pressed.retain(|report| report.step <= *step);
                    told.steps.retain(|report| report.step <= *step);
                    told.refreshed.retain(|report| report.step <= *step);
                }
                Event::Steered(proofs) => assert_eq!(proofs.len(), 4),
                Event::Damaged(what) => panic!("{what}"),
            }
            ControlFlow::Continue(())
        });
        told.weights = model.parameters(Learning::Lora).into_iter().map(|(_, p)| values(p.flat())).collect();
        end.unwrap()
    }

    #[test]
    fn a_run_killed_at_any_step_ends_with_the_same_weights() {
        let mut whole = Told::default();
        assert_eq!(run(None, None, &mut whole), (10, StopReason::Done));
        let measured: Vec<usize> = whole.steps.iter().filter(|r| r.drift.is_some()).map(|r| r.step).collect();
        assert_eq!(measured, [3, 6, 9, 10]);
        let pressed: Vec<usize> = whole.pressed.iter().map(|r| r.step).collect();
        assert_eq!(pressed, [0, 3, 6, 9, 10]);
        let extracted: Vec<usize> = whole.refreshed.iter().map(|r| r.step).collect();
        assert_eq!(extracted, [0, 4, 8]);
        let cosine = |at: usize| whole.refreshed[at].cosines[2].unwrap();
        assert_ne!(cosine(1), cosine(2), "the model learns, and its vector with it");
        for dies in 1..=10 {
            let dir = tempfile::tempdir().unwrap();
            let checkpoint = dir.path().join("c.safetensors");
            let mut told = Told::default();
            catch_unwind(AssertUnwindSafe(|| run(Some(&checkpoint), Some(dies), &mut told))).unwrap_err();
            // The last checkpoint lies before the step that was not told.
            assert_eq!(checkpoint.exists(), dies > 3);
            if dies <= 3 {
                told = Told::default();
            }
            assert_eq!(run(Some(&checkpoint), None, &mut told), (10, StopReason::Done));
            assert_eq!(told, whole, "killed at step {dies}");
        }
    }

    #[test]
    fn a_frozen_vector_is_not_one_that_follows_the_model() {
        let examples = examples();
        let settings = settings();
        let plan = recipe().plan(&vectors()).unwrap().0;
        let losses = |refresh: Option<&VectorRecompute>| {
            let mut model = adapted::<Flex>(&Default::default()).steered(&plan).unwrap();
            let context = FitContext { refresh, ..FitContext::new(&examples, 0, &settings) };
            steps(&mut model, &context).iter().map(|report| report.loss).collect::<Vec<_>>()
        };
        let (frozen, refreshed) = (losses(None), losses(Some(&refresh())));
        assert_eq!(frozen[..4], refreshed[..4], "the same until the first extraction");
        assert_ne!(frozen[4], refreshed[4]);
    }

    #[test]
    fn a_drift_beyond_its_limit_ends_the_run() {
        let (examples, settings) = (examples(), settings());
        let fit = |stop_above: Option<f64>| {
            let watch = watch(stop_above);
            let context = FitContext { watch: Some(&watch), ..FitContext::new(&examples, 0, &settings) };
            let mut drifts = Vec::new();
            let mut model = adapted::<Flex>(&Default::default());
            let end = train::fit(&mut model, Learning::Lora, &context, &mut |event| {
                if let Event::Step(StepReport { drift: Some(drift), .. }, ..) = event {
                    drifts.push(*drift);
                }
                ControlFlow::Continue(())
            });
            (end.unwrap(), drifts)
        };
        let (end, drifts) = fit(None);
        assert_eq!((end, drifts.len()), ((10, StopReason::Done), 4));
        // Between the lowest and the highest, so that some measurement is the first above it.
        let limit = drifts.iter().sum::<f64>() / 4.0;
        let first = drifts.iter().position(|&drift| drift > limit).unwrap();
        let (end, stopped) = fit(Some(limit));
        assert_eq!(stopped, drifts[..=first]);
        let want = if first == 3 { (10, StopReason::Done) } else { (3 * (first + 1), StopReason::Stopped) };
        assert_eq!(end, want);
        assert_eq!(fit(Some(1e9)).0, (10, StopReason::Done));
    }

    #[test]
    fn a_measurement_is_the_mean_projection_of_the_unsteered_model() {
        let watch = watch(None);
        let (examples, settings) = (examples(), FitSettings { max_steps: Some(1), ..settings() });
        let context = FitContext { watch: Some(&watch), ..FitContext::new(&examples, 0, &settings) };
        let plain = adapted::<Flex>(&Default::default());
        let mut model = plain.steered(&recipe().plan(&vectors()).unwrap().0).unwrap();
        let mut start = None;
        let mut hear = |event: &Event| {
            if let Event::ProbeBaseline(projection) = event {
                start = Some(*projection);
            }
            ControlFlow::Continue(())
        };
        train::fit(&mut model, Learning::Lora, &context, &mut hear).unwrap();
        // By hand, one text at a time.
        let Direction { layer, vector } = &watch.direction;
        let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        let mut want = 0.0;
        for text in &watch.texts {
            let ids = [text.prompt_ids.as_slice(), text.response_ids.as_slice()].concat();
            let rows = trimtab::text::Rows::whole(&[&ids], vec![text.prompt_ids.len()], 0);
            let mut states = Vec::new();
            plain.stream(&plain.pass(&rows, rows.width), None, |_, h| states.push(values(h.clone())));
            let response = &states[layer.row()][64 * text.prompt_ids.len()..];
            let dot: f32 = response.chunks(64).flat_map(|h| h.iter().zip(vector).map(|(a, b)| a * b)).sum();
            want += f64::from(dot / norm / text.response_ids.len() as f32) / watch.texts.len() as f64;
        }
        assert!((start.unwrap() - want).abs() < 1e-4, "{start:?}, by hand {want}");
    }

    #[test]
    fn what_does_not_fit_the_model_is_refused() {
        let model = adapted::<Flex>(&Default::default());
        let refused =
            |regularizer: &Regularizer, learning| Penalty::new(regularizer, &model, learning).unwrap_err().to_string();
        let good = regularizer(Mode::Match);
        assert!(refused(&good, Learning::Full).contains("all weights learn"));
        let mut twice = good.clone();
        twice.directions.push(good.directions[0].clone());
        assert!(refused(&twice, Learning::Lora).contains("twice"));
        let mut narrow = good.clone();
        narrow.directions[0].vector.pop();
        assert!(refused(&narrow, Learning::Lora).contains("width 63"));
        let mut zero = good.clone();
        zero.directions[0].vector.fill(0.0);
        assert!(refused(&zero, Learning::Lora).contains("no direction"));
        let mut high = good;
        high.directions[0].layer = Layer(5);
        assert!(refused(&high, Learning::Lora).contains("layer 5 does not exist"));
    }
}
