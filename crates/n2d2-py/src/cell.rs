//! Cells of any kind.

use crate::array::{from_numpy, is_aligned, to_numpy, values};
use crate::convert::config;
use crate::data::Transform;
use crate::errors::{compute, guard};
use crate::kinds::{Activation, Filler, Solver};
use crate::var::Var;
use n2d2_core::cells::{Param, Transformation};
use n2d2_core::graph::{self, Unit};
use n2d2_core::{Error, Result, Tensor, random};
use numpy::{PyArray1, PyArrayDyn, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::hash::{DefaultHasher, Hasher};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A cell with a name, its parameters, activation and mode.
#[pyclass(frozen, module = "n2d2._core")]
pub struct Cell {
    unit: Arc<Unit<f32>>,
    /// Parameters that arrays handed to Python may still write to.
    exposed: Mutex<Vec<Exposed>>,
}

/// A parameter that somebody may write to unseen.
struct Exposed {
    /// Its place among the parameters of the cell.
    at: usize,
    /// Lives as long as an array over its memory.
    token: Weak<()>,
    /// Of its values when they were last looked at.
    fingerprint: u64,
}

/// A number that differs, all but surely, where the values do.
fn fingerprint(p: &Param<f32>) -> u64 {
    let mut hasher = DefaultHasher::new();
    // All of a parameter lies in one run.
    p.value.as_slice().unwrap_or_default().iter().for_each(|v| hasher.write_u32(v.to_bits()));
    hasher.finish()
}

impl Cell {
    /// The place of the parameter called `name`.
    fn place(&self, name: &str, params: &[Param<f32>]) -> Result<usize> {
        let known: Vec<&str> = params.iter().map(|p| p.name).collect();
        let at = known.iter().position(|n| *n == name);
        at.ok_or_else(|| Error::unknown(self.unit.name(), name, "one of its parameter tensors", &known))
    }

    /// Runs `f` on the parameter called `name`.
    fn with_param<R: Send>(&self, py: Python<'_>, name: &str, f: impl FnOnce(&mut Param<f32>) -> Result<R> + Send) -> PyResult<R> {
        compute(py, || {
            self.unit.with(|u| {
                let at = self.place(name, u.cell.params())?;
                f(&mut u.cell.params_mut()[at])
            })
        })
    }

    /// The same without changing it.
    fn read_param<R: Send>(&self, py: Python<'_>, name: &str, f: impl FnOnce(&Param<f32>) -> Result<R> + Send) -> PyResult<R> {
        compute(py, || self.unit.read(|u| f(&u.cell.params()[self.place(name, u.cell.params())?])))
    }

    /// Tells the engine about writes through arrays handed out earlier.
    fn touch(&self) {
        let mut exposed = self.exposed.lock().unwrap_or_else(PoisonError::into_inner);
        for e in exposed.iter_mut() {
            let found = self.unit.read(|u| fingerprint(&u.cell.params()[e.at]));
            if found != e.fingerprint {
                e.fingerprint = found;
                self.unit.with(|u| u.cell.params_mut()[e.at].touch());
            }
        }
        exposed.retain(|e| e.token.strong_count() > 0);
    }
}

/// All values of a vector, sharing memory.
fn whole(p: &Param<f32>) -> Result<Tensor<f32>> {
    let &[n] = p.dims.as_slice() else {
        return Err(Error::value(p.name, "index", "[]", format!("indices below {:?}", p.dims)));
    };
    let first = p.layout.at(&[0]);
    let stride = if n > 1 { p.layout.at(&[1]) - first } else { 1 };
    if (0..n).any(|i| p.layout.at(&[i]) != first + i * stride) {
        return Err(Error::state(p.name, "the values do not lie at equal distances; copy them instead"));
    }
    Tensor::from_buffer(p.value.buffer().clone(), first, &[n], &[stride as isize])
}

#[pymethods]
impl Cell {
    #[new]
    fn new(kind: &str, name: &str, parameters: &Bound<'_, PyDict>) -> PyResult<Self> {
        let config = config(name, parameters)?;
        let unit = guard(|| Unit::new(name, kind, &config))?;
        Ok(Cell { unit, exposed: Mutex::default() })
    }

    /// A cell that applies transformations to every stimulus.
    #[staticmethod]
    fn of_transforms(name: &str, transforms: Vec<Bound<'_, Transform>>) -> PyResult<Self> {
        let transforms = transforms.iter().map(|t| t.get().0.clone()).collect();
        let unit = guard(|| Ok(Unit::with_cell(name, Box::new(Transformation::of(name, transforms)?))))?;
        Ok(Cell { unit, exposed: Mutex::default() })
    }

    /// The name.
    #[getter]
    fn name(&self) -> &str {
        self.unit.name()
    }

    /// The class name in the engine.
    #[getter]
    fn kind(&self) -> &'static str {
        self.unit.read(|u| u.cell.kind())
    }

    /// Computes the output for these inputs and records the pass.
    fn call(&self, py: Python<'_>, inputs: Vec<Bound<'_, Var>>) -> PyResult<Var> {
        let inputs: Vec<graph::Var<f32>> = inputs.iter().map(|v| v.get().0.clone()).collect();
        compute(py, || {
            self.touch();
            self.unit.call(&inputs)
        })
        .map(Var)
    }

    /// True in learning mode, False in test mode.
    #[getter]
    fn learn(&self) -> bool {
        self.unit.read(|u| u.learn)
    }

    #[setter]
    fn set_learn(&self, learn: bool) {
        self.unit.set_learn(learn);
    }

    /// True if gradients are sent to the inputs.
    #[getter]
    fn back_propagate(&self) -> bool {
        self.unit.read(|u| u.back_propagate)
    }

    #[setter]
    fn set_back_propagate(&self, back_propagate: bool) {
        self.unit.set_back_propagate(back_propagate);
    }

    /// Sets the activation; `None` is the identity.
    #[pyo3(signature = (activation))]
    fn set_activation(&self, activation: Option<&Bound<'_, Activation>>) {
        let activation = activation.map(|a| a.get().0.clone());
        self.unit.with(|u| u.activation = activation);
    }

    /// Changes parameters that may change after construction.
    fn set(&self, parameters: &Bound<'_, PyDict>) -> PyResult<()> {
        let config = config(self.unit.name(), parameters)?;
        guard(|| self.unit.with(|u| u.cell.set(&config)))
    }

    /// Names of the parameter tensors.
    fn param_names(&self) -> Vec<&'static str> {
        self.unit.read(|u| u.cell.params().iter().map(|p| p.name).collect())
    }

    /// Sizes of a parameter tensor, outputs first.
    fn param_dims(&self, py: Python<'_>, name: &str) -> PyResult<Vec<usize>> {
        self.read_param(py, name, |p| Ok(p.dims.clone()))
    }

    /// A copy of a parameter tensor.
    fn param<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        let (values, dims) = self.read_param(py, name, |p| Ok((p.to_vec(), p.dims.clone())))?;
        PyArray1::from_vec(py, values).reshape(dims)
    }

    /// The values under an index prefix `[o]` or `[o, c]`, or all values of a vector, sharing memory.
    fn param_view<'py>(&self, py: Python<'py>, name: &str, index: Vec<usize>) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        let view = self.read_param(py, name, |p| if index.is_empty() { whole(p) } else { p.view(&index) })?;
        let at = self.param_names().iter().position(|n| *n == name).unwrap_or_default();
        let mut exposed = self.exposed.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is forgotten keeps its fingerprint until the engine has looked: many views cost one of them.
        let known = exposed.iter_mut().find(|e| e.at == at);
        let token = known.as_ref().and_then(|e| e.token.upgrade()).unwrap_or_default();
        if let Some(e) = known {
            e.token = Arc::downgrade(&token);
        } else {
            let fingerprint = self.unit.read(|u| fingerprint(&u.cell.params()[at]));
            exposed.push(Exposed { at, token: Arc::downgrade(&token), fingerprint });
        }
        to_numpy(py, &view, Some(token))
    }

    /// Sets all values of a parameter tensor.
    fn set_param(&self, py: Python<'_>, name: &str, array: &Bound<'_, PyArrayDyn<f32>>) -> PyResult<()> {
        let (values, shape) = (values(array), array.shape().to_vec());
        let owner = self.unit.name();
        self.with_param(py, name, |p| {
            if shape != p.dims {
                return Err(Error::shape(owner, name, format!("{:?}", p.dims), format!("{shape:?}")));
            }
            p.assign(&values)
        })
    }

    /// A copy of the gradient of a parameter tensor (minus the derivative, summed over the batch).
    fn grad<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        let (values, dims) = self.read_param(py, name, |p| Ok((p.grad_to_vec(), p.dims.clone())))?;
        PyArray1::from_vec(py, values).reshape(dims)
    }

    /// Draws new values of a parameter tensor from the process-wide generator.
    fn fill(&self, py: Python<'_>, name: &str, filler: &Bound<'_, Filler>) -> PyResult<()> {
        let filler = filler.get().0.clone();
        self.with_param(py, name, |p| {
            p.fill(&filler, &mut random::global());
            Ok(())
        })
    }

    /// Sets the solver of a parameter tensor, by reference.
    fn set_solver(&self, py: Python<'_>, name: &str, solver: &Bound<'_, Solver>) -> PyResult<()> {
        let (solver, owner) = (solver.get().0.clone(), self.unit.name());
        self.with_param(py, name, |p| {
            if p.solver.is_none() {
                return Err(Error::state(owner, format!("`{name}` are statistics, which no solver updates")));
            }
            p.solver = Some(solver);
            Ok(())
        })
    }

    /// Parameters and multiply-accumulates of one stimulus for these input shapes.
    fn statistics(&self, py: Python<'_>, input_shapes: Vec<Vec<usize>>) -> PyResult<(u64, u64)> {
        compute(py, || {
            let shapes: Vec<&[usize]> = input_shapes.iter().map(Vec::as_slice).collect();
            self.unit.statistics(&shapes).map(|s| (s.params, s.macs))
        })
    }
}

