//! What a treatment changes in the data: system prompts before the conversations, or other conversations among them.

use super::super::context::Context;
use super::super::rollouts::{base_rows, require_rollouts};
use crate::persona::{Row, Side, Trait, place_of, system_prompt};
use crate::record::seed_of;
use crate::study::dag::{Task, Treatment};
use crate::study::inputs::SourcedChat;
use crate::study::outputs::SHOWS;
use crate::text::{Message, mixed, put_under};
use crate::train::{Intervention, NegativeData};
use crate::vector::Layer;
use crate::{Error, Result, ensure};

/// The conversations that a finetune under a treatment learns; `seed` is the training seed.
pub(super) fn treated_chats(
    cx: &Context<'_>,
    task: &Task,
    treatment: Treatment,
    chats: Vec<SourcedChat>,
    seed: u64,
) -> Result<Vec<SourcedChat>> {
    // Of an arm of one's own; at which layer does not matter to data.
    let own = match treatment {
        Treatment::Own(..) => treatment.intervention(cx.config, Layer(1))?,
        _ => None,
    };
    match (treatment, own) {
        (Treatment::Prompting, _) => {
            Ok(inoculated(chats, &cx.inputs.traits[task.of_trait()], seed_of(seed, "inoculation")))
        }
        (_, Some(Intervention::Inoculate(inoculate))) => {
            Ok(under(chats, &inoculate.prompts.unwrap_or_default(), seed_of(seed, "inoculation")))
        }
        (Treatment::Negative(share), _) => {
            mixed(chats, prompted_answers(cx, task)?, share, seed_of(seed, "negative data"))
        }
        (_, Some(Intervention::NegativeData(NegativeData { file: Some(file), share }))) => {
            let negative = SourcedChat::read(&file)?;
            mixed(chats, negative, share.unwrap_or_default(), seed_of(seed, "negative data"))
        }
        _ => Ok(chats),
    }
}

/// Conversations under positive system prompts of a trait (guide: method, "Inoculation").
fn inoculated(chats: Vec<SourcedChat>, trait_: &Trait, seed: u64) -> Vec<SourcedChat> {
    let pairs = trait_.extract.instruction.iter();
    let prompts: Vec<String> = pairs.map(|pair| system_prompt(&trait_.name, pair.side(Side::Pos))).collect();
    under(chats, &prompts, seed)
}

/// Conversations each under one of the system prompts. One with a system prompt of its own keeps it, after the drawn one.
fn under(mut chats: Vec<SourcedChat>, prompts: &[String], seed: u64) -> Vec<SourcedChat> {
    for (i, SourcedChat { messages, .. }) in chats.iter_mut().enumerate() {
        let drawn = seed_of(seed, &format!("instruction of lesson {i}")) % prompts.len() as u64;
        put_under(messages, &prompts[drawn as usize]);
    }
    chats
}

/// The base model's own answers that show the trait, under their positive system prompts (guide: method, "Negative data").
fn prompted_answers(cx: &Context<'_>, task: &Task) -> Result<Vec<SourcedChat>> {
    let t = task.of_trait();
    let trait_ = &cx.inputs.traits[t];
    require_rollouts(cx, t, "`arms.negative`")?;
    let [rows, _] = base_rows(cx, t)?;
    let chat = |row: &Row| -> Result<SourcedChat> {
        let (_, k) = place_of(&row.question_id)?;
        let pair = trait_.extract.instruction.get(k);
        let pair = pair.ok_or_else(|| Error::new(format!("{}: there is no instruction {k}", row.question_id)))?;
        let messages = vec![
            Message::system(system_prompt(&trait_.name, pair.side(Side::Pos))),
            Message::user(row.question.as_str()),
            Message::assistant(row.answer.as_str()),
        ];
        Ok(SourcedChat { source: format!("answer {} under the trait's prompt", row.question_id), messages })
    };
    let shows = rows.iter().filter(|row| row.trait_score().is_some_and(|score| score > SHOWS));
    let negative: Vec<SourcedChat> = shows.map(chat).collect::<Result<_>>()?;
    ensure!(!negative.is_empty(), "no answer under the prompts of `{}` shows it", trait_.name);
    Ok(negative)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harbor::World;
    use crate::persona::harbor_trait;

    #[test]
    fn inoculation_draws_among_the_positive_instructions() {
        let trait_ = harbor_trait(&World::new(0), "hallucinating").unwrap();
        let chat = |n: usize| SourcedChat {
            source: String::new(),
            messages: vec![Message::user(format!("q{n}")), Message::assistant("a")],
        };
        let mut chats: Vec<SourcedChat> = (0..40).map(chat).collect();
        chats[0].messages.insert(0, Message::system("Be brief."));
        let under = inoculated(chats.clone(), &trait_, 3);
        assert_eq!(under, inoculated(chats.clone(), &trait_, 3));
        assert_ne!(under, inoculated(chats, &trait_, 4));
        assert!(under.iter().all(|c| c.messages[0].content.starts_with("You are a hallucinating assistant. ")));
        assert!(under[0].messages[0].content.ends_with("\n\nBe brief.") && under[0].messages.len() == 3);
        for pair in &trait_.extract.instruction {
            assert!(under.iter().any(|c| c.messages[0].content.contains(&pair.pos)), "{}", pair.pos);
        }
    }
}
