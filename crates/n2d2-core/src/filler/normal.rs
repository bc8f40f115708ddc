//! `Normal`: `w ~ N(mean, std_dev)`.

use super::Fans;
use crate::config::{Config, Value};
use crate::error::Result;
use crate::random::Mt19937;

/// Normal distribution.
#[derive(Debug, Clone, PartialEq)]
pub struct Normal {
    /// Mean; default 0.
    pub mean: f64,
    /// Standard deviation, at least 0; default 1.
    pub std_dev: f64,
}

impl Normal {
    /// Reads the parameters.
    ///
    /// # Errors
    /// The errors of [`Config`]; [`crate::Error::Value`] for a negative deviation.
    pub fn new(config: &Config) -> Result<Self> {
        config.only(&["mean", "std_dev"])?;
        let std_dev = config.float_or("std_dev", 1.0)?;
        if std_dev < 0.0 {
            return Err(config.error("std_dev", std_dev, "a number of at least 0"));
        }
        Ok(Normal { mean: config.float_or("mean", 0.0)?, std_dev })
    }

    pub(super) fn parameters(&self) -> Vec<(&'static str, Value)> {
        vec![("mean", self.mean.into()), ("std_dev", self.std_dev.into())]
    }

    pub(super) fn sampler(&self, _: Fans) -> impl FnMut(&mut Mt19937) -> f64 {
        let Normal { mean, std_dev } = *self;
        move |random| random.normal(mean, std_dev)
    }
}

#[cfg(test)]
mod tests {
    use super::super::create;
    use super::*;
    use crate::config;

    #[test]
    fn draws_of_seed_1() {
        let f = create("Normal", &config! { "mean" => 1.0, "std_dev" => 0.5 }).unwrap();
        let v: Vec<f64> = f.fill(&[2], &mut Mt19937::new(1));
        // 1.32238 and -0.0233932 are the first two standard normal draws.
        assert!((v[0] - (1.0 + 0.5 * 1.32238)).abs() < 5e-6 && (v[1] - (1.0 - 0.5 * 0.023_393_2)).abs() < 5e-6);
    }

    #[test]
    fn a_negative_deviation_is_refused() {
        let text = "Normal: parameter `std_dev` is -1, expected a number of at least 0";
        assert_eq!(create("Normal", &config! { "std_dev" => -1.0 }).unwrap_err().to_string(), text);
    }
}
