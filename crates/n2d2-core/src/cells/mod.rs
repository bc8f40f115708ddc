//! The cells: one file each, with configuration, shape rule, forward, backward, statistics and catalogue entry.
//!
//! A cell computes in *phases*. A phase is a number of independent *items* (images, bands of rows, tiles of a gradient):
//! the executor runs the items of a phase on any thread in any order and starts the next phase when all are done, unless
//! the [`Scope`]s of both say that it need not wait: then a thread takes some images through a whole chain of phases and
//! cells. Which item computes what depends on shapes only, so results never depend on the number of threads.

mod convolution;
mod epilogue;
mod factors;
mod frame;
mod param;
mod strided;
mod winners;
mod winograd;

pub use epilogue::{Affine, Epilogue, Fold, Leading};
pub(crate) use factors::Factors;
pub(crate) use frame::Parts;
pub use frame::{Frame, Inputs, Phase, Saved, Scope, SharedMut};
pub use param::{Param, ParamLayout};
pub(crate) use strided::MAX_RANK;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::tensor::{Float, Shape};
use std::borrow::Cow;

/// Parameters and arithmetic of a cell for one stimulus.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Trainable values.
    pub params: u64,
    /// Multiply-accumulate operations of a forward pass.
    pub macs: u64,
}

/// The computation of a layer.
pub trait Cell<T: Float>: Send + Sync {
    /// The class name: `Conv`, `Fc` ...
    fn kind(&self) -> &'static str;

    /// How the cell takes its inputs.
    fn inputs(&self) -> Inputs {
        Inputs::Joined
    }

    /// The output shape `[n, c, h, w]` for input shapes that went through [`Cell::inputs`].
    ///
    /// # Errors
    /// [`Error::Shape`] for inputs that do not fit.
    fn output_shape(&self, name: &str, inputs: &[&[usize]]) -> Result<Shape>;

    /// Number of values and of indices that forward keeps for backward.
    fn saved(&self, _inputs: &[&[usize]], _output: &[usize]) -> (usize, usize) {
        (0, 0)
    }

    /// True if the cell applies its activation itself in forward (in its epilogue).
    fn fuses_activation(&self) -> bool {
        false
    }

    /// What the cell does in test mode to each value of its input, for one that [takes](Cell::takes_epilogue) it over;
    /// `None` if it does more than that. Changes of its parameters are not seen afterwards.
    fn fold(&self) -> Option<Fold<T>> {
        None
    }

    /// True if forward reads no more of its inputs than there is, so that they may lie in the memory of somebody else.
    fn reads_within(&self) -> bool {
        false
    }

    /// True if the cell can do to its output what the cells behind it do, if they [fold](Cell::fold): see [`Frame::epilogue`].
    fn takes_epilogue(&self) -> bool {
        false
    }

    /// What the cell computes in test mode of an input of this shape, for one behind it that [takes](Cell::takes_leading) it over;
    /// `None` if none could. Changes of its parameters are not seen afterwards.
    fn leading(&self, _input: &[usize]) -> Option<Leading<T>> {
        None
    }

    /// True if the cell, for an input of this shape, computes better itself what the cell in front of it [leads](Cell::leading) with:
    /// see [`Epilogue::leading`].
    fn takes_leading(&self, _input: &[usize], _leading: &Leading<T>) -> bool {
        false
    }

    /// True if the gradient of its input is that of its output at the places that `saved.index` holds (in the memory of an
    /// image, `u32::MAX` for none), and zero elsewhere. Where nobody goes back, `saved.index` is empty, and forward writes none.
    fn chooses(&self) -> bool {
        false
    }

    /// True if, for these shapes, its backward pass is faster when the gradient arrives as that of a cell which
    /// [chooses](Cell::chooses) from its output: see [`Frame::winners`].
    fn takes_winners(&self, _inputs: &[&[usize]], _output: &[usize]) -> bool {
        false
    }

    /// True if the cell takes the gradient that arrives back through its activation itself. `f.activation` of a backward pass
    /// is then the activation, unless that [reads its input](crate::activation::ActivationFn::reads_input), and the cell leaves
    /// the result in `f.grad_output`, where users look for it.
    fn fuses_deactivation(&self) -> bool {
        false
    }