type Arrays<'py> = Vec<Bound<'py, PyArrayDyn<f32>>>;

/// The cells of a network in an order in which each comes after what it reads.
#[pyclass(frozen, module = "n2d2._core")]
pub struct Plan {
    cells: Vec<Py<Cell>>,
    plan: graph::Plan<f32>,
}

#[pymethods]
impl Plan {
    /// A plan that calls `cells`; `reads` of each holds places, first those of the inputs, then those of the cells before it;
    /// `ends` are the places of the outputs.
    #[new]
    #[allow(clippy::needless_pass_by_value)]
    fn new(cells: Vec<Py<Cell>>, reads: Vec<Vec<usize>>, inputs: usize, ends: Vec<usize>) -> PyResult<Self> {
        let units: Vec<_> = cells.iter().map(|c| c.get().unit.clone()).collect();
        let plan = guard(|| graph::Plan::new(units, reads, inputs, &ends))?;
        Ok(Plan { cells, plan })
    }

    /// Computes the outputs.
    #[allow(clippy::needless_pass_by_value)]
    fn call(slf: &Bound<'_, Self>, inputs: Vec<Bound<'_, Var>>) -> PyResult<Run> {
        let inputs: Vec<graph::Var<f32>> = inputs.iter().map(|v| v.get().0.clone()).collect();
        let plan = slf.get();
        let run = compute(slf.py(), || {
            plan.touch();
            plan.plan.call(&inputs)
        })?;
        Ok(Run { run, plan: slf.clone().unbind() })
    }

