//! `Rectifier`: `y = x` for positive `x`, else `leak_slope * x`; with a positive clipping `c`, `y = min(y, c)`.
//!
//! Derivative: 0 where `y >= c`, 1 where `y > 0`, else `leak_slope`.
//!
//! Source: V. Nair, G. E. Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010.

use crate::config::{Config, Value};
use crate::error::Result;
use crate::tensor::Float;
use crate::vectorise::{opaque_one, vectorised};

/// Rectified linear unit, leaky or clipped on request.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rectifier {
    /// Largest output; 0 (default) does not clip.
    pub clipping: f64,
    /// Slope for negative inputs, at least 0; default 0.
    pub leak_slope: f64,
}

impl Rectifier {
    pub(super) fn with(self, config: &Config) -> Result<Self> {
        config.only(&["clipping", "leak_slope"])?;
        let f = Rectifier {
            clipping: config.float_or("clipping", self.clipping)?,
            leak_slope: config.float_or("leak_slope", self.leak_slope)?,
        };
        for (name, v) in [("clipping", f.clipping), ("leak_slope", f.leak_slope)] {
            if v < 0.0 {
                return Err(config.error(name, v, "a number of at least 0"));
            }
        }
        Ok(f)
    }

    pub(super) fn parameters(self) -> Vec<(&'static str, Value)> {
        vec![("clipping", self.clipping.into()), ("leak_slope", self.leak_slope.into())]
    }

    fn clip<T: Float>(self) -> T {
        if self.clipping > 0.0 { T::of(self.clipping) } else { T::infinity() }
    }

    pub(super) fn forward<T: Float>(self, y: &mut [T]) {
        if self.leak_slope == 0.0 && self.clipping == 0.0 {
            plain_forward(y);
        } else {
            general_forward(T::of(self.leak_slope), self.clip(), y);
        }
    }

    pub(super) fn backward<T: Float>(self, y: &[T], d: &mut [T]) {
        if self.leak_slope == 0.0 && self.clipping == 0.0 {
            plain_backward(y, d);
        } else {
            general_backward(T::of(self.leak_slope), self.clip(), y, d);
        }
    }
}

vectorised! {
    fn plain_forward<T: Float>(y: &mut [T]) {
        let one = opaque_one::<T>();
        for v in y {
            let x = *v * one;
            // A comparison instead of max keeps NaN visible.
            *v = if x < T::zero() { T::zero() } else { x };
        }
    }

    fn plain_backward<T: Float>(y: &[T], d: &mut [T]) {
        let one = opaque_one::<T>();
        for (d, y) in d.iter_mut().zip(y) {
            *d = if *y > T::zero() { *d * one } else { T::zero() };
        }
    }

    fn general_forward<T: Float>(leak: T, clip: T, y: &mut [T]) {
        for v in y {
            let leaked = if *v > T::zero() { *v } else { leak * *v };
            *v = if leaked > clip { clip } else { leaked };
        }
    }

    fn general_backward<T: Float>(leak: T, clip: T, y: &[T], d: &mut [T]) {
        for (d, y) in d.iter_mut().zip(y) {
            let slope = if *y > T::zero() { T::one() } else { leak };
            *d *= if *y >= clip { T::zero() } else { slope };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn plain_form_has_no_gradient_at_zero_and_keeps_nan() {
        let f = Rectifier::default();
        let mut y = [-1.0f32, 0.0, 2.0, f32::NAN];
        f.forward(&mut y);
        assert_eq!(y[..3], [0.0, 0.0, 2.0]);
        assert!(y[3].is_nan());
        let mut d = [5.0f32; 3];
        f.backward(&y[..3], &mut d);
        assert_eq!(d, [0.0, 0.0, 5.0]);
    }

    #[test]
    fn leak_and_clipping() {
        let f = Rectifier::default().with(&config! { "leak_slope" => 0.5, "clipping" => 6i64 }).unwrap();
        let mut y = [-2.0f64, 3.0, 7.0];
        f.forward(&mut y);
        assert_eq!(y, [-1.0, 3.0, 6.0]);
        let mut d = [1.0f64; 3];
        f.backward(&y, &mut d);
        assert_eq!(d, [0.5, 1.0, 0.0]);
    }

    #[test]
    fn a_negative_slope_is_refused() {
        let mut c = config! { "leak_slope" => -0.5 };
        c.set_owner("Rectifier");
        let text = "Rectifier: parameter `leak_slope` is -0.5, expected a number of at least 0";
        assert_eq!(Rectifier::default().with(&c).unwrap_err().to_string(), text);
    }
}
