//! The exponential function in a form that loops vectorise, for 32 bits.
//!
//! With `k = round(x / ln 2)` and `f = x - k ln 2`, `e^x = 2^k e^f` and `e^x - 1 = 2^k (e^f - 1) + (2^k - 1)`, with the Taylor
//! series of `e^f - 1` up to `f^7`: `|f| <= ln 2 / 2`, so what is left out is below 6e-9.

/// Beyond these limits `2^k` would leave the normal numbers.
const LIMITS: [f32; 2] = [-87.0, 88.0];
/// `e` to this is rounded to zero.
const ZERO: f32 = -104.0;
/// The upper bits of ln 2, exact in a product with a small integer, and the rest.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
/// Adding and taking away rounds to an integer, which then stands in the lowest bits.
const ROUND: f32 = 12_582_912.0;

/// `k` in the lowest bits, and `e^f - 1`.
#[inline(always)]
fn split(x: f32) -> (u32, f32) {
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let k = shifted - ROUND;
    let f = x - k * LN_2[0] - k * LN_2[1];
    let mut series = 1.0 / 5040.0;
    for factorial in [720.0, 120.0, 24.0, 6.0, 2.0, 1.0] {
        series = series * f + 1.0 / factorial;
    }
    (shifted.to_bits(), series * f)
}

/// The power of two whose exponent is in the lowest bits.
#[inline(always)]
fn power(k: u32) -> f32 {
    f32::from_bits(k.wrapping_add(127) << 23)
}

/// `2^k` and `e^f - 1`, for `x` within the limits.
#[inline(always)]
fn parts(x: f32) -> (f32, f32) {
    let (k, series) = split(x);
    (power(k), series)
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

/// `e^x` of an `x` of at most 0, within two units in the last place, down to zero: what is too small for a normal number is a
/// subnormal one.
#[inline(always)]
pub(crate) fn exp_to_zero(x: f32) -> f32 {
    let x = if x < ZERO { ZERO } else { x };
    let (bits, series) = split(x);
    // In two powers of two, neither of which leaves the normal numbers.
    let k = bits.wrapping_sub(ROUND.to_bits()) as i32;
    let half = k >> 1;
    let first = power(half as u32);
    (first * series + first) * power((k - half) as u32)
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
            let below = -x.abs();
            assert!(units(exp_to_zero(below), f64::from(below).exp()) <= 2.0, "exp({below}) = {}", exp_to_zero(below));
            assert!(units(exp_m1(x), wide.exp_m1()) <= 3.0, "exp_m1({x}) = {}", exp_m1(x));
        }
    }

    #[test]
    fn ends_are_finite_and_nan_stays() {
        assert!(exp(-1e30) > 0.0 && exp(-1e30) < 2e-38 && exp(f32::INFINITY).is_finite());
        assert_eq!((exp(0.0), exp_m1(0.0), exp_m1(-1e30)), (1.0, 0.0, -1.0));
        assert!(exp(f32::NAN).is_nan() && exp_m1(f32::NAN).is_nan() && exp_to_zero(f32::NAN).is_nan());
        assert_eq!([0.0, -0.0, -104.0, -1e30, f32::NEG_INFINITY].map(exp_to_zero), [1.0, 1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn subnormal_numbers_are_rounded_to_the_nearest_or_the_next() {
        let least = f64::from(f32::from_bits(1));
        for i in 0..17_000 {
            let x = -87.0 - i as f32 / 1000.0;
            let apart = (f64::from(exp_to_zero(x)) - f64::from(x).exp()).abs();
            assert!(apart <= least.max(4e-7 * f64::from(x).exp()), "exp({x}) = {:e}", exp_to_zero(x));
        }
    }
}