    /// The outputs for some arrays, and nothing else; `None` unless all are images of float32 in a network in test mode that
    /// can read them where they lie.
    #[allow(clippy::needless_pass_by_value)]
    fn predict<'py>(&self, py: Python<'py>, inputs: Vec<Bound<'py, PyAny>>) -> PyResult<Option<Arrays<'py>>> {
        let images = |array: &Bound<'py, PyAny>| Some(array.cast::<PyArrayDyn<f32>>().ok()?.clone()).filter(|a| a.ndim() == 4);
        let Some(inputs) = inputs.iter().map(images).collect::<Option<Vec<_>>>() else { return Ok(None) };
        if !inputs.iter().all(is_aligned) {
            return Ok(None);
        }
        let inputs = inputs.iter().map(from_numpy).collect::<PyResult<Vec<_>>>()?;
        let outputs = compute(py, || {
            self.touch();
            self.plan.predict(&inputs)
        })?;
        outputs.map(|outputs| outputs.iter().map(|t| to_numpy(py, t, None)).collect()).transpose()
    }

    /// What computes each node, and how long it takes.
    fn explain(&self, py: Python<'_>, inputs: Vec<Bound<'_, Var>>) -> PyResult<ExplanationRow> {
        let inputs: Vec<graph::Var<f32>> = inputs.iter().map(|v| v.get().0.clone()).collect();
        compute(py, || {
            self.touch();
            self.plan.explain(&inputs)
        })
        .map(explanation)
    }
}

