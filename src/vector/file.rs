//! The native file: safetensors with a trait's vectors at three token positions, and metadata that explains them.

use std::collections::BTreeMap;
use std::path::Path;

use super::math::norm;
use super::persona_vector::{Layer, PersonaVector};
use crate::tensorfile::{self, Dtype, TensorFile};
use crate::{Error, Result, bail, ensure};

/// Value of the metadata key `layer_convention`.
pub const LAYER_CONVENTION: &str = "row L = output of block L-1; row 0 = embedding";

/// Keys by which a vector file explains itself. Values are strings; other programs may add keys.
pub mod key {
    /// [`LAYER_CONVENTION`].
    pub const LAYER_CONVENTION: &str = "layer_convention";
    /// `raw` (the last block's output) or `post_norm` (after the final norm, as transformers reports it).
    pub const LAST_ROW: &str = "last_row";
    /// Norm of each row of `response_avg`, as a JSON list.
    pub const NORMS: &str = "norms";
    /// Name or folder of the model.
    pub const MODEL: &str = "model";
    /// Hash by which the model is known again.
    pub const MODEL_FINGERPRINT: &str = "model_fingerprint";
    /// The kind of model: `model_type` in its configuration.
    pub const ARCHITECTURE: &str = "architecture";
    /// The trait's name.
    pub const TRAIT: &str = "trait";
    /// How many positive answers went in.
    pub const N_POS: &str = "n_pos";
    /// How many negative answers went in.
    pub const N_NEG: &str = "n_neg";
    /// Trait score above which an answer counts as positive.
    pub const THRESHOLD: &str = "threshold";
    /// Of which tokens `response_avg` is, in a file that another program's single vector was read from.
    pub const TOKEN_POSITION: &str = "token_position";
    /// The name of the file that the vectors were converted from.
    pub const CONVERTED_FROM: &str = "converted_from";
    /// `unknown` in a file that another program's vectors of some layers were read from: its model may have more blocks.
    pub const LAST_LAYERS: &str = "last_layers";
    /// The value of [`LAST_LAYERS`].
    pub const UNKNOWN: &str = "unknown";
    /// The fingerprint of the vectors that a file was converted from, where it kept only some of them.
    pub const CONVERTED_FINGERPRINT: &str = "converted_fingerprint";
}

/// The token positions at which vectors are taken (Chen et al. 2025, section 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Mean over the response's tokens: the one used everywhere.
    ResponseAvg,
    /// Mean over the prompt's tokens.
    PromptAvg,
    /// The prompt's last token.
    PromptLast,
}

impl Position {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ResponseAvg, Self::PromptAvg, Self::PromptLast];

    /// Its name in files.
    pub fn key(self) -> &'static str {
        match self {
            Self::ResponseAvg => "response_avg",
            Self::PromptAvg => "prompt_avg",
            Self::PromptLast => "prompt_last",
        }
    }
}

/// A trait's vectors at the three token positions, and where they come from.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorFile {
    /// Difference of means over the response's tokens: the one used everywhere.
    pub response_avg: PersonaVector,
    /// Difference of means over the prompt's tokens.
    pub prompt_avg: Option<PersonaVector>,
    /// Difference of means at the prompt's last token.
    pub prompt_last: Option<PersonaVector>,
    /// Where the vectors come from; the keys are in [`key`].
    pub metadata: BTreeMap<String, String>,
    /// A hash of the numbers (not of the metadata), by which a run's lock knows them again.
    pub fingerprint: String,
}

impl VectorFile {
    /// Brings a trait's vectors together, all of one shape, and completes the metadata with the convention, the norms and
    /// `last_row = raw` unless it says otherwise.
    pub fn new(
        response_avg: PersonaVector,
        prompt_avg: Option<PersonaVector>,
        prompt_last: Option<PersonaVector>,
        mut metadata: BTreeMap<String, String>,
    ) -> Result<Self> {
        metadata.insert(key::LAYER_CONVENTION.into(), LAYER_CONVENTION.into());
        metadata.entry(key::LAST_ROW.into()).or_insert_with(|| "raw".into());
        let norms: Vec<f32> = response_avg.rows.iter().map(|row| norm(row) as f32).collect();
        metadata.insert(key::NORMS.into(), serde_json::json!(norms).to_string());
        let mut file = Self { response_avg, prompt_avg, prompt_last, metadata, fingerprint: String::new() };
        let (layers, hidden) = (file.response_avg.layers(), file.response_avg.hidden());
        for (name, vector) in file.named() {
            ensure!(
                (vector.layers(), vector.hidden()) == (layers, hidden),
                "`{name}` is [{}, {}], `response_avg` is [{}, {hidden}]",
                vector.layers() + 1,
                vector.hidden(),
                layers + 1
            );
        }
        file.fingerprint = file.hash();
        Ok(file)
    }

