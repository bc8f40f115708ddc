//! The solvers: how a parameter moves along its gradient.
//!
//! Stored gradients are minus the derivative of the loss, so solvers *add*. An update has two stages: [`Solver::begin`]
//! advances the counters of one parameter and computes its rates, [`Rates::apply`] moves any part of the parameter, so
//! that parts of all parameters can move in parallel.

use crate::config::{Config, Value};
use crate::error::{Error, Result};
use crate::tensor::{Float, Tensor};
use std::sync::{Arc, PoisonError, RwLock};

macro_rules! catalogue {
    ($($kind:literal => $module:ident :: $solver:ident),* $(,)?) => {
        $(mod $module; pub use $module::$solver;)*

        /// The names of all solvers.
        pub const KINDS: &[&str] = &[$($kind),*];

        /// Any solver.
        #[derive(Debug, Clone, PartialEq)]
        pub enum SolverFn {
            $(#[doc = concat!("See [`", stringify!($solver), "`].")] $solver($solver),)*
        }

        /// Makes a solver by its name.
        ///
        /// # Errors
        /// [`Error::Unknown`] for another name or parameter, [`Error::Value`] and [`Error::Type`] for bad parameters.
        pub fn create(kind: &str, config: &Config) -> Result<SolverFn> {
            let mut solver = match kind {
                $($kind => SolverFn::$solver($solver::default()),)*
                _ => return Err(Error::unknown("n2d2", kind, "a solver", KINDS)),
            };
            solver.configure(config)?;
            Ok(solver)
        }

        impl SolverFn {
            /// Its name: `SGD`, `Adam`.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(SolverFn::$solver(_) => $kind,)*
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
                    $(SolverFn::$solver(s) => *s = s.with(&config)?,)*
                }
                Ok(())
            }

            /// Names and values in alphabetical order.
            pub fn parameters(&self) -> Vec<(&'static str, Value)> {
                match self {
                    $(SolverFn::$solver(s) => s.parameters(),)*
                }
            }

            fn begin<T: Float>(&self, state: &mut State<T>, len: usize, batch: usize) -> Result<Option<Rates<T>>> {
                if state.kind != self.kind() {
                    *state = State { kind: self.kind(), ..State::default() };
                }
                match self {
                    $(SolverFn::$solver(s) => Ok(s.begin(state, len, batch)?.map(|(rate, update)| {
                        Rates { learning_rate: rate, update: Update::$solver(update) }
                    })),)*
                }
            }
        }

        #[derive(Debug, Clone, Copy)]
        enum Update<T> {
            $($solver($module::Update<T>),)*
        }

        impl<T: Float> Rates<T> {
            /// Moves the values `w` along the gradient `g`. `w`, `g` and the parts of the state's vectors that are in
            /// use are the same range of their tensors.
            ///
            /// # Panics
            /// If the lengths differ.
            pub fn apply(&self, w: &mut [T], g: &[T], state_parts: [&mut [T]; 2]) {
                match self.update {
                    $(Update::$solver(u) => u.apply(w, g, state_parts),)*
                }
            }
        }
    };
}

catalogue! {
    "SGD" => sgd::Sgd,
    "Adam" => adam::Adam,
}

pub use sgd::Policy;

impl SolverFn {
    /// Changes one parameter.
    ///
    /// # Errors
    /// As [`SolverFn::configure`].
    pub fn set(&mut self, name: &str, value: &Value) -> Result<()> {
        let mut config = Config::default();
        config.set(name, value.clone());
        self.configure(&config)
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<Value> {
        self.parameters().into_iter().find(|(n, _)| *n == name).map(|(_, v)| v)
    }
}

/// A shared handle on the hyper-parameters of a solver: clones see each other's changes.
///
/// The state of an update belongs to each parameter tensor ([`State`]), so sharing a solver is harmless.
///
/// ```
/// use n2d2_core::{config, solver::{Solver, State}};
/// let solver = Solver::new("SGD", &config! { "learning_rate" => 0.5 })?;
/// let (mut w, mut state) = ([1.0f32], State::default());
/// let rates = solver.begin(&mut state, w.len(), 4)?.expect("every update moves");
/// rates.apply(&mut w, &[2.0], state.parts());
/// assert_eq!(w, [1.0 + 0.5 / 4.0 * 2.0]);
/// # Ok::<(), n2d2_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Solver(Arc<RwLock<SolverFn>>);

impl Default for Solver {
    fn default() -> Self {
        SolverFn::Sgd(Sgd::default()).into()
    }
}

impl From<SolverFn> for Solver {
    fn from(f: SolverFn) -> Self {
        Solver(Arc::new(RwLock::new(f)))
    }
}

impl Solver {
    /// Makes a solver by its name.
    ///
    /// # Errors
    /// As [`create`].
    pub fn new(kind: &str, config: &Config) -> Result<Self> {
        Ok(create(kind, config)?.into())
    }

