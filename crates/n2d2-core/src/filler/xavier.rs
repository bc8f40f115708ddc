//! `Xavier`: variance `scaling^2 / n`, with `n` the fan that `variance_norm` names.
//!
//! `w = scaling * U[-sqrt(3 / n), sqrt(3 / n)]` or `w = scaling * N(0, sqrt(1 / n))`.
//!
//! Source: X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010.

use super::{Fans, VarianceNorm};
use crate::config::{Config, Value};
use crate::error::Result;
use crate::random::Mt19937;

/// Uniform or normal distribution with a variance of `scaling^2 / n`.
#[derive(Debug, Clone, PartialEq)]
pub struct Xavier {
    /// Which fan is `n`; default `FanIn`.
    pub variance_norm: VarianceNorm,
    /// Normal instead of uniform; default false.
    pub normal: bool,
    /// Factor on every value; default 1.
    pub scaling: f64,
}

impl Xavier {
    /// Reads the parameters.
    ///
    /// # Errors
    /// The errors of [`Config`].
    pub fn new(config: &Config) -> Result<Self> {
        config.only(&["variance_norm", "distribution", "scaling"])?;
        Ok(Xavier {
            variance_norm: VarianceNorm::new(config)?,
            normal: config.one_of("distribution", &["Uniform", "Normal"], "Uniform")? == "Normal",
            scaling: config.float_or("scaling", 1.0)?,
        })
    }

    pub(super) fn parameters(&self) -> Vec<(&'static str, Value)> {
        let distribution = if self.normal { "Normal" } else { "Uniform" };
        vec![("variance_norm", self.variance_norm.name().into()), ("distribution", distribution.into()), ("scaling", self.scaling.into())]
    }

    pub(super) fn sampler(&self, fans: Fans) -> impl FnMut(&mut Mt19937) -> f64 {
        let n = self.variance_norm.of(fans);
        let (normal, scaling) = (self.normal, self.scaling);
        let (limit, std_dev) = ((3.0 / n).sqrt(), (1.0 / n).sqrt());
        move |random| scaling * if normal { random.normal(0.0, std_dev) } else { random.uniform_closed(-limit, limit) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::create;
    use super::*;
    use crate::config;

    #[test]
    fn the_first_draw_of_both_distributions() {
        let f = create("Xavier", &config! { "variance_norm" => "FanOut", "scaling" => 2.0 }).unwrap();
        let v: Vec<f64> = f.fill(&[3, 7, 2, 2], &mut Mt19937::new(1));
        // fan_out = 3 * 2 * 2 = 12, so the limit is sqrt(3 / 12) = 0.5.
        assert_eq!(v[0], 2.0 * (-0.5 + 1_791_095_845.0 / 4_294_967_295.0));
        let f = create("Xavier", &config! { "distribution" => "Normal" }).unwrap();
        let v: Vec<f64> = f.fill(&[5, 4], &mut Mt19937::new(1));
        // fan_in = 4, so the deviation is 0.5.
        assert!((v[0] - 0.5 * 1.32238).abs() < 5e-6);
    }
}
