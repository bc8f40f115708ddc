//! Solvers, fillers and activations.

use crate::convert::{config, to_py_dict, to_py_value, value};
use crate::errors::{compute, guard, to_py};
use n2d2_core::{Error, Value, activation, filler, random, solver};
use numpy::{PyArray1, PyArrayDyn, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The value of one of these parameters.
pub fn get<'py>(py: Python<'py>, kind: &str, name: &str, parameters: &[(&'static str, Value)]) -> PyResult<Bound<'py, PyAny>> {
    let Some((_, v)) = parameters.iter().find(|(n, _)| *n == name) else {
        let known: Vec<&str> = parameters.iter().map(|(n, _)| *n).collect();
        return Err(to_py(Error::unknown(kind, name, "a parameter", &known)));
    };
    to_py_value(py, v)
}

/// Classes that share their parameters with every cell that uses them.
macro_rules! shared {
    ($($(#[$doc:meta])* $class:ident($handle:ty);)*) => {$(
        $(#[$doc])*
        #[pyclass(frozen, module = "n2d2._core")]
        pub struct $class(pub $handle);

        #[pymethods]
        impl $class {
            #[new]
            fn new(kind: &str, parameters: &Bound<'_, PyDict>) -> PyResult<Self> {
                let config = config(kind, parameters)?;
                guard(|| <$handle>::new(kind, &config)).map($class)
            }

            /// The class name.
            #[getter]
            fn kind(&self) -> &'static str {
                self.0.kind()
            }

            /// The value of a parameter.
            fn get<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
                get(py, self.0.kind(), name, &self.0.parameters())
            }

            /// Changes a parameter.
            fn set(&self, name: &str, new: &Bound<'_, PyAny>) -> PyResult<()> {
                let v = value(self.0.kind(), name, new)?;
                guard(|| self.0.set(name, &v))
            }

            /// All parameters by name.
            fn parameters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
                to_py_dict(py, &self.0.parameters())
            }

            /// An object of its own with the same parameters.
            fn copy(&self) -> Self {
                $class(self.0.deep_copy())
            }
        }
    )*};
}

shared! {
    /// A solver.
    Solver(solver::Solver);
    /// An activation function.
    Activation(activation::Activation);
}

/// A filler.
#[pyclass(frozen, module = "n2d2._core")]
pub struct Filler(pub filler::FillerFn);

#[pymethods]
impl Filler {
    #[new]
    fn new(kind: &str, parameters: &Bound<'_, PyDict>) -> PyResult<Self> {
        let config = config(kind, parameters)?;
        guard(|| filler::create(kind, &config)).map(Filler)
    }

    /// The class name.
    #[getter]
    fn kind(&self) -> &'static str {
        self.0.kind()
    }

    /// The value of a parameter.
    fn get<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        get(py, self.0.kind(), name, &self.0.parameters())
    }

    /// All parameters by name.
    fn parameters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        to_py_dict(py, &self.0.parameters())
    }

    /// Draws an array of sizes `dims`, outputs first, from the process-wide generator.
    fn fill<'py>(&self, py: Python<'py>, dims: Vec<usize>) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        let values: Vec<f32> = compute(py, || Ok(self.0.fill(&dims, &mut random::global())))?;
        PyArray1::from_vec(py, values).reshape(dims)
    }
}

/// Adds the classes to the module.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<Solver>()?;
    m.add_class::<Activation>()?;
    m.add_class::<Filler>()
}