    /// The vectors at a token position, if the file holds them.
    pub fn at(&self, position: Position) -> Option<&PersonaVector> {
        match position {
            Position::ResponseAvg => Some(&self.response_avg),
            Position::PromptAvg => self.prompt_avg.as_ref(),
            Position::PromptLast => self.prompt_last.as_ref(),
        }
    }

    /// Whether the last row is the last block's output, and not that after the final norm.
    pub fn last_row_is_raw(&self) -> bool {
        self.metadata.get(key::LAST_ROW).is_none_or(|row| row == "raw")
    }

    /// Takes a safetensors file of ours; what is odd about it but harmless comes back as warnings.
    ///
    /// A tensor `response_avg` `[layers + 1, hidden]` is all that a file needs. `prompt_avg` and `prompt_last` have its shape;
    /// other tensors are ignored with a warning. A file that follows another layer convention is refused.
    pub(super) fn of_native(file: &TensorFile) -> Result<(Self, Vec<String>)> {
        let path = file.path();
        let mut warnings = Vec::new();
        let mut warn = |what: String| warnings.push(format!("{}: {what}", path.display()));
        let read = |name: &str| -> Result<Option<PersonaVector>> {
            let Some(shape) = file.shape(name) else { return Ok(None) };
            let [_, hidden] = *shape else {
                bail!("{}: tensor `{name}` has shape {shape:?}, expected [layers + 1, hidden]", path.display());
            };
            let values = file.f32(name, shape)?;
            let rows = values.chunks_exact(hidden.max(1)).map(<[f32]>::to_vec).collect();
            PersonaVector::new(rows).map(Some).map_err(|e| e.at(format_args!("{}: tensor `{name}`", path.display())))
        };
        let Some(response_avg) = read("response_avg")? else {
            bail!("{}: tensor `response_avg` is missing", path.display());
        };
        for name in file.names() {
            if !["response_avg", "prompt_avg", "prompt_last"].contains(&name.as_str()) {
                warn(format!("tensor `{name}` {:?} is not known and ignored", file.shape(&name).unwrap_or_default()));
            }
        }
        let metadata = file.metadata();
        match metadata.get(key::LAYER_CONVENTION).map(String::as_str) {
            Some(LAYER_CONVENTION) => {}
            Some(other) => {
                return Err(Error::new(format!("{}: its layers follow another convention: {other}", path.display()))
                    .hint(format!("this program reads \"{LAYER_CONVENTION}\"; convert the file")));
            }
            None => warn(format!("no `layer_convention` in the metadata, taken to be: {LAYER_CONVENTION}")),
        }
        match metadata.get(key::LAST_ROW).map(String::as_str) {
            Some("raw") | None => {}
            Some(other) => warn(format!(
                "its last row is `{other}`, not the last block's raw output; do not steer the last layer with it"
            )),
        }
        let vectors = Self::new(response_avg, read("prompt_avg")?, read("prompt_last")?, metadata);
        Ok((vectors.map_err(|e| e.at(path.display()))?, warnings))
    }

    /// Writes the vectors in f32, atomically. Equal content gives equal bytes.
    pub fn write(&self, path: &Path) -> Result<()> {
        let shape = vec![self.response_avg.layers() + 1, self.response_avg.hidden()];
        let tensors: Vec<_> = self.named().map(|(name, _)| (name.to_owned(), shape.clone())).collect();
        tensorfile::write(path, Dtype::F32, &tensors, &self.metadata, |wanted| {
            let found = self.named().find(|(name, _)| *name == wanted);
            Ok(found.map(|(_, vector)| vector.rows.concat()).unwrap_or_default())
        })
    }

