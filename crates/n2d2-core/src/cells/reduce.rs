//! `Reduce`: one number for all values along some axes.
//!
//! | `operation` | output | gradient of a value, times `gy` |
//! |---|---|---|
//! | `Sum` | `sum x` | 1 |
//! | `Mean` | `sum x / count` | `1 / count` |
//! | `Max`, `Min` | the largest, the least | 1 for the first winner in memory, else 0 |
//! | `Prod` | `prod x` | product of the others |
//! | `L1` | `sum abs(x)` | `sign(x)` |
//! | `L2` | `y = sqrt(sum x^2)` | `x / y`, 0 where `y` is 0 |
//! | `LogSum` | `log(s)`, `s = sum x` | `1 / s` |
//! | `LogSumExp` | `y = log(sum e^x)`, without overflow | `e^(x - y)` |
//! | `SumSquare` | `sum x^2` | `2 x` |
//!
//! Sums are taken in double precision, in an order that follows from the shapes.
//!
//! Shapes: one input of up to six axes to the same with the `axes` of size 1, or without them where `keepdims` is false.
//! Source: the ONNX operators of the same names.

use super::strided::{Fold, Walk, broadcast_strides, memory_order, only_one};
use super::{Cell, Frame, Inputs, MAX_RANK, Phase};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::tensor::{Float, Shape};
use std::marker::PhantomData;

/// Elements of an item of the backward pass.
const ITEM: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Sum,
    Mean,
    Max,
    Min,
    Prod,
    L1,
    L2,
    LogSum,
    LogSumExp,
    SumSquare,
}

const NAMES: &[(&str, Operation)] = &[
    ("Mean", Operation::Mean),
    ("Sum", Operation::Sum),
    ("Max", Operation::Max),
    ("Min", Operation::Min),
    ("Prod", Operation::Prod),
    ("L1", Operation::L1),
    ("L2", Operation::L2),
    ("LogSum", Operation::LogSum),
    ("LogSumExp", Operation::LogSumExp),
    ("SumSquare", Operation::SumSquare),
];

/// Reduction along axes.
///
/// Parameters: `operation` (default `Mean`), `axes` (integers, negative ones count back; default all), `keepdims` (default
/// true).
pub struct Reduce<T: Float> {
    operation: Operation,
    axes: Option<Vec<i64>>,
    keepdims: bool,
    float: PhantomData<T>,
}

impl<T: Float> Reduce<T> {
    /// Reads the parameters.
    ///
    /// # Errors
    /// The errors of [`Config`]; [`Error::Value`] for an axis that no tensor has, or that is named twice.
    pub fn new(config: &Config) -> Result<Self> {
        config.only(&["operation", "axes", "keepdims"])?;
        let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
        let name = config.one_of("operation", &names, "Mean")?;
        let operation = NAMES.iter().find(|(n, _)| *n == name).expect("a word of the table").1;
        let axes = if config.get("axes").is_some() { Some(config.ints_or("axes", &[])?) } else { None };
        if let Some(list) = &axes {
            let rank = MAX_RANK as i64;
            let twice = list.iter().enumerate().any(|(i, a)| list[..i].contains(a));
            if twice || list.iter().any(|a| *a < -rank || *a >= rank) {
                return Err(config.error("axes", format!("{list:?}"), format!("different integers from -{rank} to {}", rank - 1)));
            }
        }
        Ok(Reduce { operation, axes, keepdims: config.bool_or("keepdims", true)?, float: PhantomData })
    }

    /// The input shape with size 1 where it is reduced, and which axes are.
    fn kept(&self, name: &str, shape: &[usize]) -> Result<(Shape, Vec<bool>)> {
        let rank = shape.len() as i64;
        let mut reduced = vec![self.axes.is_none(); shape.len()];
        for axis in self.axes.iter().flatten() {
            let at = if *axis < 0 { axis + rank } else { *axis };
            match usize::try_from(at).ok().and_then(|at| reduced.get_mut(at)) {
                Some(r) => *r = true,
                None => return Err(Error::shape(name, "`axes`", format!("axes of an input {shape:?}"), axis)),
            }
        }
        Ok((shape.iter().zip(&reduced).map(|(n, r)| if *r { 1 } else { *n }).collect(), reduced))
    }

