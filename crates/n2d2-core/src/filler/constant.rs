//! `Constant`: the same value everywhere.

use super::Fans;
use crate::config::{Config, Value};
use crate::error::Result;
use crate::random::Mt19937;

/// The same value everywhere; draws nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Constant {
    /// The value; default 0.
    pub value: f64,
}

impl Constant {
    /// Reads the parameters.
    ///
    /// # Errors
    /// The errors of [`Config`].
    pub fn new(config: &Config) -> Result<Self> {
        config.only(&["value"])?;
        Ok(Constant { value: config.float_or("value", 0.0)? })
    }

    pub(super) fn parameters(&self) -> Vec<(&'static str, Value)> {
        vec![("value", self.value.into())]
    }

    pub(super) fn sampler(&self, _: Fans) -> impl FnMut(&mut Mt19937) -> f64 {
        let value = self.value;
        move |_| value
    }
}

#[cfg(test)]
mod tests {
    use super::super::create;
    use super::*;
    use crate::config;

    #[test]
    fn fills_without_drawing() {
        let mut random = Mt19937::new(1);
        let f = create("Constant", &config! { "value" => 2i64 }).unwrap();
        assert_eq!(f.fill::<f32>(&[3], &mut random), [2.0; 3]);
        assert_eq!(random.next_u32(), 1_791_095_845);
    }
}
