//! What a treatment changes: the model while it learns, or the data that it learns from.

use super::arms::{Piece, Treatment, single_layer};
use super::data::{Taught, inoculated, under};
use super::pipeline::Pipeline;
use super::vectors::rows_file;
use crate::persona::{Border, Side, keep, read_rows};
use crate::record::{Hash, seed_of};
use crate::steering::Plan;
use crate::subject::Finished;
use crate::text::{Message, Tokenizer, chosen, mixed, read_chats};
use crate::train::{Intervention, NegativeData, Refresh, Regularizer, Steer};
use crate::vector::{Layer, VectorFile};
use crate::{Error, Result, ensure};

/// Answers that score above this show a trait.
const SHOWS: f64 = 50.0;

/// What a treatment does to the model.
#[derive(Default)]
pub(super) struct Change {
    pub plan: Plan,
    pub regularize: Option<Regularizer>,
    pub refresh: Option<Refresh>,
    /// All that decides it.
    pub key: Option<(Intervention, String, Option<u64>, Option<Hash>)>,
}

impl Pipeline<'_> {
    pub(super) fn change(
        &self,
        piece: &Piece,
        treatment: Treatment,
        vector: Option<&VectorFile>,
        seed: u64,
    ) -> Result<Change> {
        let Some(file) = vector else { return Ok(Change::default()) };
        let layer = single_layer(self.config, file.response_avg.layers())?;
        let Some(intervention) = treatment.intervention(self.config, layer)? else { return Ok(Change::default()) };
        let intervention = intervention.resolve()?;
        let vectors = [&file.response_avg];
        let is_random = matches!(intervention, Intervention::Random(_));
        let random_seed = seed_of(seed_of(self.config.seed, "random vectors"), &format!("training seed {seed}"));
        let refresh = self.refresh(piece, &intervention, file)?;
        let texts = refresh.as_ref().map(|refresh| {
            let ids = refresh
                .texts
                .each_ref()
                .map(|side| side.iter().map(|text| (&text.prompt_ids, &text.response_ids)).collect::<Vec<_>>());
            Hash::of(&ids)
        });
        Ok(Change {
            plan: intervention.plan(&vectors, random_seed)?,
            regularize: intervention.regularizer(&vectors)?,
            refresh,
            key: Some((intervention, file.fingerprint.clone(), is_random.then_some(random_seed), texts)),
        })
    }

    /// How the vector follows the model (METHOD K5): extracted anew from the answers that made it, as far as the filter keeps them.
    fn refresh(&self, piece: &Piece, intervention: &Intervention, file: &VectorFile) -> Result<Option<Refresh>> {
        let Intervention::Steer(Steer { recompute_every: Some(every), texts: Some(most), .. }) = intervention else {
            return Ok(None);
        };
        let Some(recipe) = intervention.recipe()?.filter(|recipe| *every > 0 && recipe.coef != 0.0) else {
            return Ok(None);
        };
        let t = piece.trait_.expect("steering is along a trait");
        let name = &self.data.traits[t].name;
        let rows = [Side::Pos, Side::Neg].map(|side| read_rows(&rows_file(&self.vector_folder(t), side), name));
        let [Ok(pos), Ok(neg)] = rows else {
            return Err(Error::usage(
                "`recompute_every` extracts the vector anew from the study's own answers, and it extracted none",
            )
            .hint("leave `vector.file` out"));
        };
        let kept = keep(&pos, &neg, &self.config.vector.filter)?;
        let tokenizer = Tokenizer::load(&self.config.model)?;
        let side = |rows: &[crate::persona::Row], kept: &[usize]| -> Result<Vec<Finished>> {
            let mut taken = chosen(kept.len(), *most, self.config.seed, "recompute");
            taken.sort_unstable();
            let texts = taken.into_iter().map(|i| rows[kept[i]].finished(&tokenizer, Border::Separate));
            Ok(texts.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
        };
        let texts = [side(&pos, &kept.pos)?, side(&neg, &kept.neg)?];
        Ok(Some(Refresh { every: *every, texts, recipe, first: file.response_avg.clone() }))
    }

    /// The conversations with system prompts before them, or with others among them.
    pub(super) fn changed_data(
        &self,
        piece: &Piece,
        treatment: Treatment,
        taught: Vec<Taught>,
        seed: u64,
    ) -> Result<Vec<Taught>> {
        // Of an arm of one's own; at which layer does not matter to data.
        let own = match treatment {
            Treatment::Own(..) => treatment.intervention(self.config, Layer(1))?,
            _ => None,
        };
        match (treatment, own) {
            (Treatment::Prompting, _) => {
                let trait_ = &self.data.traits[piece.trait_.expect("the prompts are a trait's")];
                Ok(inoculated(taught, trait_, seed_of(seed, "inoculation")))
            }
            (_, Some(Intervention::Inoculate(inoculate))) => {
                Ok(under(taught, &inoculate.prompts.unwrap_or_default(), seed_of(seed, "inoculation")))
            }
            (Treatment::Negative(share), _) => {
                mixed(taught, self.prompted_answers(piece)?, share, seed_of(seed, "negative data"))
            }
            (_, Some(Intervention::NegativeData(NegativeData { file: Some(file), share }))) => {
                let negative = |chat: crate::text::Chat| Taught {
                    place: format!("{}:{}", file.display(), chat.line),
                    messages: chat.messages,
                };
                let negative = read_chats(&file)?.into_iter().map(negative).collect();
                mixed(taught, negative, share.unwrap_or_default(), seed_of(seed, "negative data"))
            }
            _ => Ok(taught),
        }
    }

    /// The base model's own answers that show the trait, under the prompts that called it up (METHOD K6, b).
    fn prompted_answers(&self, piece: &Piece) -> Result<Vec<Taught>> {
        let t = piece.trait_.expect("negative data is of a trait");
        let trait_ = &self.data.traits[t];
        let rows = read_rows(&rows_file(&self.vector_folder(t), Side::Pos), &trait_.name).map_err(|_| {
            Error::usage(
                "`arms.negative` takes the study's own answers under the trait's prompts, and it asked for none",
            )
            .hint("leave `vector.file` out")
        })?;
        let shows = rows.iter().filter(|row| row.score.is_some_and(|score| score > SHOWS));
        let negative: Vec<Taught> = shows
            .map(|row| {
                // `evil_3_pos_1` was asked under instruction 1.
                let k = row.question_id.rsplit('_').next().and_then(|k| k.parse().ok()).unwrap_or(0usize);
                let pair = &trait_.extract.instruction[k % trait_.extract.instruction.len()];
                let system = crate::persona::system_prompt(&trait_.name, pair.side(Side::Pos));
                let messages = vec![
                    Message::system(system),
                    Message::user(row.question.as_str()),
                    Message::assistant(row.answer.as_str()),
                ];
                Taught { place: format!("answer {} under the trait's prompt", row.question_id), messages }
            })
            .collect();
        ensure!(!negative.is_empty(), "no answer under the prompts of `{}` shows it", trait_.name);
        Ok(negative)
    }
}
