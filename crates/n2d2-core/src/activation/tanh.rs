//! `Tanh`: `y = tanh(alpha * x)`. Derivative: `alpha * (1 - y^2)`.

use crate::config::{Config, Value};
use crate::error::Result;
use crate::tensor::Float;

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
        for v in y {
            *v = (alpha * *v).tanh();
        }
    }

    pub(super) fn backward<T: Float>(self, y: &[T], d: &mut [T]) {
        let alpha = T::of(self.alpha);
        for (d, y) in d.iter_mut().zip(y) {
            *d *= alpha * (T::one() - *y * *y);
        }
    }
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
}
