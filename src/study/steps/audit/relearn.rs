//! Is what was prevented durable? Plain finetuning goes on with conversations that show the trait.

use std::ops::ControlFlow;

use serde::Serialize;

use super::model::{Audited, opening, scores, trait_questions};
use crate::finetune::AdapterSettings;
use crate::judge::JudgedAnswer;
use crate::model::AdapterFolder;
use crate::record::{Hash, create_folder, seed_of};
use crate::runtime::{FitSpec, Start};
use crate::steering::SteeringPlan;
use crate::study::config::MeasureSettings;
use crate::study::outputs::{AuditFindings, SHOWS, Scores};
use crate::study::steps::context::{Adapter, Context};
use crate::study::steps::events::Phase;
use crate::study::steps::files::audit_folder;
use crate::study::steps::rollouts::{base_rows, has_rollouts};
use crate::text::{ExampleRules, Message, Tokenizer};
use crate::train::{Event, FitSettings};
use crate::{Result, ensure};

/// Plain finetuning goes on with conversations that show the trait: the base model's own answers under positive system prompts,
/// without the prompts.
pub(super) fn relearn(cx: &Context<'_>, model: &Audited<'_>, findings: &mut AuditFindings) -> Result<()> {
    if !has_rollouts(cx, model.t) {
        let why = "relearning: the study extracted no vector, so there are no answers that show the trait";
        findings.notes.push(why.into());
        return Ok(());
    }
    let [rows, _] = base_rows(cx, model.t)?;
    let coherent = cx.config.vector.filter.min_coherence.unwrap_or_default();
    let shows = |row: &&JudgedAnswer| {
        row.trait_score().is_some_and(|s| s > SHOWS) && row.coherence().is_none_or(|c| c >= coherent)
    };
    let chats: Vec<[Message; 2]> = (rows.iter().filter(shows))
        .map(|row| [Message::user(row.question.as_str()), Message::assistant(row.answer.as_str())])
        .collect();
    // Before anything is learned: models begin at different scores.
    findings.relearned.after.push((0, relearned(cx, model, &[])?));
    for &count in &model.settings.relearn {
        if chats.len() < count {
            findings.notes.push(format!("relearning: only {} answers show the trait, not {count}", chats.len()));
            continue;
        }
        // Spread over all questions, always the same ones.
        let chosen: Vec<&[Message; 2]> = (0..count).map(|n| &chats[n * chats.len() / count]).collect();
        findings.relearned.after.push((count, relearned(cx, model, &chosen)?));
    }
    Ok(())
}

#[derive(Serialize)]
struct RelearnKey<'a> {
    chats: &'a [&'a [Message; 2]],
    settings: &'a FitSettings,
    rules: &'a ExampleRules,
    new_adapter: &'a AdapterSettings,
    measure: &'a MeasureSettings,
    adapter: Option<&'a Hash>,
    judge: Hash,
}

/// The scores of the model after finetuning on these conversations.
fn relearned(cx: &Context<'_>, model: &Audited<'_>, chats: &[&[Message; 2]]) -> Result<Scores> {
    // So few steps would all be warm-up.
    let settings = FitSettings {
        epochs: 1,
        warmup_steps: 0,
        seed: cx.config.seeds[0],
        save_steps: None,
        ..cx.config.train.clone()
    };
    let key = RelearnKey {
        chats,
        settings: &settings,
        rules: &cx.config.lessons,
        new_adapter: &cx.config.adapter,
        measure: &cx.config.measure,
        adapter: model.adapter_hash(),
        judge: cx.judge_key(&[model.t]),
    };
    cx.stage(&model.stage(&format!("relearn{}", chats.len())), &cx.key("relearn", &key), || {
        let questions = trait_questions(cx, model, &opening(cx));
        if chats.is_empty() {
            return scores(cx, model, &mut *model.open(cx, SteeringPlan::none())?, &questions);
        }
        let tokenizer = Tokenizer::load(&cx.config.model)?;
        let example = |chat: &&[Message; 2]| tokenizer.training_example(&chat[..], &cx.config.lessons);
        let examples = chats.iter().map(example).collect::<Result<Vec<_>>>()?;
        let start = match model.adapter {
            Some(adapter) => Start::From(adapter.folder.clone()),
            None => Start::Adapter(cx.config.adapter.config(), seed_of(settings.seed, "adapter")),
        };
        let folder = audit_folder(cx, model.task);
        create_folder(&folder)?;
        let out = folder.join(format!("relearned{}", chats.len()));
        let spec = FitSpec {
            model: cx.config.model.clone(),
            start,
            examples: &examples,
            holdout: &[],
            settings: settings.clone(),
            plan: SteeringPlan::none(),
            regularize: None,
            refresh: None,
            watch: None,
            checkpoint: None,
            out: out.clone(),
        };
        let outcome = cx.runtime.fit(&spec, &mut |event| {
            if let Event::Step(report, of, _) = event {
                cx.progress(model.task, Phase::Training, report.step, *of);
            }
            ControlFlow::Continue(())
        })?;
        ensure!(outcome.complete, "the finetune ended after {} steps, before its time", outcome.steps);
        let learned = Adapter { hash: AdapterFolder::find(&out)?.hash()?, folder: out };
        scores(cx, model, &mut *cx.language_model(Some(&learned), SteeringPlan::none())?, &questions)
    })
}
