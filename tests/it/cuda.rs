//! CUDA without a GPU: whether all kernels pass NVIDIA's own compiler and assembler. These are in packages for Python, which
//! `cargo xtask ptx` fetches; in place of the driver stands one that computes nothing (`support/no_gpu.c`), so everything up to the GPU is
//! what a user of CUDA runs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use burn_cuda::Cuda;
use burn_tensor::DType;
use trimtab::generate::{Engine, Job, Vocabulary};
use trimtab::kernels::{Bodies, operations};
use trimtab::language_model::Sampling;
use trimtab::model::{Learning, Transformer};
use trimtab::train;

use crate::support::backends::{child_with, compiled};
use crate::support::goldens::Goldens;

/// The child's side: every operation, and models as they are held here: answers and gradients. The numbers mean nothing.
#[test]
#[ignore = "is run by the test below"]
fn child() {
    let device = Default::default();
    operations::<Cuda>(&device, Bodies::Own);
    for dtype in [DType::BF16, DType::F16] {
        let goldens = Goldens::all().next().unwrap();
        let model = Transformer::<Cuda>::load(&goldens.model, &device, dtype).unwrap();
        let jobs = [3, 9].map(|n: u32| Job { id: n.to_string(), prompt: (0..n).collect(), coefs: None });
        let vocabulary = Vocabulary { len: model.config.vocab_size - 3, eos_ids: Vec::new() };
        Engine::new(model.clone(), vocabulary).generate(&jobs, &Sampling::greedy(3), &mut |_| {}).unwrap();
        let adapter = trimtab::model::peft::Adapter::read(&goldens.adapter, &model.config).unwrap();
        let (batch, divisor) = goldens.batch(4);
        let found = train::gradients(&model.with_adapter(&adapter), Learning::Lora, &batch, divisor, false, None);
        found.loss.into_data();
    }
}

/// The packages' files, where the environment names their folder.
fn toolkit() -> Option<PathBuf> {
    let folder = std::env::var_os("TRIMTAB_NVRTC").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: TRIMTAB_NVRTC names no folder with NVIDIA's compiler (`cargo xtask ptx` fetches it)");
    }
    folder
}

/// A driver without a GPU, as a library in that folder.
fn make_driver(dir: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/no_gpu.c");
    let made =
        Command::new("cc").args(["-shared", "-fPIC", "-w", "-o"]).arg(dir.join("libcuda.so")).arg(source).status();
    assert!(made.unwrap().success());
    std::os::unix::fs::symlink("libcuda.so", dir.join("libcuda.so.1")).unwrap();
}

/// Assembles a kernel. Whether its numbers fit the registers: of ours all must, or a loop over memory would be slow; the candidates among
/// Burn's products are measured where they run.
fn assembles_without_spills(toolkit: &Path, ptx: &Path) -> bool {
    let text = std::fs::read_to_string(ptx).unwrap();
    let target = text.split(".target ").nth(1).unwrap().split_whitespace().next().unwrap();
    let mut assembler = Command::new(toolkit.join("bin/ptxas"));
    assembler.args(["-v", "-arch", target.trim_end_matches(','), "-o", "/dev/null"]).arg(ptx);
    let output = assembler.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", ptx.display());
    let fits = said.contains(" 0 bytes spill stores");
    assert!(fits || text.contains("matmul_entry"), "{}: {said}", ptx.display());
    fits
}

#[test]
fn kernels_compile_to_ptx() {
    let Some(toolkit) = toolkit() else { return };
    // An Ampere of workstations, and Hopper.
    for arch in ["86", "90"] {
        let dir = tempfile::tempdir().unwrap();
        make_driver(dir.path());
        let (log, ptx) = (dir.path().join("compiled.log"), dir.path().join("ptx"));
        std::fs::create_dir(&ptx).unwrap();
        let libraries = std::env::join_paths([dir.path(), &toolkit.join("lib")]).unwrap();
        let variables = [
            ("LD_LIBRARY_PATH", libraries.as_os_str()),
            ("CUDA_PATH", toolkit.as_os_str()),
            ("TRIMTAB_PTX", ptx.as_os_str()),
            ("TRIMTAB_PTX_ARCH", arch.as_ref()),
        ];
        let settings = format!("[compilation.logger]\nlevel = \"full\"\nfile = {log:?}\n");
        child_with("cuda::child", &settings, &variables, dir.path());
        let log = std::fs::read_to_string(log).unwrap();
        let ours: BTreeSet<String> = compiled(&log).map(|(name, _)| name).collect();
        let kept = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders/wgsl")).unwrap();
        let known: BTreeSet<String> =
            kept.map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect();
        assert_eq!(known.difference(&ours).collect::<Vec<_>>(), Vec::<&String>::new(), "kernels that CUDA did not get");
        let files: Vec<PathBuf> = std::fs::read_dir(&ptx).unwrap().map(|file| file.unwrap().path()).collect();
        let texts: Vec<String> = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
        assert!(texts.iter().all(|ptx| ptx.contains(".visible .entry") && ptx.contains(&format!(".target sm_{arch}"))));
        // Burn's own are among them.
        let all = log.matches("[START_KERNEL_COMPILATION]").count();
        assert!(texts.len() >= all && all > ours.len(), "{} of {all} are PTX", texts.len());
        let spill = files.iter().filter(|file| !assembles_without_spills(&toolkit, file)).count();
        eprintln!(
            "sm_{arch}: {all} kernels assemble, {} of ours among them; {spill} of Burn's products spill",
            ours.len()
        );
    }
}
