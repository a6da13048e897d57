//! A screening from files to files: measure, decide, write. Everything is written again from what was measured, so a second run with
//! other thresholds takes seconds.

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::choose::{Choices, Decision, Thresholds};
use super::measure::{Joined, Measured, measure};
use super::rules::ScreenRules;
use super::show::{Shown, scores};
use super::source::Source;
use super::summary::{Numbers, Picked, Summary, count_and_pick};
use super::{highlight, measure};
use crate::data_table::{Format, Writer};
use crate::judge::Judge;
use crate::language_model::LanguageModel;
use crate::record::{Hash, Lock, RunDir, write_atomic_by};
use crate::{At, Result, ensure};

/// A finished screening.
#[derive(Debug)]
pub struct Screened {
    /// The counts and scores.
    pub summary: Summary,
    /// What was written, the page first.
    pub files: Vec<PathBuf>,
}

impl Screened {
    /// For a terminal: how many rows were kept and dropped, and the scores.
    pub fn text(&self) -> String {
        let Summary { rows, measured, kept, dropped, left_out, dropped_by: (difference, llm, both), .. } =
            &self.summary;
        let by = format!("{difference} by the difference, {llm} by the trait score, {both} by both");
        let fate = match dropped {
            0 => String::new(),
            dropped => format!("; {dropped} dropped ({by})"),
        };
        format!(
            "{measured} of {rows} rows measured, {left_out} left out; {kept} kept{fate}\n{}",
            scores(&self.summary).text()
        )
    }
}

/// Screens a file, or goes on where an earlier run ended. `tell` hears whose rows are worked on, what is done with them, and how
/// far that is: (done, of all).
///
/// # Errors
/// Those of the model and of the judge, no row that can be measured, places that cannot be written; what is finished stays.
#[allow(clippy::too_many_arguments, reason = "the parties of a screening, each with its own life")]
pub fn screen(
    run: &RunDir,
    rules: &ScreenRules,
    choices: &Choices,
    (data, reference): (&Source, Option<&Source>),
    model: &mut dyn LanguageModel,
    mut judge: Option<&mut dyn Judge>,
    (settings, lock): (&[(String, String)], &Lock),
    tell: &mut dyn FnMut(&str, usize, usize),
) -> Result<Screened> {
    assert_eq!(choices.llm, judge.is_some(), "a judge is there if it is asked");
    let mut of = |role: &str, source: &Source| {
        let judge = judge.as_mut().map(|judge| &mut **judge as &mut dyn Judge);
        measure((run, role), source, rules, model, judge, &mut |what, n, all| tell(&format!("{role}: {what}"), n, all))
    };
    let measured = of("data", data)?;
    let normal = reference.map(|source| of("reference", source)).transpose()?;

    let numbers = Numbers::gather(measured.numbers()?, rules)?;
    let normal = normal.map(|normal| Numbers::gather(normal.numbers()?, rules)).transpose()?;
    let both = normal.as_ref().map(|normal| (normal.difference.all.as_slice(), normal.llm.all.as_slice()));
    if let (Some((differences, _)), Some(source)) = (both, reference) {
        ensure!(!differences.is_empty(), "{}: no row of the reference can be measured", source.path.display());
    }
    let thresholds = Thresholds::of(choices, both);
    let (mut summary, picked) = count_and_pick(measured.numbers()?, rules, choices, &thresholds)?;
    if summary.measured == 0 {
        let first = summary.left_out_named.first().map_or("", String::as_str);
        crate::bail!("{}: no row can be measured; the first reason: {first}", data.path.display());
    }
    summary.scores = numbers.spreads(normal.as_ref(), rules, choices);
    summary.approximation_r = numbers.approximation_r();

    let work = Work { run, rules, data, measured: &measured, thresholds: &thresholds };
    let mut written = work.scores()?;
    written.extend(work.subsets(&picked, &thresholds)?);
    run.write_json("summary.json", &summary)?;
    run.write_lock(lock)?;
    written.push("summary.json".to_owned());
    let shown = work.shown(&picked, model)?;
    let page = super::show::page(
        rules,
        choices,
        data,
        &summary,
        (&numbers, normal.as_ref()),
        shown,
        (settings, lock),
        &written,
    );
    let mut files = page.render(run.path())?;
    files.extend(written.iter().map(|name| run.file(name)));
    Ok(Screened { summary, files })
}

/// What the outputs are made from.
struct Work<'a> {
    run: &'a RunDir,
    rules: &'a ScreenRules,
    data: &'a Source,
    measured: &'a Measured,
    thresholds: &'a Thresholds,
}

