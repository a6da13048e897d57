//! `shaders/wgsl`: what the GPU's kernels are compiled to for a browser's shading language, so that a reader and a diff show it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders/wgsl")
}

/// The kept shaders by name.
fn kept() -> BTreeMap<String, String> {
    let Ok(entries) = std::fs::read_dir(folder()) else { return BTreeMap::new() };
    let of = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(path).unwrap())
    };
    entries.map(|entry| of(entry.unwrap().path())).collect()
}

#[test]
fn shaders_are_valid() {
    let kept = kept();
    assert!(kept.len() > 5, "{:?}", kept.keys());
    for (name, source) in kept {
        let module =
            naga::front::wgsl::parse_str(&source).unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(&source)));
        let mut validator =
            naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::default());
        if let Err(e) = validator.validate(&module) {
            panic!("{name}: {}", e.emit_to_string(&source));
        }
    }
}

/// The elements of the buffers that a unit of an elementwise kernel names, each of 4 bytes, and how many buffers it reads and writes. What
/// is the same for all units, such as a factor, counts for nothing.
fn moved(source: &str) -> (usize, usize) {
    let mut places = BTreeSet::new();
    for line in source.lines() {
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("buffer_") {
            rest = after;
            let Some((buffer, index)) = after.split_once("_global[") else { continue };
            let index = index.split(']').next().unwrap();
            if index != "u32(0)" {
                places.insert((before.trim().is_empty(), buffer, index));
            }
        }
    }
    let buffers: BTreeSet<_> = places.iter().map(|&(written, buffer, _)| (written, buffer)).collect();
    (4 * places.len(), 4 * buffers.len())
}

/// The guide says how many bytes an element costs, and how few it could: of the kernels that take each element by itself both can be read
/// off what is compiled. One of them takes two elements at once, the halves of a word.
#[test]
fn elementwise_kernels_move_what_the_guide_says() {
    let guide = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide/pipeline.md")).unwrap();
    let kept = kept();
    for (kernel, row, elements) in [
        ("swiglu_forward", "SwiGLU", 1),
        ("swiglu_backward", "SwiGLU, backward", 1),
        ("halves_widen", "half precision widened, for a product of many rows", 2),
        ("optimiser_step", "AdamW", 1),
    ] {
        let (bytes, buffers) = moved(&kept[kernel]);
        // A result of two floats for each word.
        let least = if elements == 2 { buffers + 4 } else { buffers };
        let line = format!("| {row} | {} | {} |", bytes / elements, least / elements);
        assert!(guide.lines().any(|one| one == line), "the guide does not say `{line}`");
    }
}

#[cfg(feature = "wgpu")]
mod compiled {
    use super::*;
    use crate::support::backends::{child_with, compiled, wgpu_device};

    /// The child's side: every operation once.
    #[test]
    #[ignore = "is run by the test below"]
    fn child() {
        use trimtab::kernels::{Bodies, operations};
        operations::<burn_wgpu::Wgpu>(&wgpu_device().unwrap(), Bodies::Own);
    }

    /// Our kernels in a log of CubeCL's compiler, each as it was compiled first.
    fn ours(log: &str) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for (name, kernel) in compiled(log) {
            let (_, source) = kernel.split_once("```wgsl\n").expect("a shader's text");
            let (source, _) = source.split_once("```").unwrap();
            found.entry(name).or_insert_with(|| in_order(source.trim()));
        }
        found
    }

    /// The compiler declares variables in any order: here those that stand together are sorted.
    fn in_order(source: &str) -> String {
        let mut lines: Vec<&str> = source.lines().collect();
        for together in lines.chunk_by_mut(|a, b| a.starts_with("var l_") && b.starts_with("var l_")) {
            together.sort_unstable();
        }
        lines.join("\n") + "\n"
    }

    /// `cargo xtask wgsl` sets TRIMTAB_WRITE_WGSL, and this writes the folder anew.
    #[test]
    fn shaders_are_up_to_date() {
        if let Err(why) = wgpu_device() {
            eprintln!("skipped: {why}");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("compiled.log");
        let settings = format!("[compilation.logger]\nlevel = \"full\"\nfile = {log:?}\n");
        child_with("shaders::compiled::child", &settings, &[], dir.path());
        let ours = ours(&std::fs::read_to_string(log).unwrap());
        if std::env::var_os("TRIMTAB_WRITE_WGSL").is_some() {
            let _ = std::fs::remove_dir_all(folder());
            std::fs::create_dir_all(folder()).unwrap();
            for (name, source) in &ours {
                std::fs::write(folder().join(format!("{name}.wgsl")), source).unwrap();
            }
        }
        let kept = kept();
        let names = |of: &BTreeMap<String, String>| of.keys().cloned().collect::<Vec<_>>();
        let stale = "shaders/wgsl is not what the kernels compile to: run `cargo xtask wgsl`";
        assert_eq!(names(&kept), names(&ours), "{stale}");
        for (name, source) in &ours {
            assert!(kept[name] == *source, "{name}: {stale}");
        }
    }
}
