//! Parameter files.

use crate::array::values;
use crate::errors::compute;
use n2d2_core::io;
use numpy::{PyArray1, PyArrayDyn};
use pyo3::prelude::*;
use std::path::PathBuf;

/// Writes arrays as text, one line an array, complete or not at all.
#[pyfunction]
fn write_syntxt(py: Python<'_>, path: PathBuf, lines: Vec<Bound<'_, PyArrayDyn<f32>>>) -> PyResult<()> {
    let lines: Vec<Vec<f32>> = lines.iter().map(values).collect();
    compute(py, || io::write_syntxt(&path, &lines))
}

/// Reads exactly `count` numbers from a text file.
#[pyfunction]
fn read_syntxt(py: Python<'_>, path: PathBuf, count: usize) -> PyResult<Bound<'_, PyArray1<f32>>> {
    let values = compute(py, || io::read_syntxt(&path, count))?;
    Ok(PyArray1::from_vec(py, values))
}

/// Adds the functions to the module.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(write_syntxt, m)?)?;
    m.add_function(wrap_pyfunction!(read_syntxt, m)?)
}
