//! One finetune for each arm, coefficient and training seed: what a treatment asks of the finetune job.

use std::ops::ControlFlow;
use std::path::PathBuf;

use super::context::{Context, TraitVector, vector_of};
use super::events::{Event, Phase};
use super::files::fit_folder;
use super::rollouts::{base_rows, has_rollouts, require_rollouts};
use crate::finetune::{
    Adapter, Finish, Fitted, GivenVector, Intervention, Job, JobEvent, ResolvedIntervention, Seeds, SourcedChat,
    SteeringSettings, Watch, answer_of, fixed_texts, read_sourced, recompute_texts, trait_of, treated,
};
use crate::judge::JudgedAnswer;
use crate::language_model::Finished;
use crate::persona::{Border, Side, place_of, system_prompt};
use crate::record::{Tracking, seed_of};
use crate::study::dag::{Control, Task, Treatment};
use crate::study::outputs::SHOWS;
use crate::text::{Content, Message, Tokenizer, chosen_in_order};
use crate::train::Event as FitEvent;
use crate::vector::{PersonaVector, VectorFile};
use crate::{Error, Result, ensure};

/// Finetunes the study's model on `chats` under a treatment; `control` is the vector that replaces the real one, if any does.
pub(in crate::study) fn finetune(
    cx: &Context<'_>,
    task: &Task,
    treatment: Treatment,
    vectors: &[TraitVector<'_>],
    control: Option<&PersonaVector>,
    chats: Vec<SourcedChat>,
) -> Result<Fitted> {
    let seeds = Seeds { training: task.seed.expect("a finetune has a training seed"), sampling: cx.config.seed };
    let own = task.trait_.map(|t| vector_of(vectors, t));
    let intervention = intervention(cx, task, treatment, own, &seeds)?;
    let given = given_vectors(cx, &intervention, own, control)?;
    let texts = fixed_texts_of(cx, task, &intervention, &seeds)?;
    let watch = watch(cx, task, vectors, &chats)?;
    let (chats, _) = treated(chats, &intervention, negative_chats(cx, task, &intervention)?, &seeds)?;
    let job = Job {
        model: &cx.config.model,
        scope: cx.key("fit", &()),
        adapter: Adapter::New(cx.config.adapter.clone(), None),
        chats: &chats,
        holdout: &[],
        rules: &cx.config.lessons,
        fit: &cx.config.train,
        seeds,
        intervention: ResolvedIntervention::new(&intervention, &given, texts, &seeds)?,
        watch,
        name: format!("-{}", task.name),
        tracking: Tracking::tensorboard(&fit_folder(cx, task)),
        keyed_checkpoint: true,
        lenient: false,
        begin: &|| Ok(()),
    };
    let finish = job.run(cx.run, cx.runtime, &mut |event| {
        if let JobEvent::Fit(FitEvent::Step(report, of, _), _) = event {
            let (done, steps) = (report.step as f64 / *of as f64, Some((report.step, *of)));
            let (phase, loss) = (Phase::Training, Some(report.loss));
            (cx.on_event)(&Event::Progress { task: task.index, phase, done, loss, steps });
        }
        ControlFlow::Continue(())
    })?;
    cx.tell_damage();
    match finish {
        Finish::Fitted(fitted, reused) => {
            cx.note_reused(reused);
            Ok(*fitted)
        }
        Finish::Interrupted(steps, _) => {
            Err(Error::new(format!("the finetune ended after {steps} steps, before its time")))
        }
    }
}

/// What a treatment does to the model or to its data.
fn intervention(
    cx: &Context<'_>,
    task: &Task,
    treatment: Treatment,
    own: Option<&VectorFile>,
    seeds: &Seeds,
) -> Result<Intervention> {
    let Some(own) = own else { return Ok(Intervention::None) };
    let trait_ = &cx.inputs.traits[task.of_trait()];
    let intervention = treatment.intervention(cx.config, cx.config.layer(own.response_avg.layers())?)?;
    Ok(match (treatment, intervention) {
        (Treatment::Prompting, _) => {
            let pairs = trait_.extract.instruction.iter();
            let prompts = pairs.map(|pair| system_prompt(&trait_.name, pair.side(Side::Pos))).collect();
            Intervention::Inoculate { prompts }
        }
        (Treatment::Negative(share), _) => Intervention::NegativeData { file: None, share },
        // The draws of a study depend on its own seed, too.
        (
            Treatment::Control(Control::Random(draw) | Control::RandomLayer(draw), _),
            Intervention::Random { steering, .. },
        ) => {
            let draw = if draw == 0 { String::new() } else { format!(", draw {draw}") };
            let of = format!("training seed {}{draw}", seeds.training);
            let seed = Some(seed_of(seed_of(cx.config.seed, "random vectors"), &of));
            Intervention::Random { steering, seed }
        }
        (_, intervention) => intervention,
    })
}

/// The vectors that the intervention names, or else the trait's or the control's.
fn given_vectors(
    cx: &Context<'_>,
    intervention: &Intervention,
    own: Option<&VectorFile>,
    control: Option<&PersonaVector>,
) -> Result<Vec<GivenVector>> {
    let Some(own) = own.filter(|_| intervention.takes_vectors()) else { return Ok(Vec::new()) };
    if intervention.vectors().is_empty() {
        let path = PathBuf::from("the study's vector");
        return Ok(vec![match control {
            Some(control) => (path, VectorFile::new(control.clone(), None, None, own.metadata.clone())?),
            None => (path, own.clone()),
        }]);
    }
    let shape = (own.response_avg.layers(), own.response_avg.hidden());
    let read = |path: &PathBuf| Ok((path.clone(), VectorFile::read_for(path, shape, &cx.fingerprint)?.0));
    intervention.vectors().iter().map(read).collect()
}

/// The texts from which the vector is extracted anew, if it is (guide: method, "Vector recomputation"): from files, or the
/// answers that made the vector.
fn fixed_texts_of(
    cx: &Context<'_>,
    task: &Task,
    intervention: &Intervention,
    seeds: &Seeds,
) -> Result<Option<[Vec<Finished>; 2]>> {
    let Intervention::Steer(SteeringSettings { recompute: Some(recompute), .. }) = intervention else {
        return Ok(None);
    };
    let (t, tokenizer) = (task.of_trait(), Tokenizer::load(&cx.config.model)?);
    let name = || match intervention.vectors() {
        [path] => trait_of(path),
        _ => Ok(cx.inputs.traits[t].name.clone()),
    };
    if let Some(texts) = fixed_texts(recompute, &name, seeds, &tokenizer)? {
        return Ok(Some(texts));
    }
    require_rollouts(cx, t, "`recompute_every`")?;
    let rows = base_rows(cx, t)?;
    let (sides, filter) = (rows.each_ref().map(Vec::as_slice), &cx.config.vector.filter);
    let place = |_: usize, row: &JudgedAnswer| format!("answer {}", row.question_id);
    recompute_texts(sides, filter, recompute.texts, seeds, &tokenizer, &place).map(Some)
}

/// Chats to mix in: those of a file, or the base model's own answers that show the trait, under their positive system prompts
/// (guide: method, "Negative data").
fn negative_chats(cx: &Context<'_>, task: &Task, intervention: &Intervention) -> Result<Vec<SourcedChat>> {
    match intervention {
        Intervention::NegativeData { file: Some(file), .. } => read_sourced(file),
        Intervention::NegativeData { file: None, .. } => prompted_answers(cx, task),
        _ => Ok(Vec::new()),
    }
}

fn prompted_answers(cx: &Context<'_>, task: &Task) -> Result<Vec<SourcedChat>> {
    let t = task.of_trait();
    let trait_ = &cx.inputs.traits[t];
    require_rollouts(cx, t, "`arms.negative`")?;
    let [rows, _] = base_rows(cx, t)?;
    let chat = |row: &JudgedAnswer| -> Result<SourcedChat> {
        let (_, k) = place_of(&row.question_id)?;
        let pair = trait_.extract.instruction.get(k);
        let pair = pair.ok_or_else(|| Error::new(format!("{}: there is no instruction {k}", row.question_id)))?;
        let messages = vec![
            Message::system(system_prompt(&trait_.name, pair.side(Side::Pos))),
            Message::user(row.question.as_str()),
            Message::assistant(row.answer.as_str()),
        ];
        Ok(SourcedChat::new(format!("answer {} under the trait's prompt", row.question_id), messages))
    };
    let shows = rows.iter().filter(|row| row.trait_score().is_some_and(|score| score > SHOWS));
    let negative: Vec<SourcedChat> = shows.map(chat).collect::<Result<_>>()?;
    ensure!(!negative.is_empty(), "no answer under the prompts of `{}` shows it", trait_.name);
    Ok(negative)
}

/// What is measured while a finetune learns, if anything is: along the vector of its trait, or of the study's first. `chats` is the
/// data before any treatment, so that every arm is watched on the same texts.
fn watch(cx: &Context<'_>, task: &Task, vectors: &[TraitVector<'_>], chats: &[SourcedChat]) -> Result<Option<Watch>> {
    let watched = vectors.iter().find(|vector| vector.trait_ == task.trait_.unwrap_or_default());
    let (Some(settings), Some(&TraitVector { trait_, file })) = (&cx.config.watch, watched) else { return Ok(None) };
    let texts = probe_set(cx, trait_, chats, settings.texts)?;
    ensure!(!texts.is_empty(), "`watch`: there is no text that could be watched");
    Ok(Some(Watch {
        every: settings.every,
        texts,
        layer: cx.config.layer(file.response_avg.layers())?,
        vector: file.response_avg.clone(),
        fingerprint: file.fingerprint.clone(),
        stop_above: None,
        gradient: settings.gradient,
    }))
}

/// Half positive and half negative rollouts of the base model; without these, conversations of the data.
fn probe_set(cx: &Context<'_>, t: usize, chats: &[SourcedChat], count: usize) -> Result<Vec<Finished>> {
    let tokenizer = Tokenizer::load(&cx.config.model)?;
    let places = |n: usize, count: usize| chosen_in_order(n, count, cx.config.seed, "probe set");
    if !has_rollouts(cx, t) {
        let chats: Vec<&SourcedChat> = chats.iter().filter(|chat| matches!(chat.content, Content::Turns(_))).collect();
        let texts = places(chats.len(), count).into_iter().map(|i| answer_of(chats[i], &tokenizer));
        return Ok(texts.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect());
    }
    let mut texts = Vec::new();
    for (rows, count) in base_rows(cx, t)?.iter().zip([count.div_ceil(2), count / 2]) {
        for i in places(rows.len(), count) {
            texts.extend(rows[i].finished(&tokenizer, Border::Separate)?);
        }
    }
    Ok(texts)
}
