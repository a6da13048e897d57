//! A language model behind an OpenAI-compatible server that writes traits and facts.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::{Console, Context};
use crate::judge::{ChatClient, Patience};
use crate::persona::Writer;
use crate::{Error, Result};

/// The flags that name the writing model.
#[derive(Debug, Clone, Args)]
pub struct WriterArgs {
    /// The writing model, by its name on the server
    #[arg(long, value_name = "MODEL", default_value = "gpt-4.1-2025-04-14")]
    pub judge_model: String,
    /// Base URL of the server
    #[arg(long, value_name = "URL", default_value = "https://api.openai.com/v1")]
    pub judge_url: String,
}

pub struct Served<'a> {
    client: ChatClient,
    model: &'a str,
    console: &'a dyn Console,
}

impl WriterArgs {
    pub fn open<'a>(&'a self, context: &Context<'a>) -> Result<Served<'a>> {
        let Self { judge_model, judge_url } = self;
        // An answer of this length takes minutes on a small server.
        let patience = Patience { timeout: Duration::from_secs(900), ..Patience::default() };
        let client = ChatClient::new(judge_url, context.judge_key.clone(), patience)?;
        if client.lacks_key() {
            return Err(Error::usage(format!("{judge_url} wants a key"))
                .hint("set TRIMTAB_JUDGE_KEY or OPENAI_API_KEY, or name another server with --judge-url"));
        }
        Ok(Served { client, model: judge_model, console: context.console })
    }
}

impl Served<'_> {
    pub fn answer(&self, prompt: &str) -> Result<String> {
        let request = json!({ "model": self.model, "messages": [{ "role": "user", "content": prompt }] });
        let (reply, _) = self.client.ask(&request, &|trouble| self.console.warn(trouble))?;
        match reply.refused {
            Some(why) => Err(Error::new(format!("the model refused to write: {why}"))
                .hint("describe what is wanted as material for measuring")),
            None => Ok(reply.text),
        }
    }
}

impl Writer for Served<'_> {
    fn write(&mut self, prompt: &str) -> Result<String> {
        self.answer(prompt)
    }
}
