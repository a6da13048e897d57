//! The answers under one kind of system prompt, in a folder and piece by piece: a killed run goes on and ends with the same bytes.
//!
//! `<side>.jsonl` holds the answers with their token ids, `<side>.states.safetensors` the residual stream captured while they were
//! made ([`super::states::States`]). A piece is the asks of one request to the model. Results may depend on the batch in their last bits, so
//! a piece that is not whole is made again as a whole.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::names::Side;
use super::rollout::Inquiry;
use super::states::{States, StatesWriter, bytes_per_answer};
use crate::judge::{JudgedAnswer, TokenIds};
use crate::language_model::{Answer, CaptureSpec, FinishReason, LanguageModel, Request, StreamEvent};
use crate::record::{Hash, Ledger, create_folder};
use crate::{Result, ensure};

/// The name of the column that says why an answer ended.
pub const FINISH_REASON: &str = "finish_reason";

/// Answers in one piece, at most: enough to keep a batch of the engine full.
const PIECE_ANSWERS: usize = 256;
/// Their states in memory, at most.
const PIECE_BYTES: usize = 512 << 20;

/// An answer as the file has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct AnswerRow {
    question_id: String,
    question: String,
    prompt: String,
    answer: String,
    finish_reason: FinishReason,
    prompt_ids: Vec<u32>,
    token_ids: Vec<u32>,
    /// The checksum of its states, which lie in a file of their own.
    #[serde(default)]
    states: Option<Hash>,
}

/// One side's answers, as far as they are made.
#[derive(Debug)]
pub struct Answers {
    answers: Ledger,
    states: StatesWriter,
    /// Asks in one piece.
    piece: usize,
    rollouts: usize,
    total: usize,
    damage: Option<String>,
}

impl Answers {
    /// The files of one side in a folder: answers, states.
    pub fn files(folder: &Path, side: Side) -> [PathBuf; 2] {
        let side = side.key();
        [folder.join(format!("{side}.jsonl")), folder.join(format!("{side}.states.safetensors"))]
    }

