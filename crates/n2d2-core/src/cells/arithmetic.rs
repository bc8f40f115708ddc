//! `Arithmetic`: combines tensors of any rank element by element; their shapes broadcast as in NumPy.
//!
//! | `operation` | inputs | output | gradient of the inputs, times `gy` |
//! |---|---|---|---|
//! | `Add`, `Sum` | two, any number | `sum_k x_k` | 1 |
//! | `Mean` | any number | `sum_k x_k / K` | `1 / K` |
//! | `Min`, `Max` | any number | the least, the largest | 1 for the first winner, else 0 |
//! | `Sub` | two | `a - b` | 1, -1 |
//! | `Mul` | two | `a b` | `b`, `a` |
//! | `Div` | two | `a / b` | `1 / b`, `-a / b^2` |
//! | `Pow` | two | `a^b` | `b a^(b - 1)`, `a^b log a` (0 where `a <= 0`) |
//! | `Mod` | two | `a - b floor(a / b)`, of the sign of `b` | 1, `-floor(a / b)` |
//! | `Fmod` | two | `a - b trunc(a / b)`, of the sign of `a` | 1, `-trunc(a / b)` |
//! | `PRelu` | two | `a` above 0, else `a b` | 1 or `b`, 0 or `a` |
//!
//! A `constant` takes the place of one input: the last, or the first with `constant_first`. It is not trained. The gradient of
//! an input is summed over the axes along which it was repeated.
//!
//! Shapes: any of up to six axes that broadcast. Source: the ONNX operators of the same names.

use super::strided::{Fold, Walk, broadcast_shape, broadcast_strides, memory_order};
use super::{Cell, Frame, Inputs, MAX_RANK, Phase};
use crate::config::{Config, values_of};
use crate::error::{Error, Result};
use crate::tensor::{Float, Shape, Tensor};

/// Elements of an item, so that an output and an input part lie in the first cache together.
const ITEM: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Add,
    Sum,
    Mean,
    Min,
    Max,
    Sub,
    Mul,
    Div,
    Pow,
    Mod,
    Fmod,
    PRelu,
}

const NAMES: &[(&str, Operation)] = &[
    ("Add", Operation::Add),
    ("Sub", Operation::Sub),
    ("Mul", Operation::Mul),
    ("Div", Operation::Div),
    ("Pow", Operation::Pow),
    ("Min", Operation::Min),
    ("Max", Operation::Max),
    ("Sum", Operation::Sum),
    ("Mean", Operation::Mean),
    ("Mod", Operation::Mod),
    ("Fmod", Operation::Fmod),
    ("PRelu", Operation::PRelu),
];

impl Operation {
    fn takes_any_number(self) -> bool {
        matches!(self, Operation::Min | Operation::Max | Operation::Sum | Operation::Mean)
    }

    fn has_winner(self) -> bool {
        matches!(self, Operation::Min | Operation::Max)
    }
}

/// Arithmetic of tensors.
///
/// Parameters: `operation` (default `Add`), `constant` (values of an operand in row-major order), `constant_shape` (its
/// sizes), `constant_first` (default false).
pub struct Arithmetic<T: Float> {
    operation: Operation,
    constant: Option<Tensor<T>>,
    constant_first: bool,
}

impl<T: Float> Arithmetic<T> {
    /// Reads the parameters.
    ///
    /// # Errors
    /// The errors of [`Config`]; [`Error::Value`] for a constant whose values and shape do not fit each other.
    pub fn new(config: &Config) -> Result<Self> {
        config.only(&["operation", "constant", "constant_shape", "constant_first"])?;
        let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
        let name = config.one_of("operation", &names, "Add")?;
        let operation = NAMES.iter().find(|(n, _)| *n == name).expect("a word of the table").1;
        let constant = if config.get("constant").is_some() { Some(Self::constant(config)?) } else { None };
        let constant_first = config.bool_or("constant_first", false)?;
        if constant.is_none() && (constant_first || config.get("constant_shape").is_some()) {
            return Err(config.error("constant", "missing", "values for `constant_shape` and `constant_first`"));
        }
        Ok(Arithmetic { operation, constant, constant_first })
    }

    fn constant(config: &Config) -> Result<Tensor<T>> {
        let values: Vec<T> = config.floats_or("constant", &[])?.into_iter().map(T::of).collect();
        let sizes = config.ints_or("constant_shape", &[])?;
        let shape: Vec<usize> = sizes.iter().filter_map(|d| usize::try_from(*d).ok()).collect();
        if shape.len() != sizes.len() || shape.len() > MAX_RANK || values_of(&shape) != Some(values.len()) || values.is_empty() {
            let expected = format!("at most {MAX_RANK} sizes of at least 1 whose product is {}, the number of values", values.len());
            return Err(config.error("constant_shape", format!("{sizes:?}"), expected));
        }
        Ok(Tensor::from_vec(values, &shape)?.to_channels_last())
    }

