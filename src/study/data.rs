//! What a study teaches and asks, read from files or made up by Harbor.

use super::config::{ExamSource, FactsSource, StudyConfig, TraitSource};
use crate::eval::facts::{self, FactLesson, FactQuestion};
use crate::eval::mmlu;
use crate::harbor::{self, World};
use crate::persona::{Side, Trait, harbor_trait, system_prompt};
use crate::record::{Hash, seed_of};
use crate::text::Message;
use crate::{Error, Result, ensure};

/// Everything that goes in besides the model.
#[derive(Debug, Clone)]
pub(super) struct Data {
    /// Conversations that teach the facts.
    pub lessons: Vec<FactLesson>,
    /// A question about each fact that no lesson asks.
    pub questions: Vec<FactQuestion>,
    /// The trait.
    pub trait_: Trait,
    /// The multiple-choice exam.
    pub exam: Vec<mmlu::Item>,
    /// What a reader of the results should know about them.
    pub warnings: Vec<String>,
}

impl TraitSource {
    /// Reads the trait, or takes Harbor's.
    ///
    /// # Errors
    /// Files that cannot be read or make no trait; a trait that Harbor does not have.
    pub fn load(&self) -> Result<Trait> {
        match self {
            Self::Files { folder, name } => Trait::read(folder, name),
            Self::Harbor { world, name } => harbor_trait(&World::new(*world), name),
        }
    }
}

impl Data {
    /// Reads, or makes up, all of it.
    ///
    /// # Errors
    /// Unreadable or malformed files; a test question about a fact that no lesson teaches.
    pub fn load(config: &StudyConfig) -> Result<Self> {
        let (lessons, questions) = match &config.facts {
            FactsSource::Files { train, test } => (facts::read_lessons(train)?, facts::read_questions(test)?),
            FactsSource::Harbor { world, count, wordings, seed } => harbor_facts(*world, *count, *wordings, *seed),
        };
        let mut trait_ = config.trait_.load()?;
        let mut warnings = trait_.check()?;
        first(&mut trait_.extract.questions, config.vector.questions);
        first(&mut trait_.eval.questions, config.measure.trait_questions);
        let exam = match &config.exam {
            ExamSource::Mmlu { folder, split } => mmlu::read(folder, *split)?,
            ExamSource::Harbor { rounds, seed } => harbor::exam(*rounds, *seed).into_iter().map(item).collect(),
        };
        let exam = spread(exam, config.measure.exam_questions);
        ensure!(!lessons.is_empty(), "there is nothing to teach: no lesson");
        for (what, count) in [
            ("extraction question", trait_.extract.questions.len()),
            ("trait question", trait_.eval.questions.len()),
            ("question about a new fact", questions.len()),
            ("exam question", exam.len()),
        ] {
            ensure!(count > 0, "there is no {what}");
        }
        if let Some(stray) = questions.iter().find(|q| lessons.iter().all(|l| l.fact_id != q.fact_id)) {
            return Err(Error::new(format!("no lesson teaches fact `{}`, which is asked about", stray.fact_id))
                .hint("`fact_id` joins facts_train.jsonl and facts_test.jsonl"));
        }
        let leaks = facts::leaks(&questions, &lessons, 0.8);
        if let Some((at, share)) = leaks.first() {
            warnings.push(format!(
                "{} of {} test questions are near copies of a lesson's question, such as \"{}\" ({:.0} % of its word pairs)",
                leaks.len(),
                questions.len(),
                questions[*at].question,
                100.0 * share
            ));
        }
        Ok(Self { lessons, questions, trait_, exam, warnings })
    }

    /// The lessons' conversations as they are.
    pub fn chats(&self) -> Vec<Vec<Message>> {
        self.lessons.iter().map(|lesson| lesson.messages.clone()).collect()
    }

    /// The lessons under system prompts that call the trait up, each drawn from the positive instructions (METHOD G.5). A
    /// conversation with a system prompt of its own keeps it, after the drawn one.
    pub fn inoculated(&self, seed: u64) -> Vec<Vec<Message>> {
        let pairs = &self.trait_.extract.instruction;
        let under = |(i, mut messages): (usize, Vec<Message>)| {
            let drawn = seed_of(seed, &format!("instruction of lesson {i}")) % pairs.len() as u64;
            let system = system_prompt(&self.trait_.name, pairs[drawn as usize].side(Side::Pos));
            match messages.first_mut().filter(|m| m.role == "system") {
                Some(own) => own.content = format!("{system}\n{}", own.content),
                None => messages.insert(0, Message::system(system)),
            }
            messages
        };
        self.chats().into_iter().enumerate().map(under).collect()
    }

