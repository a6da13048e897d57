//! A layer selection at work: its points, its questions, its choices.

use super::answers::Answers;
use super::rules::{self, Cell, Choice, Rule, constrained, paper};
use super::settings::{Inputs, Split};
use crate::Result;
use crate::eval::{self, Point, Task};
use crate::judge::{Judge, JudgedAnswer};
use crate::language_model::LanguageModel;
use crate::record::{Hash, RunDir};
use crate::runtime::ModelSpec;
use crate::steering::SteeringPlan;
use crate::vector::Layer;

/// Gets the progress: the part of the work, the number of its answers so far, and of all of them.
pub type Tell<'a> = dyn FnMut(&str, usize, usize) + 'a;

/// A run at work.
pub(super) struct Work<'a> {
    pub inputs: &'a Inputs<'a>,
    pub judge: &'a mut dyn Judge,
    pub tell: &'a mut Tell<'a>,
    pub run: &'a RunDir,
    pub answers: Answers,
    /// Of everything that the answers depend on.
    pub key: Hash,
}

impl Work<'_> {
    pub fn language_model(&self, plan: SteeringPlan) -> Result<Box<dyn LanguageModel>> {
        let (model, adapter) = (self.inputs.model.to_owned(), self.inputs.config.adapter.clone());
        self.inputs.runtime.language_model(&ModelSpec { model, adapter, plan })
    }

    /// A part for each layer, all at coefficient 0.
    pub fn grid_plan(&self) -> SteeringPlan {
        let config = self.inputs.config;
        let part =
            |&layer: &Layer| SteeringPlan::rows(&self.inputs.vectors.response_avg, &[layer], 0.0, config.positions);
        config.layers.iter().map(part).fold(SteeringPlan::none(), SteeringPlan::and)
    }

    /// Coefficient 0, then every layer at every coefficient.
    pub fn grid_points(&self) -> Vec<Point> {
        let config = self.inputs.config;
        let cells = config.layers.iter().flat_map(|&layer| config.coefs.iter().map(move |&coef| (layer, coef)));
        std::iter::once(self.unsteered()).chain(cells.map(|(layer, coef)| self.point(layer, coef))).collect()
    }

    pub fn unsteered(&self) -> Point {
        Point { coef: 0.0, layer: None, coefs: vec![0.0; self.inputs.config.layers.len()] }
    }

    /// One layer of the grid's plan at a coefficient.
    pub fn point(&self, layer: Layer, coef: f64) -> Point {
        let coefs = self.inputs.config.layers.iter().map(|&l| if l == layer { coef as f32 } else { 0.0 });
        Point { coef: coef as f32, layer: Some(layer), coefs: coefs.collect() }
    }

    pub fn task(&self, split: Split, name: &str) -> Task {
        let (trait_, config) = (self.inputs.trait_, self.inputs.config);
        let all = match split {
            Split::Extract => &trait_.extract.questions,
            Split::Eval => &trait_.eval.questions,
        };
        let questions = &all[..config.questions.unwrap_or(all.len()).min(all.len())];
        let name = format!("{name}, {} split", split.key());
        Task { name, ..eval::traits::task(&trait_.name, questions, None, &config.sampling) }
    }

    pub fn ask(
        &mut self,
        subject: &mut dyn LanguageModel,
        split: Split,
        name: &str,
        points: &[Point],
    ) -> Result<Vec<JudgedAnswer>> {
        let task = self.task(split, name);
        let tell = &mut self.tell;
        self.answers.ask(subject, self.judge, &task, points, &mut |done, of| tell(name, done, of))
    }

    pub fn cells(&self, rows: &[JudgedAnswer]) -> Vec<Cell> {
        rules::cells(rows, &self.inputs.trait_.name, self.inputs.config.sampling.seed)
    }

    pub fn choose(&self, rule: Rule, cells: &[Cell]) -> Option<Choice> {
        let config = self.inputs.config;
        match rule {
            Rule::Paper => paper(cells, config.at, config.sampling.seed),
            Rule::Coherent => constrained(cells, config.min_coherence, config.sampling.seed),
        }
    }

    /// The choices on the questions that did not choose.
    pub fn confirm(
        &mut self,
        subject: &mut dyn LanguageModel,
        choices: &[(Rule, Option<Choice>)],
    ) -> Result<Vec<Cell>> {
        if !self.inputs.config.confirm {
            return Ok(Vec::new());
        }
        let mut points = vec![self.unsteered()];
        for choice in choices.iter().filter_map(|(_, choice)| choice.as_ref()) {
            let point = self.point(choice.cell.layer.expect("a choice has a layer"), choice.cell.coef);
            if !points.contains(&point) {
                points.push(point);
            }
        }
        let rows = self.ask(subject, self.inputs.config.split.other(), "grid", &points)?;
        Ok(self.cells(&rows))
    }
}
