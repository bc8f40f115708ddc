//! `Tanh`: `y = tanh(alpha * x)`. Derivative: `alpha * (1 - y^2)`.
//!
//! In 32 bits the loop is one that compilers vectorise, within three units in the last place: with `t = 2 |x|`,
//! `tanh |x| = (e^t - 1) / (e^t - 1 + 2)`.

use crate::config::{Config, Value};
use crate::error::Result;
use crate::tensor::Float;
use crate::vectorise::vectorised;
use std::any::TypeId;

/// Hyperbolic tangent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tanh {
    /// Factor on the input; default 1.
    pub alpha: f64,
}

impl Default for Tanh {
    fn default() -> Self {
        Tanh { alpha: 1.0 }
    }
}

impl Tanh {
    pub(super) fn with(self, config: &Config) -> Result<Self> {
        config.only(&["alpha"])?;
        Ok(Tanh { alpha: config.float_or("alpha", self.alpha)? })
    }

    pub(super) fn parameters(self) -> Vec<(&'static str, Value)> {
        vec![("alpha", self.alpha.into())]
    }

    pub(super) fn forward<T: Float>(self, y: &mut [T]) {
        let alpha = T::of(self.alpha);
        if TypeId::of::<T>() == TypeId::of::<f32>() {
            // SAFETY: T is f32.
            let y = unsafe { &mut *(std::ptr::from_mut(y) as *mut [f32]) };
            return tanh_of(self.alpha as f32, y);
        }
        for v in y {
            *v = (alpha * *v).tanh();
        }
    }

    pub(super) fn backward<T: Float>(self, y: &[T], d: &mut [T]) {
        backward(T::of(self.alpha), y, d);
    }
}

vectorised! {
    fn backward<T: Float>(alpha: T, y: &[T], d: &mut [T]) {
        for (d, y) in d.iter_mut().zip(y) {
            *d *= alpha * (T::one() - *y * *y);
        }
    }
}

fn tanh_of(alpha: f32, y: &mut [f32]) {
    #[inline(always)]
    fn portable(alpha: f32, y: &mut [f32]) {
        for v in y {
            *v = tanh(alpha * *v);
        }
    }
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn avx2(alpha: f32, y: &mut [f32]) {
            portable(alpha, y);
        }
        if crate::device::cpu::uses_avx2() {
            // SAFETY: the processor has AVX2.
            return unsafe { avx2(alpha, y) };
        }
    }
    portable(alpha, y);
}

#[inline(always)]
fn tanh(x: f32) -> f32 {
    /// From here on the function is 1 in 32 bits.
    const LARGE: f32 = 20.0;
    let t = 2.0 * x.abs();
    let e = if t > LARGE { LARGE } else { t }.exponential_m1();
    (e / (e + 2.0)).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_and_slope_at_known_places() {
        let f = Tanh { alpha: 2.0 };
        let mut y = [0.0f64, 0.5, -20.0];
        f.forward(&mut y);
        // tanh(1) = (e^2 - 1) / (e^2 + 1).
        let e2 = std::f64::consts::E.powi(2);
        assert!((y[1] - (e2 - 1.0) / (e2 + 1.0)).abs() < 1e-15);
        assert_eq!((y[0], y[2]), (0.0, -1.0));
        let mut d = [1.0f64; 3];
        f.backward(&y, &mut d);
        assert_eq!(d[0], 2.0);
        assert!((d[1] - 2.0 * (1.0 - y[1] * y[1])).abs() < 1e-15 && d[2] == 0.0);
    }

    #[test]
    fn floats_are_within_three_units_of_the_double() {
        let x: Vec<f32> = (-40_000..40_000).map(|i| (i as f32 / 4000.0).powi(3) / 80.0).chain([1e-30, -1e30, f32::INFINITY]).collect();
        let mut y = x.clone();
        Tanh { alpha: 0.9 }.forward(&mut y);
        for (x, y) in x.iter().zip(&y) {
            let expected = f64::from(0.9f32 * x).tanh();
            let unit = f64::from(f32::EPSILON) * expected.abs();
            assert!((f64::from(*y) - expected).abs() <= 3.0 * unit, "tanh(0.9 * {x}) = {y}, not {expected}");
            assert!(y.abs() <= 1.0);
        }
        let mut y = [f32::NAN, -0.0];
        Tanh::default().forward(&mut y);
        assert!(y[0].is_nan() && y[1] == 0.0 && y[1].is_sign_negative());
    }
}
