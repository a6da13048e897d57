//! LoRA adapters as mlx-lm saves them: a folder with `adapter_config.json` and `adapters.safetensors`.
//!
//! mlx-lm computes `y = x · Wᵀ + scale · (x · lora_a) · lora_b` with `lora_a` `[in, rank]` and `lora_b` `[rank, out]`: its `scale`
//! multiplies as it is, and its factors are PEFT's, transposed. They sit on the modules `keys` of the last `num_layers` blocks.
//! A module without tensors begins with `lora_b` zero and changes nothing, so that the tensors decide where the pairs are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::ModelConfig;
use super::adapter_config::{AdapterConfig, RANK_MAX, Slot, Targets, module_name};
use super::adapter_folder::{ADAPTER_CONFIG, MLX_WEIGHTS};
use super::config::PROJECTIONS;
use super::files::named;
use crate::record::{read_whole, without_mark};
use crate::tensorfile::{TensorFile, transposed};
use crate::{At, Error, Result, bail, ensure};

/// The factors of one projection: `A` `[rank, inputs]` and `B` `[outputs, rank]`, as PEFT has them.
type Factors = (Slot, Vec<f32>, Vec<f32>);

/// An adapter's folder, opened.
pub(super) struct Stored {
    /// What the adapter is, in PEFT's words.
    pub config: AdapterConfig,
    path: PathBuf,
    file: TensorFile,
    /// How many blocks it is on, counted from the last; all of them if 0.
    last_blocks: usize,
    placed: BTreeSet<(usize, &'static str)>,
}

/// The tensor's name in mlx-lm's files; `factor` is `A` or `B`.
pub(super) fn tensor_name(slot: &Slot, factor: char) -> String {
    name_of((slot.block, slot.projection), factor)
}

fn name_of((block, projection): (usize, &str), factor: char) -> String {
    format!("{}.lora_{}", module_name(block, projection), factor.to_ascii_lowercase())
}

impl Stored {
    /// Reads the configuration and the names of the tensors.
    ///
    /// # Errors
    /// A finetune of another kind than LoRA, which is named; a key that is missing; tensors that are unknown, or whose twin is
    /// missing.
    pub fn open(dir: &Path) -> Result<Self> {
        let path = dir.join(ADAPTER_CONFIG);
        let bytes = read_whole(&path).at(&path)?;
        let config: Value = serde_json::from_slice(without_mark(&bytes)).at(&path)?;
        let settings = Settings::new(&config).at(&path)?;
        let weights = dir.join(MLX_WEIGHTS);
        if !weights.exists() {
            let checkpoint = std::fs::read_dir(dir).at(dir)?.flatten().map(|entry| entry.file_name());
            let mut checkpoints: Vec<String> = checkpoint.filter_map(|name| name.into_string().ok()).collect();
            checkpoints.retain(|name| name.ends_with("_adapters.safetensors"));
            let hint = match checkpoints.iter().max() {
                Some(last) => format!("mlx-lm was stopped before its end: copy `{last}` to `{MLX_WEIGHTS}`"),
                None => "mlx-lm writes it beside `adapter_config.json`: copy the folder whole".to_owned(),
            };
            return Err(Error::new(format!("{}: no `{MLX_WEIGHTS}` of an mlx-lm adapter", dir.display())).hint(hint));
        }
        let file = TensorFile::open(&weights)?;
        let placed = settings.placed(&file).at(&weights)?;
        let Settings { rank, scale, dropout, last_blocks, base, .. } = settings;
        let blocks: BTreeSet<usize> = placed.iter().map(|(block, _)| *block).collect();
        let projections: BTreeSet<&str> = placed.iter().map(|(_, projection)| *projection).collect();
        let everywhere = placed.len() == blocks.len() * projections.len();
        // Where not every block has every projection, the modules are named one by one.
        let targets = match everywhere {
            true => projections.into_iter().map(str::to_owned).collect(),
            false => placed.iter().map(|&(block, projection)| module_name(block, projection)).collect(),
        };
        let mut config = AdapterConfig::new(rank, scale * rank as f64, false, Targets::Names(targets));
        config.layers_to_transform = everywhere.then(|| blocks.into_iter().collect());
        config.lora_dropout = dropout;
        config.base_model_name_or_path = base;
        Ok(Self { config, path, file, last_blocks, placed })
    }

