//! What a report says in sentences: expectations and notes. Each has an id; programs go by the id and never by the words.

use serde::{Deserialize, Serialize};

/// Which promise of the method, finding of the paper or statement of the audit an [`Expectation`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExpectationId {
    /// Plain finetuning raises the trait and teaches the facts.
    PlainRaises,
    /// Some preventative coefficient keeps the trait near the base model, and the facts.
    Prevents,
    /// At equal trait score inference-time steering has fewer facts right.
    InferenceCosts,
    /// Random vectors of equal norm do not lower the trait.
    RandomKeepsTrait,
    /// Preventative steering at all layers ends near the base model.
    ReachesBase,
    /// One layer prevents less than all layers.
    OneLayerIsLess,
    /// Ablation prevents less than steering.
    AblationIsLess,
    /// A loss on the projection lowers the shift and leaves the trait.
    RegularizationHides,
    /// Random vectors prevent less than the real one.
    RandomIsLess,
    /// The vector of shuffled rollouts prevents less.
    ShuffledIsLess,
    /// The vector without its part along the plain finetune's shift prevents less.
    OrthogonalIsLess,
    /// Another trait's vector prevents less.
    UnrelatedIsLess,
    /// The negated vector leaves more of the trait than plain finetuning.
    NegatedIsMore,
    /// Self-generated data does not move the trait.
    SelfgenIsNeutral,
    /// On benign data steering does not raise the trait.
    AddsNothing,
    /// Steering costs little of multiple choice.
    KeepsExam,
    /// Plain finetuning moves the trait, in a study with a neutral data set.
    PlainMoves,
    /// Some preventative coefficient ends where the plain finetune on the neutral set does, and learns the neutral part.
    OnlyTraitIsLeftOut,
    /// That setting lies below random vectors of the same norm.
    BelowRandom,
    /// Its multiple choice is that of the plain finetune.
    ExamNearPlain,
    /// The data's gradient along the vector is smaller with the steering, or reversed.
    GradientFalls,
    /// No finetune shows the trait with half of the plain one's shift.
    NotHidden,
    /// A fresh probe tells little more than the old vector.
    FreshProbe,
    /// The shift's part orthogonal to the vector does not elicit the trait.
    ResidualShift,
    /// Nothing that elicits the trait elicits more of it than in the base model.
    Elicitation,
    /// Conversations that show the trait raise it no more than in the base model.
    Relearning,
    /// No finetune relearns the trait sooner than the base model learns it.
    RelearnsSooner,
    /// A side effect lies within the noise.
    SideEffect,
    /// The two judges agree.
    JudgesAgree,
    /// What the first judge sees prevented the second sees prevented too.
    JudgesOrder,
    /// Layer selection chooses the paper's layer.
    PublishedLayer,
}

/// What should come out, and what did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// What it is about.
    pub id: ExpectationId,
    /// What is expected, with its threshold.
    pub claim: String,
    /// What was measured.
    pub measured: String,
    /// Whether that meets the claim; `None` where that is unknown.
    pub met: Option<bool>,
}

impl Expectation {
    /// An expectation and its outcome.
    pub fn new(id: ExpectationId, claim: &str, measured: &str, met: Option<bool>) -> Self {
        Self { id, claim: worded(claim), measured: worded(measured), met }
    }
}

/// What a [`Note`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoteKind {
    /// Answers without a score.
    MissingScores,
    /// Facts that the base model already knows.
    KnownFacts,
    /// Too few training seeds for the intervals to cover training.
    FewSeeds,
    /// The facts are synthetic.
    SyntheticFacts,
    /// How the vector was extracted.
    Vector,
    /// The check that steering in training shifts the stream as planned.
    SteeringCheck,
    /// The smallest difference that the study could find.
    Detectable,
    /// Something about the inputs that a reader should know.
    Input,
    /// A check of the audit that could not be made, or whose answers are not coherent.
    Unchecked,
    /// How side effects were measured.
    SideEffects,
    /// What a coefficient is a fraction of.
    Fractions,
    /// The score of a chosen layer rests on few of its answers.
    FewScores,
    /// Most layers have too few readable answers at the coefficient that compares them.
    UnreadableLayers,
    /// What the limit on coherence may get wrong.
    Coherence,
    /// The choice on the other split of questions.
    Confirmation,
}

/// What must be known to read the numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// What it is about.
    pub kind: NoteKind,
    /// The sentence.
    pub text: String,
}

impl Note {
    /// A note of that kind.
    pub fn new(kind: NoteKind, text: &str) -> Self {
        Self { kind, text: worded(text) }
    }
}

/// Every claim, note and label of a report passes here, so that a test can reword them all and see that no decision changes.
pub(crate) fn worded(text: &str) -> String {
    #[cfg(test)]
    if rewording::IS_ON.get() {
        return text.chars().rev().collect();
    }
    text.to_owned()
}

/// Rewords everything that a report says on this thread: every text is written backwards.
#[cfg(test)]
pub(crate) mod rewording {
    use std::cell::Cell;

    thread_local! {
        pub(super) static IS_ON: Cell<bool> = const { Cell::new(false) };
    }

    pub(crate) fn during<T>(work: impl FnOnce() -> T) -> T {
        IS_ON.set(true);
        let result = work();
        IS_ON.set(false);
        result
    }
}
