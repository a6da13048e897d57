//! The loop of a conversation: line after line, each a message or a command.

use std::ops::ControlFlow;

use super::command::{Command, HELP, SteeringChange};
use crate::session::{AnswerSink, Conversation};
use crate::{Error, Result};

/// The user's side of a conversation: lines in, answers out.
pub trait Screen: AnswerSink {
    /// The user's next line; none at the end of the input.
    fn read(&mut self) -> Result<Option<String>>;

    /// Shows that a line was refused. Without a user to correct the line, that ends the conversation.
    fn refused(&mut self, error: Error) -> Result<()>;
}

pub fn talk(conversation: &mut Conversation<'_>, screen: &mut dyn Screen) -> Result<()> {
    while let Some(line) = screen.read()? {
        if line.trim().is_empty() {
            continue;
        }
        match line.parse().and_then(|command| obey(command, conversation, screen)) {
            Ok(ControlFlow::Break(())) => break,
            Ok(ControlFlow::Continue(())) => {}
            Err(e) => screen.refused(e)?,
        }
    }
    Ok(())
}

fn obey(command: Command, conversation: &mut Conversation<'_>, screen: &mut dyn Screen) -> Result<ControlFlow<()>> {
    match command {
        Command::Say(text) => conversation.say(text, screen)?,
        Command::Help => screen.note(HELP),
        Command::Steer(change) => {
            match change {
                SteeringChange::Show => {}
                SteeringChange::Off(name) => conversation.stop_steering(name.as_deref())?,
                SteeringChange::By(step) => conversation.change_coefs(step)?,
                SteeringChange::Set(all) => conversation.steer_all(all)?,
            }
            screen.note(&conversation.steering_summary());
        }
        Command::Compare(text) => conversation.compare(text, screen)?,
        Command::Probe(change) => {
            change.map_or(Ok(()), |place| conversation.set_probe(place))?;
            screen.note(&conversation.probe_summary());
        }
        Command::System(change) => {
            if let Some(system) = change {
                conversation.system = system;
            }
            screen.note(&match &conversation.system {
                Some(text) => format!("system prompt: {text}"),
                None => "system prompt: the model's own".into(),
            });
        }
        Command::Regenerate => conversation.regenerate(screen)?,
        Command::Reset => {
            conversation.reset();
            screen.note("the conversation begins anew");
        }
        Command::Save(path) => {
            conversation.save(&path)?;
            screen.note(&format!("{} answers: {}", conversation.answers().len(), path.display()));
        }
        Command::Quit => return Ok(ControlFlow::Break(())),
    }
    Ok(ControlFlow::Continue(()))
}
