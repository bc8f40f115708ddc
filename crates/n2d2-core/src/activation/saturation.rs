//! `Saturation`: `y = min(max(x, -T), T)`. Derivative: 1 strictly inside, else 0.
//!
//! Source: ONNX operator `Clip` with symmetric bounds (`HardTanh` for `T = 1`).

use crate::config::{Config, Value};
use crate::error::Result;
use crate::tensor::Float;
use crate::vectorise::{opaque_one, vectorised};

/// Clamp to a symmetric range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Saturation {
    /// Largest magnitude of an output, above 0; default 1.
    pub threshold: f64,
}

impl Default for Saturation {
    fn default() -> Self {
        Saturation { threshold: 1.0 }
    }
}

impl Saturation {
    pub(super) fn with(self, config: &Config) -> Result<Self> {
        config.only(&["threshold"])?;
        let threshold = config.float_or("threshold", self.threshold)?;
        if threshold <= 0.0 {
            return Err(config.error("threshold", threshold, "a number above 0"));
        }
        Ok(Saturation { threshold })
    }

    pub(super) fn parameters(self) -> Vec<(&'static str, Value)> {
        vec![("threshold", self.threshold.into())]
    }

    pub(super) fn forward<T: Float>(self, y: &mut [T]) {
        clamp(T::of(self.threshold), y);
    }

    pub(super) fn backward<T: Float>(self, y: &[T], d: &mut [T]) {
        gate(T::of(self.threshold), y, d);
    }
}

vectorised! {
    /// Holds values between `-limit` and `limit`; comparisons instead of min and max keep NaN visible.
    pub(super) fn clamp<T: Float>(limit: T, y: &mut [T]) {
        for v in y {
            let low = if *v < -limit { -limit } else { *v };
            *v = if low > limit { limit } else { low };
        }
    }

    /// Stops the gradient where an output has reached the limit.
    pub(super) fn gate<T: Float>(limit: T, y: &[T], d: &mut [T]) {
        let one = opaque_one::<T>();
        for (d, y) in d.iter_mut().zip(y) {
            *d = if y.abs() >= limit { T::zero() } else { *d * one };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn values_and_gradients_at_and_around_the_threshold() {
        let f = Saturation::default().with(&config! { "threshold" => 2i64 }).unwrap();
        let mut y = [-3.0f32, -2.0, -1.5, 0.0, 2.0, 2.5, f32::NAN];
        f.forward(&mut y);
        assert_eq!(y[..6], [-2.0, -2.0, -1.5, 0.0, 2.0, 2.0]);
        assert!(y[6].is_nan());
        let mut d = [1.0f32; 6];
        f.backward(&y[..6], &mut d);
        assert_eq!(d, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn a_threshold_must_be_positive() {
        let mut c = config! { "threshold" => 0i64 };
        c.set_owner("Saturation");
        let text = "Saturation: parameter `threshold` is 0, expected a number above 0";
        assert_eq!(Saturation::default().with(&c).unwrap_err().to_string(), text);
    }
}