    /// The operands in order: inputs and constant.
    fn operands<'a>(&'a self, inputs: &'a [Tensor<T>]) -> Vec<&'a Tensor<T>> {
        let first = self.constant.iter().filter(|_| self.constant_first);
        let last = self.constant.iter().filter(|_| !self.constant_first);
        first.chain(inputs).chain(last).collect()
    }

    /// Number of the first input among the operands.
    fn first_input(&self) -> usize {
        usize::from(self.constant.is_some() && self.constant_first)
    }

    fn fold(&self, k: usize, f: &Frame<'_, T>) -> Fold<3> {
        let rank = f.output.shape().len();
        let operands = self.operands(f.inputs);
        let strides = |i: usize| broadcast_strides(operands[i].shape(), rank);
        let (a, b) = (strides(0), if operands.len() > 1 { strides(1) } else { vec![0; rank] });
        Fold::new(f.inputs[k].shape(), f.output.shape(), [&a, &b, &broadcast_strides(f.output.shape(), rank)])
    }

    /// Which input and which part of it an item of the backward pass computes.
    fn target(&self, mut item: usize, f: &Frame<'_, T>) -> Option<(usize, usize)> {
        for (k, gx) in f.grad_inputs.iter().enumerate().filter(|(_, g)| g.is_some()) {
            let items = gx.as_ref().map_or(0, |_| self.fold(k, f).items().1);
            if item < items {
                return Some((k, item));
            }
            item -= items;
        }
        None
    }
}

/// `y = x` or `y = f(y, x)` over the part of the output from `start` on.
fn combine<T: Float>(walk: &Walk<2>, start: usize, x: &[T], y: &mut [T], f: impl Fn(T, T) -> T) {
    walk.runs(start, y.len(), |place, [_, at], [_, step], n| {
        let y = &mut y[place..place + n];
        match step {
            0 => y.iter_mut().for_each(|y| *y = f(*y, x[at])),
            1 => y.iter_mut().zip(&x[at..at + n]).for_each(|(y, x)| *y = f(*y, *x)),
            _ => y.iter_mut().zip(x[at..].iter().step_by(step)).for_each(|(y, x)| *y = f(*y, *x)),
        }
    });
}

/// The same, noting which operand is the best.
fn select<T: Float>(walk: &Walk<2>, start: usize, k: u32, x: &[T], y: &mut [T], winner: &mut [u32], better: impl Fn(T, T) -> bool) {
    walk.runs(start, y.len(), |place, [_, at], [_, step], n| {
        for i in 0..n {
            let x = x[at + i * step];
            if k == 0 || better(x, y[place + i]) || x.is_nan() {
                (y[place + i], winner[place + i]) = (x, k);
            }
        }
    });
}

/// Python's remainder, of the sign of the divisor.
fn modulo<T: Float>(a: T, b: T) -> T {
    let r = a % b;
    if r != T::zero() && (r < T::zero()) != (b < T::zero()) { r + b } else { r }
}

