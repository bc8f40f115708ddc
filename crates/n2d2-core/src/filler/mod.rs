//! The fillers: how the first values of a parameter are drawn.
//!
//! Values are drawn in double precision, element after element in row-major order, and rounded. The *fans* of a tensor
//! `[o, c, kh, kw]` are `fan_in = c * kh * kw` and `fan_out = o * kh * kw`; those of a vector `[o]` are `o` and 1, as N2D2 has them.

use crate::config::{Config, Value};
use crate::error::{Error, Result};
use crate::random::Mt19937;
use crate::tensor::Float;

macro_rules! catalogue {
    ($($kind:literal => $module:ident :: $filler:ident),* $(,)?) => {
        $(mod $module; pub use $module::$filler;)*

        /// The names of all fillers.
        pub const KINDS: &[&str] = &[$($kind),*];

        /// Any filler.
        #[derive(Debug, Clone, PartialEq)]
        pub enum FillerFn {
            $(#[doc = concat!("See [`", stringify!($filler), "`].")] $filler($filler),)*
        }

        /// Makes a filler by its name.
        ///
        /// # Errors
        /// [`Error::Unknown`] for another name or parameter, [`Error::Value`] and [`Error::Type`] for bad parameters.
        pub fn create(kind: &str, config: &Config) -> Result<FillerFn> {
            let mut config = config.clone();
            if config.owner().is_empty() {
                config.set_owner(kind);
            }
            match kind {
                $($kind => Ok(FillerFn::$filler($filler::new(&config)?)),)*
                _ => Err(Error::unknown("n2d2", kind, "a filler", KINDS)),
            }
        }

        impl FillerFn {
            /// Its name: `Normal`, `Xavier` ...
            pub fn kind(&self) -> &'static str {
                match self {
                    $(FillerFn::$filler(_) => $kind,)*
                }
            }

            /// Names and values, in the order N2D2 prints them.
            pub fn parameters(&self) -> Vec<(&'static str, Value)> {
                match self {
                    $(FillerFn::$filler(f) => f.parameters(),)*
                }
            }

            /// The values of a tensor of sizes `dims` (`[o, c, kh, kw]` weights, `[o]` bias), row-major.
            pub fn fill<T: Float>(&self, dims: &[usize], random: &mut Mt19937) -> Vec<T> {
                let n = dims.iter().product();
                match self {
                    $(FillerFn::$filler(f) => {
                        let mut draw = f.sampler(Fans::of(dims));
                        (0..n).map(|_| T::of(draw(random))).collect()
                    })*
                }
            }
        }
    };
}

catalogue! {
    "Constant" => constant::Constant,
    "Normal" => normal::Normal,
    "Uniform" => uniform::Uniform,
    "Xavier" => xavier::Xavier,
    "He" => he::He,
}

impl FillerFn {
    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<Value> {
        self.parameters().into_iter().find(|(n, _)| *n == name).map(|(_, v)| v)
    }
}

/// Number of inputs of an output and of outputs of an input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fans {
    /// Inputs of an output.
    pub fan_in: f64,
    /// Outputs of an input.
    pub fan_out: f64,
}

impl Fans {
    /// The fans of a tensor with outputs first.
    pub fn of(dims: &[usize]) -> Self {
        let n = dims.iter().product::<usize>() as f64;
        match dims {
            [] => Fans { fan_in: 1.0, fan_out: 1.0 },
            [o] => Fans { fan_in: *o as f64, fan_out: 1.0 },
            [o, c, ..] => Fans { fan_in: n / (*o).max(1) as f64, fan_out: n / (*c).max(1) as f64 },
        }
    }
}

/// Which fan a filler divides the variance by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VarianceNorm {
    /// Inputs of an output.
    FanIn,
    /// Mean of both.
    Average,
    /// Outputs of an input.
    FanOut,
}

impl VarianceNorm {
    /// Reads the parameter `variance_norm`; `FanIn` if it is not given.
    ///
    /// # Errors
    /// [`Error::Type`] and [`Error::Value`] for anything but one of the three words.
    pub fn new(config: &Config) -> Result<Self> {
        Ok(match config.one_of("variance_norm", &["FanIn", "Average", "FanOut"], "FanIn")? {
            "FanIn" => VarianceNorm::FanIn,
            "Average" => VarianceNorm::Average,
            _ => VarianceNorm::FanOut,
        })
    }

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            VarianceNorm::FanIn => "FanIn",
            VarianceNorm::Average => "Average",
            VarianceNorm::FanOut => "FanOut",
        }
    }

    /// The fan.
    pub fn of(self, fans: Fans) -> f64 {
        match self {
            VarianceNorm::FanIn => fans.fan_in,
            VarianceNorm::Average => 0.5 * (fans.fan_in + fans.fan_out),
            VarianceNorm::FanOut => fans.fan_out,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn fans_of_weights_and_bias() {
        assert_eq!(Fans::of(&[60, 40, 5, 5]), Fans { fan_in: 1000.0, fan_out: 1500.0 });
        assert_eq!(Fans::of(&[150, 400]), Fans { fan_in: 400.0, fan_out: 150.0 });
        assert_eq!(Fans::of(&[7]), Fans { fan_in: 7.0, fan_out: 1.0 });
        assert_eq!(VarianceNorm::Average.of(Fans::of(&[60, 40, 5, 5])), 1250.0);
    }

    #[test]
    fn every_kind_is_made_printed_and_refuses_unknown_parameters() {
        for kind in KINDS {
            let f = create(kind, &Config::default()).unwrap();
            assert_eq!(f.kind(), *kind);
            let mut again = Config::default();
            for (name, value) in f.parameters() {
                assert_eq!(f.get(name).as_ref(), Some(&value));
                again.set(name, value);
            }
            assert_eq!(create(kind, &again).unwrap(), f);
            assert_eq!(create(kind, &config! { "sigma" => 1.0 }).unwrap_err().code(), "unknown");
            assert_eq!(f.fill::<f32>(&[3, 2, 2, 2], &mut Mt19937::new(1)).len(), 24);
        }
        let text = "n2d2: `Norma` is not a filler; did you mean `Normal`?";
        assert_eq!(create("Norma", &Config::default()).unwrap_err().to_string(), text);
        let text = "He: parameter `variance_norm` is \"Fan\", expected one of FanIn, Average, FanOut";
        assert_eq!(create("He", &config! { "variance_norm" => "Fan" }).unwrap_err().to_string(), text);
    }
}
