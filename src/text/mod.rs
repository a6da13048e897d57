//! From text to numbers: conversations, the model's own chat template, its tokenizer, and training chats with loss
//! masks. No tensor lives here, only integers.

mod bytecode;
mod chat;
mod chatml;
mod corpus;
mod example;
mod files;
mod gguf;
mod headers;
mod jinja;
mod losses;
mod message;
mod meter;
mod mix;
mod rows;
mod strftime;
mod survey;
mod template;
mod tokenizer;
mod tools;
mod turn_end;
mod words;

pub use chat::{Chat, chat_of_row, read_chats, scan_chats};
pub use chatml::turns_of_chatml;
pub use corpus::{Content, Entry, read_corpus, scan_corpus};
pub use example::{Batch, ExampleRules, TrainingExample};
pub use gguf::text_file_contents;
pub use losses::Losses;
pub use message::{Message, put_under};
pub use mix::{chosen, chosen_in_order, mixed};
pub use rows::{Coefs, Rows};
pub use strftime::{MONTHS, civil_date};
pub use survey::{Survey, Usable};
pub use tokenizer::Tokenizer;
pub use turn_end::unended_turns;
pub use words::Words;