    /// Offsets of the output seen along the axes of the input.
    fn output_strides(&self, f: &Frame<'_, T>) -> Vec<usize> {
        let shape = f.inputs[0].shape();
        let (kept, reduced) = self.kept(f.name, shape).expect("the forward pass has the same shape");
        if self.keepdims {
            return broadcast_strides(&kept, shape.len());
        }
        let mut own = broadcast_strides(f.output.shape(), f.output.shape().len()).into_iter();
        reduced.iter().map(|r| if *r { 0 } else { own.next().expect("an axis of the output") }).collect()
    }

    /// The output in the order of its memory, each element with its inputs.
    fn fold(&self, f: &Frame<'_, T>) -> Fold<1> {
        let shape = f.inputs[0].shape();
        let (_, reduced) = self.kept(f.name, shape).expect("the forward pass has the same shape");
        let strides = broadcast_strides(shape, shape.len());
        if self.keepdims {
            return Fold::new(f.output.shape(), shape, [&strides]);
        }
        let left: Vec<usize> = (0..shape.len()).filter(|i| !reduced[*i]).collect();
        let kept = memory_order(left.len()).into_iter().map(|i| (shape[left[i]], [strides[left[i]]]));
        let over = memory_order(shape.len()).into_iter().filter(|i| reduced[*i]).map(|i| (shape[i], [strides[i]]));
        Fold::of(Walk::new(kept), Walk::new(over))
    }

    /// Folds what belongs to the elements `start..` of the output into `sums`.
    fn each(fold: &Fold<1>, start: usize, x: &[T], sums: &mut [f64], f: impl Fn(usize, f64, f64) -> f64) {
        let len = sums.len();
        fold.runs(start, len, |to, to_step, [at], [step], n| {
            for i in 0..n {
                let place = to + i * to_step;
                sums[place] = f(place, sums[place], x[at + i * step].as_f64());
            }
        });
    }

    /// The place in memory of the winner of each output.
    fn winners(fold: &Fold<1>, start: usize, x: &[T], winner: &mut [u32], better: impl Fn(T, T) -> bool) {
        winner.fill(u32::MAX);
        let len = winner.len();
        fold.runs(start, len, |to, to_step, [at], [step], n| {
            for i in 0..n {
                let (w, at) = (&mut winner[to + i * to_step], at + i * step);
                if *w == u32::MAX || better(x[at], x[*w as usize]) {
                    *w = at as u32;
                }
            }
        });
    }
}

