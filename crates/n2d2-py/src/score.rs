//! Targets: the score of a classifier.

use crate::array::to_numpy;
use crate::convert::config;
use crate::errors::{compute, guard, to_py};
use crate::var::Var;
use n2d2_core::target::{self, Batch, Labels, Layer, Metric};
use n2d2_core::{Tensor, graph};
use numpy::{PyArray1, PyArray2, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The loss of a batch: where back-propagation starts.
#[pyclass(frozen, module = "n2d2._core")]
struct Loss {
    output: graph::Var<f32>,
    gradient: Tensor<f32>,
    batch: Batch,
}

#[pymethods]
impl Loss {
    /// The loss.
    #[getter]
    fn value(&self) -> f64 {
        self.batch.loss
    }

    /// The cross-entropy, NaN if the output is not known to be probabilities.
    #[getter]
    fn cross_entropy(&self) -> f64 {
        self.batch.cross_entropy
    }

    /// Minus the derivative of the loss by the output, summed over the batch.
    fn gradient<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        to_numpy(py, &self.gradient, None)
    }

    /// Goes back from the output.
    fn back_propagate(&self, py: Python<'_>) -> PyResult<()> {
        compute(py, || self.output.back_propagate(Some(self.gradient.clone())))
    }

    /// Lets the solvers move the parameters of every cell behind the output once.
    fn update(&self, py: Python<'_>) -> PyResult<()> {
        compute(py, || self.output.update())
    }
}

/// A classification target.
#[pyclass(module = "n2d2._core")]
struct Score {
    core: target::Score,
    estimated: Option<(Tensor<i32>, Tensor<f32>, Tensor<i32>)>,
}

/// Classes, outputs and targets.
type Estimated<'py> = (Bound<'py, PyArrayDyn<i32>>, Bound<'py, PyArrayDyn<f32>>, Bound<'py, PyArrayDyn<i32>>);

fn row(b: &Batch) -> [f64; 6] {
    [b.step as f64, b.loss, b.cross_entropy, b.success, b.top_n_success, b.stimuli as f64]
}

#[pymethods]
impl Score {
    #[new]
    fn new(name: &str, parameters: &Bound<'_, PyDict>) -> PyResult<Self> {
        let parameters = config(name, parameters)?;
        let core = guard(|| target::Score::new(name, &parameters))?;
        Ok(Score { core, estimated: None })
    }

    /// Loss and score of a batch, added to the record of the partition.
    fn evaluate(
        &mut self,
        py: Python<'_>,
        partition: &str,
        output: &Var,
        labels: PyReadonlyArrayDyn<'_, i32>,
        ids: PyReadonlyArrayDyn<'_, u32>,
        probabilities: bool,
    ) -> PyResult<Loss> {
        let shape = labels.shape().to_vec();
        let (labels, ids) = (labels.as_slice()?, ids.as_slice()?);
        let core = &mut self.core;
        let found = compute(py, || {
            let labels = Labels::new(core.name(), labels, &shape)?;
            core.evaluate_stimuli(partition, output.0.tensor(), &labels, ids, probabilities)
        })?;
        self.estimated = Some((found.estimated, found.values, found.targets));
        Ok(Loss { output: output.0.clone(), gradient: found.gradient, batch: found.batch })
    }

    /// Loss and score of a batch whose target is the data itself.
    fn evaluate_data(&mut self, py: Python<'_>, partition: &str, output: &Var, data: &Var) -> PyResult<Loss> {
        let core = &mut self.core;
        let found = compute(py, || core.evaluate_data(partition, output.0.tensor(), data.0.tensor()))?;
        self.estimated = None;
        Ok(Loss { output: output.0.clone(), gradient: found.gradient, batch: found.batch })
    }

    /// Changes parameters that may change between batches.
    fn set(&mut self, parameters: &Bound<'_, PyDict>) -> PyResult<()> {
        let parameters = config(self.core.name(), parameters)?;
        guard(|| self.core.set(&parameters))
    }

    /// Stimuli of a partition whose estimate was wrong: number, target, estimate, how often.
    fn misclassified(&self, partition: &str) -> Vec<(u32, i32, i32, u64)> {
        self.core.record(partition).map_or_else(Vec::new, |r| r.misclassified().collect())
    }

    /// Learning batches so far.
    #[getter]
    fn steps(&self) -> u64 {
        self.core.steps()
    }

