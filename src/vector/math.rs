//! Arithmetic on directions. Sums are taken in f64, because a row may have thousands of entries.

/// The inner product `a·b`.
///
/// # Panics
/// If the two differ in width.
pub fn dot<A: Copy + Into<f64>, B: Copy + Into<f64>>(a: &[A], b: &[B]) -> f64 {
    assert_eq!(a.len(), b.len(), "a dot product of equally wide vectors");
    a.iter().zip(b).map(|(&a, &b)| a.into() * b.into()).sum()
}

/// The Euclidean norm `|v|`.
pub fn norm<A: Copy + Into<f64>>(v: &[A]) -> f64 {
    dot(v, v).sqrt()
}

/// The scalar projection `h·v / |v|`: how far h lies along v, in h's units; v's length does not matter.
pub fn projection(h: &[f32], v: &[f32]) -> f64 {
    dot(h, v) / norm(v)
}

/// The cosine of the angle between a and b; NaN if one of them is zero.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    dot(a, b) / (norm(a) * norm(b))
}

/// `v / |v|`; `None` if v is zero or not finite, and so no direction.
pub fn unit(v: &[f32]) -> Option<Vec<f32>> {
    let norm = norm(v);
    (norm.is_finite() && norm > 0.0).then(|| v.iter().map(|&x| (f64::from(x) / norm) as f32).collect())
}

/// `v ← v + scale·w`.
pub fn add_scaled<B: Copy + Into<f64>>(v: &mut [f64], scale: f64, w: &[B]) {
    v.iter_mut().zip(w).for_each(|(v, &w)| *v += scale * w.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_projection_is_a_length_and_a_cosine_is_none() {
        let (h, v) = ([3.0f32, 4.0], [10.0f32, 0.0]);
        assert_eq!((dot(&h, &v), norm(&h), projection(&h, &v)), (30.0, 5.0, 3.0));
        assert!((cosine(&h, &v) - 0.6).abs() < 1e-12 && cosine(&h, &[0.0, 0.0]).is_nan());
        assert_eq!((unit(&v), unit(&[0.0, 0.0]), unit(&[f32::NAN, 1.0])), (Some(vec![1.0, 0.0]), None, None));
    }

    #[test]
    fn what_is_along_a_direction_can_be_taken_away() {
        let mut left = vec![3.0, 4.0];
        let direction = [2.0f32, 0.0];
        let along = dot(&left, &direction) / dot(&direction, &direction);
        add_scaled(&mut left, -along, &direction);
        assert_eq!(left, [0.0, 4.0]);
    }
}
