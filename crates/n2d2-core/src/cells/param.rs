//! Trainable parameters and statistics of a cell: values, gradient, solver state, and where each value lies.

use super::Factors;
use crate::error::{Error, Result};
use crate::filler::FillerFn;
use crate::random::Mt19937;
use crate::solver::{Solver, State};
use crate::tensor::{Float, Shape, Tensor};

/// Where the logical value `[o, i1, i2, ...]` lies in the memory of a parameter.
///
/// Outputs are cut in groups of `per_group`, groups in blocks of `block` neighbours (the vector width of the kernels), so
/// that the forward kernel reads the parameter as it is.
#[derive(Debug, Clone)]
pub struct ParamLayout {
    /// Outputs of a group.
    pub per_group: usize,
    /// Elements from a group to the next.
    pub group_stride: usize,
    /// Outputs that lie side by side.
    pub block: usize,
    /// Elements from a block to the next.
    pub block_stride: usize,
    /// Elements from an index to the next, of all dimensions but the first.
    pub strides: Vec<usize>,
    /// The second index counts `inner` neighbours (pixels of a channel) `inner_stride` apart before it takes a stride.
    pub inner: usize,
    /// See `inner`.
    pub inner_stride: usize,
    /// Elements in all, padding included.
    pub len: usize,
}

impl ParamLayout {
    /// Row-major, without padding.
    pub fn row_major(dims: &[usize]) -> Self {
        let len: usize = dims.iter().product();
        let mut strides = vec![1; dims.len().max(1) - 1];
        for i in (1..strides.len()).rev() {
            strides[i - 1] = strides[i] * dims[i + 1];
        }
        let first = dims.first().copied().unwrap_or(1).max(1);
        ParamLayout { per_group: first, group_stride: len, block: 1, block_stride: len / first, strides, inner: 1, inner_stride: 0, len }
    }

    /// The offset of a logical index.
    pub fn at(&self, index: &[usize]) -> usize {
        let (g, o) = (index[0] / self.per_group, index[0] % self.per_group);
        let head = g * self.group_stride + o / self.block * self.block_stride + o % self.block;
        let Some((second, rest)) = index[1..].split_first() else { return head };
        let second = second / self.inner * self.strides[0] + second % self.inner * self.inner_stride;
        head + second + rest.iter().zip(&self.strides[1..]).map(|(i, s)| i * s).sum::<usize>()
    }
}

/// One parameter tensor of a cell.
pub struct Param<T: Float> {
    /// Its name: `weights`, `bias`, `scales`, `means` ...
    pub name: &'static str,
    /// Logical sizes, outputs first.
    pub dims: Shape,
    /// Where each value lies.
    pub layout: ParamLayout,
    /// The values, `layout.len` of them; padding is zero.
    pub value: Tensor<T>,
    /// The gradient (minus the derivative of the loss, summed over the batch), laid out as the values.
    pub grad: Tensor<T>,
    /// The gradient as its factors, while it is not in `grad`: see [`Param::settle`].
    pub(crate) factors: Option<Factors<T>>,
    /// True once a backward pass has written the gradient since the last update.
    pub grad_filled: bool,
    /// Grows with every change of the values, so that packed copies know when they are stale.
    pub version: u64,
    /// The solver that updates the values; `None` for statistics.
    pub solver: Option<Solver>,
    /// The solver's state for this very tensor.
    pub state: State<T>,
    /// Connections that exist, `[o, i1]` row-major; the values of the others stay zero.
    pub mask: Option<Vec<bool>>,
    /// Number of input tensors, each of which is filled on its own (they share dimension 1 equally).
    pub fill_blocks: usize,
    /// Filled with the outputs of the first input first, instead of the inputs of the first output; fans stay the same.
    pub inputs_first: bool,
    /// Groups of outputs that see inputs of their own; each is filled with its own fan-in and fan-out.
    pub groups: usize,
}

impl<T: Float> Param<T> {
    /// A parameter of zeros.
    pub fn new(name: &'static str, dims: &[usize], layout: ParamLayout) -> Self {
        let (value, grad) = (Tensor::zeros(&[layout.len]), Tensor::zeros(&[layout.len]));
        let dims = dims.to_vec();
        Param {
            name,
            dims,
            layout,
            value,
            grad,
            factors: None,
            grad_filled: false,
            version: 1,
            solver: None,
            state: State::default(),
            mask: None,
            fill_blocks: 1,
            inputs_first: false,
            groups: 1,
        }
    }

    /// A parameter that a solver updates.
    pub fn trainable(name: &'static str, dims: &[usize], layout: ParamLayout) -> Self {
        Param { solver: Some(Solver::default()), ..Self::new(name, dims, layout) }
    }

