//! `Linear`: `y = x`; with a clipping `c` that is not 0, `y = min(max(x, -c), c)`.
//!
//! Derivative: 1, and 0 where `|y| >= c`.

use super::saturation::{clamp, gate};
use crate::config::{Config, Value};
use crate::error::Result;
use crate::tensor::Float;

/// Identity, clipped on request.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Linear {
    /// Largest magnitude of an output; 0 (default) does not clip.
    pub clipping: f64,
}

impl Linear {
    pub(super) fn with(self, config: &Config) -> Result<Self> {
        config.only(&["clipping"])?;
        let clipping = config.float_or("clipping", self.clipping)?;
        if clipping < 0.0 {
            return Err(config.error("clipping", clipping, "a number of at least 0"));
        }
        Ok(Linear { clipping })
    }

    pub(super) fn parameters(self) -> Vec<(&'static str, Value)> {
        vec![("clipping", self.clipping.into())]
    }

    pub(super) fn forward<T: Float>(self, y: &mut [T]) {
        if self.clipping != 0.0 {
            clamp(T::of(self.clipping), y);
        }
    }

    pub(super) fn backward<T: Float>(self, y: &[T], d: &mut [T]) {
        if self.clipping != 0.0 {
            gate(T::of(self.clipping), y, d);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn clips_both_sides_and_stops_the_gradient_there() {
        let f = Linear::default().with(&config! { "clipping" => 1.0 }).unwrap();
        let mut y = [-3.0f32, -0.5, 0.25, 1.0, f32::NAN];
        f.forward(&mut y);
        assert_eq!(y[..4], [-1.0, -0.5, 0.25, 1.0]);
        assert!(y[4].is_nan());
        let mut d = [2.0f32; 4];
        f.backward(&y[..4], &mut d);
        assert_eq!(d, [0.0, 2.0, 2.0, 0.0]);
    }
}
