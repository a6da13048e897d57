//! Where and how strongly to steer, as `layers` runs found it.

use serde::Serialize;
use serde_json::Value;

use super::folder::{RunPlace, read_text};
use super::kind::{RunConfig, RunKind};
use super::results;
use crate::record::Hash;
use crate::session::VectorSet;
use crate::vector::VectorFile;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Preset {
    pub vector: String,
    pub layer: u64,
    pub rule: &'static str,
    pub coef: f64,
    /// That as a share of the residual stream's mean norm.
    pub residual_fraction: Option<f64>,
    /// Coefficients at which the text stays coherent, from 0 on: as far as was searched, else as the grid shows.
    pub coherent_to: Option<f64>,
    /// The smallest coefficient at which it was not coherent any more.
    pub incoherent_from: Option<f64>,
    pub positions: String,
    pub run: String,
}

/// The rules' choices in a run, the coherent one first, if the run is of one of these vectors.
pub fn of_run(run: &RunPlace, config: &RunConfig, vectors: &VectorSet) -> Vec<Preset> {
    if config.kind != RunKind::Layers {
        return Vec::new();
    }
    let lock = read_text(&run.path.join("lock.json")).and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let used = lock.and_then(|lock| lock["hashes"]["vectors"].as_str().map(str::to_owned));
    let is_used = |file: &VectorFile| used.as_ref() == Some(&Hash::of(&file.fingerprint).to_string());
    let Some((vector, _)) = vectors.iter().find(|(_, file)| is_used(file)) else { return Vec::new() };
    let Some(found) = results::study(&run.path).map(|study| study.found) else { return Vec::new() };
    let min_coherence = config.table.get("min_coherence").and_then(toml::Value::as_float).unwrap_or(75.0);
    let positions = config.table.get("positions").and_then(toml::Value::as_str).unwrap_or("response");
    let grid = read_text(&run.path.join("grid.csv")).unwrap_or_default();
    let mut presets: Vec<Preset> = Vec::new();
    for (key, rule) in [("coherent_rule", "coherent"), ("paper_rule", "paper")] {
        let choice = found.get(key).unwrap_or(&Value::Null);
        let (Some(layer), Some(coef)) = (choice["layer"].as_u64(), choice["coef"].as_f64()) else { continue };
        let range = found.get("range").filter(|range| range["layer"].as_u64() == Some(layer));
        let (coherent_to, incoherent_from) = match range {
            Some(range) => (range["coherent_to"].as_f64(), range["incoherent_from"].as_f64()),
            None => of_grid(&grid, layer, min_coherence),
        };
        if presets.iter().all(|preset| (preset.layer, preset.coef) != (layer, coef)) {
            presets.push(Preset {
                vector: vector.to_owned(),
                layer,
                rule,
                coef,
                residual_fraction: choice["residual_fraction"].as_f64(),
                coherent_to,
                incoherent_from,
                positions: positions.to_owned(),
                run: run.id.clone(),
            });
        }
    }
    presets
}

/// The largest coherent coefficient of a layer below every incoherent one, and the smallest incoherent one, in `grid.csv`.
fn of_grid(csv: &str, layer: u64, min_coherence: f64) -> (Option<f64>, Option<f64>) {
    let mut lines = csv.lines();
    let columns: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let place = |name: &str| columns.iter().position(|column| *column == name);
    let (Some(at), Some(coef), Some(coherence)) = (place("layer"), place("coef"), place("coherence")) else {
        return (None, None);
    };
    let cell = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let number = |i: usize| cells.get(i)?.parse::<f64>().ok();
        (number(at)? == layer as f64).then_some(())?;
        Some((number(coef)?, number(coherence).is_some_and(|c| c >= min_coherence)))
    };
    let cells: Vec<(f64, bool)> = lines.filter_map(cell).filter(|(coef, _)| *coef > 0.0).collect();
    let smallest = |x: Option<f64>, y: f64| Some(x.map_or(y, |x| x.min(y)));
    let bad = cells.iter().filter(|(_, good)| !good).map(|(coef, _)| *coef).fold(None, smallest);
    let good = cells.iter().filter(|(coef, good)| *good && bad.is_none_or(|bad| *coef < bad));
    (good.map(|(coef, _)| *coef).fold(None, |x: Option<f64>, y| Some(x.map_or(y, |x| x.max(y)))), bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_shows_how_far_text_stays_coherent() {
        let csv = "layer,coef,coherence\n,0,99\n2,1,90\n2,2,80\n2,3,40\n2,4,85\n3,1,20\n";
        assert_eq!(of_grid(csv, 2, 75.0), (Some(2.0), Some(3.0)));
        assert_eq!(of_grid(csv, 3, 75.0), (None, Some(1.0)));
        assert_eq!(of_grid("a,b\n", 2, 75.0), (None, None));
    }
}
