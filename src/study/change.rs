//! What a treatment changes: the model while it learns, or the data that it learns from.

use super::arms::{Control, Treatment, single_layer};
use super::data::{Taught, inoculated, under};
use super::pieces::Piece;
use super::pipeline::{Pipeline, SHOWS};
use super::vectors::rows_file;
use crate::language_model::Finished;
use crate::persona::{Border, Side, keep, place_of, read_rows, system_prompt};
use crate::record::{Hash, seed_of};
use crate::steering::SteeringPlan;
use crate::text::{Message, Tokenizer, chosen, mixed, read_chats};
use crate::train::{Intervention, NegativeData, Regularizer, Steer, VectorRecompute};
use crate::vector::{Layer, PersonaVector, VectorFile};
use crate::{Error, Result, ensure};

/// What a treatment does to the model.
#[derive(Default)]
pub(super) struct Change {
    pub plan: SteeringPlan,
    pub regularize: Option<Regularizer>,
    pub refresh: Option<VectorRecompute>,
    /// All that decides it.
    pub key: Option<(Intervention, String, Option<u64>, Option<Hash>)>,
}

impl Pipeline<'_> {
    pub(super) fn change(
        &self,
        piece: &Piece,
        treatment: Treatment,
        vector: Option<&VectorFile>,
        stand_in: Option<&PersonaVector>,
        taught: &[Taught],
        seed: u64,
    ) -> Result<Change> {
        let Some(file) = vector else { return Ok(Change::default()) };
        let layer = single_layer(self.config, file.response_avg.layers())?;
        let Some(intervention) = treatment.intervention(self.config, layer)? else { return Ok(Change::default()) };
        let intervention = intervention.resolve()?;
        let vectors = [stand_in.unwrap_or(&file.response_avg)];
        let fingerprint = match stand_in {
            Some(stand_in) => Hash::of(&stand_in.rows).to_string(),
            None => file.fingerprint.clone(),
        };
        let is_random = matches!(intervention, Intervention::Random(_));
        let draw = match treatment {
            Treatment::Control(Control::Random(draw @ 1..), _) => format!(", draw {draw}"),
            _ => String::new(),
        };
        let random_seed = seed_of(seed_of(self.config.seed, "random vectors"), &format!("training seed {seed}{draw}"));
        let refresh = self.refresh(piece, &intervention, file)?;
        let texts = refresh.as_ref().map(|refresh| {
            let ids = refresh
                .texts
                .each_ref()
                .map(|side| side.iter().map(|text| (&text.prompt_ids, &text.response_ids)).collect::<Vec<_>>());
            Hash::of(&ids)
        });
        let plan = intervention.plan(&vectors, random_seed)?;
        let to_mean = intervention.wants_mean() && !plan.is_none();
        Ok(Change {
            plan: if to_mean { plan.to_mean(&self.base_mean(piece, taught)?) } else { plan },
            regularize: intervention.regularizer(&vectors)?,
            refresh,
            // The study's seed decides the sample of the mean, too.
            key: Some((intervention, fingerprint, (is_random || to_mean).then_some(random_seed), texts)),
        })
    }

    /// How the vector follows the model (METHOD K5): extracted anew from the answers that made it, as far as the filter keeps them.
    fn refresh(
        &self,
        piece: &Piece,
        intervention: &Intervention,
        file: &VectorFile,
    ) -> Result<Option<VectorRecompute>> {
        let Intervention::Steer(Steer { recompute_every: Some(every), texts: Some(most), .. }) = intervention else {
            return Ok(None);
        };
        let Some(recipe) = intervention.recipe()?.filter(|recipe| *every > 0 && recipe.coef != 0.0) else {
            return Ok(None);
        };
        let t = piece.trait_.expect("steering is along a trait");
        let name = &self.data.traits[t].name;
        self.own_answers_of(t, "`recompute_every`")?;
        let [pos, neg] = [Side::Pos, Side::Neg].map(|side| read_rows(&rows_file(&self.vector_folder(t), side), name));
        let (pos, neg) = (pos?, neg?);
        let kept = keep(&pos, &neg, &self.config.vector.filter)?;
        let tokenizer = Tokenizer::load(&self.config.model)?;
        let side = |rows: &[crate::persona::Row], kept: &[usize]| -> Result<Vec<Finished>> {
            let mut taken = chosen(kept.len(), *most, self.config.seed, "recompute");
            taken.sort_unstable();
            let texts = taken.into_iter().map(|i| rows[kept[i]].finished(&tokenizer, Border::Separate));
            Ok(texts.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
        };
        let texts = [side(&pos, &kept.pos)?, side(&neg, &kept.neg)?];
        Ok(Some(VectorRecompute { every: *every, texts, recipe, first: file.response_avg.clone() }))
    }

    /// Whether there are answers under a trait's prompts, which a vector from elsewhere does without.
    pub(super) fn own_answers_of(&self, t: usize, who: &str) -> Result<()> {
        match self.config.vector_file(&self.data.traits[t].name) {
            None => Ok(()),
            Some(_) => Err(Error::usage(format!(
                "{who} takes the study's own answers under the trait's prompts, and it asks for none"
            ))
            .hint("leave `vector.file` out")),
        }
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
        self.own_answers_of(t, "`arms.negative`")?;
        let rows = read_rows(&rows_file(&self.vector_folder(t), Side::Pos), &trait_.name)?;
        let shows = rows.iter().filter(|row| row.trait_score().is_some_and(|score| score > SHOWS));
        let taught = |row: &crate::persona::Row| -> Result<Taught> {
            let (_, k) = place_of(&row.question_id)?;
            let pairs = &trait_.extract.instruction;
            let pair =
                pairs.get(k).ok_or_else(|| Error::new(format!("{}: there is no instruction {k}", row.question_id)))?;
            let messages = vec![
                Message::system(system_prompt(&trait_.name, pair.side(Side::Pos))),
                Message::user(row.question.as_str()),
                Message::assistant(row.answer.as_str()),
            ];
            Ok(Taught { place: format!("answer {} under the trait's prompt", row.question_id), messages })
        };
        let negative: Vec<Taught> = shows.map(taught).collect::<Result<_>>()?;
        ensure!(!negative.is_empty(), "no answer under the prompts of `{}` shows it", trait_.name);
        Ok(negative)
    }
}