    fn read<R>(&self, f: impl FnOnce(&SolverFn) -> R) -> R {
        f(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes one parameter for all handles, from the next update on.
    ///
    /// # Errors
    /// As [`SolverFn::configure`].
    pub fn set(&self, name: &str, value: &Value) -> Result<()> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).set(name, value)
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<Value> {
        self.read(|s| s.get(name))
    }

    /// Its name.
    pub fn kind(&self) -> &'static str {
        self.read(SolverFn::kind)
    }

    /// Names and values in alphabetical order.
    pub fn parameters(&self) -> Vec<(&'static str, Value)> {
        self.read(SolverFn::parameters)
    }

    /// A handle of its own on equal hyper-parameters.
    #[must_use]
    pub fn deep_copy(&self) -> Self {
        self.read(SolverFn::clone).into()
    }

    /// Begins an update of a parameter of `len` values after a batch of `batch` stimuli: advances the counters and sizes
    /// the vectors of its state. `None` if nothing is to be applied now.
    ///
    /// # Errors
    /// [`Error::Value`] for hyper-parameters that cannot be used together.
    pub fn begin<T: Float>(&self, state: &mut State<T>, len: usize, batch: usize) -> Result<Option<Rates<T>>> {
        self.read(|s| s.begin(state, len, batch))
    }
}

/// What a solver remembers of one parameter tensor.
#[derive(Debug)]
pub struct State<T: Float> {
    /// Solver that wrote the state; another one starts afresh.
    pub kind: &'static str,
    /// Completed updates.
    pub iterations: u64,
    /// Stimuli of the completed updates.
    pub stimuli: u64,
    /// Batches accumulated since the last update.
    pub pass: usize,
    /// Stimuli of these batches.
    pub pending: u64,
    /// Momentum (SGD) or first and second moments (Adam), as long as the parameter once in use. They lie as the parameter
    /// does, from a cache line on: vectors of values that cross lines take twice as long.
    pub vectors: [Tensor<T>; 2],
}

impl<T: Float> Default for State<T> {
    fn default() -> Self {
        State { kind: "", iterations: 0, stimuli: 0, pass: 0, pending: 0, vectors: [0, 1].map(|_| Tensor::zeros(&[0])) }
    }
}

impl<T: Float> State<T> {
    /// True if the next gradient starts an accumulation instead of adding to one.
    pub fn is_new_iteration(&self) -> bool {
        self.pass == 0
    }

    /// The vectors, for [`Rates::apply`] on the whole parameter.
    pub fn parts(&mut self) -> [&mut [T]; 2] {
        self.vectors.each_mut().map(|v| v.as_mut_slice().expect("nobody shares the state of a solver"))
    }

    fn size(&mut self, vector: usize, len: usize) {
        if self.vectors[vector].len() != len {
            self.vectors[vector] = Tensor::zeros(&[len]);
        }
    }
}

/// The rates of one update of one parameter.
#[derive(Debug, Clone, Copy)]
pub struct Rates<T> {
    /// The learning rate that the policy gives, before the division by the batch size.
    pub learning_rate: f64,
    update: Update<T>,
}

/// The range a parameter is held in: text `min:max`, `min:`, `:max` or empty, and its numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Clamping {
    text: String,
    /// Smallest and largest value; infinite if there is no bound.
    pub range: [f64; 2],
}

impl Default for Clamping {
    fn default() -> Self {
        Clamping { text: String::new(), range: [f64::NEG_INFINITY, f64::INFINITY] }
    }
}