impl Work<'_> {
    fn decide(&self, row: &Joined) -> Decision {
        self.thresholds.decide(&row.scored, row.verdict.as_ref(), self.rules.against)
    }

    /// `scores.jsonl` and `scores.csv`: a row for each row of the data, whatever became of it.
    fn scores(&self) -> Result<Vec<String>> {
        let trait_name = self.rules.trait_name.as_str();
        let columns = [
            "line",
            "id",
            "label",
            "projection",
            "own_projection",
            "last_prompt_projection",
            "difference",
            "approximation",
            trait_name,
            "fate",
            "why",
        ];
        let columns = columns.map(str::to_owned);
        let cells = |row: &Joined| -> Map<String, Value> {
            let (scored, decision) = (&row.scored, self.decide(row));
            let score = row.verdict.as_ref().and_then(|v| v.score);
            let values = [
                json!(scored.line),
                scored.id.clone(),
                json!(scored.label),
                json!(scored.raw),
                json!(scored.own),
                json!(scored.last_prompt),
                json!(scored.exact()),
                json!(scored.approx()),
                json!(score),
                json!(decision.word()),
                json!(decision.why()),
            ];
            columns.iter().cloned().zip(values).collect()
        };
        for (name, format) in [("scores.jsonl", Format::Jsonl), ("scores.csv", Format::Csv)] {
            write_atomic_by(&self.run.file(name), |w| {
                let mut writer = Writer::new(w, format, &columns)?;
                self.measured.joined(self.data)?.try_for_each(|row| writer.write(&cells(&row?)))?;
                writer.finish()
            })?;
        }
        Ok(["scores.jsonl", "scores.csv"].map(str::to_owned).to_vec())
    }

    /// The rows that stay and those that go, and the picked ones, each byte for byte as it was. Files of an earlier run that this
    /// one does not write are removed.
    fn subsets(&self, picked: &Picked, thresholds: &Thresholds) -> Result<Vec<String>> {
        let decides = (thresholds.difference.is_some() || thresholds.llm.is_some()) && !self.data.is_sampled();
        let mut written = Vec::new();
        let mut end = |name: &str, wanted: bool| -> Result<bool> {
            let path = self.run.file(name);
            if wanted {
                written.push(name.to_owned());
            } else if path.exists() {
                std::fs::remove_file(&path).at(&path)?;
            }
            Ok(wanted)
        };
        for (name, dropped) in [("kept.jsonl", false), ("dropped.jsonl", true)] {
            if end(name, decides)? {
                self.copy(name, &|decision| match decision {
                    Decision::Dropped { .. } => dropped,
                    other => !dropped && other.stays(),
                })?;
            }
        }
        for (name, lines) in
            [("top.jsonl", &picked.top), ("bottom.jsonl", &picked.bottom), ("random.jsonl", &picked.random)]
        {
            if end(name, !lines.is_empty())? {
                let rows = self.find(lines)?;
                write_atomic_by(&self.run.file(name), |w| {
                    lines.iter().filter_map(|line| rows.get(line)).try_for_each(|row| write_line(w, &row.entry.raw))
                })?;
            }
        }
        Ok(written)
    }

    fn copy(&self, name: &str, wanted: &dyn Fn(&Decision) -> bool) -> Result<()> {
        write_atomic_by(&self.run.file(name), |w| {
            for row in self.measured.joined(self.data)? {
                let row = row?;
                if wanted(&self.decide(&row)) {
                    write_line(w, &row.entry.raw)?;
                }
            }
            Ok(())
        })
    }

    /// The rows at these lines.
    fn find(&self, lines: &[usize]) -> Result<HashMap<usize, Joined>> {
        let mut found = HashMap::new();
        if lines.is_empty() {
            return Ok(found);
        }
        let wanted: std::collections::HashSet<usize> = lines.iter().copied().collect();
        for row in self.measured.joined(self.data)? {
            let row = row?;
            if wanted.contains(&row.scored.line) {
                found.insert(row.scored.line, row);
            }
        }
        Ok(found)
    }

    /// The strongest rows with their answers in pieces.
    fn shown(&self, picked: &Picked, model: &mut dyn LanguageModel) -> Result<Vec<Shown>> {
        let mut rows = self.find(&picked.shown)?;
        let mut shown = Vec::new();
        for line in &picked.shown {
            let Some(row) = rows.remove(line) else { continue };
            let ready = measure::ready(&row.entry, self.data, model.tokenizer(), self.rules);
            let ready = ready.map_err(crate::Error::new)?;
            let key =
                Hash::of(&(self.data.identity(), &self.rules.subject, &self.rules.probe, self.rules.first_turn, line));
            let name = format!("pieces-{line}");
            let (pieces, _) = self.run.stage(&name, &key, || highlight::pieces(model, &ready, &self.rules.probe))?;
            let decision = self.decide(&row);
            shown.push(Shown { row, exchange: ready.exchange, pieces, decision });
        }
        Ok(shown)
    }
}

fn write_line(w: &mut dyn Write, raw: &[u8]) -> Result<()> {
    w.write_all(raw).and_then(|()| w.write_all(b"\n")).doing("writing a row")
}
