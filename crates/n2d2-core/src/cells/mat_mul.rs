//! `MatMul`: products of two matrices, or of stacks of them.
//!
//! `y[.., i, k] = sum over j of a[.., i, j] * b[.., j, k]`. The axes before the last two broadcast as in NumPy; an operand with
//! one axis is a row (the first) or a column (the second), and the output does not have its axis.
//!
//! Gradient: `ga = gy b^T` and `gb = a^T gy`, summed over the matrices along which an operand was repeated.
//!
//! Shapes: `[.., m, k]` and `[.., k, n]` of up to six axes to `[.., m, n]`. Source: ONNX `MatMul`.

use super::strided::{Fold, Walk, broadcast_shape, broadcast_strides};
use super::{Cell, Frame, Inputs, Phase, Statistics};
use crate::config::Config;
use crate::device::cpu::{Span, Tile, with_scratch};
use crate::error::{Error, Result};
use crate::tensor::{Float, Shape, Tensor};
use std::marker::PhantomData;

/// Rows of an item.
const ROWS: usize = 64;

/// Products of matrices. No parameters.
pub struct MatMul<T: Float> {
    float: PhantomData<T>,
}

/// Steps in memory from a row to the next and from a column to the next.
type Steps = [usize; 2];

/// One matrix inside a tensor.
#[derive(Clone, Copy)]
struct Matrix<'a, T> {
    data: &'a [T],
    at: usize,
    steps: Steps,
}

impl<T> Matrix<'_, T> {
    fn transposed(self) -> Self {
        Matrix { steps: [self.steps[1], self.steps[0]], ..self }
    }
}

/// Every `step`-th value.
fn gather<T: Float>(from: &[T], step: usize, to: &mut [T]) {
    match step {
        1 => to.copy_from_slice(&from[..to.len()]),
        0 => to.fill(from[0]),
        _ => to.iter_mut().zip(from.iter().step_by(step)).for_each(|(to, v)| *to = *v),
    }
}

/// Rows `first..first + rows` of the product of two matrices with `inner` columns and rows, `columns` wide.
fn product<T: Float>(a: Matrix<'_, T>, b: Matrix<'_, T>, first: usize, rows: usize, inner: usize, columns: usize, out: &mut [T]) {
    let width = T::kernels().width(columns);
    let block = width.block;
    with_scratch(rows * inner + inner * block, |scratch: &mut [T]| {
        let (packed, weights) = scratch.split_at_mut(rows * inner);
        for (i, row) in packed.chunks_exact_mut(inner).enumerate() {
            let from = &a.data[a.at + (first + i) * a.steps[0]..];
            gather(from, a.steps[1], row);
        }
        let x_at: [usize; ROWS] = std::array::from_fn(|i| i * inner);
        let y_at: [usize; ROWS] = std::array::from_fn(|i| i * columns);
        for start in (0..columns).step_by(block) {
            let cols = block.min(columns - start);
            for (j, row) in weights.chunks_exact_mut(block).enumerate() {
                let from = &b.data[b.at + j * b.steps[0] + start * b.steps[1]..];
                gather(from, b.steps[1], &mut row[..cols]);
                row[cols..].fill(T::zero());
            }
            let tile = Tile {
                spans: &[Span { start: 0, len: inner }],
                x: packed.as_ptr(),
                x_at: &x_at[..rows],
                w: weights.as_ptr(),
                y: out[start..].as_mut_ptr(),
                y_at: &y_at[..rows],
                cols,
                bias: std::ptr::null(),
                affine: [std::ptr::null(); 3],
                residual: std::ptr::null(),
                relu: false,
            };
            // SAFETY: `rows` packed rows of `inner` values, as many rows of weights a block wide, and `rows` rows of `out`.
            unsafe { width.run(&tile) };
        }
    });
}

/// Sizes and offsets of a product.
struct Sides {
    m: usize,
    k: usize,
    n: usize,
    batch: Shape,
    /// Shapes of the stacks of `a` and of `b`.
    stacks: [Shape; 2],
    /// Along the axes of `batch`: steps of `a`, of `b` and of `y`.
    strides: [Vec<usize>; 3],
    steps: [Steps; 3],
}

