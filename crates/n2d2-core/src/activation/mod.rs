//! The activations: element-wise functions at the end of a cell, with a derivative computed from their output
//! (of `Swish` from its input).

use crate::config::{Config, Value};
use crate::error::{Error, Result};
use crate::tensor::Float;
use std::sync::{Arc, PoisonError, RwLock};

macro_rules! catalogue {
    ($($kind:literal => $module:ident :: $activation:ident),* $(,)?) => {
        $(mod $module; pub use $module::$activation;)*

        /// The names of all activations.
        pub const KINDS: &[&str] = &[$($kind),*];

        /// Any activation.
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub enum ActivationFn {
            $(#[doc = concat!("See [`", stringify!($activation), "`].")] $activation($activation),)*
        }

        /// Makes an activation by its name.
        ///
        /// # Errors
        /// [`Error::Unknown`] for another name or parameter, [`Error::Value`] and [`Error::Type`] for bad parameters.
        pub fn create(kind: &str, config: &Config) -> Result<ActivationFn> {
            let mut activation = match kind {
                $($kind => ActivationFn::$activation($activation::default()),)*
                _ => return Err(Error::unknown("n2d2", kind, "an activation", KINDS)),
            };
            activation.configure(config)?;
            Ok(activation)
        }

        impl ActivationFn {
            /// Its name: `Rectifier`, `Tanh` ...
            pub fn kind(&self) -> &'static str {
                match self {
                    $(ActivationFn::$activation(_) => $kind,)*
                }
            }

            /// Changes the parameters that `config` names; all or none.
            ///
            /// # Errors
            /// [`Error::Unknown`] for another parameter, [`Error::Value`] and [`Error::Type`] for bad values.
            pub fn configure(&mut self, config: &Config) -> Result<()> {
                let mut config = config.clone();
                if config.owner().is_empty() {
                    config.set_owner(self.kind());
                }
                match self {
                    $(ActivationFn::$activation(a) => *a = a.with(&config)?,)*
                }
                Ok(())
            }

            /// Names and values in alphabetical order.
            pub fn parameters(&self) -> Vec<(&'static str, Value)> {
                match self {
                    $(ActivationFn::$activation(a) => a.parameters(),)*
                }
            }

            /// Applies the function in place.
            pub fn forward<T: Float>(&self, y: &mut [T]) {
                match self {
                    $(ActivationFn::$activation(a) => a.forward(y),)*
                }
            }

            /// Multiplies the gradient `d` by the derivative, in place, given the output `y` of the function, or its input
            /// if [`ActivationFn::reads_input`].
            pub fn backward<T: Float>(&self, y: &[T], d: &mut [T]) {
                match self {
                    $(ActivationFn::$activation(a) => a.backward(y, d),)*
                }
            }
        }
    };
}

catalogue! {
    "Linear" => linear::Linear,
    "Rectifier" => rectifier::Rectifier,
    "Tanh" => tanh::Tanh,
    "Logistic" => logistic::Logistic,
    "Saturation" => saturation::Saturation,
    "Softplus" => softplus::Softplus,
    "Swish" => swish::Swish,
}

impl ActivationFn {
    /// Changes one parameter.
    ///
    /// # Errors
    /// As [`ActivationFn::configure`].
    pub fn set(&mut self, name: &str, value: &Value) -> Result<()> {
        let mut config = Config::default();
        config.set(name, value.clone());
        self.configure(&config)
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<Value> {
        self.parameters().into_iter().find(|(n, _)| *n == name).map(|(_, v)| v)
    }

    /// True for `max(x, 0)`, which kernels can apply in their epilogue.
    pub fn is_relu(&self) -> bool {
        matches!(self, ActivationFn::Rectifier(r) if r.leak_slope == 0.0 && r.clipping <= 0.0)
    }

    /// True if the derivative is computed from the input of the function instead of its output.
    pub fn reads_input(&self) -> bool {
        matches!(self, ActivationFn::Swish(_))
    }

    /// True if forward and backward change nothing.
    pub fn is_identity(&self) -> bool {
        matches!(self, ActivationFn::Linear(l) if l.clipping == 0.0)
    }
}

/// A shared handle on an activation: clones see each other's changes.
#[derive(Debug, Clone)]
pub struct Activation(Arc<RwLock<ActivationFn>>);

impl Activation {
    /// Makes an activation by its name.
    ///
    /// # Errors
    /// As [`create`].
    pub fn new(kind: &str, config: &Config) -> Result<Self> {
        Ok(create(kind, config)?.into())
    }

