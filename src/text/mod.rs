//! From words to numbers: conversations, the model's own chat template, its tokenizer, and training chats with loss
//! masks. No tensor lives here, only integers.

mod chat;
mod lesson;
mod rows;
mod template;
mod tokenizer;
mod words;

pub use chat::{Chat, Message, chat_of_row, read_chats, scan_chats};
pub use lesson::{Batch, Lesson, LessonRules};
pub use rows::{Coefs, Rows};
pub use tokenizer::Tokenizer;
pub use words::Words;