impl Sides {
    fn new(name: &str, a: &[usize], b: &[usize]) -> Result<(Self, Shape)> {
        let (Some(&inner), false) = (a.last(), b.is_empty()) else {
            return Err(Error::shape(name, "axes of the inputs", "at least one", format!("{a:?} and {b:?}")));
        };
        let (a_axes, b_axes) = (a.len().min(2), b.len().min(2));
        let (a_stack, b_stack) = (&a[..a.len() - a_axes], &b[..b.len() - b_axes]);
        if b[b_stack.len()] != inner {
            let expected = format!("{inner}, the columns of the first, of shape {a:?}");
            return Err(Error::shape(name, "rows of the second input", expected, format!("{} of shape {b:?}", b[b_stack.len()])));
        }
        let (rows, columns) = (&a[a_stack.len()..a.len() - 1], &b[b_stack.len() + 1..]);
        let batch = broadcast_shape(name, &[a_stack, b_stack])?;
        let output: Shape = batch.iter().chain(rows).chain(columns).copied().collect();
        let split = |shape: &[usize], axes: usize| -> (Vec<usize>, Vec<usize>) {
            let all = broadcast_strides(shape, shape.len());
            let (stack, matrix) = all.split_at(shape.len() - axes);
            (std::iter::repeat_n(0, batch.len() - stack.len()).chain(stack.iter().copied()).collect(), matrix.to_vec())
        };
        let ((a_strides, a_matrix), (b_strides, b_matrix)) = (split(a, a_axes), split(b, b_axes));
        let (y_strides, y_matrix) = split(&output, rows.len() + columns.len());
        let row = |has: bool, s: Option<&usize>| if has { s.copied().unwrap_or(0) } else { 0 };
        let sides = Sides {
            m: rows.first().copied().unwrap_or(1),
            k: inner,
            n: columns.first().copied().unwrap_or(1),
            stacks: [a_stack.to_vec(), b_stack.to_vec()],
            strides: [a_strides, b_strides, y_strides],
            steps: [
                [row(a_axes == 2, a_matrix.first()), a_matrix[a_axes - 1]],
                [b_matrix[0], row(b_axes == 2, b_matrix.last())],
                [row(!rows.is_empty(), y_matrix.first()), row(!columns.is_empty(), y_matrix.last())],
            ],
            batch,
        };
        Ok((sides, output))
    }

    fn of<T: Float>(f: &Frame<'_, T>) -> Self {
        Self::new(f.name, f.inputs[0].shape(), f.inputs[1].shape()).expect("the shapes were checked before").0
    }

    fn matrices(&self) -> usize {
        self.batch.iter().product()
    }

    fn macs(&self) -> usize {
        self.matrices() * self.m * self.k * self.n
    }

    /// Rows and columns of an operand, and its matrices.
    fn operand(&self, which: usize) -> (usize, usize, usize) {
        let (rows, columns) = if which == 0 { (self.m, self.k) } else { (self.k, self.n) };
        (rows, columns, self.stacks[which].iter().product())
    }

    fn items(&self, which: usize) -> usize {
        let (rows, _, matrices) = self.operand(which);
        matrices * rows.div_ceil(ROWS)
    }
}

/// Writes rows `first..` of a matrix whose elements may lie between those of others.
///
/// # Safety
/// No other item may write or read these elements meanwhile, and they must lie inside the tensor.
unsafe fn store<T: Float>(to: &Tensor<T>, at: usize, steps: Steps, first: usize, columns: usize, values: &[T]) {
    for (i, row) in values.chunks_exact(columns).enumerate() {
        for (j, v) in row.iter().enumerate() {
            let place = at + (first + i) * steps[0] + j * steps[1];
            debug_assert!(place < to.len());
            // SAFETY: the caller's promise.
            unsafe { to.as_ptr().add(place).write(*v) };
        }
    }
}

impl<T: Float> MatMul<T> {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`Error::Unknown`] for any parameter.
    pub fn new(config: &Config) -> Result<Self> {
        config.only(&[])?;
        Ok(MatMul { float: PhantomData })
    }
}

