//! Vector files of other programs, translated to the one convention: persona_vectors' `.pt`, tensors by layer, and llama.cpp's
//! control vectors.
//!
//! A file is known by its content when it is read, and by its ending when it is written. What a foreign file does not say of
//! itself is a [`Reading`].
//!
//! | file | holds | is our row |
//! |---|---|---|
//! | `.pt`, `[layers + 1, hidden]` | row k | k; the last one after the final norm |
//! | `.pt` or safetensors, `[hidden]` | one direction | the layer that the user names |
//! | `.pt` with a list or a dictionary, safetensors by layer | key k | k or k + 1; see `by_layer` |
//! | GGUF of llama.cpp, repeng, Trimtab | `direction.N` = output of block N | N + 1; rows 0 and 1 cannot be said |
//! | GGUF of llama-cvector-generator | `direction.N` = output of block N - 1 | N |

use std::collections::BTreeMap;
use std::path::Path;

pub use super::reading::{GgufFrom, LastRow, Reading};

use super::by_layer::{self, Rows, sparse};
use super::file::{Position, VectorFile, key};
use super::gguf::ControlVector;
use super::persona_vector::{Layer, PersonaVector};
use super::pt::{self, Held};
use super::reading::{Notes, mark_last_row};
use crate::record::write_atomic;
use crate::tensorfile::TensorFile;
use crate::{At, Error, Result, ensure};

/// A file of vectors is small; a model that is taken for one is not read into memory.
const BYTES_MAX: u64 = 1 << 28;
/// What our GGUF files say of their numbering.
const GGUF_CONVENTION: &str = "direction.N = output of block N, counted from 0 = row N+1";
/// Prefix of our keys in GGUF.
const OURS: &str = "trimtab.";

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Ours: three token positions and metadata.
    Safetensors,
    /// `torch.save` of tensors.
    Pt,
    /// llama.cpp's control vector.
    Gguf,
}

impl Format {
    /// By the file's ending.
    ///
    /// # Errors
    /// Any other ending than `.safetensors`, `.pt`, `.pth` and `.gguf`.
    pub fn of_ending(path: &Path) -> Result<Self> {
        match path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase().as_str() {
            "safetensors" => Ok(Self::Safetensors),
            "pt" | "pth" => Ok(Self::Pt),
            "gguf" => Ok(Self::Gguf),
            _ => Err(Error::usage("no kind of vector file by its name")
                .at(path.display())
                .hint("name it .safetensors, .pt or .gguf")),
        }
    }

    /// By the first bytes; what is neither of the foreign kinds is taken to be ours.
    fn of_content(bytes: &[u8]) -> Self {
        match bytes {
            bytes if crate::gguf::is_one(bytes) => Self::Gguf,
            bytes if pt::is_one(bytes) => Self::Pt,
            _ => Self::Safetensors,
        }
    }
}

impl VectorFile {
    /// Reads a vector file of any kind; what is odd about it but harmless comes back as warnings.
    ///
    /// # Errors
    /// A file that cannot be read, is none of vectors, or follows a convention that is not known.
    pub fn read(path: &Path) -> Result<(Self, Vec<String>)> {
        Self::read_as(path, &Reading::default())
    }