    /// Prepares a forward pass and cuts it into phases. The values of the inputs may not be there yet.
    ///
    /// # Errors
    /// [`Error::State`] or [`Error::Shape`] if the pass cannot run.
    fn forward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>>;

    /// Runs one item of a forward phase.
    fn forward(&self, phase: usize, item: usize, f: &Frame<'_, T>);

    /// Runs after the last item of a forward phase.
    fn forward_end(&mut self, _phase: usize, _f: &Frame<'_, T>) {}

    /// What computes the forward pass that was prepared last, in the words of the code that chose it: `direct 3x3 14x32
    /// avx512`, `winograd F(4x4,3x3) avx512` ...
    fn kernel(&self) -> Cow<'static, str> {
        "loops".into()
    }

    /// Prepares a backward pass and cuts it into phases. `f.grad_output` has gone back through the activation when the
    /// items run, unless [`Cell::fuses_deactivation`]; its values may not be there yet.
    ///
    /// # Errors
    /// [`Error::State`] if the pass cannot run.
    fn backward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>>;

    /// Runs one item of a backward phase. Gradients of inputs are overwritten; the executor adds branches.
    fn backward(&self, phase: usize, item: usize, f: &Frame<'_, T>);

    /// Runs after the last item of a backward phase.
    fn backward_end(&mut self, _phase: usize, _f: &Frame<'_, T>) {}

    /// Trainable parameters and statistics.
    fn params(&self) -> &[Param<T>] {
        &[]
    }

    /// The same, writable.
    fn params_mut(&mut self) -> &mut [Param<T>] {
        &mut []
    }

    /// Changes a parameter that may change after construction (`dropout`, `epsilon`, `no_bias` ...).
    ///
    /// # Errors
    /// [`Error::Unknown`] for any other name, and the errors of [`Config`].
    fn set(&mut self, config: &Config) -> Result<()> {
        config.only(&[])
    }

    /// Parameters and multiply-accumulates for one stimulus of these shapes.
    fn statistics(&self, _inputs: &[&[usize]], _output: &[usize]) -> Statistics {
        Statistics::default()
    }
}

macro_rules! catalogue {
    ($($kind:literal => $module:ident :: $cell:ident),* $(,)?) => {
        $(mod $module; pub use $module::$cell;)*

        /// The class names of all cells.
        pub const KINDS: &[&str] = &[$($kind),*];

        /// Makes a cell by its class name.
        ///
        /// # Errors
        /// [`Error::Unknown`] for another class or parameter, [`Error::Value`] and [`Error::Type`] for bad parameters.
        pub fn create<T: Float>(kind: &str, config: &Config) -> Result<Box<dyn Cell<T>>> {
            match kind {
                $($kind => Ok(Box::new($cell::<T>::new(config)?)),)*
                _ => Err(Error::unknown("n2d2", kind, "a cell", KINDS)),
            }
        }
    };
}

catalogue! {
    "Conv" => conv::Conv,
    "Deconv" => deconv::Deconv,
    "Fc" => fc::Fc,
    "Pool" => pool::Pool,
    "Activation" => activation::Activation,
    "Softmax" => softmax::Softmax,
    "Dropout" => dropout::Dropout,
    "BatchNorm2d" => batch_norm::BatchNorm2d,
    "ElemWise" => elem_wise::ElemWise,
    "Reshape" => reshape::Reshape,
    "Padding" => padding::Padding,
    "Resize" => resize::Resize,
    "Transpose" => transpose::Transpose,
    "Scaling" => scaling::Scaling,
    "Transformation" => transformation::Transformation,
    "LRN" => lrn::Lrn,
    "Function" => function::Function,
    "Arithmetic" => arithmetic::Arithmetic,
    "MatMul" => mat_mul::MatMul,
    "Reduce" => reduce::Reduce,
    "Rearrange" => rearrange::Rearrange,
}

#[cfg(test)]
mod gradient_check;
#[cfg(test)]
mod property_test;