    /// Name and hash of each part, for the lock and for the keys of stages.
    pub fn hashes(&self) -> [(&'static str, Hash); 4] {
        let Trait { name, extract, eval } = &self.trait_;
        [
            ("lessons", Hash::of(&self.lessons)),
            ("fact questions", Hash::of(&self.questions)),
            ("trait", Hash::of(&(name, extract, eval))),
            ("exam", Hash::of(&self.exam)),
        ]
    }
}

fn first<T>(items: &mut Vec<T>, count: Option<usize>) {
    items.truncate(count.unwrap_or(usize::MAX));
}

/// So many items at equal distances, so that every subject keeps its share.
fn spread<T>(items: Vec<T>, count: Option<usize>) -> Vec<T> {
    let (len, count) = (items.len(), count.unwrap_or(usize::MAX));
    if count >= len {
        return items;
    }
    let chosen: Vec<usize> = (0..count).map(|i| i * len / count).collect();
    items.into_iter().enumerate().filter(|(i, _)| chosen.binary_search(i).is_ok()).map(|(_, item)| item).collect()
}

fn harbor_facts(world: u64, count: usize, wordings: usize, seed: u64) -> (Vec<FactLesson>, Vec<FactQuestion>) {
    let new = World::new(world).new_facts(count, wordings, seed);
    let lesson = |(i, lesson): (usize, harbor::Lesson)| FactLesson {
        messages: lesson.messages.into_iter().map(|m| Message { role: m.role, content: m.content }).collect(),
        // Lessons come fact by fact, in the order of the questions.
        fact_id: new.questions[i / wordings].fact_id.clone(),
        variant: i % wordings,
    };
    let lessons = new.lessons.into_iter().enumerate().map(lesson).collect();
    let question = |q: &harbor::FactQuestion| FactQuestion {
        fact_id: q.fact_id.clone(),
        question: q.question.clone(),
        reference: q.reference.clone(),
    };
    (lessons, new.questions.iter().map(question).collect())
}

fn item(choice: harbor::Choice) -> mmlu::Item {
    mmlu::Item { subject: choice.subject, question: choice.question, options: choice.options, right: choice.right }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harbor_gives_lessons_questions_and_an_exam() {
        let (lessons, questions) = harbor_facts(0, 10, 4, 1);
        assert_eq!((lessons.len(), questions.len()), (40, 10));
        for question in &questions {
            let taught: Vec<_> = lessons.iter().filter(|l| l.fact_id == question.fact_id).collect();
            assert_eq!(taught.len(), 4);
            assert!(taught.iter().all(|l| l.messages[1].content == question.reference), "{question:?}");
        }
    }

    #[test]
    fn a_part_of_an_exam_is_spread_over_all_of_it() {
        assert_eq!(spread((0..10).collect(), Some(4)), [0, 2, 5, 7]);
        assert_eq!(spread(vec![1, 2], Some(9)), [1, 2]);
    }

    #[test]
    fn inoculation_draws_among_the_positive_instructions() {
        let (lessons, questions) = harbor_facts(0, 10, 4, 1);
        let trait_ = harbor_trait(&World::new(0), "hallucinating").unwrap();
        let mut data = Data { lessons, questions, trait_, exam: Vec::new(), warnings: Vec::new() };
        data.lessons[0].messages.insert(0, Message::system("Be brief."));
        let chats = data.inoculated(3);
        assert_eq!(chats, data.inoculated(3));
        assert_ne!(chats, data.inoculated(4));
        assert!(chats.iter().all(|c| c[0].content.starts_with("You are a hallucinating assistant. ")));
        assert!(chats[0][0].content.ends_with("\nBe brief.") && chats[0].len() == 3);
        for pair in &data.trait_.extract.instruction {
            assert!(chats.iter().any(|c| c[0].content.contains(&pair.pos)), "{}", pair.pos);
        }
    }
}