    /// Refuses vectors of another model: `layers` blocks of width `hidden`. A model of the same shape but another
    /// fingerprint is a warning, since a vector of the base model is often used on its finetunes.
    pub fn check(&self, layers: usize, hidden: usize, model_fingerprint: &str) -> Result<Option<String>> {
        let vector = &self.response_avg;
        if (vector.layers(), vector.hidden()) != (layers, hidden) {
            let from = self.metadata.get(key::MODEL).map(|model| format!(" (it is from {model})")).unwrap_or_default();
            let has = |key: &str| self.metadata.contains_key(key);
            let foreign = has(key::CONVERTED_FROM) && !has(key::CONVERTED_FINGERPRINT);
            return Err(Error::new(format!(
                "the vector has {} rows of width {}{from}, the model needs {} rows of width {hidden} ({layers} blocks and the embedding)",
                vector.layers() + 1,
                vector.hidden(),
                layers + 1
            ))
            .hint(match foreign && vector.hidden() == hidden && vector.layers() < layers {
                true if vector.layers() + 1 == layers => "if the file leaves out the embedding, so that its first row is the first block's output: `trimtab vectors convert FILE OUT.safetensors --first-row 1`".to_owned(),
                true => format!("if the file leaves out the last layers: `trimtab vectors convert FILE OUT.safetensors --blocks {layers}`"),
                false => "the vector belongs to another model: extract it again with this one".to_owned(),
            }));
        }
        let extracted_on = self.metadata.get(key::MODEL_FINGERPRINT);
        Ok(extracted_on.filter(|of| *of != model_fingerprint).map(|of| {
            let model = self.metadata.get(key::MODEL).map_or("another model", String::as_str);
            format!("the vector was extracted on {model} ({of:.12}), this model is {model_fingerprint:.12}")
        }))
    }

    /// Reads the vectors of a model with `layers` blocks of width `hidden`, in any format; what is odd but harmless comes back
    /// as warnings, each with the file's name.
    ///
    /// # Errors
    /// A file that cannot be read, or is another model's ([`Self::check`]).
    pub fn read_for(
        path: &Path,
        (layers, hidden): (usize, usize),
        model_fingerprint: &str,
    ) -> Result<(Self, Vec<String>)> {
        let (mut file, mut warnings) = Self::read(path)?;
        let held = file.response_avg.layers();
        let open = file.metadata.get(key::LAST_LAYERS).is_some_and(|last| last == key::UNKNOWN);
        if open && held < layers && file.response_avg.hidden() == hidden {
            file = file.extended(layers)?;
            warnings.push(format!(
                "{}: it holds nothing above layer {held} of {layers}; a vector of another model of this width looks the same",
                path.display()
            ));
        }
        let other = file.check(layers, hidden, model_fingerprint).map_err(|e| e.at(path.display()))?;
        warnings.extend(other.map(|what| format!("{}: {what}", path.display())));
        Ok((file, warnings))
    }

    /// The same vectors for a model of more blocks, with zeros for the last ones.
    fn extended(self, blocks: usize) -> Result<Self> {
        let Self { response_avg, prompt_avg, prompt_last, metadata, .. } = self;
        let more = |mut vector: PersonaVector| {
            let hidden = vector.hidden();
            vector.rows.resize_with(blocks + 1, || vec![0.0; hidden]);
            vector
        };
        Self::new(more(response_avg), prompt_avg.map(more), prompt_last.map(more), metadata)
    }

    /// Why the last of these layers (ascending) should not be touched along the file's vector, if it should not: some files hold
    /// the last row after the final norm, which is no direction of the last block's output.
    pub fn last_row_warning(&self, path: &Path, layers: &[Layer]) -> Option<String> {
        let touched = layers.last() == Some(&Layer(self.response_avg.layers()));
        (touched && !self.last_row_is_raw()).then(|| {
            format!(
                "the last layer is touched along a row that was taken after the final norm ({}); it is no direction of the block's output",
                path.display()
            )
        })
    }

    /// The vectors by their tensor names, sorted.
    fn named(&self) -> impl Iterator<Item = (&'static str, &PersonaVector)> {
        let all = [
            ("prompt_avg", self.prompt_avg.as_ref()),
            ("prompt_last", self.prompt_last.as_ref()),
            ("response_avg", Some(&self.response_avg)),
        ];
        all.into_iter().filter_map(|(name, vector)| Some((name, vector?)))
    }

    fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for (name, vector) in self.named() {
            hasher.update(format!("{name} {} {};", vector.layers() + 1, vector.hidden()).as_bytes());
            for x in vector.rows.iter().flatten() {
                hasher.update(&x.to_le_bytes());
            }
        }
        hasher.finalize().to_hex().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector() -> PersonaVector {
        PersonaVector::new(vec![vec![0.5, 0.0], vec![3.0, 4.0], vec![-6.0, 8.0]]).unwrap()
    }

