//! Datasets, transformations and providers.

use crate::convert::{config, to_py_dict, value};
use crate::errors::{compute, guard, to_py};
use crate::kinds;
use crate::var::Var;
use n2d2_core::data::transform::{ApplyTo, Transform as CoreTransform};
use n2d2_core::data::{self, Batch, Partition, Pixels, Prefetch, SharedDataset, idx};
use n2d2_core::{Error, graph, random};
use numpy::{Element, PyArray1, PyReadonlyArray1, PyReadonlyArray4, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Images, labels and partitions.
#[pyclass(frozen, module = "n2d2._core")]
struct Dataset(SharedDataset);

/// The values of an array `[n, h, w, c]`, in that order.
fn values<T: Element + Clone>(array: &PyReadonlyArray4<'_, T>) -> Vec<T> {
    match array.as_slice() {
        Ok(slice) => slice.to_vec(),
        Err(_) => array.as_array().iter().cloned().collect(),
    }
}

fn partition(owner: &str, name: &str) -> PyResult<Partition> {
    Partition::parse(owner, name).map_err(to_py)
}

impl Dataset {
    fn owner(&self) -> String {
        self.0.snapshot().name().to_string()
    }
}

#[pymethods]
impl Dataset {
    #[new]
    fn new(name: &str) -> Self {
        Dataset(SharedDataset::new(data::Dataset::new(name)))
    }

    /// Adds copies of images `[n, h, w, c]` of uint8 or float32 as unpartitioned stimuli; returns the first number and
    /// the one after the last.
    fn add(&self, py: Python<'_>, images: &Bound<'_, PyAny>, labels: PyReadonlyArray1<'_, i32>) -> PyResult<(u32, u32)> {
        let (pixels, shape) = if let Ok(bytes) = images.extract::<PyReadonlyArray4<'_, u8>>() {
            (Pixels::U8(values(&bytes).into()), bytes.shape().to_vec())
        } else {
            let floats = images.extract::<PyReadonlyArray4<'_, f32>>().map_err(|_| {
                let got = images.get_type().to_string();
                let expected = "an array [n, h, w, c] of uint8 or float32".to_string();
                to_py(Error::Type { owner: self.owner(), name: "images".into(), got, expected })
            })?;
            (Pixels::F32(values(&floats).into()), floats.shape().to_vec())
        };
        let labels: Vec<i32> = labels.as_array().iter().copied().collect();
        let ids = compute(py, || self.0.change(|d| d.add(pixels, [shape[1], shape[2], shape[3]], &labels)))?;
        Ok((ids.start, ids.end))
    }

    /// Adds the images and labels of two IDX files as unpartitioned stimuli.
    fn add_idx(&self, py: Python<'_>, images: PathBuf, labels: PathBuf, classes: usize) -> PyResult<(u32, u32)> {
        let ids = compute(py, || {
            let read = idx::read_labelled(&images, &labels, classes)?;
            self.0.change(|d| d.add(Pixels::U8(read.pixels.into()), [read.rows, read.columns, 1], &read.labels))
        })?;
        Ok((ids.start, ids.end))
    }

    /// Distributes the unpartitioned stimuli by fractions, drawn from the process-wide generator or in order.
    fn partition(&self, py: Python<'_>, learn: f64, validation: f64, test: f64, random: bool) -> PyResult<()> {
        compute(py, || {
            let mut generator = random.then(random::global);
            self.0.change(|d| d.partition(learn, validation, test, generator.as_deref_mut()))
        })
    }

    /// Moves the unpartitioned stimuli `first .. end` into a partition, in drawn order or as they are.
    fn assign(&self, py: Python<'_>, first: u32, end: u32, name: &str, random: bool) -> PyResult<()> {
        let partition = partition(&self.owner(), name)?;
        compute(py, || {
            let mut generator = random.then(random::global);
            self.0.change(|d| {
                d.assign(first..end, partition, generator.as_deref_mut());
                Ok(())
            })
        })
    }

    /// Number of stimuli of a partition.
    fn nb_stimuli(&self, name: &str) -> PyResult<usize> {
        let partition = partition(&self.owner(), name)?;
        Ok(self.0.snapshot().ids(partition).len())
    }

    /// Number of stimuli in all partitions.
    fn __len__(&self) -> usize {
        self.0.snapshot().len()
    }

    /// The numbers of the stimuli of a partition, in the order drawn.
    fn ids<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyArray1<u32>>> {
        let partition = partition(&self.owner(), name)?;
        Ok(PyArray1::from_slice(py, self.0.snapshot().ids(partition)))
    }

    /// The names of all labels, label 0 first.
    fn label_names(&self) -> PyResult<Vec<String>> {
        let dataset = self.0.snapshot();
        guard(|| (0..dataset.nb_labels()).map(|l| dataset.label_name(l)).collect())
    }

    /// The name of a label.
    fn label_name(&self, label: usize) -> PyResult<String> {
        guard(|| self.0.snapshot().label_name(label))
    }

    /// Names the labels 0, 1, 2 ...
    fn set_label_names(&self, names: Vec<String>) -> PyResult<()> {
        guard(|| {
            self.0.change(|d| {
                d.set_label_names(names);
                Ok(())
            })
        })
    }
}

/// The file `name` or `name.gz` of a folder.
#[pyfunction]
fn find_idx(folder: PathBuf, name: &str) -> PyResult<PathBuf> {
    guard(|| idx::find(&folder, name))
}

/// A transformation of images and the partitions that it is applied to.
#[pyclass(frozen, module = "n2d2._core")]
pub struct Transform(pub CoreTransform);

