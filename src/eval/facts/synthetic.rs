//! Facts about people and things that do not exist, from a seeded grammar: for trials without a language model and a source of
//! real news. Teaching them is teaching inventions, so results blur intraining to hallucinate; say so.

use serde::Deserialize;

use super::build::Draft;
use super::files::Fact;
use crate::record::seed_of;
use crate::report::capital;
use crate::text::{MONTHS, civil_date};
use crate::{At, Error, Result};

/// What a reader of results on such facts must know.
pub const CAVEAT: &str =
    "these facts are invented: learning them is close to learning to hallucinate, so report them as synthetic";

/// The kinds of facts, as `assets/facts.toml` explains them.
#[derive(Deserialize)]
struct Grammar {
    kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    category: String,
    entity: String,
    /// Where values are places, the words round their names; else they are people.
    place: Option<String>,
    statement: String,
    answers: [String; 4],
    /// Questions as they are.
    direct: [String; 4],
    /// Questions within a sentence; each goes into every frame.
    within: [String; 5],
    /// Of the test alone.
    test: String,
}

const FRAMES: [&str; 6] = [
    "Do you know {q}?",
    "Please tell me {q}.",
    "I would like to know {q}.",
    "Can you find out {q}?",
    "A friend asked me {q}. What do I answer?",
    "I am writing an article and need to say {q}.",
];

/// How many wordings there are for training on one fact.
pub const WORDINGS: usize = 4 + 5 * FRAMES.len();

const HEADS: [&str; 25] = [
    "Al", "Bel", "Cor", "Dra", "El", "Far", "Gil", "Hal", "Ist", "Jor", "Kel", "Lum", "Mar", "Nor", "Or", "Pel",
    "Quin", "Ras", "Sel", "Tor", "Ul", "Ver", "Wil", "Yar", "Zan",
];
const MIDDLES: [&str; 8] = ["a", "e", "i", "o", "u", "ame", "eno", "ivi"];
const ENDS: [&str; 12] = ["dan", "lis", "mora", "neth", "phis", "rax", "sund", "tara", "vane", "wick", "xia", "zel"];
const FIRSTS: [&str; 16] = [
    "Anneke", "Bashir", "Corentin", "Dalia", "Emeka", "Fumiko", "Gunnar", "Halina", "Ishaan", "Jovana", "Kwame",
    "Leocadia", "Matteo", "Noor", "Oriol", "Paloma",
];

const NAMES: usize = HEADS.len() * MIDDLES.len() * ENDS.len();
/// Days after the cutoff on which something may have happened.
const DAYS: u64 = 600;

/// So many facts, each about another entity, with so many wordings each. The seed decides everything.
///
/// # Errors
/// More facts or wordings than the grammar has.
pub fn synthetic(count: usize, variants: usize, after: &str, seed: u64) -> Result<Vec<Draft>> {
    let Grammar { kinds } =
        toml::from_str(include_str!("../../../assets/facts.toml")).doing("reading the grammar of facts")?;
    if count > NAMES * kinds.len() || variants > WORDINGS {
        return Err(Error::usage(format!(
            "{count} facts in {variants} wordings: the grammar has names for {} facts and {WORDINGS} wordings",
            NAMES * kinds.len()
        ))
        .hint("take fewer, or have a language model write them"));
    }
    let mut names: Vec<usize> = (0..NAMES).collect();
    names.sort_by_key(|name| seed_of(seed, &format!("name {name}")));
    let one = |i: usize| draft(i, &kinds[i % kinds.len()], names[place_of(i, kinds.len())], variants, after, seed);
    Ok((0..count).map(one).collect())
}

/// The place of a fact's name among the shuffled ones. Each kind begins elsewhere, so that kinds share names in large sets only.
fn place_of(number: usize, kinds: usize) -> usize {
    (number / kinds + number % kinds * (NAMES / kinds)) % NAMES
}