    /// [`Self::read`], told what a foreign file does not say of itself.
    ///
    /// # Errors
    /// As [`Self::read`], and a `reading` that does not fit the file.
    pub fn read_as(path: &Path, reading: &Reading) -> Result<(Self, Vec<String>)> {
        let mut first = [0; 32];
        let begun = std::fs::File::open(path).and_then(|mut f| std::io::Read::read(&mut f, &mut first));
        let mut notes = Notes::default();
        let read = match Format::of_content(&first[..begun.unwrap_or_default()]) {
            Format::Safetensors => {
                let file = TensorFile::open(path)?;
                if file.shape("response_avg").is_some() {
                    return Self::of_native(&file);
                }
                by_layer::held_of(&file).and_then(|held| of_tensors(held, path, reading, &mut notes))
            }
            Format::Gguf => of_gguf(&small(path)?, reading, &mut notes),
            Format::Pt => pt::read(&small(path)?).and_then(|held| of_tensors(held, path, reading, &mut notes)),
        };
        let (vector, mut metadata, open) = read.map_err(|e| e.at(path.display()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        metadata.insert(key::CONVERTED_FROM.into(), name);
        if open {
            metadata.insert(key::LAST_LAYERS.into(), key::UNKNOWN.into());
        }
        let file = Self::new(vector, None, None, metadata).map_err(|e| e.at(path.display()))?;
        Ok((file, notes.0.into_iter().map(|note| format!("{}: {note}", path.display())).collect()))
    }

    /// Writes the vectors as the file's ending says. A `.pt` or GGUF file holds those of one token position only,
    /// `response_avg`; GGUF leaves out rows 0 and 1, rows of zeros, and a last row that was taken after the final norm.
    ///
    /// # Errors
    /// An unknown ending; a GGUF file that would hold nothing; a place that cannot be written.
    pub fn write_as(&self, path: &Path) -> Result<()> {
        match Format::of_ending(path)? {
            Format::Safetensors => self.write(path),
            Format::Pt => {
                let shape = [self.response_avg.layers() + 1, self.response_avg.hidden()];
                write_atomic(path, &pt::write(&shape, &self.response_avg.rows.concat()))
            }
            Format::Gguf => write_atomic(path, &self.control_vector().map_err(|e| e.at(path.display()))?.write()),
        }
    }

    /// The layers that a GGUF file of these vectors holds: its `direction.N` is layer N + 1.
    pub fn sayable_in_gguf(&self) -> Vec<Layer> {
        let vector = &self.response_avg;
        let last = vector.layers() - usize::from(!self.last_row_is_raw());
        (2..=last).map(Layer).filter(|&layer| vector.norm(layer) > 0.0).collect()
    }

    fn control_vector(&self) -> Result<ControlVector> {
        let vector = &self.response_avg;
        let layers = self.sayable_in_gguf();
        if layers.is_empty() {
            return Err(Error::new("no layer is left that a control vector can hold")
                .hint("llama.cpp steers from block 1 on: layers 2 and later, the last only if it is raw"));
        }
        let architecture = self.metadata.get(key::ARCHITECTURE).map_or("qwen2", String::as_str);
        let mut texts = BTreeMap::from([("controlvector.model_hint".to_owned(), architecture.to_owned())]);
        let unsaid = [key::LAYER_CONVENTION, key::NORMS];
        let said = self.metadata.iter().filter(|(name, _)| !unsaid.contains(&name.as_str()));
        texts.extend(said.map(|(name, value)| (format!("{OURS}{name}"), value.clone())));
        let own = [
            (key::LAYER_CONVENTION, GGUF_CONVENTION.to_owned()),
            ("fingerprint", self.fingerprint.clone()),
            ("blocks", vector.layers().to_string()),
        ];
        texts.extend(own.map(|(name, value)| (format!("{OURS}{name}"), value)));
        let directions = layers.iter().map(|&layer| (layer.block(), vector.row(layer).to_vec())).collect();
        Ok(ControlVector { directions, layer_count: Some(vector.layers()), texts, ..ControlVector::default() })
    }
}

/// What a foreign file is: vectors, metadata, and whether the model may have more blocks than it tells.
type Read = (PersonaVector, BTreeMap<String, String>, bool);

/// A whole file, unless it is too large for one of vectors.
fn small(path: &Path) -> Result<Vec<u8>> {
    let len = std::fs::metadata(path).at(path)?.len();
    ensure!(len <= BYTES_MAX, "{}: {len} bytes are too many for a file of vectors", path.display());
    std::fs::read(path).at(path)
}

fn of_tensors(held: Held, path: &Path, reading: &Reading, notes: &mut Notes) -> Result<Read> {
    let mut metadata = BTreeMap::new();
    let (trait_name, position) = names(path);
    metadata.extend(trait_name.map(|name| (key::TRAIT.to_owned(), name)));
    metadata.extend(position.map(|position| (key::TOKEN_POSITION.to_owned(), position.key().to_owned())));
    let Rows { vector, usual, open } = by_layer::rows(held, reading, notes)?;
    mark_last_row(&mut metadata, reading, usual, notes);
    Ok((vector, metadata, open))
}

fn of_gguf(bytes: &[u8], reading: &Reading, notes: &mut Notes) -> Result<Read> {
    let ControlVector { directions, layer_count, texts, summed, ignored } = ControlVector::read(bytes)?;
    for (what, which) in
        [("is given several times and summed", numbered(&summed)), ("is not known and ignored", ignored)]
    {
        which.iter().for_each(|name| notes.add(format!("tensor `{name}` {what}")));
    }
    let ours = texts.contains_key("trimtab.layer_convention");
    if ours && reading.gguf_from != GgufFrom::Repeng {
        return Err(
            Error::usage("a file written by Trimtab says itself what its directions are").hint("leave the flag out")
        );
    }
    let row = |number: usize| match reading.gguf_from {
        GgufFrom::Repeng => Layer(number + 1),
        GgufFrom::CvectorGenerator => Layer(number),
    };
    let mut metadata: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in texts.iter().filter_map(|(name, value)| Some((name.strip_prefix(OURS)?, value))) {
        let name = if name == "fingerprint" { key::CONVERTED_FINGERPRINT } else { name };
        metadata.insert(name.to_owned(), value.clone());
    }
    let blocks = metadata.remove("blocks").and_then(|blocks| blocks.parse().ok());
    let last = directions.keys().next_back().copied().unwrap_or_default();
    // Neither generator steers block 0 and both stop at the last: N runs to one below the number of blocks.
    let found = blocks.or(layer_count).unwrap_or_default().max(last + 1);
    if let Some(told) = reading.blocks.filter(|&told| told < found || (ours && blocks.is_some_and(|said| said != told)))
    {
        return Err(match found > last + 1 || (ours && blocks.is_some()) {
            true => Error::usage(format!("it says that it is of a model of {found} blocks, not {told}"))
                .hint("the vector belongs to another model: extract it again with yours"),
            false => Error::usage(format!("a model of {told} blocks has no `direction.{last}`")),
        });
    }
    let vector =
        sparse(reading.blocks.unwrap_or(found), directions.into_iter().map(|(n, d)| (row(n).row(), d)).collect())?;
    // Row 0 is the embedding, which no control vector holds.
    let empty: Vec<String> =
        std::iter::once(0).chain(vector.empty_layers().iter().map(|l| l.row())).map(|row| row.to_string()).collect();
    notes.add(format!("a control vector; it holds nothing for rows {} (zeros here)", empty.join(", ")));
    let usual = match reading.gguf_from {
        GgufFrom::Repeng if !ours => LastRow::PostNorm,
        _ => LastRow::Raw,
    };
    if !ours || reading.last_row.is_some() {
        mark_last_row(&mut metadata, reading, usual, notes);
    }
    // llama.cpp takes the directions that a file lacks for zeros.
    let open = blocks.is_none() && reading.blocks.is_none();
    Ok((vector, metadata, open))
}

fn numbered(directions: &[usize]) -> Vec<String> {
    directions.iter().map(|n| format!("direction.{n}")).collect()
}

/// Trait and token position by the name that persona_vectors gives its files, `<trait>_<position>_diff.pt`.
fn names(path: &Path) -> (Option<String>, Option<Position>) {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let named = Position::ALL.into_iter().find_map(|position| {
        let name = stem.strip_suffix(&format!("_{}_diff", position.key()))?;
        Some((name.to_owned(), position))
    });
    named.map_or((None, None), |(name, position)| (Some(name).filter(|n| !n.is_empty()), Some(position)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::vector) fn fixture(name: &str) -> Vec<u8> {
        std::fs::read(Path::new("tests/fixtures/vectors").join(name)).unwrap()
    }

    /// The numbers of all fixtures, `[5, 64]`: torch divided the same whole numbers in the same way.
    pub(in crate::vector) fn numbers(divisor: f32) -> Vec<f32> {
        (0..5 * 64).map(|i| (i * 37 % 101 - 50) as f32 / divisor).collect()
    }

    /// Cuts the file short everywhere and flips each of its bits; `read` says whether it still took the file. A file that is
    /// cut short must be refused.
    pub(in crate::vector) fn hurt(whole: &[u8], read: impl Fn(&[u8]) -> bool) {
        assert!(read(whole));
        for len in 0..whole.len() {
            assert!(!read(&whole[..len]), "cut to {len} of {} bytes", whole.len());
        }
        let mut bytes = whole.to_vec();
        for i in 0..whole.len() * 8 {
            bytes[i / 8] ^= 1 << (i % 8);
            read(&bytes);
            bytes[i / 8] = whole[i / 8];
        }
    }

    fn read(name: &str, reading: &Reading) -> (VectorFile, Vec<String>) {
        VectorFile::read_as(&Path::new("tests/fixtures/vectors").join(name), reading).unwrap()
    }

    fn row(i: usize) -> Vec<f32> {
        numbers(7.0)[i * 64..][..64].to_vec()
    }

    #[test]
    fn a_pt_file_says_by_its_name_what_it_is() {
        let (file, warnings) = read("evil_response_avg_diff.pt", &Reading::default());
        assert_eq!(file.response_avg.rows.concat(), numbers(7.0));
        assert_eq!(
            (file.metadata[key::TRAIT].as_str(), file.metadata[key::TOKEN_POSITION].as_str()),
            ("evil", "response_avg")
        );
        assert_eq!(file.metadata[key::LAST_ROW], "post_norm");
        assert!(warnings.len() == 1 && warnings[0].contains("do not steer the last layer"), "{warnings:?}");
        let (raw, warnings) = read("f64.pt", &Reading { last_row: Some(LastRow::Raw), ..Reading::default() });
        assert_eq!((raw.metadata[key::LAST_ROW].as_str(), warnings.len()), ("raw", 1), "{warnings:?}");
        assert!(warnings[0].contains("rounded") && !raw.metadata.contains_key(key::TRAIT));
        assert_eq!(
            names(Path::new("x/anti_evil_prompt_last_diff.pt")),
            (Some("anti_evil".into()), Some(Position::PromptLast))
        );
        assert_eq!(names(Path::new("evil.pt")), (None, None));
    }

    #[test]
    fn a_single_direction_is_put_at_the_layer_that_is_named() {
        let (file, _) = read("direction.pt", &Reading { layer: Some(3), blocks: Some(4), ..Reading::default() });
        assert_eq!((file.response_avg.layers(), file.response_avg.row(Layer(3))), (4, &row(3)[..]));
        assert_eq!(file.response_avg.empty_layers(), [1, 2, 4].map(Layer));
        let path = Path::new("tests/fixtures/vectors/direction.pt");
        let nowhere = VectorFile::read(path).unwrap_err();
        assert!(nowhere.to_string().contains("one direction [64]") && nowhere.help().unwrap().contains("--layer"));
    }

    #[test]
    fn both_numberings_of_control_vectors_come_to_the_same_rows() {
        let (repeng, warnings) = read("repeng.gguf", &Reading::default());
        assert_eq!(repeng.response_avg.layers(), 4);
        (2..=4).for_each(|l| assert_eq!(repeng.response_avg.row(Layer(l)), row(l)));
        assert_eq!(repeng.response_avg.empty_layers(), [Layer(1)]);
        assert!(warnings[0].contains("nothing for rows 0, 1 (zeros here)"), "{warnings:?}");
        assert_eq!(repeng.metadata[key::LAST_ROW], "post_norm");

        let reading = Reading { gguf_from: GgufFrom::CvectorGenerator, ..Reading::default() };
        let (generator, _) = read("cvector-generator.gguf", &reading);
        assert_eq!((generator.response_avg.layers(), generator.metadata[key::LAST_ROW].as_str()), (4, "raw"));
        (1..=3).for_each(|l| assert_eq!(generator.response_avg.row(Layer(l)), row(l)));
        assert_eq!(generator.response_avg.empty_layers(), [Layer(4)]);

        let (padded, _) = read("repeng.gguf", &Reading { blocks: Some(9), ..Reading::default() });
        assert_eq!((padded.response_avg.layers(), padded.response_avg.row(Layer(4))), (9, &row(4)[..]));
        let path = Path::new("tests/fixtures/vectors/repeng.gguf");
        assert!(VectorFile::read_as(path, &Reading { blocks: Some(3), ..Reading::default() }).is_err());
    }

    #[test]
    fn a_control_vector_of_some_layers_steers_a_deeper_model_there() {
        let path = Path::new("tests/fixtures/vectors/repeng.gguf");
        let (file, warnings) = VectorFile::read_for(path, (6, 64), "").unwrap();
        assert_eq!((file.response_avg.layers(), file.response_avg.row(Layer(3))), (6, &row(3)[..]));
        assert_eq!(file.response_avg.empty_layers(), [1, 5, 6].map(Layer));
        assert!(warnings.iter().any(|w| w.contains("holds nothing above layer 4")), "{warnings:?}");
        assert!(VectorFile::read_for(path, (6, 32), "").is_err() && VectorFile::read_for(path, (3, 64), "").is_err());
        // Ours says of which model it is.
        let ours = Path::new("tests/fixtures/vectors/ours.gguf");
        assert!(VectorFile::read_for(ours, (6, 64), "").is_err());
        let told = VectorFile::read_as(ours, &Reading { blocks: Some(3), ..Reading::default() }).unwrap_err();
        assert!(told.to_string().ends_with("it says that it is of a model of 4 blocks, not 3"), "{told}");
    }

    #[test]
    fn a_file_without_the_embedding_row_can_be_said_to_be_one() {
        let reading = Reading { first_row: Some(1), ..Reading::default() };
        let (file, _) = read("evil_response_avg_diff.pt", &reading);
        assert_eq!((file.response_avg.layers(), file.response_avg.row(Layer(1))), (5, &row(0)[..]));
        assert!(file.response_avg.rows[0].iter().all(|&x| x == 0.0));
        let path = Path::new("tests/fixtures/vectors/evil_response_avg_diff.pt");
        let e = VectorFile::read_for(path, (5, 64), "").unwrap_err();
        assert!(e.help().unwrap().contains("--first-row 1"), "{e:?}");
    }

    fn ours() -> VectorFile {
        let rows = (0..5).map(row).collect();
        let metadata = [(key::TRAIT, "evil"), (key::MODEL, "tiny"), (key::LAST_ROW, "raw")];
        let metadata = metadata.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        VectorFile::new(PersonaVector::new(rows).unwrap(), None, None, metadata).unwrap()
    }

    /// `ours.gguf` was read with the `gguf` package and found to hold the directions of `repeng.gguf`.
    #[test]
    fn our_gguf_is_byte_for_byte_what_the_gguf_package_was_seen_to_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ours.gguf");
        ours().write_as(&path).unwrap();
        assert!(std::fs::read(&path).unwrap() == fixture("ours.gguf"), "the bytes differ from the fixture's");
        let (again, warnings) = VectorFile::read(&path).unwrap();
        let kept = [key::TRAIT, key::MODEL, key::LAST_ROW].map(|k| again.metadata[k].clone());
        assert_eq!(kept, ["evil", "tiny", "raw"]);
        assert_eq!(again.metadata[key::CONVERTED_FINGERPRINT], ours().fingerprint);
        assert_eq!(again.response_avg.rows[2..], ours().response_avg.rows[2..]);
        assert_eq!((again.response_avg.empty_layers().len(), warnings.len()), (1, 1), "{warnings:?}");
        let reading = Reading { gguf_from: GgufFrom::CvectorGenerator, ..Reading::default() };
        assert!(VectorFile::read_as(&path, &reading).unwrap_err().to_string().contains("written by Trimtab"));
    }

    #[test]
    fn a_last_row_after_the_norm_is_no_direction() {
        let mut file = ours();
        assert_eq!(file.sayable_in_gguf(), [2, 3, 4].map(Layer));
        file.metadata.insert(key::LAST_ROW.into(), LastRow::PostNorm.key().into());
        assert_eq!(file.sayable_in_gguf(), [2, 3].map(Layer));
        file.response_avg.rows[2..4].iter_mut().flatten().for_each(|x| *x = 0.0);
        let dir = tempfile::tempdir().unwrap();
        assert!(file.write_as(&dir.path().join("x.gguf")).unwrap_err().to_string().contains("no layer is left"));
        assert_eq!(file.write_as(&dir.path().join("x.npy")).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn every_kind_keeps_the_rows() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["x.safetensors", "x.pt"] {
            ours().write_as(&dir.path().join(name)).unwrap();
            assert_eq!(VectorFile::read(&dir.path().join(name)).unwrap().0.response_avg, ours().response_avg, "{name}");
        }
    }
}
