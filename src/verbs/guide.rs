//! `guide`: the pages that ship with the program.

use clap::Args;
use serde_json::json;

use super::{Context, Outcome};
use crate::config_file::nearest;
use crate::guide::{PAGES, Page};
use crate::{Error, Result};

/// Read the guide: method, pipeline, studies, cluster, formats, configuration, judges, server
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  trimtab guide method\n  trimtab guide method \"Projection difference\"")]
pub struct GuideArgs {
    /// The page [default: a list of them]
    #[arg(value_name = "TOPIC")]
    topic: Option<String>,
    /// One section of it, by its heading
    #[arg(value_name = "SECTION", requires = "topic")]
    section: Option<String>,
}

pub fn run(args: &GuideArgs, _: &Context<'_>) -> Result<Outcome> {
    let Some(topic) = &args.topic else {
        let width = PAGES.iter().map(|page| page.topic.len()).max().unwrap_or_default();
        let line = |page: &Page| format!("{:<width$}  {}", page.topic, page.about);
        let text = PAGES.iter().map(line).collect::<Vec<_>>().join("\n");
        let topics: Vec<_> = PAGES
            .iter()
            .map(|page| json!({ "topic": page.topic, "about": page.about, "sections": page.sections().collect::<Vec<_>>() }))
            .collect();
        return Ok(Outcome::new(text, json!({ "topics": topics })));
    };
    let topics: Vec<&str> = PAGES.iter().map(|page| page.topic).collect();
    let page = Page::of(topic).ok_or_else(|| unknown(&format!("no page is about `{topic}`"), topic, &topics))?;
    let Some(name) = &args.section else {
        let sections: Vec<&str> = page.sections().collect();
        let json = json!({ "topic": page.topic, "about": page.about, "sections": sections, "text": page.text });
        return Ok(Outcome::new(page.text.trim_end(), json));
    };
    let sections: Vec<&str> = page.sections().collect();
    let text = page
        .section(name)
        .ok_or_else(|| unknown(&format!("the page `{}` has no section `{name}`", page.topic), name, &sections))?;
    Ok(Outcome::new(text, json!({ "topic": page.topic, "section": name, "text": text })))
}

fn unknown(what: &str, name: &str, known: &[&str]) -> Error {
    Error::usage(what).hint(match nearest(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", known.join(", ")),
    })
}
