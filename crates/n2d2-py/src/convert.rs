//! Parameters from and to Python.

use crate::errors::to_py;
use n2d2_core::{Config, Error, Value};
use numpy::{PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

const ACCEPTED: &str = "a bool, a number, a str, a list of numbers or a bool matrix";

fn refused(owner: &str, name: &str, got: &str) -> PyErr {
    to_py(Error::Type { owner: owner.into(), name: name.into(), got: got.into(), expected: ACCEPTED.into() })
}

fn list(owner: &str, name: &str, items: &Bound<'_, PyAny>) -> PyResult<Value> {
    let mut ints = Vec::new();
    let mut floats = Vec::new();
    for item in items.try_iter()? {
        match value(owner, name, &item?)? {
            Value::Int(v) => {
                ints.push(v);
                floats.push(v as f64);
            }
            Value::Float(v) => floats.push(v),
            other => return Err(refused(owner, name, &format!("a list with {} in it", other.type_name()))),
        }
    }
    Ok(if ints.len() == floats.len() { Value::Ints(ints) } else { Value::Floats(floats) })
}

/// A parameter from Python. NumPy numbers and arrays count as Python numbers and lists.
pub fn value(owner: &str, name: &str, v: &Bound<'_, PyAny>) -> PyResult<Value> {
    if let Ok(v) = v.cast::<PyBool>() {
        Ok(Value::Bool(v.is_true()))
    } else if v.is_instance_of::<PyInt>() {
        let fits = v.extract::<i64>();
        fits.map(Value::Int).map_err(|_| refused(owner, name, &format!("the int {v}, which does not fit in 64 bits")))
    } else if v.is_instance_of::<PyFloat>() {
        Ok(Value::Float(v.extract()?))
    } else if let Ok(v) = v.cast::<PyString>() {
        Ok(Value::Str(v.to_string()))
    } else if v.is_instance_of::<PyList>() || v.is_instance_of::<PyTuple>() {
        list(owner, name, v)
    } else if v.hasattr("__array_interface__")? && v.hasattr("tolist")? {
        if let Ok(mask) = v.extract::<PyReadonlyArray2<'_, bool>>() {
            let (rows, columns) = (mask.shape()[0], mask.shape()[1]);
            return Ok(Value::Mask(rows, columns, mask.as_array().iter().copied().collect()));
        }
        if let Ok(floats) = v.extract::<PyReadonlyArray1<'_, f32>>() {
            return Ok(Value::Floats(floats.as_array().iter().map(|v| f64::from(*v)).collect()));
        }
        if let Ok(ints) = v.extract::<PyReadonlyArray1<'_, i64>>() {
            return Ok(Value::Ints(ints.as_array().iter().copied().collect()));
        }
        value(owner, name, &v.call_method0("tolist")?)
    } else {
        Err(refused(owner, name, &v.get_type().name()?.to_string()))
    }
}

/// Named parameters from a dict; `None` means "not given".
pub fn config(owner: &str, parameters: &Bound<'_, PyDict>) -> PyResult<Config> {
    let mut c = Config::new(owner);
    for (name, v) in parameters {
        let name: String = name.extract()?;
        if !v.is_none() {
            let v = value(owner, &name, &v)?;
            c.set(&name, v);
        }
    }
    Ok(c)
}

/// A parameter for Python.
pub fn to_py_value<'py>(py: Python<'py>, v: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match v {
        Value::Bool(v) => PyBool::new(py, *v).to_owned().into_any(),
        Value::Int(v) => v.into_pyobject(py)?.into_any(),
        Value::Float(v) => v.into_pyobject(py)?.into_any(),
        Value::Str(v) => v.into_pyobject(py)?.into_any(),
        Value::Ints(v) => v.into_pyobject(py)?.into_any(),
        Value::Floats(v) => v.into_pyobject(py)?.into_any(),
        Value::Mask(rows, columns, v) => numpy::PyArray1::from_slice(py, v).reshape([*rows, *columns])?.into_any(),
    })
}

/// Named parameters for Python, in order.
pub fn to_py_dict<'py>(py: Python<'py>, parameters: &[(&'static str, Value)]) -> PyResult<Bound<'py, PyDict>> {
    let d = PyDict::new(py);
    for (name, v) in parameters {
        d.set_item(name, to_py_value(py, v)?)?;
    }
    Ok(d)
}