    /// The factors for that model.
    ///
    /// # Errors
    /// Tensors of blocks that the model does not have, or that `num_layers` leaves out; tensors of another shape.
    pub fn factors(&self, model: &ModelConfig) -> Result<Vec<Factors>> {
        let blocks = model.num_hidden_layers;
        let first = if self.last_blocks == 0 { 0 } else { blocks.saturating_sub(self.last_blocks) };
        for &place in &self.placed {
            let name = name_of(place, 'A');
            if place.0 >= blocks {
                return Err(Error::new(format!(
                    "{}: tensor `{name}` is of block {}, the model has blocks 0 to {}",
                    self.file.path().display(),
                    place.0,
                    blocks - 1
                ))
                .hint("the adapter belongs to another model"));
            }
            ensure!(
                place.0 >= first,
                "{}: `num_layers` is {}, the last blocks from {first} on, yet {} holds `{name}`",
                self.path.display(),
                self.last_blocks,
                self.file.path().display()
            );
        }
        let slots = self.config.layout(model).at(&self.path)?;
        let factors = slots.into_iter().map(|slot| {
            let read = |factor: char, rows: usize, columns: usize| {
                let values = self.file.f32(&tensor_name(&slot, factor), &[rows, columns])?;
                Ok::<_, Error>(transposed(&values, rows, columns))
            };
            let (a, b) = (read('A', slot.inputs, slot.rank)?, read('B', slot.rank, slot.outputs)?);
            Ok((slot, a, b))
        });
        factors.collect()
    }
}

/// What `adapter_config.json` says.
struct Settings {
    rank: usize,
    scale: f64,
    dropout: f64,
    last_blocks: usize,
    keys: Option<Vec<String>>,
    base: Option<String>,
}

impl Settings {
    fn new(config: &Value) -> Result<Self> {
        let config = config.as_object().ok_or_else(|| Error::new("not a JSON object"))?;
        match config.get("fine_tune_type").and_then(Value::as_str).unwrap_or("lora") {
            "lora" => {}
            "full" => {
                return Err(Error::new("`fine_tune_type` is `full`: mlx-lm trained the weights themselves, so this is no adapter")
                    .hint("write a whole model with `mlx_lm.fuse --model BASE --adapter-path DIR --save-path OUT` and give that as --model"));
            }
            other => {
                return Err(Error::new(format!("`fine_tune_type` is `{other}`, which is not implemented"))
                    .hint("only mlx-lm's `lora` is read; a fused model (`mlx_lm.fuse`) can be given as --model"));
            }
        }
        let given = |key: &str| config.get(key).filter(|value| !value.is_null());
        let Some(Value::Object(lora)) = given("lora_parameters") else {
            bail!("`lora_parameters` is missing: mlx-lm writes `rank`, `scale` and `dropout` there")
        };
        let number = |key: &str| match lora.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let number = value.as_f64().filter(|x| x.is_finite());
                number
                    .map(Some)
                    .ok_or_else(|| Error::new(format!("`lora_parameters.{key}` is {value}, expected a number")))
            }
        };
        let required =
            |key: &str| number(key)?.ok_or_else(|| Error::new(format!("`lora_parameters.{key}` is missing")));
        let (rank, scale) = (required("rank")?, required("scale")?);
        ensure!(rank >= 1.0 && rank.fract() == 0.0, "`lora_parameters.rank` is {rank}");
        ensure!(rank <= RANK_MAX as f64, "`lora_parameters.rank` is {rank}, and no adapter has more than {RANK_MAX}");
        if let Some(alpha) = number("alpha")?.filter(|alpha| *alpha != rank) {
            return Err(Error::new(format!(
                "`lora_parameters` has `alpha` {alpha} beside `scale` {scale}: mlx-lm once multiplied by scale · alpha / rank = {}, today by scale alone",
                scale * alpha / rank
            ))
            .hint("leave out `alpha`, and give as `scale` what the adapter was trained with"));
        }
        let last_blocks = given("num_layers").or_else(|| given("lora_layers"));
        Ok(Self {
            rank: rank as usize,
            scale,
            dropout: number("dropout")?.unwrap_or_default(),
            last_blocks: last_blocks.and_then(Value::as_u64).map_or(0, |n| usize::try_from(n).unwrap_or(usize::MAX)),
            keys: keys(lora)?,
            base: given("model").and_then(Value::as_str).map(str::to_owned),
        })
    }

    /// Where the file has pairs.
    fn placed(&self, file: &TensorFile) -> Result<BTreeSet<(usize, &'static str)>> {
        let (mut placed, mut unknown, mut missing) = (BTreeSet::new(), Vec::new(), Vec::new());
        for name in file.names() {
            match place_of(&name).filter(|(_, projection)| self.may_sit_on(projection)) {
                Some(place) => {
                    placed.insert(place);
                }
                None => unknown.push(format!("`{name}`")),
            }
        }
        for &place in &placed {
            let names = ['A', 'B'].map(|factor| name_of(place, factor));
            missing.extend(names.iter().filter(|name| file.shape(name).is_none()).map(|name| format!("`{name}`")));
        }
        for key in self.keys.iter().flatten() {
            let of_ours = PROJECTIONS.contains(&key.as_str());
            if of_ours && !placed.iter().any(|(_, projection)| projection == key) {
                missing.push(format!("`model.layers.….{key}.lora_a`"));
            }
        }
        let faults = [("missing", missing), ("unknown", unknown)];
        let faults: Vec<String> = faults.iter().filter_map(|(what, tensors)| named(what, tensors)).collect();
        ensure!(!placed.is_empty() || !faults.is_empty(), "it holds no tensor");
        if faults.is_empty() {
            return Ok(placed);
        }
        Err(Error::new(faults.join("; ")).hint(
            "an adapter of mlx-lm holds `model.layers.N.MODULE.lora_a` and `….lora_b` for the modules in `lora_parameters.keys`; only the seven projections of a block can carry a pair here",
        ))
    }

    fn may_sit_on(&self, projection: &str) -> bool {
        self.keys.as_ref().is_none_or(|keys| keys.iter().any(|key| key == projection))
    }
}

