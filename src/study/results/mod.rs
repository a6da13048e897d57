//! What a study measured, as rows: arms, points, differences, notes. `claims` says what follows from them.

mod arms;
mod axes;
mod gather;
mod learned;
mod notes;
mod summary;

pub(super) use gather::{Cell, Results};
pub(super) use learned::learned;
pub(super) use summary::summary;