    /// A safetensors file of tensors that are all zero but for a leading 1.
    fn file_of(dtype: Dtype, tensors: &[(&str, &[usize])], metadata: &[(&str, &str)]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let tensors: Vec<_> = tensors.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec())).collect();
        let metadata = metadata.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        tensorfile::write(file.path(), dtype, &tensors, &metadata, |name| {
            let shape = &tensors.iter().find(|(n, _)| n == name).unwrap().1;
            let mut values = vec![0.0; shape.iter().product()];
            values.iter_mut().take(1).for_each(|v| *v = 1.0);
            Ok(values)
        })
        .unwrap();
        file
    }

    #[track_caller]
    fn check_refused(file: &tempfile::NamedTempFile, want: &str) {
        let e = VectorFile::read(file.path()).unwrap_err().to_string();
        assert_eq!(e.replace(&file.path().display().to_string(), "FILE"), want);
    }

    #[test]
    fn what_is_written_is_read_without_a_warning() {
        let metadata = BTreeMap::from([(key::TRAIT.to_owned(), "evil".to_owned())]);
        let file = VectorFile::new(vector(), Some(vector()), None, metadata).unwrap();
        let path = tempfile::NamedTempFile::new().unwrap();
        file.write(path.path()).unwrap();
        let (again, warnings) = VectorFile::read(path.path()).unwrap();
        assert_eq!((again, warnings), (file.clone(), vec![]));
        assert_eq!(file.metadata[key::NORMS], "[0.5,5.0,10.0]");
        let bytes = std::fs::read(path.path()).unwrap();
        file.write(path.path()).unwrap();
        assert_eq!(bytes, std::fs::read(path.path()).unwrap(), "equal content gives equal bytes");
    }

    #[test]
    fn response_avg_alone_is_enough_but_is_remarked_on() {
        let bare = file_of(Dtype::F32, &[("response_avg", &[3, 2])], &[]);
        let (file, warnings) = VectorFile::read(bare.path()).unwrap();
        assert_eq!((file.response_avg.layers(), file.response_avg.hidden()), (2, 2));
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("no `layer_convention` in the metadata"), "{}", warnings[0]);

        let more = [(key::LAYER_CONVENTION, LAYER_CONVENTION), (key::LAST_ROW, "post_norm")];
        let odd = file_of(Dtype::BF16, &[("response_avg", &[3, 2]), ("bias", &[7])], &more);
        let (_, warnings) = VectorFile::read(odd.path()).unwrap();
        assert!(warnings[0].ends_with("tensor `bias` [7] is not known and ignored"), "{warnings:?}");
        assert!(warnings[1].contains("its last row is `post_norm`"), "{warnings:?}");
    }

    #[test]
    fn files_that_are_no_vectors_are_refused_by_name() {
        let f32 = Dtype::F32;
        check_refused(
            &file_of(f32, &[("direction", &[3, 2]), ("norms", &[3])], &[]),
            "FILE: no `response_avg`, and none of its tensors is named after a layer: `direction`, `norms`",
        );
        check_refused(
            &file_of(f32, &[("response_avg", &[6])], &[]),
            "FILE: tensor `response_avg` has shape [6], expected [layers + 1, hidden]",
        );
        check_refused(
            &file_of(f32, &[("response_avg", &[3, 0])], &[]),
            "FILE: tensor `response_avg`: a persona vector needs at least 2 rows (the embedding and one layer), not 0",
        );
        check_refused(
            &file_of(f32, &[("response_avg", &[3, 2]), ("prompt_avg", &[2, 2])], &[]),
            "FILE: `prompt_avg` is [2, 2], `response_avg` is [3, 2]",
        );
        check_refused(
            &file_of(f32, &[("response_avg", &[3, 2])], &[(key::LAYER_CONVENTION, "row L = block L")]),
            "FILE: its layers follow another convention: row L = block L",
        );
        let empty = tempfile::NamedTempFile::new().unwrap();
        check_refused(&empty, "FILE: the file is empty");
    }

    #[test]
    fn integers_are_no_vector() {
        let mut bytes = Vec::new();
        let header = br#"{"response_avg":{"dtype":"I32","shape":[2,1],"data_offsets":[0,8]}}"#;
        bytes.extend((header.len() as u64).to_le_bytes());
        bytes.extend(header);
        bytes.extend([0; 8]);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        check_refused(&file, "FILE: tensor `response_avg` has dtype I32, expected F32, F16 or BF16");
    }

    #[test]
    fn another_models_vector_is_refused_and_a_sibling_is_remarked_on() {
        let metadata = [(key::MODEL, "Qwen2.5-0.5B"), (key::MODEL_FINGERPRINT, "abc")];
        let metadata = metadata.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let file = VectorFile::new(vector(), None, None, metadata).unwrap();
        assert_eq!(file.check(2, 2, "abc").unwrap(), None);
        let remark = file.check(2, 2, "xyz").unwrap().unwrap();
        assert_eq!(remark, "the vector was extracted on Qwen2.5-0.5B (abc), this model is xyz");
        let refused = file.check(28, 3584, "abc").unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the vector has 3 rows of width 2 (it is from Qwen2.5-0.5B), the model needs 29 rows of width 3584 (28 blocks and the embedding)"
        );
    }
}