impl Clamping {
    /// Reads the parameter `clamping`. The words `min` and `max` themselves stand for no bound.
    fn with(&self, config: &Config) -> Result<Self> {
        let text = config.str_or("clamping", &self.text)?.trim();
        let wrong = || config.error("clamping", format!("{text:?}"), "`min:max`, `min:` or `:max` with min <= max, or an empty text");
        if text.is_empty() {
            return Ok(Clamping::default());
        }
        let (low, high) = text.split_once(':').ok_or_else(wrong)?;
        let bound = |side: &str, word: &str, none: f64| match side.trim() {
            "" => Ok(none),
            s if s == word => Ok(none),
            s => s.parse::<f64>().ok().filter(|v| v.is_finite()).ok_or_else(wrong),
        };
        let range = [bound(low, "min", f64::NEG_INFINITY)?, bound(high, "max", f64::INFINITY)?];
        if range[0] > range[1] {
            return Err(wrong());
        }
        Ok(Clamping { text: text.to_string(), range })
    }

    fn limits<T: Float>(&self) -> [T; 2] {
        self.range.map(T::of)
    }
}

/// Holds a value between two limits; NaN stays visible.
#[inline(always)]
fn clamp<T: Float>(v: T, [low, high]: [T; 2]) -> T {
    let v = if v < low { low } else { v };
    if v > high { high } else { v }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn handles_share_and_copies_do_not() {
        let a = Solver::default();
        let (same, copy) = (a.clone(), a.deep_copy());
        a.set("momentum", &0.9.into()).unwrap();
        assert_eq!(same.get("momentum"), Some(Value::Float(0.9)));
        assert_eq!(copy.get("momentum"), Some(Value::Float(0.0)));
        assert_eq!((a.kind(), a.get("beta1")), ("SGD", None));
    }

    #[test]
    fn every_kind_has_alphabetical_parameters_that_round_trip() {
        for kind in KINDS {
            let s = create(kind, &Config::default()).unwrap();
            let names: Vec<_> = s.parameters().iter().map(|p| p.0).collect();
            assert!(names.is_sorted(), "{names:?}");
            let mut again = Config::default();
            s.parameters().into_iter().for_each(|(n, v)| again.set(n, v));
            assert_eq!(create(kind, &again).unwrap(), s);
        }
        let text = "SGD: `nesterov` is not a parameter";
        assert_eq!(create("SGD", &config! { "nesterov" => true }).unwrap_err().to_string(), text);
        assert_eq!(create("Sgd", &Config::default()).unwrap_err().code(), "unknown");
    }

    #[test]
    fn clamping_texts() {
        let range = |text: &str| {
            create("SGD", &config! { "clamping" => text }).map(|s| match s {
                SolverFn::Sgd(s) => s.clamping.range,
                SolverFn::Adam(s) => s.clamping.range,
            })
        };
        assert_eq!(range("-0.6:0.5"), Ok([-0.6, 0.5]));
        assert_eq!(range(":1e-2"), Ok([f64::NEG_INFINITY, 0.01]));
        assert_eq!(range("-3:"), Ok([-3.0, f64::INFINITY]));
        assert_eq!(range("min:max"), Ok([f64::NEG_INFINITY, f64::INFINITY]));
        for bad in ["3", "1:0", "a:b", "0:1:2", "nan:"] {
            let text =
                format!("SGD: parameter `clamping` is {bad:?}, expected `min:max`, `min:` or `:max` with min <= max, or an empty text");
            assert_eq!(range(bad).unwrap_err().to_string(), text);
        }
    }

    #[test]
    fn another_solver_starts_a_fresh_state() {
        let mut state = State::<f32>::default();
        let sgd = Solver::new("SGD", &config! { "momentum" => 0.5 }).unwrap();
        sgd.begin(&mut state, 3, 1).unwrap();
        assert_eq!((state.vectors[0].len(), state.iterations), (3, 1));
        state.parts()[0][0] = 9.0;
        Solver::new("Adam", &Config::default()).unwrap().begin(&mut state, 3, 1).unwrap();
        assert_eq!((state.kind, state.vectors[0].to_vec(), state.iterations), ("Adam", vec![0.0; 3], 1));
    }
}
