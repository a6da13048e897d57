//! What is shown of vectors.

use std::path::Path;

use serde_json::{Value, json};

use crate::persona::Extraction;
use crate::vector::Layer;
use crate::verbs::model::Model;
use crate::verbs::{Context, Outcome};

/// Names the model's adapter in the file.
pub fn name_adapter(extraction: &mut Extraction, model: &Model) {
    if let Some((folder, hash)) = &model.adapter {
        extraction.file.metadata.insert(
            "adapter".into(),
            format!("{} ({})", folder.path().file_name().unwrap_or_default().to_string_lossy(), hash.short()),
        );
    }
}

/// Norms, filter and warnings of vectors that were written to `out`.
pub fn outcome(extraction: &Extraction, trait_name: &str, out: &Path, context: &Context<'_>) -> Outcome {
    extraction.diagnosis.warnings.iter().for_each(|warning| context.console.warn(warning));
    let vector = &extraction.file.response_avg;
    let norms: Vec<f32> = (1..=vector.layers()).map(|l| vector.norm(Layer(l))).collect();
    let largest = norms.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(i, _)| i + 1);
    let listed: String = norms.iter().map(|norm| format!(" {norm:.3}")).collect();
    let text = format!(
        "{}\nnorms of layers 1 to {}:{listed}\nwidth {}; the longest is layer {largest} (a hint; `trimtab layers` chooses): {}",
        extraction.diagnosis,
        vector.layers(),
        vector.hidden(),
        out.display()
    );
    let json: Value = json!({
        "out": out,
        "trait": trait_name,
        "layers": vector.layers(),
        "hidden": vector.hidden(),
        "norms": norms,
        "longest_layer": largest,
        "diagnosis": extraction.diagnosis,
        "fingerprint": extraction.file.fingerprint,
        "metadata": extraction.file.metadata,
    });
    Outcome::new(text, json)
}