impl<T: Float> Cell<T> for Arithmetic<T> {
    fn kind(&self) -> &'static str {
        "Arithmetic"
    }

    fn inputs(&self) -> Inputs {
        Inputs::Any
    }

    fn output_shape(&self, name: &str, inputs: &[&[usize]]) -> Result<Shape> {
        let constant = self.constant.as_ref().map(Tensor::shape);
        let shapes: Vec<&[usize]> = inputs.iter().copied().chain(constant).collect();
        if !self.operation.takes_any_number() && shapes.len() != 2 {
            let expected = if constant.is_some() { "one input and the constant" } else { "two inputs, or one and a `constant`" };
            return Err(Error::shape(name, "operands", expected, format!("{} inputs", inputs.len())));
        }
        broadcast_shape(name, &shapes)
    }

    fn saved(&self, _: &[&[usize]], output: &[usize]) -> (usize, usize) {
        (0, if self.operation.has_winner() { output.iter().product() } else { 0 })
    }

    fn forward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        let touched = f.output.len() * (f.inputs.len() + 2);
        let costly = matches!(self.operation, Operation::Pow | Operation::Mod | Operation::Fmod);
        Ok(vec![Phase::streaming(f.output.len().div_ceil(ITEM), touched * if costly { 20 } else { 1 })])
    }

    fn forward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let (start, len) = (item * ITEM, ITEM.min(f.output.len() - item * ITEM));
        let shape = f.output.shape();
        let own = broadcast_strides(shape, shape.len());
        // SAFETY: items are disjoint.
        let y = unsafe { f.output.part_mut(start, len) };
        let operands = self.operands(f.inputs);
        for (k, operand) in operands.iter().enumerate() {
            let strides = broadcast_strides(operand.shape(), shape.len());
            let walk = Walk::new(memory_order(shape.len()).into_iter().map(|i| (shape[i], [own[i], strides[i]])));
            let x = operand.part(0, operand.len());
            match self.operation {
                // SAFETY: items are disjoint.
                Operation::Max => select(&walk, start, k as u32, x, y, unsafe { f.saved.index.part_mut(start, len) }, |x, y| x > y),
                // SAFETY: items are disjoint.
                Operation::Min => select(&walk, start, k as u32, x, y, unsafe { f.saved.index.part_mut(start, len) }, |x, y| x < y),
                _ if k == 0 => combine(&walk, start, x, y, |_, x| x),
                Operation::Add | Operation::Sum | Operation::Mean => combine(&walk, start, x, y, |a, b| a + b),
                Operation::Sub => combine(&walk, start, x, y, |a, b| a - b),
                Operation::Mul => combine(&walk, start, x, y, |a, b| a * b),
                Operation::Div => combine(&walk, start, x, y, |a, b| a / b),
                Operation::Pow => combine(&walk, start, x, y, T::powf),
                Operation::Mod => combine(&walk, start, x, y, modulo),
                Operation::Fmod => combine(&walk, start, x, y, |a, b| a % b),
                Operation::PRelu => combine(&walk, start, x, y, |a, b| if a > T::zero() { a } else { a * b }),
            }
        }
        if self.operation == Operation::Mean {
            let count = T::of(operands.len() as f64);
            for y in y.iter_mut() {
                *y = *y / count;
            }
        }
    }

    fn backward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        let wanted = f.grad_inputs.iter().enumerate().filter(|(_, g)| g.is_some());
        let items = wanted.map(|(k, _)| self.fold(k, f).items().1).sum();
        Ok(vec![Phase::streaming(items, f.output.len() * 3 * f.inputs.len())])
    }

    fn backward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let Some((k, part)) = self.target(item, f) else { return };
        let Some(gx) = &f.grad_inputs[k] else { return };
        let fold = self.fold(k, f);
        let (size, _) = fold.items();
        let (start, len) = (part * size, size.min(gx.len() - part * size));
        let operands = self.operands(f.inputs);
        let place = self.first_input() + k;
        let values = |i: usize| operands.get(i).map_or(&[][..], |t| t.part(0, t.len()));
        let (a, b, gy) = (values(0), values(1), f.gy().part(0, f.gy().len()));
        let mut sums = vec![0.0; len];
        // Adds `slope(a, b, place in the output) * gy`.
        let mut add = |slope: &dyn Fn(usize, usize, usize) -> T| {
            fold.runs(start, len, |to, to_step, [a, b, g], [a_step, b_step, g_step], n| {
                for i in 0..n {
                    let d = slope(a + i * a_step, b + i * b_step, g + i * g_step) * gy[g + i * g_step];
                    sums[to + i * to_step] += d.as_f64();
                }
            });
        };
        let (zero, one, first) = (T::zero(), T::one(), place == 0);
        match self.operation {
            Operation::Add | Operation::Sum => add(&|_, _, _| one),
            Operation::Mean => add(&|_, _, _| T::of((operands.len() as f64).recip())),
            Operation::Min | Operation::Max => {
                let winner = f.saved.index.part(0, f.saved.index.len());
                add(&|_, _, y| if winner[y] == place as u32 { one } else { zero });
            }
            Operation::Sub => add(&|_, _, _| if first { one } else { -one }),
            Operation::Mul if first => add(&|_, i, _| b[i]),
            Operation::Mul => add(&|i, _, _| a[i]),
            Operation::Div if first => add(&|_, i, _| b[i].recip()),
            Operation::Div => add(&|i, j, _| -a[i] / (b[j] * b[j])),
            Operation::Pow if first => add(&|i, j, _| if b[j] == zero { zero } else { b[j] * a[i].powf(b[j] - one) }),
            Operation::Pow => add(&|i, j, _| if a[i] > zero { a[i].powf(b[j]) * a[i].ln() } else { zero }),
            Operation::Mod | Operation::Fmod if first => add(&|_, _, _| one),
            Operation::Mod => add(&|i, j, _| -(a[i] / b[j]).floor()),
            Operation::Fmod => add(&|i, j, _| -(a[i] / b[j]).trunc()),
            Operation::PRelu if first => add(&|i, j, _| if a[i] > zero { one } else { b[j] }),
            Operation::PRelu => add(&|i, _, _| if a[i] > zero { zero } else { a[i] }),
        }
        // SAFETY: every item writes its own part of its own gradient.
        let gx = unsafe { gx.part_mut(start, len) };
        gx.iter_mut().zip(sums).for_each(|(g, s)| *g = T::of(s));
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::{Unit, Var};
    use crate::{Config, Tensor, config};

    fn leaf(values: &[f64], shape: &[usize]) -> Var<f64> {
        Var::leaf(Tensor::from_vec(values.to_vec(), shape).unwrap(), true)
    }

    #[test]
    fn a_column_and_a_row_by_hand() {
        let sub = Unit::new("s", "Arithmetic", &config! { "operation" => "Sub" }).unwrap();
        let (a, b) = (leaf(&[10.0, 20.0], &[2, 1]), leaf(&[1.0, 2.0, 3.0], &[3]));
        let y = sub.call(&[a.clone(), b.clone()]).unwrap();
        assert_eq!((y.tensor().shape(), y.tensor().to_vec()), (&[2, 3][..], vec![9.0, 8.0, 7.0, 19.0, 18.0, 17.0]));
        y.back_propagate(Some(Tensor::from_vec((1..7).map(f64::from).collect(), &[2, 3]).unwrap())).unwrap();
        assert_eq!((a.grad().unwrap().to_vec(), b.grad().unwrap().to_vec()), (vec![6.0, 15.0], vec![-5.0, -7.0, -9.0]));
    }

    #[test]
    fn a_mask_of_channels_and_a_constant_by_hand() {
        let mul = Unit::new("m", "Arithmetic", &config! { "operation" => "Mul" }).unwrap();
        let (x, mask) = (leaf(&[1.0, 2.0, 3.0, 4.0], &[1, 2, 1, 2]), leaf(&[10.0, 100.0], &[1, 2, 1, 1]));
        let y = mul.call(&[x, mask.clone()]).unwrap();
        assert_eq!(y.tensor().to_vec(), [10.0, 20.0, 300.0, 400.0]);
        y.back_propagate(None).unwrap();
        assert_eq!(mask.grad().unwrap().to_vec(), [3.0, 7.0]);
        let config = config! { "operation" => "Div", "constant" => vec![6.0, 12.0], "constant_shape" => vec![2i64, 1], "constant_first" => true };
        let div = Unit::new("d", "Arithmetic", &config).unwrap();
        let x = leaf(&[2.0, 3.0], &[2]);
        let y = div.call(std::slice::from_ref(&x)).unwrap();
        assert_eq!(y.tensor().to_vec(), [3.0, 2.0, 6.0, 4.0]);
        y.back_propagate(None).unwrap();
        assert_eq!(x.grad().unwrap().to_vec(), [-4.5, -2.0]);
    }

    #[test]
    fn remainders_have_the_sign_of_the_divisor_or_of_the_dividend() {
        for (operation, expected) in [("Mod", [1.0, 1.0, -1.0, -1.0]), ("Fmod", [1.0, -1.0, 4.0, -1.0])] {
            let unit = Unit::new("m", "Arithmetic", &config! { "operation" => operation }).unwrap();
            let (a, b) = (leaf(&[4.0, -5.0, 4.0, -4.0], &[4]), leaf(&[3.0, 2.0, -5.0, -3.0], &[4]));
            assert_eq!(unit.call(&[a, b]).unwrap().tensor().to_vec(), expected);
        }
    }

    #[test]
    fn errors_say_what_would_fit() {
        let error = |config: &Config| Unit::<f32>::new("a", "Arithmetic", config).err().unwrap().to_string();
        let text = "a: parameter `constant_shape` is [2, 2], expected at most 6 sizes of at least 1 whose product is 3, the number of values";
        assert_eq!(error(&config! { "constant" => vec![1.0, 2.0, 3.0], "constant_shape" => vec![2i64, 2] }), text);
        let unit = Unit::new("a", "Arithmetic", &config! { "operation" => "Sub" }).unwrap();
        let x = leaf(&[1.0], &[1]);
        let text = "a: operands: expected two inputs, or one and a `constant`, got 3 inputs";
        assert_eq!(unit.call(&[x.clone(), x.clone(), x.clone()]).err().unwrap().to_string(), text);
        let text = "a: input: expected a tensor of at most 6 axes that is not empty, got [1, 1, 1, 1, 1, 1, 1]";
        assert_eq!(unit.call(&[leaf(&[1.0], &[1; 7]), x]).err().unwrap().to_string(), text);
    }
}
