//! A file on disk, mapped into memory, or the several files into which `llama-gguf-split` cuts a large one.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::{Container, Description, Kind, Value};
use crate::{At, Error, Result, ensure};

/// All parts of a file. The first one holds the metadata; a tensor is in any of them.
#[derive(Debug)]
pub struct Parts {
    files: Vec<(PathBuf, Container<Mmap>)>,
    /// In which file a tensor is, and at which place of its list.
    places: BTreeMap<String, (usize, usize)>,
}

impl Parts {
    /// Opens a file, or all files of a model that was split, given any one of them. Every tensor of a type that is read lies
    /// within its file afterwards.
    ///
    /// The files must not be changed while they are open.
    ///
    /// # Errors
    /// A file that is missing, is no GGUF, is truncated or corrupt; parts that do not belong together.
    pub fn open(path: &Path) -> Result<Self> {
        let (mut files, mut places) = (Vec::new(), BTreeMap::new());
        for (i, path) in part_paths(path).into_iter().enumerate() {
            let container = open_one(&path)?;
            for (j, tensor) in container.tensors.iter().enumerate() {
                if tensor.kind().is_ok() {
                    container.place(tensor).at(&path)?;
                }
                if let Some((twin, _)) = places.insert(tensor.name.clone(), (i, j)) {
                    let twin: &PathBuf = files.get(twin).map_or(&path, |(path, _)| path);
                    return Err(Error::new(format!("tensor `{}` is also in {}", tensor.name, twin.display()))
                        .at(path.display()));
                }
            }
            files.push((path, container));
        }
        let all = Self { files, places };
        if let Some(count) = all.first().whole("split.count") {
            let found = all.files.len();
            ensure!(
                count.max(1) == found,
                "{}: it is one of {count} parts, and its name stands for {found}; parts are named NAME-00001-of-{count:05}.gguf",
                all.path().display()
            );
        }
        if let Some(Value::Whole(count)) = all.first().get("split.tensors.count") {
            let found = all.places.len();
            ensure!(*count == found, "{}: {count} tensors are promised, its parts hold {found}", all.path().display());
        }
        Ok(all)
    }

    /// Where the first file is.
    pub fn path(&self) -> &Path {
        &self.files[0].0
    }

    /// The file with the metadata.
    pub fn first(&self) -> &Container<Mmap> {
        &self.files[0].1
    }

    /// The files, each with its tensors.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &[Description])> {
        self.files.iter().map(|(path, file)| (path.as_path(), &file.tensors[..]))
    }

    /// A tensor's description.
    pub fn tensor(&self, name: &str) -> Option<&Description> {
        self.places.get(name).map(|&(file, i)| &self.files[file].1.tensors[i])
    }

    /// A tensor's type and bytes.
    ///
    /// # Errors
    /// A tensor that is not there, or of a type that is not read.
    pub fn raw(&self, name: &str) -> Result<(Kind, &[u8])> {
        let (path, file, (kind, place)) = self.place(name)?;
        let bytes = file.bytes().get(place);
        Ok((kind, bytes.ok_or_else(|| Error::new(format!("{}: tensor `{name}` is not whole", path.display())))?))
    }

    /// Lets go of the memory in which a tensor is mapped, whose bytes are read again if they are asked for again.
    pub fn release(&self, name: &str) {
        #[cfg(unix)]
        if let Ok((_, file, (_, place))) = self.place(name) {
            let advice = memmap2::UncheckedAdvice::DontNeed;
            // SAFETY: the mapping is of a file and read-only, so its pages come back with the same contents.
            let _ = unsafe { file.bytes().unchecked_advise_range(advice, place.start, place.len()) };
        }
        #[cfg(not(unix))]
        let _ = name;
    }

    #[allow(clippy::type_complexity, reason = "used twice, a few lines above")]
    fn place(&self, name: &str) -> Result<(&Path, &Container<Mmap>, (Kind, Range<usize>))> {
        let missing = || Error::new(format!("{}: tensor `{name}` is missing", self.path().display()));
        let &(file, i) = self.places.get(name).ok_or_else(missing)?;
        let (path, file) = &self.files[file];
        Ok((path, file, file.place(&file.tensors[i]).at(path)?))
    }
}

fn open_one(path: &Path) -> Result<Container<Mmap>> {
    let file = File::open(path).at(path)?;
    ensure!(file.metadata().at(path)?.len() > 0, "{}: the file is empty", path.display());
    // SAFETY: the mapping is read-only, and like every reader of weights, we rely on the file not being truncated meanwhile.
    let map = unsafe { Mmap::map(&file) }.at(path)?;
    Container::read(map).at(path).map_err(|e| e.hint("fetch the file again"))
}

/// The files of which one is given: `NAME-00002-of-00003.gguf` stands for three.
pub(crate) fn part_paths(path: &Path) -> Vec<PathBuf> {
    let parts = || {
        let name = path.file_name()?.to_str()?.strip_suffix(".gguf")?;
        let (name, count) = name.rsplit_once("-of-")?;
        let (name, number) = name.rsplit_once('-')?;
        let five = |digits: &str| (digits.len() == 5).then(|| digits.parse::<usize>().ok())?;
        let (number, count) = (five(number)?, five(count)?);
        let parts = (1..=count).map(|i| path.with_file_name(format!("{name}-{i:05}-of-{count:05}.gguf")));
        (1..=count).contains(&number).then(|| parts.collect())
    };
    parts().unwrap_or_else(|| vec![path.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::super::write;
    use super::*;

    fn put(path: &Path, parts: usize, tensors: &[(&str, f32)]) {
        let tensors: Vec<_> =
            tensors.iter().map(|(name, value)| ((*name).to_owned(), vec![1], std::slice::from_ref(value))).collect();
        let metadata = [("split.count", Value::Whole(parts)), ("split.tensors.count", Value::Whole(3))];
        write(&mut File::create(path).unwrap(), &metadata, &tensors).unwrap();
    }

    #[test]
    fn all_parts_are_opened_whichever_is_given() {
        let dir = tempfile::tempdir().unwrap();
        let part = |i: usize| dir.path().join(format!("m-{i:05}-of-00002.gguf"));
        put(&part(1), 2, &[("a", 1.0), ("b", 2.0)]);
        put(&part(2), 2, &[("c", 3.0)]);
        for i in 1..=2 {
            let parts = Parts::open(&part(i)).unwrap();
            assert_eq!((parts.path(), parts.files().count()), (part(1).as_path(), 2));
            assert_eq!(parts.raw("c").unwrap(), (Kind::F32, &3.0_f32.to_le_bytes()[..]));
            parts.release("c");
            assert_eq!(parts.raw("c").unwrap().1, 3.0_f32.to_le_bytes());
        }
        let refused = || Parts::open(&part(1)).unwrap_err().to_string();
        put(&part(2), 2, &[("a", 3.0)]);
        assert!(refused().contains("tensor `a` is also in "));
        put(&part(2), 2, &[]);
        assert!(refused().ends_with("3 tensors are promised, its parts hold 2"));
        std::fs::remove_file(part(2)).unwrap();
        assert!(refused().contains("m-00002-of-00002.gguf: "));
        let alone = dir.path().join("renamed.gguf");
        put(&alone, 2, &[]);
        assert!(Parts::open(&alone).unwrap_err().to_string().contains("it is one of 2 parts"));
    }
}