    /// The present function.
    pub fn function(&self) -> ActivationFn {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes one parameter for all handles.
    ///
    /// # Errors
    /// As [`ActivationFn::configure`].
    pub fn set(&self, name: &str, value: &Value) -> Result<()> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).set(name, value)
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<Value> {
        self.function().get(name)
    }

    /// Its name.
    pub fn kind(&self) -> &'static str {
        self.function().kind()
    }

    /// Names and values in alphabetical order.
    pub fn parameters(&self) -> Vec<(&'static str, Value)> {
        self.function().parameters()
    }

    /// A handle of its own on an equal activation.
    #[must_use]
    pub fn deep_copy(&self) -> Self {
        self.function().into()
    }
}

impl From<ActivationFn> for Activation {
    fn from(f: ActivationFn) -> Self {
        Activation(Arc::new(RwLock::new(f)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn handles_share_and_copies_do_not() {
        let a = Activation::new("Rectifier", &Config::default()).unwrap();
        let (same, copy) = (a.clone(), a.deep_copy());
        a.set("leak_slope", &0.25.into()).unwrap();
        assert_eq!(same.get("leak_slope"), Some(Value::Float(0.25)));
        assert_eq!(copy.get("leak_slope"), Some(Value::Float(0.0)));
        assert!(copy.function().is_relu() && !a.function().is_relu());
    }

    #[test]
    fn errors_name_the_activation_and_change_nothing() {
        let mut f = create("Tanh", &config! { "alpha" => 2i64 }).unwrap();
        let text = "Tanh: `alph` is not a parameter; did you mean `alpha`?";
        assert_eq!(f.set("alph", &1.0.into()).unwrap_err().to_string(), text);
        let text = "Tanh: parameter `alpha` must be a float, got a bool (true)";
        assert_eq!(f.set("alpha", &true.into()).unwrap_err().to_string(), text);
        assert_eq!(f.get("alpha"), Some(Value::Float(2.0)));
        assert_eq!(create("Tan", &Config::default()).unwrap_err().to_string(), "n2d2: `Tan` is not an activation; did you mean `Tanh`?");
    }

    /// The derivative that `backward` applies is the slope of `forward`, for every kind.
    #[test]
    fn derivatives_are_slopes() {
        let configs = [
            ("Linear", Config::default()),
            ("Linear", config! { "clipping" => 0.8 }),
            ("Rectifier", Config::default()),
            ("Rectifier", config! { "leak_slope" => 0.1, "clipping" => 0.8 }),
            ("Tanh", config! { "alpha" => 1.7 }),
            ("Logistic", Config::default()),
            ("Saturation", config! { "threshold" => 0.6 }),
            ("Softplus", Config::default()),
            ("Swish", Config::default()),
        ];
        for kind in KINDS {
            assert!(configs.iter().any(|(k, _)| k == kind), "no case for {kind}");
        }
        for (kind, config) in configs {
            let f = create(kind, &config).unwrap();
            for x in [-2.1, -0.7, -0.01, 0.02, 0.5, 0.79, 1.3] {
                let eps = 1e-6f64;
                let x3: [f64; 3] = [x - eps, x, x + eps];
                let mut y = x3;
                f.forward(&mut y);
                let mut d = [1.0];
                f.backward(if f.reads_input() { &x3[1..2] } else { &y[1..2] }, &mut d);
                assert!((d[0] - (y[2] - y[0]) / (2.0 * eps)).abs() < 1e-8, "{kind} {config:?} at {x}: {}", d[0]);
            }
        }
    }
}