    /// Number of logical values.
    pub fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// True without values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn for_each_index(&self, mut f: impl FnMut(usize, &[usize])) {
        let mut index = vec![0; self.dims.len()];
        for i in 0..self.len() {
            f(i, &index);
            for d in (0..index.len()).rev() {
                index[d] += 1;
                if index[d] < self.dims[d] {
                    break;
                }
                index[d] = 0;
            }
        }
    }

    fn gather(&self, t: &Tensor<T>) -> Vec<T> {
        let mut out = vec![T::zero(); self.len()];
        // SAFETY: the layout maps every logical index into the tensor's one run of `layout.len` elements.
        self.for_each_index(|i, index| out[i] = unsafe { *t.as_ptr().add(self.layout.at(index)) });
        out
    }

    /// Computes the gradient from its factors, where these are kept. Whoever reads `grad` calls this first.
    pub fn settle(&mut self) {
        if let Some(factors) = self.factors.take() {
            // SAFETY: the engine is the only user while it holds the cell.
            factors.part(0, unsafe { self.grad.part_mut(0, self.layout.len) });
        }
    }

    /// The values in logical order.
    pub fn to_vec(&self) -> Vec<T> {
        self.gather(&self.value)
    }

    /// The gradient in logical order.
    pub fn grad_to_vec(&self) -> Vec<T> {
        self.gather(&self.grad)
    }

    /// Sets all values, given in logical order. Values of connections that do not exist become zero.
    ///
    /// # Errors
    /// [`Error::Shape`] if the count differs.
    pub fn assign(&mut self, values: &[T]) -> Result<()> {
        if values.len() != self.len() {
            return Err(Error::shape(self.name, "number of values", format!("{} for {:?}", self.len(), self.dims), values.len()));
        }
        let p = self.value.as_ptr();
        let per_channel: usize = self.dims.iter().skip(2).product();
        self.for_each_index(|i, index| {
            let connected = self.mask.as_ref().is_none_or(|m| m[i / per_channel]);
            // SAFETY: as in `gather`; the engine is the only writer while it holds the cell.
            unsafe { *p.add(self.layout.at(index)) = if connected { values[i] } else { T::zero() } };
        });
        self.version += 1;
        Ok(())
    }

    /// Moves values, gradient and solver state to another layout.
    pub fn relayout(&mut self, layout: ParamLayout) {
        self.settle();
        let moved = |from: &Tensor<T>| {
            let mut to = vec![T::zero(); layout.len];
            let from = from.part(0, self.layout.len);
            self.for_each_index(|_, index| to[layout.at(index)] = from[self.layout.at(index)]);
            Tensor::from_vec(to, &[layout.len]).expect("as many values as the layout holds")
        };
        let vectors = self.state.vectors.each_ref().map(|v| if v.is_empty() { v.clone() } else { moved(v) });
        (self.value, self.grad) = (moved(&self.value), moved(&self.grad));
        self.state.vectors = vectors;
        self.layout = layout;
        self.version += 1;
    }

    /// Values of `[o, c, ...]` in logical order.
    fn drawn(&self, dims: &[usize], filler: &FillerFn, random: &mut Mt19937) -> Vec<T> {
        let values = filler.fill(dims, random);
        if !self.inputs_first {
            return values;
        }
        let [outputs, inputs] = [dims[0], dims[1]];
        let run: usize = dims[2..].iter().product();
        let from = |i: usize| (i / run % inputs * outputs + i / run / inputs) * run + i % run;
        (0..values.len()).map(|i| values[from(i)]).collect()
    }

    /// Draws new values, input tensor by input tensor.
    pub fn fill(&mut self, filler: &FillerFn, random: &mut Mt19937) {
        let blocks = self.fill_blocks;
        if blocks == 1 {
            let mut dims = self.dims.clone();
            dims[0] /= self.groups;
            let values: Vec<T> = (0..self.groups).flat_map(|_| self.drawn(&dims, filler, random)).collect();
            self.assign(&values).expect("a filler gives as many values as it is asked for");
            return;
        }
        let mut dims = self.dims.clone();
        dims[1] /= blocks;
        let (run, row) = (dims[1..].iter().product::<usize>(), self.dims[1..].iter().product::<usize>());
        let mut all = vec![T::zero(); self.len()];
        for k in 0..blocks {
            for (o, values) in self.drawn(&dims, filler, random).chunks_exact(run).enumerate() {
                all[o * row + k * run..][..run].copy_from_slice(values);
            }
        }
        self.assign(&all).expect("the blocks add up to the parameter");
    }

    /// A view of the values under the index prefix `[o]` or `[o, c]`, sharing memory.
    ///
    /// # Errors
    /// [`Error::Value`] if the prefix is outside the sizes.
    pub fn view(&self, prefix: &[usize]) -> Result<Tensor<T>> {
        if prefix.is_empty() || prefix.len() > self.dims.len() || prefix.iter().zip(&self.dims).any(|(i, n)| i >= n) {
            return Err(Error::value(self.name, "index", format!("{prefix:?}"), format!("indices below {:?}", self.dims)));
        }
        let mut index = prefix.to_vec();
        index.resize(self.dims.len(), 0);
        let (shape, strides) = (&self.dims[prefix.len()..], &self.layout.strides[prefix.len() - 1..]);
        let strides: Vec<isize> = strides.iter().map(|s| *s as isize).collect();
        Tensor::from_buffer(self.value.buffer().clone(), self.layout.at(&index), shape, &strides)
    }

    /// Sets the values of missing connections in `t` (the values or the gradient) to zero.
    pub(crate) fn clear_unconnected(&self, t: &Tensor<T>) {
        let Some(mask) = &self.mask else { return };
        let per_channel: usize = self.dims.iter().skip(2).product();
        self.for_each_index(|i, index| {
            if !mask[i / per_channel] {
                // SAFETY: the caller holds the cell and no item runs.
                unsafe { t.part_mut(self.layout.at(index), 1) }.fill(T::zero());
            }
        });
    }

    /// Marks the values as changed from outside (through a view).
    pub fn touch(&mut self) {
        self.version += 1;
    }

    /// Before a learning forward pass: drops an old gradient unless the solver is accumulating.
    pub fn start_iteration(&mut self) {
        if self.state.is_new_iteration() {
            self.grad_filled = false;
        }
    }
}
