//! What several test modules share: golden numbers and the tiny models they were made with, the program in a folder of its
//! own, servers on loopback. A test module imports from here and from no other test module (`house` checks it).

#[macro_use]
pub mod backends;
pub mod browser;
pub mod faults;
pub mod goldens;
pub mod http;
pub mod place;
pub mod reference;
pub mod runs;
pub mod serve;
pub mod study;
