//! Where lines come from and answers go.

use crate::session::AnswerSink;
use crate::{Error, Result};

/// The user's side of a conversation: lines in, answers out.
pub trait Screen: AnswerSink {
    /// The user's next line; none at the end of the input.
    fn read(&mut self) -> Result<Option<String>>;

    /// Shows that a line was refused. Without a user to correct the line, that ends the conversation.
    fn refused(&mut self, error: Error) -> Result<()>;
}