/// A node of a plan: name, class, what is fused into it, kernel, type, shape, bytes of parameters and of the output, buffer,
/// multiply-accumulates, bytes that must move, seconds of all threads.
type NodeRow = (String, &'static str, Vec<String>, String, &'static str, Vec<usize>, usize, usize, Option<usize>, u64, usize, f64);
/// Whether the cells are fused; threads, GFLOP/s and GB/s of the machine; seconds of a call; the nodes.
type ExplanationRow = (bool, (usize, f64, f64), f64, Vec<NodeRow>);

fn explanation(found: graph::Explanation) -> ExplanationRow {
    let row = |n: graph::ExplainedNode| {
        let seconds = n.thread_ns as f64 / 1e9;
        let (parameters, output, moved) = (n.parameter_bytes, n.output_bytes, n.moved_bytes);
        (n.name, n.kind, n.fused, n.kernel, n.dtype, n.shape.clone(), parameters, output, n.buffer, n.macs, moved, seconds)
    };
    let peak = (found.peak.threads, found.peak.gflops, found.peak.gbytes);
    (found.is_fused, peak, found.call_ns as f64 / 1e9, found.nodes.into_iter().map(row).collect())
}

impl Plan {
    /// Tells the engine about writes through arrays handed out earlier.
    fn touch(&self) {
        self.cells.iter().for_each(|cell| cell.get().touch());
    }
}

/// What one call of a plan computed.
#[pyclass(frozen, module = "n2d2._core")]
pub struct Run {
    run: graph::Run<f32>,
    plan: Py<Plan>,
}

#[pymethods]
impl Run {
    /// The tensor at a place: first those of the inputs, then those of the cells.
    fn at(&self, py: Python<'_>, place: usize) -> PyResult<Var> {
        compute(py, || {
            if !self.run.is_kept(place) {
                self.plan.get().touch();
            }
            self.run.at(place)
        })
        .map(Var)
    }

    /// Its sizes.
    fn shape(&self, place: usize) -> PyResult<Vec<usize>> {
        guard(|| Ok(self.run.shape(place).to_vec()))
    }
}

/// Begins to measure all passes of cells; what was measured before is forgotten.
#[pyfunction]
fn begin_profile() {
    graph::begin_profile();
}

/// A row of a profile: name, class, whether it is backward, passes, seconds of all threads, operations, bytes.
type ProfileRow = (String, &'static str, bool, u64, f64, f64, f64);

/// Ends the profile and returns its rows in the order of their first computation.
#[pyfunction]
fn end_profile() -> Vec<ProfileRow> {
    let row = |p: graph::Profiled| (p.name, p.kind, p.backward, p.passes, p.thread_ns as f64 / 1e9, p.flops, p.bytes);
    graph::end_profile().into_iter().map(row).collect()
}

/// Measures the peaks of this machine: threads, GFLOP/s and GB/s.
#[pyfunction]
fn measure_peak(py: Python<'_>) -> PyResult<(usize, f64, f64)> {
    let peak = compute(py, || Ok(n2d2_core::device::cpu::Peak::measure()))?;
    Ok((peak.threads, peak.gflops, peak.gbytes))
}

/// The class names of all cells of the engine.
#[pyfunction]
fn cell_kinds() -> Vec<&'static str> {
    n2d2_core::cells::KINDS.to_vec()
}

/// Adds the class to the module.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(cell_kinds, m)?)?;
    m.add_function(wrap_pyfunction!(begin_profile, m)?)?;
    m.add_function(wrap_pyfunction!(end_profile, m)?)?;
    m.add_function(wrap_pyfunction!(measure_peak, m)?)?;
    m.add_class::<Plan>()?;
    m.add_class::<Run>()?;
    m.add_class::<Cell>()
}