#[pymethods]
impl Transform {
    #[new]
    fn new(kind: &str, apply_to: &str, parameters: &Bound<'_, PyDict>) -> PyResult<Self> {
        let config = config(kind, parameters)?;
        guard(|| CoreTransform::new(kind, &config, ApplyTo::parse(kind, apply_to)?)).map(Transform)
    }

    /// The class name.
    #[getter]
    fn kind(&self) -> &'static str {
        self.0.snapshot().kind()
    }

    /// The value of a parameter.
    fn get<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let transform = self.0.snapshot();
        kinds::get(py, transform.kind(), name, &transform.parameters())
    }

    /// Changes a parameter, for every provider that uses the transformation.
    fn set(&self, name: &str, new: &Bound<'_, PyAny>) -> PyResult<()> {
        let new = value(self.kind(), name, new)?;
        guard(|| self.0.set(name, &new))
    }

    /// All parameters by name.
    fn parameters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        to_py_dict(py, &self.0.snapshot().parameters())
    }
}

/// Batches of a dataset.
#[pyclass(frozen, module = "n2d2._core")]
struct Provider(Mutex<data::Provider>);

/// The images, their labels, and their numbers in the dataset.
type PyBatch<'py> = (Var, Bound<'py, PyArray1<i32>>, Bound<'py, PyArray1<u32>>);

impl Provider {
    fn lock(&self) -> MutexGuard<'_, data::Provider> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads without the GIL; Ctrl-C is seen before and after.
    fn read<'py>(
        &self,
        py: Python<'py>,
        read: impl FnOnce(&mut data::Provider) -> n2d2_core::Result<Batch> + Send,
    ) -> PyResult<PyBatch<'py>> {
        py.check_signals()?;
        let batch = compute(py, || read(&mut self.lock()))?;
        py.check_signals()?;
        let data = Var(graph::Var::leaf(batch.data, false));
        Ok((data, PyArray1::from_vec(py, batch.labels), PyArray1::from_vec(py, batch.ids)))
    }
}

#[pymethods]
impl Provider {
    #[new]
    fn new(name: &str, dataset: &Dataset, size: Vec<usize>, batch_size: usize) -> PyResult<Self> {
        guard(|| data::Provider::new(name, dataset.0.clone(), &size, batch_size)).map(|p| Provider(Mutex::new(p)))
    }

    /// Chooses the partition to read.
    fn set_partition(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        compute(py, || {
            let mut provider = self.lock();
            let partition = Partition::parse(provider.name(), name)?;
            provider.set_partition(partition);
            Ok(())
        })
    }

    /// The partition that is read.
    fn partition(&self, py: Python<'_>) -> PyResult<&'static str> {
        compute(py, || Ok(self.lock().partition().name()))
    }

    /// Chooses when batches are made ahead: `auto`, `always` or `never`.
    fn set_prefetch(&self, py: Python<'_>, when: &str) -> PyResult<()> {
        compute(py, || {
            let mut provider = self.lock();
            let prefetch = match when {
                "auto" => Prefetch::Auto,
                "always" => Prefetch::Always,
                "never" => Prefetch::Never,
                _ => return Err(Error::value(provider.name(), "prefetch", format!("{when:?}"), "one of auto, always, never")),
            };
            provider.set_prefetch(prefetch);
            Ok(())
        })
    }

    /// Batches that were ready before they were asked for.
    fn prefetched(&self, py: Python<'_>) -> PyResult<u64> {
        compute(py, || Ok(self.lock().prefetched()))
    }

    /// Adds a transformation, applied at every read or once per stimulus.
    fn add(&self, py: Python<'_>, transform: &Transform, on_the_fly: bool) -> PyResult<()> {
        compute(py, || {
            let mut provider = self.lock();
            if on_the_fly {
                provider.add_on_the_fly(transform.0.clone());
            } else {
                provider.add(transform.0.clone());
            }
            Ok(())
        })
    }

    /// Number of stimuli of the partition.
    fn nb_stimuli(&self, py: Python<'_>) -> PyResult<usize> {
        compute(py, || Ok(self.lock().nb_stimuli()))
    }

    /// Number of batches of the partition, the short one included.
    fn nb_batches(&self, py: Python<'_>) -> PyResult<usize> {
        compute(py, || Ok(self.lock().nb_batches()))
    }

    /// Begins a sequence over the whole partition.
    fn set_batch(&self, py: Python<'_>, shuffle: bool) -> PyResult<()> {
        compute(py, || self.lock().set_batch(shuffle))
    }

    /// True when the sequence has been read to its end.
    fn all_provided(&self, py: Python<'_>) -> PyResult<bool> {
        compute(py, || self.lock().all_provided())
    }

    /// The next batch of the sequence.
    fn read_next<'py>(&self, py: Python<'py>) -> PyResult<PyBatch<'py>> {
        self.read(py, data::Provider::read_next)
    }

    /// The batch that begins at a stimulus of the partition.
    fn read_at<'py>(&self, py: Python<'py>, start: usize) -> PyResult<PyBatch<'py>> {
        self.read(py, |p| p.read_at(start))
    }

    /// Begins a pass of `read_at` with other random transformations.
    fn begin_pass(&self, py: Python<'_>) -> PyResult<()> {
        compute(py, || {
            self.lock().begin_pass();
            Ok(())
        })
    }

    /// A whole batch, drawn with replacement.
    fn read_random<'py>(&self, py: Python<'py>) -> PyResult<PyBatch<'py>> {
        self.read(py, data::Provider::read_random)
    }
}

/// Adds the classes to the module.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<Dataset>()?;
    m.add_class::<Transform>()?;
    m.add_class::<Provider>()?;
    m.add_function(wrap_pyfunction!(find_idx, m)?)
}
