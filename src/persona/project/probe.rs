//! What is measured of a text's states along a persona vector: [`Metric`], [`Probe`], [`projections`].

use serde::{Deserialize, Serialize};

use crate::language_model::{Finished, LanguageModel, Residuals};
use crate::vector::math::{cosine, projection};
use crate::vector::{Layer, VectorFile};
use crate::{Error, Result, ensure};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Metric {
    /// The signed length of the response's mean along the vector.
    #[default]
    #[serde(rename = "proj")]
    Proj,
    /// The same of the state at the prompt's last token, before anything was answered.
    #[serde(rename = "prompt_last_proj")]
    PromptLast,
    /// The cosine between the response's mean and the vector.
    #[serde(rename = "cos_sim")]
    Cosine,
}

impl Metric {
    /// Its name in column names and on the command line.
    pub fn key(self) -> &'static str {
        match self {
            Self::Proj => "proj",
            Self::PromptLast => "prompt_last_proj",
            Self::Cosine => "cos_sim",
        }
    }
}

/// One column to compute: a vector at a layer, and what of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Probe {
    /// The column's name.
    pub column: String,
    /// What is measured.
    pub metric: Metric,
    /// Where.
    pub layer: Layer,
    /// The direction; any length but 0. `[hidden]`
    pub vector: Vec<f32>,
}

impl Probe {
    /// Projects onto `response_avg` of a vector file at each of the layers, columns named by [`column()`]. `stem` is the vector
    /// file's name without folder and ending.
    ///
    /// # Errors
    /// A layer that the vector does not have, or one where it is zero.
    pub fn of_file(model: &str, stem: &str, file: &VectorFile, layers: &[usize], metric: Metric) -> Result<Vec<Self>> {
        let probe = |&number: &usize| {
            let layer = Layer::of(number, file.response_avg.layers())?;
            let vector = file.response_avg.row(layer).to_vec();
            let some = vector.iter().any(|&x| x != 0.0);
            ensure!(some, "`{stem}` is zero at {layer}; nothing can be projected onto it");
            Ok(Self { column: column(model, stem, metric, layer), metric, layer, vector })
        };
        layers.iter().map(probe).collect()
    }

    fn read(&self, residuals: &Residuals) -> f64 {
        match self.metric {
            Metric::Proj => projection(&residuals.response_avg[self.layer.row()], &self.vector),
            Metric::PromptLast => projection(&residuals.prompt_last[self.layer.row()], &self.vector),
            Metric::Cosine => cosine(&residuals.response_avg[self.layer.row()], &self.vector),
        }
    }
}

/// The reference's column name, `<model>_<vector>_<metric>_layer<L>`; of the model's name or path, the last part.
pub fn column(model: &str, stem: &str, metric: Metric, layer: Layer) -> String {
    let base = model.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or(model);
    format!("{base}_{stem}_{}_layer{}", metric.key(), layer.row())
}

/// Reads each text once, as far as the highest layer that is probed, and measures it with every probe: `[text][probe]`. `done` hears how many texts are read.
///
/// # Errors
/// Those of the model, a probe of another width or layer, a state that is not finite.
pub fn projections(
    model: &mut dyn LanguageModel,
    texts: &[Finished],
    probes: &[Probe],
    chunk: usize,
    done: &mut dyn FnMut(usize),
) -> Result<Vec<Vec<f64>>> {
    let (layers, hidden) = model.shape();
    for probe in probes {
        Layer::of(probe.layer.row(), layers)?;
        let width = probe.vector.len();
        ensure!(
            width == hidden,
            "the vector of `{}` is {width} wide, the model's residual stream {hidden}",
            probe.column
        );
    }
    let top = probes.iter().map(|probe| probe.layer).max_by_key(|layer| layer.row()).unwrap_or(Layer(layers));
    let mut values = Vec::with_capacity(texts.len());
    for chunk in texts.chunks(chunk.max(1)) {
        let residuals = model.residuals_to(chunk, top)?;
        assert_eq!(residuals.len(), chunk.len(), "residuals for every text");
        for residuals in &residuals {
            let of_text: Vec<f64> = probes.iter().map(|probe| probe.read(residuals)).collect();
            if let Some(i) = of_text.iter().position(|x| !x.is_finite()) {
                return Err(Error::new(format!("text {}: `{}` is not finite", values.len() + 1, probes[i].column)));
            }
            values.push(of_text);
        }
        done(values.len());
    }
    Ok(values)
}

#[cfg(test)]
impl Probe {
    pub(in crate::persona) fn made_up(metric: Metric, layer: usize) -> Self {
        let (layer, vector) = (Layer(layer), vec![1.0, -2.0, 0.5, 3.0, 1.5]);
        Self { column: column("org/Echo", "bold_response_avg", metric, layer), metric, layer, vector }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::EchoModel;

    const H: [f32; 3] = [1.0, 2.0, -2.0];
    const V: [f32; 3] = [3.0, 0.0, 4.0];

    #[test]
    fn projections_by_hand() {
        assert_eq!((projection(&H, &V), cosine(&H, &V)), (-1.0, -1.0 / 3.0));
        assert_eq!(projection(&V, &V), 5.0);
    }

    #[test]
    fn the_length_of_the_vector_does_not_matter() {
        for scale in [1e-3_f32, 7.0, 1e4] {
            let scaled = V.map(|x| x * scale);
            assert!((projection(&H, &scaled) - projection(&H, &V)).abs() < 1e-6);
            assert!((cosine(&H, &scaled) - cosine(&H, &V)).abs() < 1e-6);
        }
        let doubled = H.map(|x| x * 2.0);
        assert_eq!(projection(&doubled, &V), 2.0 * projection(&H, &V));
        assert!((cosine(&doubled, &V) - cosine(&H, &V)).abs() < 1e-12);
    }

    #[test]
    fn every_probe_reads_its_own_position_and_layer() {
        let mut model = EchoModel::new(|_, _| String::new());
        let texts = [Finished { prompt_ids: vec![3, 4], response_ids: vec![5, 6] }];
        let probes =
            [Probe::made_up(Metric::Proj, 1), Probe::made_up(Metric::PromptLast, 3), Probe::made_up(Metric::Cosine, 2)];
        let values = projections(&mut model, &texts, &probes, 1, &mut |_| {}).unwrap().remove(0);
        let state = |ids: &[u32], l: usize| -> Vec<f32> {
            (0..5).map(|d| ids.iter().map(|&id| EchoModel::state(id, l, d)).sum::<f32>() / ids.len() as f32).collect()
        };
        let v = &probes[0].vector;
        assert_eq!(
            values,
            [projection(&state(&[5, 6], 1), v), projection(&state(&[4], 3), v), cosine(&state(&[5, 6], 2), v)]
        );
        let wide = [Probe { vector: vec![1.0; 4], ..Probe::made_up(Metric::Proj, 1) }];
        assert!(projections(&mut model, &texts, &wide, 1, &mut |_| {}).unwrap_err().to_string().contains("4 wide"));
        assert!(projections(&mut model, &texts, &[Probe::made_up(Metric::Proj, 4)], 1, &mut |_| {}).is_err());
    }

    #[test]
    fn columns_are_named_as_the_reference_names_them() {
        let name = column("/models/Qwen2.5-7B-Instruct/", "evil_response_avg_diff", Metric::PromptLast, Layer(20));
        assert_eq!(name, "Qwen2.5-7B-Instruct_evil_response_avg_diff_prompt_last_proj_layer20");
    }
}
