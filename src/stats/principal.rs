//! Principal components of few samples in many dimensions, through the samples' own products.

/// Sweeps of rotations, at most; ten are plenty for a few hundred samples.
const SWEEPS_MAX: usize = 60;
/// What is left beside the diagonal, as a share of the whole, when it counts as diagonal.
const DIAGONAL: f64 = 1e-24;

/// The first `count` principal components of the samples about their mean, by falling variance: the share of the variance along
/// each, and its direction as a unit vector whose sign means nothing. Components without variance are left out; none come of
/// samples that do not differ.
///
/// With `C` the centred samples, a row each, the eigenvectors `w` of `C·Cᵀ` with eigenvalues `λ` give the components `Cᵀ·w/sqrt(λ)`:
/// a matrix of samples by samples instead of one of entries by entries.
///
/// # Panics
/// If samples differ in length.
pub fn principal(samples: &[Vec<f32>], count: usize) -> Vec<(f64, Vec<f32>)> {
    let centred = centred(samples);
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let gram: Vec<Vec<f64>> = centred.iter().map(|a| centred.iter().map(|b| dot(a, b)).collect()).collect();
    let trace: f64 = (0..gram.len()).map(|i| gram[i][i]).sum();
    let mut found = eigen(gram);
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    let with_variance = found.into_iter().take(count).filter(|(value, _)| *value > 1e-12 * trace && trace > 0.0);
    let component = |(value, w): (f64, Vec<f64>)| {
        let mut direction = vec![0.0; samples[0].len()];
        for (w, row) in w.iter().zip(&centred) {
            direction.iter_mut().zip(row).for_each(|(d, x)| *d += w * x);
        }
        (value / trace, direction.into_iter().map(|d| (d / value.sqrt()) as f32).collect())
    };
    with_variance.map(component).collect()
}

fn centred(samples: &[Vec<f32>]) -> Vec<Vec<f64>> {
    let Some(width) = samples.first().map(Vec::len) else { return Vec::new() };
    assert!(samples.iter().all(|s| s.len() == width), "samples are equally long");
    let mean = |i: usize| samples.iter().map(|s| f64::from(s[i])).sum::<f64>() / samples.len() as f64;
    let means: Vec<f64> = (0..width).map(mean).collect();
    let row = |s: &Vec<f32>| s.iter().zip(&means).map(|(&x, m)| f64::from(x) - m).collect();
    samples.iter().map(row).collect()
}

/// Eigenvalues and unit eigenvectors of a symmetric matrix by Jacobi's rotations.
fn eigen(mut a: Vec<Vec<f64>>) -> Vec<(f64, Vec<f64>)> {
    let n = a.len();
    // Row i holds eigenvector i.
    let mut vectors: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| if i == j { 1.0 } else { 0.0 }).collect()).collect();
    for _ in 0..SWEEPS_MAX {
        let square = |row: &[f64]| row.iter().map(|x| x * x).sum::<f64>();
        let whole: f64 = a.iter().map(|row| square(row)).sum();
        let beside: f64 = (0..n).map(|i| square(&a[i][i + 1..])).sum();
        if beside <= DIAGONAL * whole {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut a, &mut vectors, p, q);
            }
        }
    }
    (0..n).map(|i| a[i][i]).zip(vectors).collect()
}

/// Turns the plane of p and q so that their entry becomes 0.
fn rotate(a: &mut [Vec<f64>], vectors: &mut [Vec<f64>], p: usize, q: usize) {
    if a[p][q] == 0.0 {
        return;
    }
    let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
    let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    for row in a.iter_mut() {
        (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
    }
    for matrix in [a, vectors] {
        let (head, tail) = matrix.split_at_mut(q);
        for (x, y) in head[p].iter_mut().zip(&mut tail[0]) {
            (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// `n` samples of `scales.len()` independent entries.
    fn samples(n: usize, scales: &[f32], seed: u64) -> Vec<Vec<f32>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..n).map(|_| scales.iter().map(|s| s * rng.random_range(-1.0f32..1.0) + 7.0).collect()).collect()
    }

    #[test]
    fn eigenvectors_give_the_matrix_back() {
        let rows = centred(&samples(9, &[1.0, 2.0, 3.0, 0.5], 1));
        let gram: Vec<Vec<f64>> =
            (rows.iter()).map(|a| rows.iter().map(|b| a.iter().zip(b).map(|(a, b)| a * b).sum()).collect()).collect();
        let found = eigen(gram.clone());
        for i in 0..9 {
            for j in 0..9 {
                let back: f64 = found.iter().map(|(value, w)| value * w[i] * w[j]).sum();
                assert!((back - gram[i][j]).abs() < 1e-9, "{i} {j}: {back} {}", gram[i][j]);
                let product: f64 = (0..9).map(|k| found[i].1[k] * found[j].1[k]).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn the_loudest_entries_come_first_whatever_the_mean_is() {
        let found = principal(&samples(200, &[0.1, 3.0, 0.1, 1.0, 0.1], 2), 3);
        assert_eq!(found.len(), 3);
        assert!(found[0].1[1].abs() > 0.99 && found[1].1[3].abs() > 0.99, "{found:?}");
        assert!((found[0].0 - 0.9).abs() < 0.03 && found[0].0 > found[1].0 && found[1].0 > found[2].0, "{found:?}");
        let norm: f32 = found[0].1.iter().map(|x| x * x).sum();
        assert!((norm - 1.0).abs() < 1e-5);
    }

    #[test]
    fn there_are_no_more_components_than_differences() {
        let two = vec![vec![0.0, 0.0, 1.0], vec![2.0, 0.0, 1.0]];
        let found = principal(&two, 3);
        assert!(found.len() == 1 && (found[0].0 - 1.0).abs() < 1e-12 && found[0].1[0].abs() > 0.999, "{found:?}");
        assert!(principal(&[vec![1.0, 2.0], vec![1.0, 2.0]], 3).is_empty() && principal(&[], 3).is_empty());
    }
}