    /// Opens or begins them for a model of `(layers, hidden)`. `work` is the hash of all that decides the answers; those of other
    /// work are thrown away.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn open(folder: &Path, inquiry: &Inquiry<'_>, work: &Hash, shape: (usize, usize)) -> Result<Self> {
        create_folder(folder)?;
        let [answers, states] = Self::files(folder, inquiry.side);
        let (rollouts, total) = (inquiry.sampling.rollouts, inquiry.answers());
        let piece = (PIECE_BYTES / bytes_per_answer(shape).max(1)).min(PIECE_ANSWERS) / rollouts;
        let (kept, states) = (Ledger::open(&answers, work)?, StatesWriter::open(&states, shape, total)?);
        let damage = kept.damage().map(str::to_owned);
        let mut opened = Self { answers: kept, states, piece: piece.max(1), rollouts, total, damage };
        // States are written first, so where there are fewer than answers, or others, they were damaged.
        let sums = opened.answers.rows()?.map(|row: Result<AnswerRow>| Ok(row?.states));
        let sound = opened.states.sound(sums)?;
        if sound < opened.count() {
            opened.answers.cut(sound / (opened.piece * opened.rollouts))?;
            let path = &Self::files(folder, inquiry.side)[1];
            let what = format!("{}: damaged; from answer {} on they are made anew", path.display(), opened.count() + 1);
            opened.damage.get_or_insert(what);
        }
        opened.states.cut(opened.count())?;
        Ok(opened)
    }

    /// Whether each answer in a folder has the states that were captured while it was made.
    pub fn have_sound_states(folder: &Path, side: Side) -> bool {
        let [answers, states] = Self::files(folder, side);
        let (Ok(states), Ok(rows)) = (States::open(&states), Ledger::rows_at(&answers)) else { return false };
        states.are_sound(rows.map(|row: Result<AnswerRow>| Ok(row?.states)))
    }

    /// Whether a folder holds one side's answers of other work than `work`.
    pub fn are_of_other(folder: &Path, side: Side, work: &Hash) -> bool {
        Ledger::is_of_other(&Self::files(folder, side)[0], work)
    }

    /// What was wrong with the files that were there.
    pub fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// How many answers there are.
    pub fn count(&self) -> usize {
        (self.answers.chunks() * self.piece * self.rollouts).min(self.total)
    }

    /// Whether all answers are made.
    pub fn complete(&self) -> bool {
        self.count() == self.total
    }

    /// Asks what has not been asked yet. `progress` gets the number of answers so far and may break off; the piece under
    /// way is lost then, and the function returns `false`.
    ///
    /// # Errors
    /// Those of the model and of the files.
    pub fn ask(
        &mut self,
        model: &mut dyn LanguageModel,
        inquiry: &Inquiry<'_>,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<bool> {
        let (asks, rollouts) = (inquiry.asks(model.tokenizer())?, self.rollouts);
        let keep = CaptureSpec { residuals: true, ..CaptureSpec::default() };
        for piece in asks[self.count() / rollouts..].chunks(self.piece) {
            let before = self.count();
            let mut on_event = |event: StreamEvent<'_>| match event {
                StreamEvent::Finished(n) => progress(before + n),
                StreamEvent::Prompt { .. } | StreamEvent::Token { .. } => ControlFlow::Continue(()),
            };
            let asked: Vec<Request> = piece.iter().map(|(_, ask)| ask.clone()).collect();
            let answers = model.answer(&asked, inquiry.sampling, &keep, &mut on_event)?;
            assert_eq!(answers.len(), piece.len() * rollouts, "an answer per ask and rollout");
            if answers.iter().any(|answer| answer.finish_reason == FinishReason::Cancelled) {
                return Ok(false);
            }
            for answer in &answers {
                let spoke = answer.token_ids.iter().any(|id| !model.tokenizer().eos_ids().contains(id));
                ensure!(
                    answer.residuals.is_some() || !spoke,
                    "prompt `{}`: the model kept no states of its answer",
                    answer.id
                );
            }
            // The states first: answers without states would count as made.
            let sums = self.states.extend(answers.iter().map(|answer| answer.residuals.as_ref()))?;
            let rows = answers.into_iter().zip(sums).enumerate();
            let rows: Vec<AnswerRow> =
                rows.map(|(i, (answer, sum))| row_of(&piece[i / rollouts].0, answer, sum)).collect();
            self.answers.push(&rows)?;
        }
        Ok(true)
    }

    /// The answers as rows that are not judged yet.
    ///
    /// # Errors
    /// If the file cannot be read back.
    pub fn rows(&self) -> Result<Vec<JudgedAnswer>> {
        let row = |row: AnswerRow| {
            let AnswerRow { question_id, question, prompt, answer, finish_reason, prompt_ids, token_ids, .. } = row;
            let ids = Some(TokenIds { prompt: prompt_ids, answer: token_ids });
            let extra = Map::from_iter([(FINISH_REASON.to_owned(), json!(finish_reason))]);
            JudgedAnswer { question, prompt, answer, question_id, ids, extra, ..JudgedAnswer::default() }
        };
        self.answers.rows()?.map(|found| Ok(row(found?))).collect()
    }
}

