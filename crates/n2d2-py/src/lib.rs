//! The extension module `n2d2._core`: conversions, errors and the release of the GIL. No mathematics, nothing per cell.
//!
//! | module | what it holds |
//! |---|---|
//! | [`errors`] | errors and panics of the engine as exceptions of `n2d2.error_handler` |
//! | [`convert`] | parameters from and to Python |
//! | [`array`] | tensors from and to NumPy, without copies |
//! | [`kinds`] | solvers, fillers, activations |
//! | [`cell`] [`var`] | cells and the tensors of the graph |
//! | [`data`] | datasets, transformations, providers |
//! | [`score`] | targets |
//! | [`text`] | parameter files |

// Arguments arrive by value from Python, and PyO3 needs them so.
#![allow(clippy::needless_pass_by_value)]

mod array;
mod cell;
mod convert;
mod data;
mod errors;
mod kinds;
mod score;
mod text;
mod var;

use n2d2_core::device::{Device, cpu};
use n2d2_core::{error, random};
use pyo3::prelude::*;

/// A step of a small network makes some hundred small allocations, which take a tenth of its time in that of the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Seeds the process-wide generator and drops the stored half of its last normal draw.
#[pyfunction]
fn seed(n: u32) {
    random::set_seed(n);
}

/// Sets the number of threads of the engine.
#[pyfunction]
fn set_threads(n: usize) {
    cpu::set_threads(n);
}

/// Number of threads of the engine.
#[pyfunction]
fn threads() -> usize {
    cpu::threads()
}

/// The instruction set of the kernels in use.
#[pyfunction]
fn isa() -> &'static str {
    cpu::isa().name()
}

/// Raises unless `model` is a device that this build has.
#[pyfunction]
fn check_model(owner: &str, model: &str) -> PyResult<()> {
    Device::of_model(owner, model).map(|_| ()).map_err(errors::to_py)
}

/// The word of `known` nearest to `word`, if one is near.
#[pyfunction]
fn nearest(word: &str, known: Vec<String>) -> Option<String> {
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    error::nearest(word, &known).map(str::to_string)
}

#[pymodule]
#[pyo3(name = "_core")]
fn core_module(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add("version", env!("CARGO_PKG_VERSION"))?;
    m.add_function(wrap_pyfunction!(seed, m)?)?;
    m.add_function(wrap_pyfunction!(set_threads, m)?)?;
    m.add_function(wrap_pyfunction!(threads, m)?)?;
    m.add_function(wrap_pyfunction!(isa, m)?)?;
    m.add_function(wrap_pyfunction!(nearest, m)?)?;
    m.add_function(wrap_pyfunction!(check_model, m)?)?;
    kinds::register(m)?;
    cell::register(m)?;
    var::register(m)?;
    text::register(m)?;
    data::register(m)?;
    score::register(m)?;
    Ok(())
}
