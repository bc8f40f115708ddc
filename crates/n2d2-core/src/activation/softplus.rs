//! `Softplus`: `y = ln(1 + e^x)`, computed as `max(x, 0) + ln(1 + e^-|x|)`. Derivative: `1 - e^-y`.
//!
//! Source: C. Dugas et al., "Incorporating second-order functional knowledge for better option pricing", NIPS 2000; ONNX
//! operator `Softplus`.

use crate::config::{Config, Value};
use crate::error::Result;
use crate::tensor::Float;
use crate::vectorise::vectorised;

/// Smooth rectifier.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Softplus;

// The catalogue calls every activation alike.
#[allow(clippy::unused_self)]
impl Softplus {
    pub(super) fn with(self, config: &Config) -> Result<Self> {
        config.only(&[])?;
        Ok(self)
    }

    pub(super) fn parameters(self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    pub(super) fn forward<T: Float>(self, y: &mut [T]) {
        for v in y {
            let positive = if *v < T::zero() { T::zero() } else { *v };
            *v = positive + (-v.abs()).exp().ln_1p();
        }
    }

    pub(super) fn backward<T: Float>(self, y: &[T], d: &mut [T]) {
        backward(y, d);
    }
}

vectorised! {
    fn backward<T: Float>(y: &[T], d: &mut [T]) {
        for (d, y) in d.iter_mut().zip(y) {
            *d *= -(-*y).exponential_m1();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_and_small_inputs_stay_exact() {
        let mut y = [0.0f64, 1000.0, -1000.0, -40.0];
        Softplus.forward(&mut y);
        assert!((y[0] - 2.0f64.ln()).abs() < 1e-15);
        assert_eq!((y[1], y[2], y[3]), (1000.0, 0.0, (-40.0f64).exp()));
        // The slope is the logistic function of the input.
        let mut d = [1.0f64; 4];
        Softplus.backward(&y, &mut d);
        assert!((d[0] - 0.5).abs() < 1e-15);
        assert_eq!((d[1], d[2]), (1.0, 0.0));
        assert!((d[3] / (-40.0f64).exp() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn floats_do_not_overflow_and_nan_stays() {
        let mut y = [100.0f32, -100.0, f32::NAN];
        Softplus.forward(&mut y);
        assert_eq!(y[0], 100.0);
        assert!(y[1] >= 0.0 && y[1] < 1e-43 && y[2].is_nan());
    }
}