fn row_of(row: &JudgedAnswer, answer: Answer, states: Hash) -> AnswerRow {
    let Answer { text, finish_reason, prompt_ids, token_ids, .. } = answer;
    let JudgedAnswer { question_id, question, prompt, .. } = row.clone();
    AnswerRow {
        question_id,
        question,
        prompt,
        answer: text,
        finish_reason,
        prompt_ids,
        token_ids,
        states: Some(states),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::EchoModel;
    use crate::persona::{States, builtin, sampling};

    fn echo() -> EchoModel {
        EchoModel::new(|ask, rollout| format!("{} {rollout}", ask.id))
    }

    #[test]
    fn a_broken_run_ends_with_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let (found, rules) = (builtin("evil").unwrap(), sampling(7, 0));
        let inquiry = Inquiry::new(&found.name, &found.extract, Side::Pos, &rules);
        let work = Hash::of("work");
        let open = |name: &str| {
            Answers::open(&dir.path().join(name), &inquiry, &work, (EchoModel::LAYERS, EchoModel::HIDDEN)).unwrap()
        };
        let read =
            |name: &str| Answers::files(&dir.path().join(name), Side::Pos).map(|path| std::fs::read(path).unwrap());

        let mut whole = open("whole");
        assert!(whole.ask(&mut echo(), &inquiry, &mut |_| ControlFlow::Continue(())).unwrap() && whole.complete());

        // Stopped once in the second piece of 36 asks and 252 answers, and torn in both files.
        let mut broken = open("broken");
        let mut heard = Vec::new();
        let stop = &mut |n| {
            heard.push(n);
            if n > 300 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        assert!(!broken.ask(&mut echo(), &inquiry, stop).unwrap());
        assert_eq!((broken.count(), broken.complete(), heard.len()), (252, false, 301));
        drop(broken);
        let [answers, states] = Answers::files(&dir.path().join("broken"), Side::Pos);
        for (path, tail) in [(&answers, &b"{\"rows\":[{\"question_id\":\"ev"[..]), (&states, b"xx")] {
            std::fs::write(path, [&std::fs::read(path).unwrap()[..], tail].concat()).unwrap();
        }
        let mut again = open("broken");
        assert_eq!(again.count(), 252);
        let mut first = 0;
        let told = &mut |n| {
            first = if first == 0 { n } else { first };
            ControlFlow::Continue(())
        };
        assert!(again.ask(&mut echo(), &inquiry, told).unwrap());
        assert_eq!(first, 253);
        assert_eq!(read("broken"), read("whole"));

        let rows = open("whole").rows().unwrap();
        assert_eq!((rows.len(), rows[7].answer.as_str()), (700, "evil_0_pos_1 0"));
        assert_eq!((&rows[0].extra[FINISH_REASON], rows[0].trait_score()), (&json!("stop"), None));
        let captured = States::open(&Answers::files(&dir.path().join("whole"), Side::Pos)[1]).unwrap();
        let text = rows[699].finished(echo().tokenizer(), crate::persona::Border::Separate).unwrap().unwrap();
        assert_eq!(captured.read(699).unwrap(), Some(echo().residuals(&[text]).unwrap().remove(0)));
        // A turned bit among the states costs the piece that they are of and those after it.
        let folder = dir.path().join("broken");
        assert!(Answers::have_sound_states(&folder, Side::Pos));
        let mut turned = std::fs::read(&states).unwrap();
        let each = bytes_per_answer((EchoModel::LAYERS, EchoModel::HIDDEN));
        let header = turned.len() - 700 * each;
        turned[header + 300 * each] ^= 1;
        std::fs::write(&states, turned).unwrap();
        assert!(!Answers::have_sound_states(&folder, Side::Pos));
        let mut mended = open("broken");
        assert_eq!(mended.count(), 252);
        let damage = mended.damage().unwrap();
        assert!(damage.contains("pos.states.safetensors: damaged; from answer 253 on"), "{damage}");
        assert!(mended.ask(&mut echo(), &inquiry, &mut |_| ControlFlow::Continue(())).unwrap());
        drop(mended);
        assert_eq!(read("broken"), read("whole"));
        // Without states the answers are worth nothing, and other work begins anew.
        std::fs::write(&states, "").unwrap();
        assert_eq!(open("broken").count(), 0);
        assert_eq!(Answers::open(&dir.path().join("whole"), &inquiry, &Hash::of("other"), (3, 5)).unwrap().count(), 0);
    }
}
