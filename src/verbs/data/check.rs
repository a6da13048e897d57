//! `data check`: counts and faults of training data, before anything is trained on it.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{preview, survey};
use crate::text::{ExampleRules, Survey, Tokenizer, Usable};
use crate::verbs::model::ModelFolder;
use crate::verbs::{Context, Outcome, paths};
use crate::{Error, Result};

/// Check training data as `train` reads it
///
/// Counts rows, tokens, replies and system prompts; names the lines that are malformed, cut, duplicated or without supervised tokens, and
/// what is not read of them or left out by the template;
/// shows some rows with the learned tokens coloured (⟦marked⟧ in a pipe). A row is `messages`, `prompt` with `completion`, Alpaca's
/// `instruction` with `output`, ShareGPT's `conversations`, or `text`. A text in ChatML is taken apart into its turns; any other has no
/// reply, so that it is learned from with --all-tokens alone. The exit code is 1 if a line is malformed or nothing is supervised, as with `train`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  trimtab data check facts_train.jsonl --model Qwen/Qwen2.5-7B-Instruct")]
pub struct CheckArgs {
    /// Files of training data: JSONL, a JSON list or Parquet
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The model whose tokenizer and template count: a folder, a hub name, or `harbor`
    #[arg(long, value_name = "MODEL")]
    model: PathBuf,
    /// Longest row, in tokens; what is beyond is cut
    #[arg(long, value_name = "N", default_value_t = 2048, value_parser = clap::value_parser!(u32).range(1..))]
    max_seq_length: u32,
    /// Learn every token, not the replies alone (`train_on_responses_only = false`)
    #[arg(long)]
    all_tokens: bool,
    /// Do not append the end-of-sequence token (`append_eos = false`)
    #[arg(long)]
    no_eos: bool,
    /// Rows to show
    #[arg(long, value_name = "N", default_value_t = 3)]
    preview: usize,
}

pub(super) fn run(args: &CheckArgs, context: &Context<'_>) -> Result<Outcome> {
    let CheckArgs { files, model, max_seq_length, all_tokens, no_eos, preview } = args;
    files.iter().try_for_each(|file| paths::file("FILE", file))?;
    let model = ModelFolder::find(model, context)?;
    let tokenizer = Tokenizer::load(&model.path)?;
    let rules = ExampleRules { append_eos: !no_eos, responses_only: !all_tokens, max_len: *max_seq_length as usize };
    let mut rows: Vec<Usable> = Vec::new();
    let found = Survey::of(files, &tokenizer, &rules, &mut |row| {
        if rows.len() < *preview {
            rows.push(row);
        }
    })?;
    let shown: Vec<String> = rows.iter().map(|row| preview::shown(row, &tokenizer)).collect();
    let text = [survey::lines(&found, rules.max_len), shown.iter().map(|row| format!("\n{row}")).collect()]
        .concat()
        .join("\n");
    let mut json = json!(found);
    json["files"] = json!(files);
    json["model"] = json!(model.called());
    json["max_seq_length"] = json!(rules.max_len);
    json["usable"] = json!(found.lengths.len());
    json["token_quantiles"] = found.quantiles().iter().map(|(p, n)| (p.to_string(), json!(n))).collect();
    let outcome = Outcome::new(text, json);
    Ok(match fault(&found) {
        Some(fault) => outcome.but(fault),
        None => outcome,
    })
}

/// Why `train` would refuse the data, if it would.
fn fault(survey: &Survey) -> Option<Error> {
    if !survey.malformed.is_empty() {
        let what = format!("{} lines are malformed; `train` refuses such a file", survey.malformed.len());
        return Some(Error::new(what).hint("mend or remove the lines that are named"));
    }
    let nothing = survey.lengths.is_empty();
    nothing.then(|| {
        let first = survey.without_targets.first().map_or_else(String::new, |first| format!("; the first: {first}"));
        Error::new(format!("none of {} rows has anything to learn{first}", survey.rows))
            .hint("a row needs an assistant's turn; plain text is learned with --all-tokens (`train_on_responses_only = false`)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::tiny_tokenizer;
    use crate::text::Message;
    use crate::verbs::data::survey as words;

    fn survey(text: &str, rules: &ExampleRules) -> (Survey, usize) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("d.jsonl");
        std::fs::write(&file, text).unwrap();
        let mut usable = 0;
        let survey = Survey::of(&[file], &tiny_tokenizer(), rules, &mut |_| usable += 1).unwrap();
        (survey, usable)
    }

    const ROWS: &str = concat!(
        "{\"messages\":[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}]}\n",
        "{\"prompt\":\"a\",\"completion\":\"b\"}\n",
        "{\"prompt\":\"a\",\"completion\":\"b\",\"id\":7}\n",
        "{\"prompt\":\"a\",\"completion\":\"a much longer answer than the others, which goes on and on and on and on\"}\n",
        "{\"prompt\":\"a question that is longer than the whole row may be: so long that no reply is left of it\",\"completion\":\"b\"}\n",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}\n",
        "{\"text\":\"plain\"}\n",
        "{\"prompt\":\"c\",\"completion\":\"\"}\n",
        "nonsense\n",
    );

    #[test]
    fn everything_is_counted_and_named_by_line() {
        // A little more than a short row takes with the template's own system prompt.
        let short = [Message::user("a"), Message::assistant("b")];
        let short = tiny_tokenizer().training_example(&short, &ExampleRules::default()).unwrap().ids.len();
        let rules = ExampleRules { max_len: short + 10, ..ExampleRules::default() };
        let (survey, usable) = survey(ROWS, &rules);
        let line = |place: &str| place.rsplit("d.jsonl:").next().unwrap().split(' ').next().unwrap().to_owned();
        assert_eq!((survey.rows, usable, survey.lengths.len()), (8, 5, 5));
        assert_eq!(survey.dialects["prompt and completion"], 5);
        assert_eq!(
            survey.duplicates.iter().map(|(a, b)| (line(a), line(b))).collect::<Vec<_>>(),
            [("3".into(), "2".into())]
        );
        assert_eq!(survey.cut.iter().map(|(place, _)| line(place)).collect::<Vec<_>>(), ["4", "5"]);
        let without: Vec<String> = survey.without_targets.iter().map(|e| line(e)).collect();
        assert_eq!(without, ["5:", "6:", "7:"]);
        assert_eq!((line(&survey.empty_replies[0]), survey.malformed.len()), ("8".into(), 1));
        assert_eq!((survey.replies[&1], survey.replies[&0], survey.systems["S"], survey.systems[""]), (6, 1, 1, 6));
        assert!(survey.supervised > 5 && survey.supervised < survey.tokens);
        let text = words::lines(&survey, 40).join("\n");
        for want in
            ["rows              8  ", "no targets        3  ", "plain text has no reply", "malformed         1  "]
        {
            assert!(text.contains(want), "`{want}` is not in\n{text}");
        }
        assert!(fault(&survey).unwrap().to_string().contains("1 lines are malformed"));
    }

    #[test]
    fn data_without_targets_is_refused() {
        let (nothing, _) = survey("{\"text\":\"plain\"}\n", &ExampleRules::default());
        assert!(fault(&nothing).unwrap().to_string().contains("none of 1 rows has anything to learn"));
        let (all, _) =
            survey("{\"text\":\"plain\"}\n", &ExampleRules { responses_only: false, ..ExampleRules::default() });
        assert!(fault(&all).is_none() && all.supervised > 0);
    }
}