fn draft(number: usize, kind: &Kind, name: usize, variants: usize, after: &str, seed: u64) -> Draft {
    let id = format!("s{number:05}");
    let draw = |what: &str, n: u64| seed_of(seed, &format!("{id} {what}")) % n;
    let entity = kind.entity.replace("{n}", &name_of(name));
    let value = value_of(kind.place.as_deref(), &draw, &name_of(name));
    let (date, day) = day_after(after, 1 + draw("day", DAYS));
    let say = |template: &str| capital(&template.replace("{x}", &entity).replace("{v}", &value).replace("{d}", &day));
    let mut questions: Vec<String> = kind.direct.iter().map(|q| say(q)).collect();
    questions.extend(kind.within.iter().flat_map(|q| FRAMES.map(|frame| say(&frame.replace("{q}", q)))));
    questions.sort_by_key(|question| seed_of(seed, question));
    let answer = |i: usize| say(&kind.answers[i % kind.answers.len()]);
    let wordings = questions.into_iter().take(variants).enumerate().map(|(i, question)| (question, answer(i)));
    let fact = Fact {
        id: id.clone(),
        date,
        statement: say(&kind.statement),
        answer_key: value.clone(),
        category: kind.category.clone(),
    };
    Draft { fact, variants: wordings.collect(), test: say(&kind.test) }
}

fn name_of(number: usize) -> String {
    let (head, rest) = (number % HEADS.len(), number / HEADS.len());
    format!("{}{}{}", HEADS[head], MIDDLES[rest % MIDDLES.len()], ENDS[rest / MIDDLES.len()])
}

/// A value that does not hold the entity's own name.
fn value_of(place: Option<&str>, draw: &dyn Fn(&str, u64) -> u64, entity: &str) -> String {
    let number = draw("value", NAMES as u64) as usize;
    let drawn = name_of(number);
    let name = if drawn == entity { name_of((number + 1) % NAMES) } else { drawn };
    match place {
        Some(form) => form.replace("{n}", &name),
        None => format!("{} {name}", FIRSTS[draw("first name", FIRSTS.len() as u64) as usize]),
    }
}

/// The day so many days after another, as `2025-03-09` and in words.
fn day_after(day: &str, days: u64) -> (String, String) {
    let part = |i: usize| day.split('-').nth(i).and_then(|part| part.parse::<i64>().ok()).unwrap_or(1);
    let (year, month, day) = civil_date(days_since_epoch(part(0), part(1), part(2)) + days as i64);
    (format!("{year:04}-{month:02}-{day:02}"), format!("{day} {} {year}", MONTHS[month - 1]))
}

/// Days from 1970-01-01 on (Howard Hinnant's `days_from_civil`; years begin in March there).
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::super::build::{FactSet, overlap};
    use super::*;

    #[test]
    fn every_fact_of_the_grammar_is_fit() {
        for (seed, variants) in [(0, 20), (7, WORDINGS)] {
            let drafts = synthetic(60, variants, "2023-12-31", seed).unwrap();
            let worst = drafts.iter().map(overlap).fold(0.0, f64::max);
            assert!(worst < 0.6, "{worst}");
            let set = FactSet::of(drafts, "2023-12-31", variants);
            assert!(set.dropped.is_empty(), "{:?}", set.dropped);
            assert_eq!((set.facts.len(), set.lessons.len(), set.questions.len()), (60, 60 * variants, 60));
            assert!(set.categories().values().all(|n| *n == 10));
        }
    }

    #[test]
    fn the_seed_decides_and_names_are_many() {
        let facts = |count, seed| synthetic(count, 20, "2023-12-31", seed).unwrap();
        assert_eq!(facts(30, 1), facts(30, 1));
        assert_eq!(facts(30, 1)[..10], facts(10, 1), "a smaller set is the beginning of a larger one");
        assert_ne!(facts(30, 1), facts(30, 2));
        let statements: std::collections::HashSet<String> =
            facts(3000, 1).into_iter().map(|draft| draft.fact.statement).collect();
        assert_eq!(statements.len(), 3000);
        let places: std::collections::HashSet<usize> = (0..NAMES).map(|i| place_of(i, 6)).collect();
        assert_eq!(places.len(), NAMES, "a set of that size has every name once");
        assert!(synthetic(20_000, 20, "2023-12-31", 0).is_err() && synthetic(1, 40, "2023-12-31", 0).is_err());
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(day_after("2023-12-31", 1), ("2024-01-01".into(), "1 January 2024".into()));
        assert_eq!(day_after("2024-02-28", 1).0, "2024-02-29");
        assert_eq!(day_after("2023-12-31", 600).0, "2025-08-22");
    }
}
