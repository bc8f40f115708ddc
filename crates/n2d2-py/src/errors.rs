//! Errors and panics of the engine as Python exceptions.

use n2d2_core::Error;
use pyo3::prelude::*;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

fn raise(class: &str, text: &str) -> PyErr {
    Python::attach(|py| {
        let make = || py.import("n2d2.error_handler")?.getattr(class)?.call1((text,));
        match make() {
            Ok(exception) => PyErr::from_value(exception),
            Err(e) => e,
        }
    })
}

/// The exception for an error of the engine.
pub fn to_py(e: Error) -> PyErr {
    let class = match &e {
        Error::Value { .. } | Error::Unknown { .. } => "WrongValue",
        Error::Type { .. } => "WrongInputType",
        Error::Shape { .. } => "ShapeError",
        Error::Data { .. } => "DataError",
        Error::State { .. } => "StateError",
        Error::File { missing: true, .. } => "MissingFileError",
        Error::File { .. } => "FileError",
        _ => "Error",
    };
    raise(class, &e.to_string())
}

fn panicked(payload: &(dyn Any + Send)) -> PyErr {
    let what = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    raise("Error", &format!("internal error in the engine: {}; please report it", what.unwrap_or("no text")))
}

/// Runs `f` with the GIL held; errors and panics become exceptions.
pub fn guard<R>(f: impl FnOnce() -> n2d2_core::Result<R>) -> PyResult<R> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => result.map_err(to_py),
        Err(payload) => Err(panicked(&*payload)),
    }
}

/// Runs `f` without the GIL; errors and panics become exceptions.
pub fn compute<R: Send>(py: Python<'_>, f: impl FnOnce() -> n2d2_core::Result<R> + Send) -> PyResult<R> {
    match py.detach(|| catch_unwind(AssertUnwindSafe(f))) {
        Ok(result) => result.map_err(to_py),
        Err(payload) => Err(panicked(&*payload)),
    }
}
