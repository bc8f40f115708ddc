//! `Swish`: `y = x s` with `s = 1 / (1 + e^-x)`. Derivative: `s + y (1 - s)`, computed from the input `x`, because two inputs
//! can have the same output.
//!
//! Source: P. Ramachandran, B. Zoph, Q. V. Le, "Searching for activation functions", 2017 (also called `SiLU`).

use super::logistic::logistic;
use crate::config::{Config, Value};
use crate::error::Result;
use crate::tensor::Float;
use crate::vectorise::vectorised;

/// The input weighted by its logistic function.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Swish;

// The catalogue calls every activation alike.
#[allow(clippy::unused_self)]
impl Swish {
    pub(super) fn with(self, config: &Config) -> Result<Self> {
        config.only(&[])?;
        Ok(self)
    }

    pub(super) fn parameters(self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    pub(super) fn forward<T: Float>(self, y: &mut [T]) {
        forward(y);
    }

    /// `x` is the input of the function.
    pub(super) fn backward<T: Float>(self, x: &[T], d: &mut [T]) {
        backward(x, d);
    }
}

vectorised! {
    fn forward<T: Float>(y: &mut [T]) {
        for v in y {
            *v = *v * logistic(*v);
        }
    }

    fn backward<T: Float>(x: &[T], d: &mut [T]) {
        for (d, x) in d.iter_mut().zip(x) {
            let s = logistic(*x);
            *d *= s + *x * s * (T::one() - s);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_slopes_at_known_places() {
        let x = [0.0f64, 3.0f64.ln(), -50.0, 50.0];
        let mut y = x;
        Swish.forward(&mut y);
        assert!(y[0] == 0.0 && (y[1] - 0.75 * x[1]).abs() < 1e-15);
        assert!(y[2] < 0.0 && y[2] > -1e-19 && (y[3] - 50.0).abs() < 1e-12);
        let mut d = [2.0f64; 4];
        Swish.backward(&x, &mut d);
        assert!((d[0] - 1.0).abs() < 1e-15);
        assert!((d[1] - 2.0 * (0.75 + 0.75 * x[1] * 0.25)).abs() < 1e-14);
    }
}
