//! `Uniform`: `w ~ U[min, max]`.

use super::Fans;
use crate::config::{Config, Value};
use crate::error::Result;
use crate::random::Mt19937;

/// Uniform distribution, both ends included.
#[derive(Debug, Clone, PartialEq)]
pub struct Uniform {
    /// Smallest value; default 0.
    pub min: f64,
    /// Largest value; default 1.
    pub max: f64,
}

impl Uniform {
    /// Reads the parameters.
    ///
    /// # Errors
    /// The errors of [`Config`]; [`crate::Error::Value`] if `max` is below `min`.
    pub fn new(config: &Config) -> Result<Self> {
        config.only(&["min", "max"])?;
        let (min, max) = (config.float_or("min", 0.0)?, config.float_or("max", 1.0)?);
        if max < min {
            return Err(config.error("max", max, format!("at least `min`, which is {min}")));
        }
        Ok(Uniform { min, max })
    }

    pub(super) fn parameters(&self) -> Vec<(&'static str, Value)> {
        vec![("min", self.min.into()), ("max", self.max.into())]
    }

    pub(super) fn sampler(&self, _: Fans) -> impl FnMut(&mut Mt19937) -> f64 {
        let Uniform { min, max } = *self;
        move |random| random.uniform_closed(min, max)
    }
}

#[cfg(test)]
mod tests {
    use super::super::create;
    use super::*;
    use crate::config;

    #[test]
    fn draws_of_seed_1() {
        let f = create("Uniform", &config! { "min" => -1.0, "max" => 3.0 }).unwrap();
        let v: Vec<f64> = f.fill(&[1], &mut Mt19937::new(1));
        assert_eq!(v, [-1.0 + 1_791_095_845.0 / 4_294_967_295.0 * 4.0]);
        assert_eq!(create("Uniform", &config! { "min" => 2.0 }).unwrap_err().code(), "value");
    }
}
