//! Tensors of the graph.

use crate::array::{from_numpy, to_numpy};
use crate::errors::{compute, guard};
use n2d2_core::graph;
use numpy::PyArrayDyn;
use pyo3::prelude::*;

/// A tensor, the cell that made it, and its gradient.
#[pyclass(frozen, module = "n2d2._core")]
pub struct Var(pub graph::Var<f32>);

#[pymethods]
impl Var {
    /// A tensor over the memory of an array, made by no cell.
    #[staticmethod]
    #[pyo3(signature = (array, wants_gradient = true))]
    fn from_numpy(array: &Bound<'_, PyArrayDyn<f32>>, wants_gradient: bool) -> PyResult<Self> {
        Ok(Var(graph::Var::leaf(from_numpy(array)?, wants_gradient)))
    }

    /// The values, in N, C, H, W order, sharing memory.
    fn numpy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        to_numpy(py, self.0.tensor(), None)
    }

    /// Sizes, outermost first.
    #[getter]
    fn shape(&self) -> Vec<usize> {
        self.0.tensor().shape().to_vec()
    }

    /// True if back-propagation reaches this tensor.
    #[getter]
    fn wants_gradient(&self) -> bool {
        self.0.wants_gradient()
    }

    /// The gradient (minus the derivative, summed over the batch) that the last back-propagation left, sharing memory.
    fn grad<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArrayDyn<f32>>>> {
        let grad = guard(|| Ok(self.0.grad()))?;
        grad.map(|g| to_numpy(py, &g, None)).transpose()
    }

    /// Goes back from this tensor with a gradient, or with ones.
    #[pyo3(signature = (gradient = None))]
    fn back_propagate(&self, py: Python<'_>, gradient: Option<&Bound<'_, PyArrayDyn<f32>>>) -> PyResult<()> {
        let gradient = gradient.map(from_numpy).transpose()?;
        compute(py, || self.0.back_propagate(gradient))
    }

    /// Lets the solvers move the parameters of every cell behind this tensor once.
    fn update(&self, py: Python<'_>) -> PyResult<()> {
        compute(py, || self.0.update())
    }

    /// The same values without their history.
    fn detached(&self) -> Self {
        Var(self.0.detached())
    }

    /// Names of the cells behind this tensor, first call first.
    fn cells(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(compute(py, || self.0.units())?.iter().map(|u| u.name().to_string()).collect())
    }
}

/// Lets the solvers move the parameters of every cell behind some tensors once.
#[pyfunction]
fn update(py: Python<'_>, outputs: Vec<PyRef<'_, Var>>) -> PyResult<()> {
    let outputs: Vec<_> = outputs.iter().map(|v| v.0.clone()).collect();
    compute(py, || graph::update_all(&outputs))
}

/// Lets cells give zeros of the right shape instead of what they compute, or compute again.
#[pyfunction]
fn set_shapes_only(on: bool) {
    graph::set_shapes_only(on);
}

/// Adds the class and the function to the module.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(update, m)?)?;
    m.add_function(wrap_pyfunction!(set_shapes_only, m)?)?;
    m.add_class::<Var>()
}