fn keys(lora: &Map<String, Value>) -> Result<Option<Vec<String>>> {
    let Some(keys) = lora.get("keys").filter(|keys| !keys.is_null()) else { return Ok(None) };
    let names = keys.as_array().and_then(|keys| keys.iter().map(|key| key.as_str().map(str::to_owned)).collect());
    names.map(Some).ok_or_else(|| Error::new("`lora_parameters.keys` is no list of names"))
}

/// The block and projection of a factor's name.
fn place_of(name: &str) -> Option<(usize, &'static str)> {
    let (module, factor) = name.strip_prefix("model.layers.")?.rsplit_once('.')?;
    let (block, projection) = module.split_once('.')?;
    let projection = PROJECTIONS.into_iter().find(|known| *known == projection)?;
    ["lora_a", "lora_b"].contains(&factor).then_some((block.parse().ok()?, projection))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::export::write_mlx;
    use super::super::peft::{Adapter, Pair};
    use super::*;

    fn tiny() -> ModelConfig {
        ModelConfig::read(Path::new("tests/fixtures/tiny")).unwrap()
    }

    /// An adapter of mlx-lm in a folder, its configuration edited.
    fn folder(adapter: &Adapter, edit: impl FnOnce(&mut Value)) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        write_mlx(adapter, tiny().num_hidden_layers, dir.path()).unwrap();
        let path = dir.path().join(ADAPTER_CONFIG);
        let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        edit(&mut config);
        std::fs::write(path, config.to_string()).unwrap();
        dir
    }

    /// A rank-3 adapter of mlx-lm's kind on some projections of some blocks.
    fn adapter(targets: &[&str], blocks: &[usize]) -> Adapter {
        let targets = Targets::Names(targets.iter().map(|t| (*t).to_owned()).collect());
        let mut config = AdapterConfig::new(3, 7.5, false, targets);
        config.layers_to_transform = Some(blocks.to_vec());
        let mut adapter = Adapter::fresh(config, &tiny(), 3).unwrap();
        for (i, pair) in adapter.pairs.values_mut().enumerate() {
            pair.b.iter_mut().enumerate().for_each(|(j, b)| *b = ((i * 13 + j * 5) % 17) as f32 * 0.01 - 0.07);
        }
        adapter
    }

    #[track_caller]
    fn check_refused(dir: &tempfile::TempDir, want: &str) {
        let e = Adapter::read(dir.path(), &tiny()).unwrap_err().to_string();
        let e = e.replace(&dir.path().display().to_string(), "DIR");
        assert!(e.contains(want), "{e}");
    }

    #[test]
    fn the_factors_are_pefts_transposed_and_the_scale_is_mlx_lms() {
        let adapter = adapter(&["q_proj", "down_proj"], &[2, 3]);
        let dir = folder(&adapter, |config| config["lora_parameters"]["scale"] = json!(20.0));
        let read = Adapter::read(dir.path(), &tiny()).unwrap();
        assert_eq!((read.config.r, read.config.scale(), read.pairs.len()), (3, 20.0, 4));
        for (place, Pair { slot, a, b }) in &read.pairs {
            assert!(slot.scale == 20.0 && *a == adapter.pairs[place].a && *b == adapter.pairs[place].b, "{place:?}");
        }
        // The file itself, as mlx-lm multiplies: row 5 of A and column 7 of B.
        let file = TensorFile::open(&dir.path().join(MLX_WEIGHTS)).unwrap();
        let a = file.f32("model.layers.2.mlp.down_proj.lora_a", &[160, 3]).unwrap();
        let b = file.f32("model.layers.2.mlp.down_proj.lora_b", &[3, 64]).unwrap();
        let Pair { a: ours_a, b: ours_b, .. } = &read.pairs[&(2, "mlp.down_proj")];
        for k in 0..3 {
            assert_eq!((a[5 * 3 + k], b[k * 64 + 7]), (ours_a[k * 160 + 5], ours_b[7 * 3 + k]));
        }
        // As PEFT's it is the same adapter.
        let peft = tempfile::tempdir().unwrap();
        read.write(peft.path()).unwrap();
        assert_eq!(Adapter::read(peft.path(), &tiny()).unwrap(), read);
    }

    #[test]
    fn modules_without_tensors_carry_no_pair() {
        let mut adapter = adapter(&["q_proj", "v_proj"], &[1, 3]);
        adapter.pairs.remove(&(1, "self_attn.v_proj"));
        let read = Adapter::read(folder(&adapter, |_| {}).path(), &tiny()).unwrap();
        assert!(read.pairs.keys().eq(adapter.pairs.keys()), "{:?}", read.pairs.keys());
        let dir = folder(&adapter, |config| config["lora_parameters"]["keys"] = Value::Null);
        assert_eq!(Adapter::read(dir.path(), &tiny()).unwrap().pairs.len(), 3, "without keys, on any projection");
        for n in [json!(-1), json!(40)] {
            let all = folder(&adapter, |config| config["num_layers"] = n);
            assert_eq!(Adapter::read(all.path(), &tiny()).unwrap().pairs.len(), 3, "in all blocks");
        }
    }

    #[test]
    fn what_mlx_lm_would_not_load_so_is_refused_by_name() {
        let adapter = adapter(&["q_proj"], &[1, 2, 3]);
        let lora = |changes: Value| {
            folder(&adapter, |config| {
                config["lora_parameters"].as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            })
        };
        check_refused(
            &folder(&adapter, |config| config["fine_tune_type"] = json!("dora")),
            "DIR/adapter_config.json: `fine_tune_type` is `dora`",
        );
        check_refused(
            &folder(&adapter, |config| config["fine_tune_type"] = json!("full")),
            "`fine_tune_type` is `full`: mlx-lm trained",
        );
        check_refused(
            &folder(&adapter, |config| config["lora_parameters"] = Value::Null),
            "`lora_parameters` is missing",
        );
        check_refused(
            &folder(&adapter, |config| config["num_layers"] = json!(2)),
            "the last blocks from 2 on, yet DIR/adapters.safetensors holds `model.layers.1",
        );
        check_refused(&lora(json!({"scale": null})), "`lora_parameters.scale` is missing");
        check_refused(
            &lora(json!({"alpha": 16})),
            "`alpha` 16 beside `scale` 2.5: mlx-lm once multiplied by scale · alpha / rank",
        );
        check_refused(
            &lora(json!({"rank": 4})),
            "tensor `model.layers.1.self_attn.q_proj.lora_a` has shape [64, 3], expected [64, 4]",
        );
        check_refused(&lora(json!({"rank": 0})), "`lora_parameters.rank` is 0");
        check_refused(
            &lora(json!({"keys": ["self_attn.k_proj"]})),
            "1 tensor missing: `model.layers.….self_attn.k_proj.lora_a`; 6 tensors unknown",
        );
        let dir = lora(json!({}));
        std::fs::rename(dir.path().join(MLX_WEIGHTS), dir.path().join("0000100_adapters.safetensors")).unwrap();
        let e = Adapter::read(dir.path(), &tiny()).unwrap_err();
        assert!(e.help().unwrap().contains("copy `0000100_adapters.safetensors` to"), "{e:?}");
        let shallow = ModelConfig { num_hidden_layers: 3, ..tiny() };
        let e = Adapter::read(lora(json!({})).path(), &shallow).unwrap_err().to_string();
        assert!(e.ends_with("is of block 3, the model has blocks 0 to 2"), "{e}");
    }

    #[test]
    fn a_diverged_adapter_is_refused() {
        let mut adapter = adapter(&["q_proj"], &[3]);
        adapter.pairs.values_mut().next().unwrap().b[0] = f32::NAN;
        check_refused(
            &folder(&adapter, |_| {}),
            "1 tensor with numbers that are not finite: `model.layers.3.self_attn.q_proj.lora_b`",
        );
    }
}