    /// The loss of every batch of every partition, in order.
    fn losses(&self) -> Vec<f64> {
        self.core.losses().to_vec()
    }

    /// Means of loss, cross-entropy, success and top-N success, and the number of stimuli they are of.
    fn averages(&self, partition: &str, window: usize) -> (f64, f64, f64, f64, usize) {
        let a = self.core.averages(partition, window);
        (a.loss, a.cross_entropy, a.success, a.top_n_success, a.stimuli)
    }

    /// Every batch of a partition: step, loss, cross-entropy, success, top-N success, stimuli.
    #[pyo3(signature = (partition, since_clear = false))]
    fn history<'py>(&self, py: Python<'py>, partition: &str, since_clear: bool) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let record = self.core.record(partition);
        let batches = record.map_or(&[][..], |r| if since_clear { r.batches() } else { r.history() });
        let values: Vec<f64> = batches.iter().flat_map(row).collect();
        PyArray1::from_vec(py, values).reshape([batches.len(), 6])
    }

    /// Partitions that were evaluated, in the order of their first batch.
    fn partitions(&self) -> Vec<String> {
        self.core.partitions().map(str::to_string).collect()
    }

    /// The confusion matrix of a partition: targets by estimates; empty if nothing was counted.
    fn confusion<'py>(&self, py: Python<'py>, partition: &str) -> PyResult<Bound<'py, PyArray2<i64>>> {
        let empty = target::Confusion::default();
        let m = self.core.record(partition).map_or(&empty, |r| &r.confusion);
        let counts: Vec<i64> = m.counts().iter().map(|c| *c as i64).collect();
        PyArray1::from_vec(py, counts).reshape([m.targets(), m.targets()])
    }

    /// A metric of each class.
    fn metric<'py>(&self, py: Python<'py>, partition: &str, metric: &str) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let metric = Metric::parse(self.core.name(), metric).map_err(to_py)?;
        let values = self.core.record(partition).map_or_else(Vec::new, |r| r.confusion.metrics(metric));
        Ok(PyArray1::from_vec(py, values))
    }

    /// For each class, whether it occurred as a target or as an estimate.
    fn relevant(&self, partition: &str) -> Vec<bool> {
        self.core.record(partition).map_or_else(Vec::new, |r| r.confusion.relevant())
    }

    /// Mean of a metric over the classes that occurred.
    fn average_score(&self, partition: &str, metric: &str) -> PyResult<f64> {
        let metric = Metric::parse(self.core.name(), metric).map_err(to_py)?;
        Ok(self.core.average_score(partition, metric))
    }

    /// The best classes of each pixel of the last batch, their outputs: `[n, top_n, h, w]`, and the targets: `[n, 1, h, w]`.
    fn estimated<'py>(&self, py: Python<'py>) -> PyResult<Option<Estimated<'py>>> {
        let Some((classes, values, targets)) = &self.estimated else { return Ok(None) };
        let array = |t: &Tensor<i32>| PyArray1::from_vec(py, t.to_vec()).reshape(t.shape().to_vec());
        Ok(Some((array(classes)?, to_numpy(py, values, None)?, array(targets)?)))
    }

    /// Starts the averages of a partition anew.
    fn clear_success(&mut self, partition: &str) {
        self.core.clear_success(partition);
    }

    /// Starts the averages and the confusion matrix of a partition anew.
    fn clear_score(&mut self, partition: &str) {
        self.core.clear_score(partition);
    }
}

/// Name, class, names of the cells before, output size `[c, h, w]`, values of direct data, trainable values,
/// multiply-accumulates.
type PyLayer = (String, String, Vec<String>, Vec<usize>, usize, u64, u64);

/// The cells behind a tensor, for one stimulus.
#[pyfunction]
fn layers(py: Python<'_>, output: &Var) -> PyResult<Vec<PyLayer>> {
    let found = compute(py, || target::layers(&output.0))?;
    let part = |l: Layer| (l.name, l.kind, l.parents, l.output[1..].to_vec(), l.data, l.params, l.macs);
    Ok(found.into_iter().map(part).collect())
}

/// Adds the classes to the module.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<Score>()?;
    m.add_class::<Loss>()?;
    m.add("METRICS", Metric::NAMES.to_vec())?;
    m.add_function(wrap_pyfunction!(layers, m)?)
}
