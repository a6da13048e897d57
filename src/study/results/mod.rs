//! What a study measured, as rows: arms, points, differences, notes. What follows from them is told in `claims`.

mod arms;
mod axes;
mod gather;
mod notes;
mod summary;

pub(super) use gather::{Cell, Results};
pub(super) use summary::summary;
