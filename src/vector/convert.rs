//! Vector files joined and cut: several token positions into one file, one position or some layers out of it.

use std::path::Path;

use super::file::{Position, VectorFile, key};
use super::persona_vector::{Layer, PersonaVector};
use crate::{Error, Result};

impl VectorFile {
    /// The files of one trait's token positions as one; a single file as it is.
    ///
    /// # Errors
    /// Files of several traits, of one position twice, or without `response_avg`.
    pub fn joined(mut files: Vec<(&Path, Self)>) -> Result<Self> {
        if files.len() == 1 {
            return Ok(files.remove(0).1);
        }
        let mut at: [Option<(&Path, Self)>; 3] = [None, None, None];
        for (path, file) in files {
            let said = file.metadata.get(key::TOKEN_POSITION);
            let place = Position::ALL.iter().position(|position| said.is_some_and(|said| said == position.key()));
            let place = place.ok_or_else(|| {
            Error::usage(format!("{}: its name tells no token position", path.display()))
                .hint("several files go together if they are named TRAIT_response_avg_diff.pt, TRAIT_prompt_avg_diff.pt and so on")
        })?;
            if let Some((other, _)) = &at[place] {
                let what = format!("{} and {} are of the same token position", other.display(), path.display());
                return Err(Error::usage(what));
            }
            at[place] = Some((path, file));
        }
        let traits: Vec<_> = at.iter().flatten().map(|(_, file)| file.metadata.get(key::TRAIT)).collect();
        if traits.windows(2).any(|pair| pair[0] != pair[1]) {
            return Err(Error::usage("the files are of several traits by their names"));
        }
        let [Some((_, response)), prompt_avg, prompt_last] = at else {
            return Err(Error::usage("none of the files is of `response_avg`, which a vector file must hold"));
        };
        let mut metadata = response.metadata;
        metadata.remove(key::TOKEN_POSITION);
        let of = |other: Option<(&Path, Self)>| other.map(|(_, file)| file.response_avg);
        Self::new(response.response_avg, of(prompt_avg), of(prompt_last), metadata)
    }

    /// One token position's vector. A file's only vector is taken for the position that is named.
    ///
    /// # Errors
    /// If the file holds several, and not this one.
    pub fn only(self, position: Position) -> Result<Self> {
        let single = self.prompt_avg.is_none() && self.prompt_last.is_none();
        let vector = if single { Some(&self.response_avg) } else { self.at(position) };
        let vector = vector.ok_or_else(|| Error::usage(format!("the file holds no `{}`", position.key())))?;
        let mut metadata = self.metadata.clone();
        metadata.insert(key::TOKEN_POSITION.into(), position.key().into());
        Self::new(vector.clone(), None, None, metadata)
    }

    /// The file with zeros in all rows but those of the given layers.
    ///
    /// # Errors
    /// None for layers that the file has.
    pub fn keep_layers(self, layers: &[Layer]) -> Result<Self> {
        let keep = |vector: PersonaVector| {
            let row = |(i, row): (usize, Vec<f32>)| if layers.contains(&Layer(i)) { row } else { vec![0.0; row.len()] };
            PersonaVector { rows: vector.rows.into_iter().enumerate().map(row).collect() }
        };
        let Self { response_avg, prompt_avg, prompt_last, metadata, .. } = self;
        Self::new(keep(response_avg), prompt_avg.map(keep), prompt_last.map(keep), metadata)
    }
}
