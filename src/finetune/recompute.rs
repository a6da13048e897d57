//! A steering vector that follows the model: the fixed texts from which it is extracted anew while the model learns.

use crate::judge::JudgedAnswer;
use crate::language_model::Finished;
use crate::persona::{Border, Filter, keep};
use crate::text::{Tokenizer, chosen};
use crate::{Error, Result};

use super::seeds::Seeds;

/// Judged answers that show a trait and answers that lack it, tokenised: of those that the filter keeps at most so many of each
/// side, drawn by the seed. `place` names a row of a side for errors.
///
/// # Errors
/// Rows of which the filter leaves none, or that cannot be tokenised.
pub fn recompute_texts(
    rows: [&[JudgedAnswer]; 2],
    filter: &Filter,
    most: usize,
    seeds: &Seeds,
    tokenizer: &Tokenizer,
    place: &dyn Fn(usize, &JudgedAnswer) -> String,
) -> Result<[Vec<Finished>; 2]> {
    let kept = keep(rows[0], rows[1], filter)?;
    let side = |side: usize, kept: &[usize]| -> Result<Vec<Finished>> {
        let mut taken = chosen(kept.len(), most, seeds.sampling, "recompute");
        taken.sort_unstable();
        let texts = taken.into_iter().map(|i| {
            let row = &rows[side][kept[i]];
            row.finished(tokenizer, Border::Separate).map_err(|e: Error| e.at(place(side, row)))
        });
        Ok(texts.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    };
    Ok([side(0, &kept.pos)?, side(1, &kept.neg)?])
}
