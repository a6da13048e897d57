//! The stages that make a trait's vector, and the sweeps along it.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::pipeline::{Extracted, Opinion, Phase, Pipeline, PlanKey};
use crate::Result;
use crate::language_model::Sampling;
use crate::persona::{
    Answers, Inquiry, Recipe, Side, States, Trait, extract_captured, judge_rows, read_rows, write_rows,
};
use crate::record::{Hash, Reused, create_folder, hash_file, seed_of};
use crate::steering::{Positions, SteeringPlan};
use crate::vector::VectorFile;

/// Whose answers make a vector, and where they lie.
pub(super) struct Origin<'a> {
    /// The trait.
    pub t: usize,
    /// The adapter that the model wears, and its hash.
    pub adapter: Option<(&'a Path, &'a Hash)>,
    /// Of the sampling.
    pub seed: u64,
    /// Where rows and states lie.
    pub folder: PathBuf,
}

impl Pipeline<'_> {
    /// The trait that a piece extracts or is steered along.
    pub(super) fn trait_of(&self, piece: usize) -> (usize, &Trait) {
        let t = self.pieces[piece].trait_.expect("a vector is of a trait");
        (t, &self.data.traits[t])
    }

    /// Where a trait's answers and vector lie.
    pub(super) fn vector_folder(&self, t: usize) -> PathBuf {
        let folder = self.run.file("vector");
        if self.data.traits.len() > 1 { folder.join(&self.data.traits[t].name) } else { folder }
    }

    pub(super) fn rollouts(&self, piece: usize, side: Side) -> Result<(Hash, Reused)> {
        let (t, _) = self.trait_of(piece);
        let from =
            Origin { t, adapter: None, seed: seed_of(self.config.seed, "rollouts"), folder: self.vector_folder(t) };
        self.rollouts_of(piece, &self.pieces[piece].name, &from, side)
    }

    /// A model's judged answers under one side's prompts, with the states captured while it answered.
    pub(super) fn rollouts_of(
        &self,
        piece: usize,
        stage: &str,
        from: &Origin<'_>,
        side: Side,
    ) -> Result<(Hash, Reused)> {
        let (trait_, settings) = (&self.data.traits[from.t], &self.config.vector);
        let folder = &from.folder;
        create_folder(folder)?;
        let sampling = Sampling {
            temperature: settings.temperature,
            rollouts: settings.rollouts,
            seed: from.seed,
            ..Sampling::greedy(settings.max_new_tokens)
        };
        let inquiry = Inquiry::new(&trait_.name, &trait_.extract, side, &sampling);
        let adapter = from.adapter.map(|(_, hash)| hash);
        let work = self.key(&("answers", side, &trait_.name, &trait_.extract, &sampling, adapter));
        let key = Hash::of(&("rollouts", &work, self.judge_key(&[from.t])));
        let path = rows_file(folder, side);
        let holds = |hash: &Hash| states(folder, side).is_ok() && hash_file(&path).is_ok_and(|now| now == *hash);
        self.run.stage_if(stage, &key, holds, || {
            let mut subject =
                self.language_model(from.adapter.map(|(path, _)| path.to_owned()), SteeringPlan::none())?;
            let mut answers = Answers::open(&folder.join("answers"), &inquiry, &work, subject.shape())?;
            answers.ask(&mut *subject, &inquiry, &mut |n| {
                self.progress(piece, Phase::Rollouts, n, inquiry.answers());
                ControlFlow::Continue(())
            })?;
            let mut rows = answers.rows()?;
            judge_rows(&mut *(self.judges)(Opinion::First)?, &trait_.name, &mut rows)?;
            write_rows(&path, &trait_.name, &rows)?;
            hash_file(&path)
        })
    }

    /// The vector of the run, extracted or given.
    pub(super) fn vector(&self, piece: usize, rollouts: &[Hash]) -> Result<(Extracted, bool)> {
        let (t, Trait { name: trait_, .. }) = self.trait_of(piece);
        let folder = self.vector_folder(t);
        if let Some(path) = self.config.vector_file(trait_) {
            let (file, mut warnings) = VectorFile::read(path)?;
            // Kept, so that a second run need not load the model to learn its shape.
            let shape = || Ok(self.language_model(None, SteeringPlan::none())?.shape());
            let (layers, hidden) = self.run.stage("shape", &self.key(&"shape"), shape)?.0;
            warnings.extend(file.check(layers, hidden, &self.fingerprint)?);
            return Ok((Extracted { file, diagnosis: String::new(), warnings }, true));
        }
        let mut recipe = Recipe::new(trait_, &self.config.model.display().to_string(), &self.fingerprint);
        recipe.filter = self.config.vector.filter;
        let path = folder.join(format!("{trait_}.safetensors"));
        let key = self.key(&("vector", rollouts, recipe.filter, recipe.border, recipe.response_window));
        let holds = |(fingerprint, ..): &(String, String, Vec<String>)| {
            VectorFile::read(&path).is_ok_and(|(file, _)| file.fingerprint == *fingerprint)
        };
        let ((_, diagnosis, warnings), reused) = self.run.stage_if(&self.pieces[piece].name, &key, holds, || {
            let [pos, neg] = [Side::Pos, Side::Neg].map(|side| read_rows(&rows_file(&folder, side), trait_));
            let states = [states(&folder, Side::Pos)?, states(&folder, Side::Neg)?];
            let mut told = |n, of| self.progress(piece, Phase::States, n, of);
            let made = extract_captured(&states, &pos?, &neg?, &recipe, &mut told)?;
            made.file.write(&path)?;
            Ok((made.file.fingerprint, made.diagnosis.to_string(), made.diagnosis.warnings))
        })?;
        let (file, more) = VectorFile::read(&path)?;
        let warnings = warnings.into_iter().chain(more).collect();
        Ok((Extracted { file, diagnosis, warnings }, reused.is_yes()))
    }

    /// All layers by increments while the model answers; rows of the batch carry the coefficients.
    pub(super) fn sweep<'k>(
        &self,
        vector: &'k VectorFile,
        strengths: &'k [f64],
        sign: f64,
    ) -> (SteeringPlan, PlanKey<'k>) {
        let base = self.config.vector.base;
        let first = strengths.first().map_or(0.0, |s| sign * s);
        let plan = SteeringPlan::incremental(&vector.response_avg, base, first as f32, Positions::Response);
        let what = "all layers, response";
        (plan, PlanKey { what, vector: &vector.fingerprint, base, coefs: strengths })
    }
}

pub(super) fn states(folder: &Path, side: Side) -> Result<States> {
    States::open(&Answers::files(&folder.join("answers"), side)[1])
}

pub(super) fn rows_file(folder: &Path, side: Side) -> PathBuf {
    folder.join(format!("{}.jsonl", side.key()))
}
