//! What a study will take, estimated before anything is asked: finetunes, answers, judge calls, and what it could find.

use std::fmt;

use serde::Serialize;

use super::config::{Kind, StudyConfig};
use super::dag::{Task, TaskKind, tasks};
use super::inputs::Inputs;
use crate::Result;
use crate::stats::detectable;
use crate::train::FitSettings;

/// Standard deviation of the difference between two arms from question to question that is taken before anything is measured, in
/// points: what answers half at one end and half in the middle of the scale come to.
const SPREAD: f64 = 30.0;

/// Everything that a study does if nothing of it is there yet.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Costs {
    /// Number of tasks.
    #[serde(rename = "pieces")]
    pub tasks: usize,
    /// Number of finetunes.
    pub finetunes: usize,
    /// Optimiser steps of all of them.
    pub steps: usize,
    /// Answers in the models' own words.
    pub answers: usize,
    /// Judge calls: each rubric of each answer.
    pub judgements: usize,
    /// Calls of a second judge.
    pub second: usize,
    /// Multiple-choice questions.
    pub choices: usize,
    /// Questions of each trait, the units of its intervals.
    pub questions: usize,
}

impl Costs {
    /// Of a study.
    ///
    /// # Errors
    /// Those of the configuration and of its inputs.
    pub fn of(kind: Kind, config: &StudyConfig) -> Result<Self> {
        kind.check(config)?;
        Ok(Self::estimate(config, &Inputs::load(config)?, &tasks(config)))
    }

    pub(super) fn estimate(config: &StudyConfig, inputs: &Inputs, tasks: &[Task]) -> Self {
        let questions = inputs.traits.iter().map(|t| t.eval.questions.len()).min().unwrap_or_default();
        let mut costs = Self { tasks: tasks.len(), questions, ..Self::default() };
        tasks.iter().for_each(|task| costs.add(config, inputs, task));
        costs
    }

    fn add(&mut self, config: &StudyConfig, inputs: &Inputs, task: &Task) {
        let chats = task.corpus.map_or(0, |c| inputs.corpora[c].chats.len());
        match task.kind {
            TaskKind::Rollouts(_) => {
                let artifact = &inputs.traits[task.trait_.unwrap_or_default()].extract;
                let n = artifact.questions.len() * artifact.instruction.len() * config.vector.rollouts;
                self.answers += n;
                self.judgements += 2 * n;
            }
            TaskKind::Vector => {}
            TaskKind::Selfgen => self.answers += chats,
            TaskKind::Difference => self.answers += chats.min(config.measure.difference),
            TaskKind::Base => self.measure(config, inputs, task, 1),
            TaskKind::BaseSteered => self.measure(config, inputs, task, config.arms.base_steered.len()),
            TaskKind::Inference => self.measure(config, inputs, task, config.arms.inference.len()),
            TaskKind::Audit => self.audit(config, inputs, task),
            TaskKind::Finetune(_) => {
                self.finetunes += 1;
                self.steps += config.train.steps(chats);
                self.measure(config, inputs, task, 1);
            }
        }
    }

    fn audit(&mut self, config: &StudyConfig, inputs: &Inputs, task: &Task) {
        let (Some(audit), Some(t)) = (&config.audit, task.trait_) else { return };
        let (of, is_base) = (&inputs.traits[t], task.seed.is_none());
        let rollouts = config.measure.trait_rollouts;
        let asked = of.eval.questions.len() * rollouts;
        // Once before anything is learned again.
        let relearned = if audit.relearn.is_empty() { 0 } else { 1 + audit.relearn.len() };
        let mut answers = asked * (audit.elicitation.len() + audit.many_shot.len() + relearned);
        let trained = inputs.learned_by(task.corpus).filter(|corpus| corpus.prompts_show(&of.name));
        answers += trained.map(|corpus| rollouts * audit.training_prompts.min(corpus.chats.len())).sum::<usize>();
        answers += if audit.elicitation.is_empty() { 0 } else { asked * of.eval.instruction.len() };
        answers += if is_base { 0 } else { asked * audit.residual_shift.len() };
        let extract = &of.extract;
        let rollouts = 2 * extract.questions.len() * extract.instruction.len() * config.vector.rollouts;
        answers += if audit.reextract { rollouts } else { 0 };
        // Neutral prompts are answered by the base model too, and judged for coherence alone.
        let neutral = inputs.neutral.len();
        self.answers += answers + neutral * if is_base { 1 } else { 2 };
        self.judgements += 2 * answers + neutral;
        self.second += if audit.second_judge.is_some() { asked } else { 0 };
        self.finetunes += audit.relearn.len();
        let steps = FitSettings { epochs: 1, ..config.train.clone() };
        self.steps += audit.relearn.iter().map(|&n| steps.steps(n)).sum::<usize>();
    }

