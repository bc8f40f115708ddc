//! `He`: `w = scaling * N(mean_norm / n, sqrt(2 / n))`, with `n` the fan that `variance_norm` names.
//!
//! Source: K. He, X. Zhang, S. Ren, J. Sun, "Delving deep into rectifiers", ICCV 2015.

use super::{Fans, VarianceNorm};
use crate::config::{Config, Value};
use crate::error::Result;
use crate::random::Mt19937;

/// Normal distribution with a variance of `2 scaling^2 / n`, for rectifiers.
#[derive(Debug, Clone, PartialEq)]
pub struct He {
    /// Which fan is `n`; default `FanIn`.
    pub variance_norm: VarianceNorm,
    /// Mean times `n`; default 0.
    pub mean_norm: f64,
    /// Factor on every value; default 1.
    pub scaling: f64,
}

impl He {
    /// Reads the parameters.
    ///
    /// # Errors
    /// The errors of [`Config`].
    pub fn new(config: &Config) -> Result<Self> {
        config.only(&["variance_norm", "mean_norm", "scaling"])?;
        Ok(He {
            variance_norm: VarianceNorm::new(config)?,
            mean_norm: config.float_or("mean_norm", 0.0)?,
            scaling: config.float_or("scaling", 1.0)?,
        })
    }

    pub(super) fn parameters(&self) -> Vec<(&'static str, Value)> {
        vec![("variance_norm", self.variance_norm.name().into()), ("mean_norm", self.mean_norm.into()), ("scaling", self.scaling.into())]
    }

    pub(super) fn sampler(&self, fans: Fans) -> impl FnMut(&mut Mt19937) -> f64 {
        let n = self.variance_norm.of(fans);
        let (mean, std_dev, scaling) = (self.mean_norm / n, (2.0 / n).sqrt(), self.scaling);
        move |random| scaling * random.normal(mean, std_dev)
    }
}

#[cfg(test)]
mod tests {
    use super::super::create;
    use super::*;
    use crate::config;

    #[test]
    fn the_first_draw() {
        let f = create("He", &config! { "mean_norm" => 4.0, "scaling" => 3.0 }).unwrap();
        let v: Vec<f64> = f.fill(&[5, 2, 2, 2], &mut Mt19937::new(1));
        // fan_in = 8: mean 4 / 8, deviation sqrt(2 / 8) = 0.5.
        assert!((v[0] - 3.0 * (0.5 + 0.5 * 1.32238)).abs() < 2e-5);
    }
}