impl<T: Float> Cell<T> for Reduce<T> {
    fn kind(&self) -> &'static str {
        "Reduce"
    }

    fn inputs(&self) -> Inputs {
        Inputs::Any
    }

    fn output_shape(&self, name: &str, inputs: &[&[usize]]) -> Result<Shape> {
        let shape = only_one(name, inputs)?;
        let (kept, reduced) = self.kept(name, &shape)?;
        if self.keepdims {
            return Ok(kept);
        }
        Ok(kept.into_iter().zip(reduced).filter(|(_, r)| !r).map(|(n, _)| n).collect())
    }

    fn saved(&self, _: &[&[usize]], output: &[usize]) -> (usize, usize) {
        let len = output.iter().product();
        match self.operation {
            Operation::Max | Operation::Min => (0, len),
            // The output before the activation; for a product, that of the values that are not 0.
            Operation::L2 | Operation::LogSum | Operation::LogSumExp => (len, 0),
            // The number of zeros beside it.
            Operation::Prod => (len, len),
            _ => (0, 0),
        }
    }

    fn forward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        Ok(vec![Phase::streaming(self.fold(f).items().1, 4 * f.inputs[0].len())])
    }

    fn forward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let fold = self.fold(f);
        let (size, _) = fold.items();
        let (start, len) = (item * size, size.min(f.output.len() - item * size));
        let x = f.inputs[0].part(0, f.inputs[0].len());
        // SAFETY: items are disjoint.
        let y = unsafe { f.output.part_mut(start, len) };
        let mut sums = vec![0.0; len];
        let count = fold.depth() as f64;
        match self.operation {
            Operation::Sum | Operation::Mean | Operation::LogSum => Self::each(&fold, start, x, &mut sums, |_, s, x| s + x),
            Operation::L1 => Self::each(&fold, start, x, &mut sums, |_, s, x| s + x.abs()),
            Operation::L2 | Operation::SumSquare => Self::each(&fold, start, x, &mut sums, |_, s, x| s + x * x),
            Operation::Prod => {
                let mut zeros = sums.clone();
                sums.fill(1.0);
                Self::each(&fold, start, x, &mut zeros, |_, n, x| if x == 0.0 { n + 1.0 } else { n });
                Self::each(&fold, start, x, &mut sums, |_, p, x| if x == 0.0 { p } else { p * x });
                // SAFETY: items are disjoint.
                let (rest, index) = unsafe { (f.saved.values.part_mut(start, len), f.saved.index.part_mut(start, len)) };
                for i in 0..len {
                    (rest[i], index[i]) = (T::of(sums[i]), zeros[i] as u32);
                    sums[i] = if zeros[i] > 0.0 { 0.0 } else { sums[i] };
                }
            }
            Operation::LogSumExp => {
                let mut largest = vec![f64::NEG_INFINITY; len];
                Self::each(&fold, start, x, &mut largest, |_, m, x| m.max(x));
                // A largest value that is infinite is the result.
                let base: Vec<f64> = largest.iter().map(|m| if m.is_finite() { *m } else { 0.0 }).collect();
                Self::each(&fold, start, x, &mut sums, |place, s, x| s + (x - base[place]).exp());
                sums.iter_mut().zip(base).for_each(|(s, m)| *s = s.ln() + m);
            }
            Operation::Max | Operation::Min => {
                // SAFETY: items are disjoint.
                let winner = unsafe { f.saved.index.part_mut(start, len) };
                if self.operation == Operation::Max {
                    Self::winners(&fold, start, x, winner, |a, b| a > b || (a.is_nan() && !b.is_nan()));
                } else {
                    Self::winners(&fold, start, x, winner, |a, b| a < b || (a.is_nan() && !b.is_nan()));
                }
                y.iter_mut().zip(winner).for_each(|(y, w)| *y = x[*w as usize]);
                return;
            }
        }
        for (y, s) in y.iter_mut().zip(&sums) {
            *y = T::of(match self.operation {
                Operation::Mean => s / count,
                Operation::L2 => s.sqrt(),
                Operation::LogSum => s.ln(),
                _ => *s,
            });
        }
        if matches!(self.operation, Operation::L2 | Operation::LogSum | Operation::LogSumExp) {
            // SAFETY: items are disjoint.
            unsafe { f.saved.values.part_mut(start, len) }.copy_from_slice(y);
        }
    }

    fn backward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        let len = f.grad_inputs[0].as_ref().map_or(0, crate::Tensor::len);
        Ok(vec![Phase::streaming(len.div_ceil(ITEM), 6 * len)])
    }

    fn backward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let Some(gx) = &f.grad_inputs[0] else { return };
        let (start, len) = (item * ITEM, ITEM.min(gx.len() - item * ITEM));
        let shape = gx.shape();
        let strides = self.output_strides(f);
        let walk = Walk::new(memory_order(shape.len()).into_iter().map(|i| (shape[i], [strides[i]])));
        let (x, gy) = (f.inputs[0].part(start, len), f.gy().part(0, f.gy().len()));
        // SAFETY: items are disjoint.
        let gx = unsafe { gx.part_mut(start, len) };
        let (kept, index) = (f.saved.values.part(0, f.saved.values.len()), f.saved.index.part(0, f.saved.index.len()));
        let count = T::of((f.inputs[0].len() / f.output.len()) as f64);
        let (zero, one) = (T::zero(), T::one());
        let mut set = |slope: &dyn Fn(usize, usize) -> T| {
            walk.runs(start, len, |place, [at], [step], n| {
                for i in 0..n {
                    gx[place + i] = slope(place + i, at + i * step) * gy[at + i * step];
                }
            });
        };
        match self.operation {
            Operation::Sum => set(&|_, _| one),
            Operation::Mean => set(&|_, _| count.recip()),
            Operation::Max | Operation::Min => set(&|i, o| if index[o] as usize == start + i { one } else { zero }),
            Operation::Prod => set(&|i, o| match index[o] {
                0 => kept[o] / x[i],
                1 if x[i] == zero => kept[o],
                _ => zero,
            }),
            Operation::L1 => set(&|i, _| if x[i] == zero { zero } else { x[i].signum() }),
            Operation::L2 => set(&|i, o| if kept[o] == zero { zero } else { x[i] / kept[o] }),
            Operation::LogSum => set(&|_, o| (-kept[o]).exp()),
            Operation::LogSumExp => set(&|i, o| (x[i] - kept[o]).exp()),
            Operation::SumSquare => set(&|i, _| x[i] + x[i]),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::{Unit, Var};
    use crate::{Config, Tensor, config};

    fn run(config: &Config, x: &[f64], shape: &[usize]) -> (Vec<usize>, Vec<f64>, Vec<f64>) {
        let unit = Unit::new("r", "Reduce", config).unwrap();
        let x = Var::leaf(Tensor::from_vec(x.to_vec(), shape).unwrap(), true);
        let y = unit.call(std::slice::from_ref(&x)).unwrap();
        y.back_propagate(None).unwrap();
        (y.tensor().shape().to_vec(), y.tensor().to_vec(), x.grad().unwrap().to_vec())
    }

    #[test]
    fn rows_and_columns_by_hand() {
        let x = [1.0, 2.0, 3.0, 0.0, 5.0, -6.0];
        let of = |operation: &str, axis: i64| config! { "operation" => operation, "axes" => vec![axis], "keepdims" => false };
        assert_eq!(run(&of("Sum", 0), &x, &[2, 3]), (vec![3], vec![1.0, 7.0, -3.0], vec![1.0; 6]));
        assert_eq!(run(&of("Max", -1), &x, &[2, 3]), (vec![2], vec![3.0, 5.0], vec![0.0, 0.0, 1.0, 0.0, 1.0, 0.0]));
        assert_eq!(run(&of("Prod", 1), &x, &[2, 3]), (vec![2], vec![6.0, 0.0], vec![6.0, 3.0, 2.0, -30.0, 0.0, 0.0]));
        assert_eq!(run(&config! { "operation" => "L1" }, &x, &[2, 3]).1, [17.0]);
        assert_eq!(run(&config! { "operation" => "LogSumExp" }, &[1000.0, 1000.0], &[2]).1, [1000.0 + 2f64.ln()]);
    }

    #[test]
    fn errors_say_what_would_fit() {
        let error = |config: &Config| Unit::<f32>::new("r", "Reduce", config).err().unwrap().to_string();
        let text = "r: parameter `axes` is [1, 1], expected different integers from -6 to 5";
        assert_eq!(error(&config! { "axes" => vec![1i64, 1] }), text);
        let unit = Unit::<f32>::new("r", "Reduce", &config! { "axes" => vec![3i64] }).unwrap();
        assert_eq!(unit.output_shape(&[&[2, 3]]).unwrap_err().to_string(), "r: `axes`: expected axes of an input [2, 3], got 3");
    }
}