    fn measure(&mut self, config: &StudyConfig, inputs: &Inputs, task: &Task, points: usize) {
        let measure = &config.measure;
        let asked = |t: usize| measure.all_traits || task.trait_.is_none_or(|own| own == t);
        let traits = inputs.traits.iter().enumerate().filter(|(t, _)| asked(*t));
        let of_traits = traits.map(|(_, t)| t.eval.questions.len() * measure.trait_rollouts).sum::<usize>();
        let learned = inputs.learned_by(task.corpus);
        let of_facts = learned.map(|corpus| corpus.questions.len() * measure.fact_rollouts).sum::<usize>();
        self.answers += points * (of_traits + of_facts);
        self.judgements += points * (2 * of_traits + of_facts);
        self.choices += points * inputs.mmlu.len();
    }

    /// The smallest difference between two arms in a trait's score that would be found four times in five, in points.
    pub fn detectable(&self) -> f64 {
        detectable(SPREAD, self.questions)
    }
}

impl fmt::Display for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "to do, unless it is there already: {} finetunes with {} steps in all, {} answers, {} judge calls{}, {} multiple-choice questions",
            self.finetunes,
            self.steps,
            self.answers,
            self.judgements,
            if self.second > 0 { format!(" and {} of the second judge", self.second) } else { String::new() },
            self.choices
        )?;
        write!(
            f,
            "to be found: with {} questions, a difference of {:.0} points between two arms is found four times in five (differences \
             taken to vary by {SPREAD:.0} points from question to question)",
            self.questions,
            self.detectable()
        )
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::harbor::World;
    use crate::study::config::{AuditSettings, demo_config};

    #[test]
    fn a_study_is_estimated_task_by_task() {
        let mut config = demo_config(Path::new("model"), &World::new(0), true, 0);
        config.measure.trait_rollouts = 3;
        let costs = Costs::of(Kind::Facts, &config).unwrap();
        // Plain, two coefficients, one layer, prompting, random.
        assert_eq!((costs.finetunes, costs.steps), (6, 6 * 10 * 360usize.div_ceil(16)));
        // Base, six finetunes, five strengths at inference, two to elicit.
        let points = 1 + 6 + 5 + 2;
        let rollouts = 2 * 20 * 5 * 2;
        assert_eq!(costs.answers, rollouts + points * (20 * 3 + 30));
        assert_eq!(costs.judgements, 2 * rollouts + points * (2 * 20 * 3 + 30));
        assert_eq!(costs.choices, points * 60);
        assert!((costs.detectable() - (2.0930 + 0.8416) * 30.0 / 20f64.sqrt()).abs() < 0.01);
        assert!(costs.to_string().contains("6 finetunes with 1380 steps"), "{costs}");
    }

    #[test]
    fn an_audit_is_estimated_check_by_check() {
        let mut config = demo_config(Path::new("model"), &World::new(0), true, 0);
        config.measure.trait_rollouts = 3;
        let without = Costs::of(Kind::Audit, &config).unwrap();
        let second_judge = Some(crate::judge::JudgeSource::OpenAi(Default::default()));
        config.audit = Some(AuditSettings { second_judge, ..Default::default() });
        let costs = Costs::of(Kind::Audit, &config).unwrap();
        // The base model and six finetunes: steered, after exemplars, thrice for relearning, under five prompts; the vector again.
        let of_each = (1 + 1 + 3 + 5) * 20 * 3 + 2 * 20 * 5 * 2;
        // Of finetunes the rest of the shift at two lengths. Of all the neutral prompts, of finetunes with the base model's answers.
        let (judged, neutral) = (7 * of_each + 6 * 2 * 20 * 3, 40);
        assert_eq!(costs.answers - without.answers, judged + neutral * (1 + 2 * 6));
        assert_eq!(costs.judgements - without.judgements, 2 * judged + neutral * 7);
        assert_eq!((without.second, costs.second), (0, 7 * 20 * 3));
        assert!(costs.to_string().contains("judge calls and 420 of the second judge"), "{costs}");
    }
}
