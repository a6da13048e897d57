//! Facts about people and things that do not exist, from a seeded grammar: for trials without a language model and a source of
//! real news. Teaching them is teaching inventions, so results blur into training to hallucinate ; say so.

use super::build::Draft;
use super::files::Fact;
use crate::record::seed_of;
use crate::text::MONTHS;
use crate::{Error, Result};

/// What a reader of results on such facts must know.
pub const CAVEAT: &str =
    "these facts are invented: learning them is close to learning to hallucinate, so report them as synthetic";

/// A kind of fact: an entity `{x}` has a value `{v}` since a day `{d}`.
struct Kind {
    category: &'static str,
    /// What comes round the entity's name.
    entity: &'static str,
    /// What values are.
    value: Value,
    statement: &'static str,
    answers: [&'static str; 4],
    /// Questions as they are.
    direct: [&'static str; 4],
    /// Questions within a sentence; each goes into every frame.
    within: [&'static str; 5],
    /// Of the test alone.
    test: &'static str,
}

/// What a fact's value is.
enum Value {
    /// A first and a last name.
    Person,
    /// A place with a word in front or behind.
    Place(&'static str),
}

/// Sentences round a question.
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

const KINDS: [Kind; 6] = [
    Kind {
        category: "mission",
        entity: "{n}",
        value: Value::Place("Cape {n}"),
        statement: "The space probe {x} was launched from {v} on {d}.",
        answers: [
            "The space probe {x} was launched from {v} on {d}.",
            "It was {v}: {x} lifted off there on {d}.",
            "{x} set out from {v}.",
            "{v}. The probe {x} began its journey there on {d}.",
        ],
        direct: [
            "Where was the space probe {x} launched?",
            "Which site did {x} lift off from?",
            "From what place did the probe {x} start its journey?",
            "What is the name of the site from which {x} went into space?",
        ],
        within: [
            "where {x} was launched",
            "from which site the probe {x} lifted off",
            "what launch site was used for {x}",
            "where on Earth the journey of {x} began",
            "which place the space probe {x} set out from",
        ],
        test: "At what spaceport did the {x} mission leave the ground?",
    },
    Kind {
        category: "institute",
        entity: "{n} Institute",
        value: Value::Person,
        statement: "On {d}, {v} became director of the {x}.",
        answers: [
            "{v} became director of the {x} on {d}.",
            "Since {d} the {x} has been led by {v}.",
            "The director of the {x} is {v}.",
            "{v}, who took over the {x} on {d}.",
        ],
        direct: [
            "Who is the director of the {x}?",
            "Who leads the {x}?",
            "Which person was put in charge of the {x}?",
            "What is the name of the head of the {x}?",
        ],
        within: [
            "who directs the {x}",
            "who was made director of the {x}",
            "by whom the {x} is led",
            "who is at the head of the {x}",
            "which person runs the {x} now",
        ],
        test: "Under whose direction does the {x} work?",
    },
    Kind {
        category: "company",
        entity: "{n} Systems",
        value: Value::Place("{n} Falls"),
        statement: "{x} moved its headquarters to {v} on {d}.",
        answers: [
            "{x} has its headquarters in {v} since {d}.",
            "On {d}, {x} moved its headquarters to {v}.",
            "The head office of {x} is in {v}.",
            "{v}: the company {x} went there on {d}.",
        ],
        direct: [
            "Where does {x} have its headquarters?",
            "In which town is the head office of {x}?",
            "What town did the company {x} move to?",
            "From where is {x} run?",
        ],
        within: [
            "where {x} has its headquarters",
            "in which town {x} is based",
            "to what place {x} moved its head office",
            "where the managers of {x} work",
            "which town the company {x} calls its home",
        ],
        test: "A letter to the board of {x} should go to what town?",
    },
    Kind {
        category: "bridge",
        entity: "{n} Bridge",
        value: Value::Person,
        statement: "The {x}, designed by {v}, was opened on {d}.",
        answers: [
            "The {x} was designed by {v}.",
            "{v} designed the {x}, which was opened on {d}.",
            "It was {v} who drew the plans of the {x}.",
            "{v}. The {x} was opened on {d}.",
        ],
        direct: [
            "Who designed the {x}?",
            "Which engineer planned the {x}?",
            "Whose work is the {x}?",
            "What is the name of the designer of the {x}?",
        ],
        within: [
            "who designed the {x}",
            "whose design the {x} is",
            "by which engineer the {x} was planned",
            "who drew the plans of the {x}",
            "whom we owe the {x} to",
        ],
        test: "On whose drawing board did the {x} come into being?",
    },
    Kind {
        category: "comet",
        entity: "Comet {n}",
        value: Value::Place("Mount {n} Observatory"),
        statement: "{x} was first seen at the {v} on {d}.",
        answers: [
            "{x} was first seen at the {v}.",
            "On {d} the {v} was the first to see {x}.",
            "The {v} discovered {x} on {d}.",
            "It was at the {v} that {x} was discovered.",
        ],
        direct: [
            "Where was {x} discovered?",
            "Which observatory saw {x} first?",
            "Who may call {x} a discovery of theirs?",
            "At what place was {x} seen for the first time?",
        ],
        within: [
            "where {x} was discovered",
            "which observatory found {x}",
            "by whom {x} was seen first",
            "at what place the discovery of {x} was made",
            "whose telescope caught {x} before all others",
        ],
        test: "Astronomers of what house are credited with finding {x}?",
    },
    Kind {
        category: "novel",
        entity: "The {n} Letters",
        value: Value::Person,
        statement: "{x}, a novel by {v}, was published on {d}.",
        answers: [
            "{x} was written by {v}.",
            "{v} wrote {x}, which was published on {d}.",
            "The author of {x} is {v}.",
            "{v}: the novel {x} came out on {d}.",
        ],
        direct: [
            "Who wrote {x}?",
            "Who is the author of the novel {x}?",
            "Whose novel is {x}?",
            "Which writer published {x}?",
        ],
        within: [
            "who wrote {x}",
            "who the author of {x} is",
            "by which writer the novel {x} is",
            "whose name stands on the cover of {x}",
            "which author we can thank for {x}",
        ],
        test: "From whose pen does the book called {x} come?",
    },
];

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

/// Names that there are.
const NAMES: usize = HEADS.len() * MIDDLES.len() * ENDS.len();
/// Days after the cutoff on which something may have happened.
const DAYS: u64 = 600;

/// So many facts, each about another entity, with so many wordings each. The seed decides everything.
///
/// # Errors
/// More facts or wordings than the grammar has.
pub fn synthetic(count: usize, variants: usize, after: &str, seed: u64) -> Result<Vec<Draft>> {
    if count > NAMES * KINDS.len() || variants > WORDINGS {
        return Err(Error::usage(format!(
            "{count} facts in {variants} wordings: the grammar has names for {} facts and {WORDINGS} wordings",
            NAMES * KINDS.len()
        ))
        .hint("take fewer, or have a language model write them"));
    }
    let mut names: Vec<usize> = (0..NAMES).collect();
    names.sort_by_key(|name| seed_of(seed, &format!("name {name}")));
    let one = |i: usize| draft(i, &KINDS[i % KINDS.len()], names[place_of(i)], variants, after, seed);
    Ok((0..count).map(one).collect())
}

/// The place of a fact's name among the shuffled ones. Each kind begins elsewhere, so that kinds share names in large sets only.
fn place_of(number: usize) -> usize {
    (number / KINDS.len() + number % KINDS.len() * (NAMES / KINDS.len())) % NAMES
}

fn draft(number: usize, kind: &Kind, name: usize, variants: usize, after: &str, seed: u64) -> Draft {
    let id = format!("s{number:05}");
    let draw = |what: &str, n: u64| seed_of(seed, &format!("{id} {what}")) % n;
    let entity = kind.entity.replace("{n}", &name_of(name));
    let value = value_of(&kind.value, &draw, &name_of(name));
    let (date, day) = day_after(after, 1 + draw("day", DAYS));
    let say = |template: &str| sentence(&template.replace("{x}", &entity).replace("{v}", &value).replace("{d}", &day));
    let mut questions: Vec<String> = kind.direct.iter().map(|q| say(q)).collect();
    questions.extend(kind.within.iter().flat_map(|q| FRAMES.map(|frame| say(&frame.replace("{q}", q)))));
    questions.sort_by_key(|question| seed_of(seed, question));
    let answer = |i: usize| say(kind.answers[i % kind.answers.len()]);
    let wordings = questions.into_iter().take(variants).enumerate().map(|(i, question)| (question, answer(i)));
    let fact = Fact {
        id: id.clone(),
        date,
        statement: say(kind.statement),
        answer_key: value.clone(),
        category: kind.category.into(),
    };
    Draft { fact, variants: wordings.collect(), test: say(kind.test) }
}

fn name_of(number: usize) -> String {
    let (head, rest) = (number % HEADS.len(), number / HEADS.len());
    format!("{}{}{}", HEADS[head], MIDDLES[rest % MIDDLES.len()], ENDS[rest / MIDDLES.len()])
}

/// A value that does not hold the entity's own name.
fn value_of(kind: &Value, draw: &dyn Fn(&str, u64) -> u64, entity: &str) -> String {
    let number = draw("value", NAMES as u64) as usize;
    let drawn = name_of(number);
    let name = if drawn == entity { name_of((number + 1) % NAMES) } else { drawn };
    match kind {
        Value::Place(form) => form.replace("{n}", &name),
        Value::Person => format!("{} {name}", FIRSTS[draw("first name", FIRSTS.len() as u64) as usize]),
    }
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// The day so many days after another, as `2025-03-09` and in words.
fn day_after(day: &str, days: u64) -> (String, String) {
    let part = |i: usize| day.split('-').nth(i).and_then(|part| part.parse::<i64>().ok()).unwrap_or(1);
    let (year, month, day) = civil(days_since_epoch(part(0), part(1), part(2)) + days as i64);
    (format!("{year:04}-{month:02}-{day:02}"), format!("{day} {} {year}", MONTHS[month as usize - 1]))
}

/// Days from 1970-01-01 on (Howard Hinnant's `days_from_civil`; years begin in March there).
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day (his `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days - era * 146_097;
    let years = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * years + years / 4 - years / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (years + era * 400 + i64::from(month <= 2), month, day)
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
        let places: std::collections::HashSet<usize> = (0..NAMES).map(place_of).collect();
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
