//! Tensors from and to NumPy, without copies.

use crate::errors::to_py;
use n2d2_core::tensor::Buffer;
use n2d2_core::{Error, Tensor};
use numpy::ndarray::{ArrayViewD, ShapeBuilder};
use numpy::{PyArrayDyn, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::prelude::*;
use std::ptr::NonNull;
use std::sync::Arc;

const SIZE: isize = size_of::<f32>() as isize;

/// True if every element of an array lies where one of its type may.
pub fn is_aligned(array: &Bound<'_, PyArrayDyn<f32>>) -> bool {
    array.data().is_aligned() && array.strides().iter().all(|s| s % SIZE == 0)
}

/// A tensor over the memory of an array of any positive or negative strides.
pub fn from_numpy(array: &Bound<'_, PyArrayDyn<f32>>) -> PyResult<Tensor<f32>> {
    let shape = array.shape().to_vec();
    if shape.contains(&0) {
        return Ok(Tensor::zeros(&shape));
    }
    let first = array.data();
    if !is_aligned(array) {
        return Err(to_py(Error::state("Tensor", "the array is not aligned to its elements; copy it first")));
    }
    let strides: Vec<isize> = array.strides().iter().map(|s| s / SIZE).collect();
    let (mut low, mut high) = (0isize, 0isize);
    for (n, s) in shape.iter().zip(&strides) {
        let reach = s * (*n as isize - 1);
        if reach < 0 { low += reach } else { high += reach }
    }
    let start = NonNull::new(first.wrapping_offset(low)).ok_or_else(|| to_py(Error::state("Tensor", "the array has no memory")))?;
    // SAFETY: the elements from `low` to `high` are those that the array's shape and strides reach, and the array is kept
    // alive by the buffer.
    let buffer = unsafe { Buffer::foreign(start, (high - low + 1) as usize, Box::new(array.clone().unbind())) };
    Tensor::from_buffer(Arc::new(buffer), (-low) as usize, &shape, &strides).map_err(to_py)
}

/// What an array made by [`to_numpy`] keeps alive.
#[pyclass(frozen, module = "n2d2._core", name = "_Memory")]
struct Memory {
    _tensor: Tensor<f32>,
    _token: Option<Arc<()>>,
}

/// An array over the memory of a tensor, in N, C, H, W order. `token` lives as long as the array.
pub fn to_numpy<'py>(py: Python<'py>, tensor: &Tensor<f32>, token: Option<Arc<()>>) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    if tensor.is_empty() {
        return Ok(PyArrayDyn::zeros(py, tensor.shape(), false));
    }
    let mut base = tensor.as_ptr();
    let mut flipped = Vec::new();
    let strides: Vec<usize> = tensor.strides().iter().map(|s| s.unsigned_abs()).collect();
    for (axis, (n, s)) in tensor.shape().iter().zip(tensor.strides()).enumerate() {
        if *s < 0 {
            base = base.wrapping_offset(s * (*n as isize - 1));
            flipped.push(axis);
        }
    }
    let shape = numpy::ndarray::IxDyn(tensor.shape()).strides(numpy::ndarray::IxDyn(&strides));
    // SAFETY: shape and strides are those of the tensor, which reach only into its buffer.
    let mut view = unsafe { ArrayViewD::from_shape_ptr(shape, base) };
    for axis in flipped {
        view.invert_axis(numpy::ndarray::Axis(axis));
    }
    let memory = Bound::new(py, Memory { _tensor: tensor.clone(), _token: token })?;
    // SAFETY: the container keeps the memory alive, and the engine reads and writes it only during calls.
    Ok(unsafe { PyArrayDyn::borrow_from_array(&view, memory.into_any()) })
}

/// The values of any float32 array in N, C, H, W order.
pub fn values(array: &Bound<'_, PyArrayDyn<f32>>) -> Vec<f32> {
    array.readonly().as_array().iter().copied().collect()
}