impl<T: Float> Cell<T> for MatMul<T> {
    fn kind(&self) -> &'static str {
        "MatMul"
    }

    fn inputs(&self) -> Inputs {
        Inputs::Any
    }

    fn output_shape(&self, name: &str, inputs: &[&[usize]]) -> Result<Shape> {
        let [a, b] = inputs else {
            return Err(Error::shape(name, "inputs", "two tensors", format!("{} tensors", inputs.len())));
        };
        Ok(Sides::new(name, a, b)?.1)
    }

    fn forward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        let sides = Sides::of(f);
        Ok(vec![Phase::compute(sides.matrices() * sides.m.div_ceil(ROWS), sides.macs())])
    }

    fn forward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let s = Sides::of(f);
        let blocks = s.m.div_ceil(ROWS);
        let (matrix, first) = (item / blocks, item % blocks * ROWS);
        let rows = ROWS.min(s.m - first);
        let [a, b] = [0, 1].map(|i| f.inputs[i].part(0, f.inputs[i].len()));
        let axes = (0..s.batch.len()).map(|i| (s.batch[i], [s.strides[0][i], s.strides[1][i], s.strides[2][i]]));
        Walk::new(axes).runs(matrix, 1, |_, [a_at, b_at, y_at], _, _| {
            let mut out = vec![T::zero(); rows * s.n];
            let (a, b) = (Matrix { data: a, at: a_at, steps: s.steps[0] }, Matrix { data: b, at: b_at, steps: s.steps[1] });
            product(a, b, first, rows, s.k, s.n, &mut out);
            // SAFETY: every item writes its own rows of its own matrix.
            unsafe { store(f.output, y_at, s.steps[2], first, s.n, &out) };
        });
    }

    fn backward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        let sides = Sides::of(f);
        let wanted = [0, 1].map(|i| if f.grad_inputs[i].is_some() { sides.items(i) } else { 0 });
        Ok(vec![Phase::compute(wanted[0] + wanted[1], 2 * sides.macs())])
    }

    fn backward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let s = Sides::of(f);
        let before = if f.grad_inputs[0].is_some() { s.items(0) } else { 0 };
        let (which, item) = if item < before { (0, item) } else { (1, item - before) };
        let Some(gx) = &f.grad_inputs[which] else { return };
        let (all_rows, columns, _) = s.operand(which);
        let blocks = all_rows.div_ceil(ROWS);
        let (matrix, first) = (item / blocks, item % blocks * ROWS);
        let rows = ROWS.min(all_rows - first);
        let [a, b] = [0, 1].map(|i| f.inputs[i].part(0, f.inputs[i].len()));
        let gy = f.gy().part(0, f.gy().len());
        let (mut sum, mut part) = (vec![T::zero(); rows * columns], vec![T::zero(); rows * columns]);
        let mut place = 0;
        let fold = Fold::new(&s.stacks[which], &s.batch, [&s.strides[0], &s.strides[1], &s.strides[2]]);
        fold.runs(matrix, 1, |_, _, at, step, n| {
            for i in 0..n {
                let [a_at, b_at, y_at] = std::array::from_fn(|k| at[k] + i * step[k]);
                let a = Matrix { data: a, at: a_at, steps: s.steps[0] };
                let b = Matrix { data: b, at: b_at, steps: s.steps[1] };
                let g = Matrix { data: gy, at: y_at, steps: s.steps[2] };
                if which == 0 {
                    place = a_at;
                    product(g, b.transposed(), first, rows, s.n, columns, &mut part);
                } else {
                    place = b_at;
                    product(a.transposed(), g, first, rows, s.m, columns, &mut part);
                }
                sum.iter_mut().zip(&part).for_each(|(s, p)| *s += *p);
            }
        });
        // SAFETY: every item writes its own rows of its own matrix.
        unsafe { store(gx, place, s.steps[which], first, columns, &sum) };
    }

    fn statistics(&self, inputs: &[&[usize]], output: &[usize]) -> Statistics {
        let inner = inputs[0].last().copied().unwrap_or(1);
        Statistics { params: 0, macs: (output.iter().product::<usize>() * inner) as u64 }
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::{Unit, Var};
    use crate::{Tensor, config};

    fn leaf(values: &[f64], shape: &[usize]) -> Var<f64> {
        Var::leaf(Tensor::from_vec(values.to_vec(), shape).unwrap(), true)
    }

    #[test]
    fn a_stack_by_one_matrix_by_hand() {
        let unit = Unit::new("m", "MatMul", &config! {}).unwrap();
        let (a, b) = (leaf(&[1.0, 2.0, 3.0, 4.0], &[2, 1, 2]), leaf(&[1.0, 0.0, 10.0, 100.0], &[2, 2]));
        let y = unit.call(&[a.clone(), b.clone()]).unwrap();
        assert_eq!((y.tensor().shape(), y.tensor().to_vec()), (&[2, 1, 2][..], vec![21.0, 200.0, 43.0, 400.0]));
        y.back_propagate(Some(Tensor::from_vec(vec![1.0, 0.0, 0.0, 1.0], &[2, 1, 2]).unwrap())).unwrap();
        assert_eq!(a.grad().unwrap().to_vec(), [1.0, 10.0, 0.0, 100.0]);
        assert_eq!(b.grad().unwrap().to_vec(), [1.0, 3.0, 2.0, 4.0]);
        assert_eq!(unit.statistics(&[&[2, 1, 2], &[2, 2]]).unwrap().macs, 8);
    }

    #[test]
    fn errors_say_what_would_fit() {
        let unit = Unit::new("m", "MatMul", &config! {}).unwrap();
        let text = "m: rows of the second input: expected 2, the columns of the first, of shape [1, 2], got 1 of shape [1, 2]";
        assert_eq!(unit.call(&[leaf(&[1.0, 2.0], &[1, 2]), leaf(&[1.0, 2.0], &[1, 2])]).err().unwrap().to_string(), text);
        assert_eq!(unit.call(&[leaf(&[1.0], &[1])]).err().unwrap().to_string(), "m: inputs: expected two tensors, got 1 tensors");
    }
}
