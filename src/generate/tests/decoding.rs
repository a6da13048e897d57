//! What a decode step reads.

use burn_tensor::DType;

use super::*;
use crate::kernels::{Counted, IN_PANELS, counted};

/// One token for each row, at column 3.
fn step(model: &Transformer<Flex>, rows: usize) -> Vec<Counted> {
    let tokens: Vec<[u32; 1]> = (0..rows as u32).map(|id| [id]).collect();
    let texts: Vec<&[u32]> = tokens.iter().map(<[u32; 1]>::as_slice).collect();
    let mut place = Rows::whole(&texts, vec![1; rows], 0);
    (place.at, place.end) = (vec![3; rows], vec![4; rows]);
    let mut cache = model.cache(rows, 8);
    let pass = model.pass(&place, 8);
    counted(|| {
        model.logits(&model.stream(&pass, Some(&mut cache), |_, _| {}));
    })
}

#[test]
fn every_weight_is_read_once_and_none_is_packed() {
    let config = ModelConfig::from_json(&json!({
        "model_type": "qwen2", "vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
        "tie_word_embeddings": true, "max_position_embeddings": 64,
    }));
    let config = config.unwrap();
    for dtype in [DType::F32, DType::BF16, DType::I8] {
        let mut model = Transformer::<Flex>::made_up(config.clone(), &Default::default(), dtype.into());
        // The first token's machinery, such as threads, is not a step's.
        step(&model, 1);
        let mut matrices: Vec<Tensor<Flex, 2>> = model.head().parts().to_vec();
        let blocks =
            model.blocks.iter_mut().flat_map(|block| block.projections().map(|(_, linear)| linear.weight.clone()));
        matrices.extend(blocks);
        for rows in [1, 4] {
            let counted = step(&model, rows);
            let of =
                |name: &str| -> Vec<Counted> { counted.iter().filter(|one| one.0.contains(name)).copied().collect() };
            let products = of("x · Wᵀ");
            // Queries, keys and values; their output; gate and up; down, which several rows in bf16 have with these; the head.
            let is_one = dtype == DType::BF16 && rows > 1 && crate::kernels::multiplies_bf16();
            let of_a_block = if is_one { 3 } else { 4 };
            assert_eq!(
                products.len(),
                1 + config.num_hidden_layers * of_a_block,
                "{dtype:?}, {rows} rows: {counted:?}"
            );
            let (mut operations, mut bytes) = (0, 0);
            for [outer, inner] in matrices.iter().map(Tensor::dims) {
                operations += 2 * rows * outer * inner;
                // In 8 bits a row has its scale beside its numbers.
                let width = if dtype == DType::I8 { inner - 4 } else { inner };
                bytes += outer * inner * dtype.size() + 4 * rows * (width + outer * inner / width);
            }
            let sum = products.iter().fold((0, 0), |sum, one| (sum.0 + one.1, sum.1 + one.2));
            assert_eq!(sum, (operations, bytes), "{dtype:?}, {rows} rows");
            assert!(of("a · b").is_empty() && of(IN_PANELS).is_empty(), "{dtype:?}, {rows} rows: {counted:?}");
        }
    }
}
