//! The exponential function in a form that loops vectorise, for 32 bits.
//!
//! With `k = round(x / ln 2)` and `f = x - k ln 2`, `e^x = 2^k e^f` and `e^x - 1 = 2^k (e^f - 1) + (2^k - 1)`, with the Taylor
//! series of `e^f - 1` up to `f^7`: `|f| <= ln 2 / 2`, so what is left out is below 6e-9.

/// Beyond these limits `2^k` would leave the normal numbers.
const LIMITS: [f32; 2] = [-87.0, 88.0];
/// The upper bits of ln 2, exact in a product with a small integer, and the rest.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
/// Adding and taking away rounds to an integer, which then stands in the lowest bits.
const ROUND: f32 = 12_582_912.0;

/// `2^k` and `e^f - 1`, for `x` within the limits.
#[inline(always)]
fn parts(x: f32) -> (f32, f32) {
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let k = shifted - ROUND;
    let f = x - k * LN_2[0] - k * LN_2[1];
    let mut series = 1.0 / 5040.0;
    for factorial in [720.0, 120.0, 24.0, 6.0, 2.0, 1.0] {
        series = series * f + 1.0 / factorial;
    }
    (f32::from_bits(shifted.to_bits().wrapping_add(127) << 23), series * f)
}

/// Comparisons instead of min and max keep NaN visible.
#[inline(always)]
fn limited(x: f32) -> f32 {
    let x = if x < LIMITS[0] { LIMITS[0] } else { x };
    if x > LIMITS[1] { LIMITS[1] } else { x }
}

/// `e^x` within two units in the last place; not below `e^-87` (1.6e-38) and not above `e^88` (1.7e38).
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let (power, series) = parts(limited(x));
    power * series + power
}

/// `e^x - 1` within three units in the last place; not above `e^88`.
#[inline(always)]
pub(crate) fn exp_m1(x: f32) -> f32 {
    let (power, series) = parts(limited(x));
    power * series + (power - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(got: f32, expected: f64) -> f64 {
        (f64::from(got) - expected).abs() / (f64::from(f32::EPSILON) * expected.abs()).max(f64::from(f32::MIN_POSITIVE))
    }

    #[test]
    fn both_forms_are_close_to_the_double() {
        for i in -40_000..40_000 {
            let x = (i as f32 / 40_000.0).powi(3) * 86.0;
            let wide = f64::from(x);
            assert!(units(exp(x), wide.exp()) <= 2.0, "exp({x}) = {}", exp(x));
            assert!(units(exp_m1(x), wide.exp_m1()) <= 3.0, "exp_m1({x}) = {}", exp_m1(x));
        }
    }

    #[test]
    fn ends_are_finite_and_nan_stays() {
        assert!(exp(-1e30) > 0.0 && exp(-1e30) < 2e-38 && exp(f32::INFINITY).is_finite());
        assert_eq!((exp(0.0), exp_m1(0.0), exp_m1(-1e30)), (1.0, 0.0, -1.0));
        assert!(exp(f32::NAN).is_nan() && exp_m1(f32::NAN).is_nan());
    }
}
