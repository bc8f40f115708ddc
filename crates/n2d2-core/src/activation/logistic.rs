//! `Logistic`: `y = 1 / (1 + e^-x)`. Derivative: `y (1 - y)`, or 1 with a loss.
//!
//! With `with_loss` the gradient passes unchanged: behind a target, `target - y` is then minus the derivative of the binary
//! cross-entropy by `x` (`LogisticWithLoss` in INI files).
//!
//! Source: C. M. Bishop, "Pattern recognition and machine learning", 2006, section 4.3.

use crate::config::{Config, Value};
use crate::error::Result;
use crate::tensor::Float;
use crate::vectorise::vectorised;

/// Logistic function (sigmoid).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Logistic {
    /// Send the gradient back unchanged; default false.
    pub with_loss: bool,
}

/// `1 / (1 + e^-x)` without overflow, with small values exact to their own size.
#[inline(always)]
pub(super) fn logistic<T: Float>(x: T) -> T {
    let e = (-x.abs()).exponential();
    let numerator = if x < T::zero() { e } else { T::one() };
    numerator / (T::one() + e)
}

// The catalogue calls every activation alike.
#[allow(clippy::unused_self)]
impl Logistic {
    pub(super) fn with(self, config: &Config) -> Result<Self> {
        config.only(&["with_loss"])?;
        Ok(Logistic { with_loss: config.bool_or("with_loss", self.with_loss)? })
    }

    pub(super) fn parameters(self) -> Vec<(&'static str, Value)> {
        vec![("with_loss", self.with_loss.into())]
    }

    pub(super) fn forward<T: Float>(self, y: &mut [T]) {
        forward(y);
    }

    pub(super) fn backward<T: Float>(self, y: &[T], d: &mut [T]) {
        if !self.with_loss {
            backward(y, d);
        }
    }
}

vectorised! {
    fn forward<T: Float>(y: &mut [T]) {
        for v in y {
            *v = logistic(*v);
        }
    }

    fn backward<T: Float>(y: &[T], d: &mut [T]) {
        for (d, y) in d.iter_mut().zip(y) {
            *d *= *y * (T::one() - *y);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_slopes_at_known_places() {
        let mut y = [0.0f64, 3.0f64.ln(), -800.0, 800.0];
        Logistic::default().forward(&mut y);
        assert!((y[1] - 0.75).abs() < 1e-15);
        assert_eq!((y[0], y[2], y[3]), (0.5, (-800.0f64).exp(), 1.0));
        let mut d = [4.0f64; 2];
        Logistic::default().backward(&y[..2], &mut d);
        assert!((d[0] - 1.0).abs() < 1e-15 && (d[1] - 0.75).abs() < 1e-14);
        Logistic { with_loss: true }.backward(&y[..2], &mut d);
        assert!((d[0] - 1.0).abs() < 1e-15);
    }

    #[test]
    fn floats_are_close_to_the_double_on_both_sides() {
        for i in -800..800 {
            let x = i as f32 / 10.0;
            let mut y = [x, x, x];
            Logistic::default().forward(&mut y);
            let expected = 1.0 / (1.0 + (-f64::from(x)).exp());
            assert!((f64::from(y[0]) - expected).abs() <= 4e-7 * expected, "{x}: {} not {expected}", y[0]);
        }
        let mut y = [f32::NAN];
        Logistic::default().forward(&mut y);
        assert!(y[0].is_nan());
    }
}
