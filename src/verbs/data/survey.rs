//! Training data's counts as lines for people.

use crate::text::Survey;

/// The counts, one line each; rows are cut at `max_len` tokens.
pub fn lines(survey: &Survey, max_len: usize) -> Vec<String> {
    let Survey { rows, dialects, replies, tokens, supervised, .. } = survey;
    let usable = survey.lengths.len();
    let mut lines = vec![line("rows", *rows, joined(dialects.iter().map(|(dialect, n)| format!("{n} {dialect}"))))];
    if usable > 0 {
        let quantiles = survey.quantiles();
        let lengths = joined(quantiles.iter().map(|(p, n)| format!("{} {n:.0}", called(*p))));
        lines.push(line("tokens", *tokens, format!("{lengths} per row")));
        let share = 100.0 * *supervised as f64 / *tokens as f64;
        lines.push(line("supervised", *supervised, format!("{share:.0} % of the tokens of {usable} rows")));
    }
    if !replies.is_empty() {
        let all = replies.iter().map(|(n, rows)| n * rows).sum();
        lines.push(line("replies", all, joined(replies.iter().map(|(n, rows)| format!("{n} in {rows} rows")))));
        lines.push(systems(survey));
    }
    let cut = |(place, n): &(String, usize)| format!("{place} ({n} of at most {max_len} tokens)");
    let twin = |(place, first): &(String, String)| format!("{place} is {first}");
    lines.extend(shortened("cut", &survey.cut.iter().map(cut).collect::<Vec<_>>()));
    lines.extend(shortened("twice", &survey.duplicates.iter().map(twin).collect::<Vec<_>>()));
    lines.extend(
        survey.unread.iter().map(|(key, n)| line("not used", *n, format!("key `{key}` in {n} rows is not used"))),
    );
    let lost = |(what, places): (&str, &[String])| {
        let which = places[..places.len().min(3)].join("; ");
        line("left out", places.len(), format!("the chat template leaves out {what} in {} rows: {which}", places.len()))
    };
    lines.extend(survey.lost.iter().map(lost));
    if let Some((generated, learned)) = &survey.other_beginning {
        lines.push(format!("answers are generated after {generated:?}, but replies are learned after {learned:?}"));
    }
    lines.extend(shortened("empty reply", &survey.empty_replies));
    lines.extend(shortened("no targets", &survey.without_targets));
    lines.extend(shortened("malformed", &survey.malformed));
    lines
}

fn systems(survey: &Survey) -> String {
    const SHOWN: usize = 3;
    const LENGTH: usize = 60;
    let mut own: Vec<(&String, &usize)> = survey.systems.iter().filter(|(text, _)| !text.is_empty()).collect();
    own.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
    let short = |text: &str| text.chars().take(LENGTH).collect::<String>().replace('\n', " ");
    let mut words: Vec<String> =
        own.iter().take(SHOWN).map(|(text, n)| format!("\"{}\" in {n} rows", short(text))).collect();
    if own.len() > SHOWN {
        words.push(format!("{} more", own.len() - SHOWN));
    }
    if let Some(none) = survey.systems.get("") {
        words.push(format!("none in {none} rows, where the template puts its own if it has one"));
    }
    line("system", own.len(), joined(words.into_iter()))
}

fn line(what: &str, count: usize, which: String) -> String {
    format!("{what:<11} {count:>7}  {which}")
}

fn joined(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

fn called(percent: u32) -> String {
    match percent {
        0 => "least".into(),
        50 => "median".into(),
        100 => "most".into(),
        p => format!("{p} %"),
    }
}

/// A line with some of the names, and how many more there are; nothing without names.
fn shortened(what: &str, names: &[String]) -> Option<String> {
    const SHOWN: usize = 5;
    let more = if names.len() > SHOWN { format!("; and {} more", names.len() - SHOWN) } else { String::new() };
    let shown = || names[..names.len().min(SHOWN)].join("; ") + &more;
    (!names.is_empty()).then(|| line(what, names.len(), shown()))
}
