//! `ElemWise`: combines inputs of one shape element by element.
//!
//! | `operation` | output | gradient of input k, times `gy` |
//! |---|---|---|
//! | `Sum` | `sum_k (w_k x_k + s_k)` | `w_k` |
//! | `AbsSum` | `sum_k w_k abs(x_k)` | `w_k sign(x_k)`, with `sign(0) = 1` |
//! | `EuclideanSum` | `y = sqrt(sum_k (w_k^2 x_k^2 + s_k^2))` | `w_k^2 x_k / y`, 0 where `y` is 0 |
//! | `Prod` | `prod_k x_k` | product of the others |
//! | `Max` | `max_k x_k`, the first of equal ones | 1 for the winner, else 0 |
//!
//! Coefficients are indexed by input in the modes `PerLayer` and `PerInput`; missing weights are 1, missing shifts 0. In
//! `PerChannel` those of `Sum` are indexed by channel, the same for every input (the other operations keep to inputs, as
//! in N2D2).
//!
//! Shapes: any number of `[n, c, h, w]` to the same. Source: ONNX `Sum`, `Mul`, `Max`. Not supported: broadcasting.

use super::{Cell, Fold, Frame, Inputs, Parts, Phase};
use crate::activation::ActivationFn;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::tensor::{Float, Shape};
use crate::vectorise::vectorised;

/// Elements of an item.
const ITEM: usize = 16 * 1024;
/// Elements that are combined at once, so that the output stays in the first cache until it is done.
const BLOCK: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Sum,
    AbsSum,
    EuclideanSum,
    Prod,
    Max,
}

/// Combination of inputs element by element.
///
/// Parameters: `operation` (default `Sum`), `mode` (`PerLayer`, default, `PerInput` or `PerChannel`), `weights` and
/// `shifts` (lists, default empty).
pub struct ElemWise<T: Float> {
    operation: Operation,
    per_channel: bool,
    weights: Vec<T>,
    shifts: Vec<T>,
    /// Weights and shifts of channels, repeated; empty in the other modes.
    repeated: [Vec<T>; 2],
}

impl<T: Float> ElemWise<T> {
    /// Reads the parameters.
    ///
    /// # Errors
    /// The errors of [`Config`].
    pub fn new(config: &Config) -> Result<Self> {
        config.only(&["operation", "mode", "weights", "shifts"])?;
        let operation = match config.one_of("operation", &["Sum", "AbsSum", "EuclideanSum", "Prod", "Max"], "Sum")? {
            "AbsSum" => Operation::AbsSum,
            "EuclideanSum" => Operation::EuclideanSum,
            "Prod" => Operation::Prod,
            "Max" => Operation::Max,
            _ => Operation::Sum,
        };
        let mode = config.one_of("mode", &["PerLayer", "PerInput", "PerChannel"], "PerLayer")?;
        let list = |name: &str| -> Result<Vec<T>> { Ok(config.floats_or(name, &[])?.into_iter().map(T::of).collect()) };
        Ok(ElemWise { operation, per_channel: mode == "PerChannel", weights: list("weights")?, shifts: list("shifts")?, repeated: Default::default() })
    }

    fn weight(&self, i: usize) -> T {
        self.weights.get(i).copied().unwrap_or(T::one())
    }

    fn shift(&self, i: usize) -> T {
        self.shifts.get(i).copied().unwrap_or(T::zero())
    }

    /// True if coefficients are indexed by channel.
    fn by_channel(&self) -> bool {
        self.per_channel && self.operation == Operation::Sum
    }

    /// True if it adds its inputs as they are.
    fn is_plain_sum(&self) -> bool {
        let one = |w: &T| *w == T::one();
        self.operation == Operation::Sum && self.weights.iter().all(one) && self.shifts.iter().all(T::is_zero)
    }

    /// Repeats the coefficients of channels over a block and one pixel more, so that any run of a block can be combined with
    /// them element by element.
    fn repeat_coefficients(&mut self, c: usize) {
        let len = if self.by_channel() { BLOCK + c } else { 0 };
        let mut repeated = std::mem::take(&mut self.repeated);
        for (row, of) in repeated.iter_mut().zip([Self::weight, Self::shift]) {
            row.clear();
            row.extend((0..c).map(|ch| of(self, ch)).cycle().take(len));
        }
        self.repeated = repeated;
    }

    /// The coefficients of `len` elements from `start` on.
    fn coefficients_of(&self, c: usize, start: usize, len: usize) -> [&[T]; 2] {
        let at = start % c;
        [&self.repeated[0][at..at + len], &self.repeated[1][at..at + len]]
    }

    /// Combines `len` elements from `start` on, at most a block.
    fn combine(&self, start: usize, len: usize, f: &Frame<'_, T>) {
        // SAFETY: blocks of items are disjoint.
        let y = unsafe { f.output.part_mut(start, len) };
        let part = |k: usize| f.inputs[k].part(start, len);
        let mut k = 0;
        if self.is_plain_sum() && f.inputs.len() > 1 {
            if f.inputs.len() == 2 && f.activation.is_some_and(ActivationFn::is_relu) {
                return rectified_sum_of_two(part(0), part(1), y);
            }
            plain_sum_of_two(part(0), part(1), y);
            k = 2;
        } else if self.operation == Operation::Sum && !self.by_channel() && f.inputs.len() > 1 {
            sum_of_two([self.weight(0), self.weight(1)], [self.shift(0), self.shift(1)], part(0), part(1), y);
            k = 2;
        }
        for k in k..f.inputs.len() {
            let (x, first) = (part(k), k == 0);
            match self.operation {
                Operation::Sum if self.by_channel() => {
                    let [w, s] = self.coefficients_of(f.output.shape()[1], start, len);
                    sum_per_channel(first, w, s, x, y);
                }
                Operation::Sum => sum(first, self.weight(k), self.shift(k), x, y),
                Operation::AbsSum => abs_sum(first, self.weight(k), x, y),
                Operation::EuclideanSum => square_sum(first, self.weight(k), self.shift(k), x, y),
                Operation::Prod => product(first, x, y),
                // SAFETY: as above.
                Operation::Max => max(k as u32, x, y, unsafe { f.saved.index.part_mut(start, len) }),
            }
        }
        if self.operation == Operation::EuclideanSum {
            for y in y.iter_mut() {
                *y = y.sqrt();
            }
            // SAFETY: as above.
            unsafe { f.saved.values.part_mut(start, len) }.copy_from_slice(y);
        }
        if let Some(activation) = f.activation {
            activation.forward(y);
        }
    }

    /// The gradients of `len` elements from `start` on, at most a block.
    fn spread(&self, start: usize, len: usize, f: &Frame<'_, T>) {
        // SAFETY: blocks of items are disjoint, and each element is met once.
        let gy = unsafe { f.deactivated(start, len) };
        for (k, gx) in f.grad_inputs.iter().enumerate() {
            let Some(gx) = gx else { continue };
            // SAFETY: blocks of items are disjoint.
            let gx = unsafe { gx.part_mut(start, len) };
            let x = f.inputs[k].part(start, len);
            match self.operation {
                Operation::Sum if self.by_channel() => {
                    gx.copy_from_slice(gy);
                    product(false, self.coefficients_of(f.output.shape()[1], start, len)[0], gx);
                }
                Operation::Sum => scale(self.weight(k), gy, gx),
                Operation::AbsSum => abs_gradient(self.weight(k), x, gy, gx),
                Operation::EuclideanSum => euclidean_gradient(self.weight(k), x, f.saved.values.part(start, len), gy, gx),
                Operation::Prod => {
                    gx.copy_from_slice(gy);
                    for (_, other) in f.inputs.iter().enumerate().filter(|(j, _)| *j != k) {
                        product(false, other.part(start, len), gx);
                    }
                }
                Operation::Max => {
                    for ((gx, d), w) in gx.iter_mut().zip(gy).zip(f.saved.index.part(start, len)) {
                        *gx = if *w == k as u32 { *d } else { T::zero() };
                    }
                }
            }
        }
    }
}

vectorised! {
    fn plain_sum_of_two<T: Float>(a: &[T], b: &[T], y: &mut [T]) {
        for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
            *y = *a + *b;
        }
    }

    /// As the rectifier does it: what is not a number stays that.
    fn rectified_sum_of_two<T: Float>(a: &[T], b: &[T], y: &mut [T]) {
        for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
            let sum = *a + *b;
            *y = if sum < T::zero() { T::zero() } else { sum };
        }
    }

    fn sum_of_two<T: Float>(w: [T; 2], s: [T; 2], a: &[T], b: &[T], y: &mut [T]) {
        for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
            *y = (w[0] * *a + s[0]) + (w[1] * *b + s[1]);
        }
    }

    /// `y = w x + s`, or that added to `y`.
    fn sum<T: Float>(first: bool, w: T, s: T, x: &[T], y: &mut [T]) {
        for (y, x) in y.iter_mut().zip(x) {
            let v = w * *x + s;
            *y = if first { v } else { *y + v };
        }
    }

    fn sum_per_channel<T: Float>(first: bool, w: &[T], s: &[T], x: &[T], y: &mut [T]) {
        for (((y, x), w), s) in y.iter_mut().zip(x).zip(w).zip(s) {
            let v = *w * *x + *s;
            *y = if first { v } else { *y + v };
        }
    }

    fn abs_sum<T: Float>(first: bool, w: T, x: &[T], y: &mut [T]) {
        for (y, x) in y.iter_mut().zip(x) {
            let v = w * x.abs();
            *y = if first { v } else { *y + v };
        }
    }

    fn square_sum<T: Float>(first: bool, w: T, s: T, x: &[T], y: &mut [T]) {
        for (y, x) in y.iter_mut().zip(x) {
            let v = w * w * (*x * *x) + s * s;
            *y = if first { v } else { *y + v };
        }
    }

    fn product<T: Float>(first: bool, x: &[T], y: &mut [T]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = if first { *x } else { *y * *x };
        }
    }

    fn scale<T: Float>(w: T, gy: &[T], gx: &mut [T]) {
        for (gx, d) in gx.iter_mut().zip(gy) {
            *gx = w * *d;
        }
    }

    fn abs_gradient<T: Float>(w: T, x: &[T], gy: &[T], gx: &mut [T]) {
        for ((gx, x), d) in gx.iter_mut().zip(x).zip(gy) {
            *gx = if *x < T::zero() { -w * *d } else { w * *d };
        }
    }

    fn euclidean_gradient<T: Float>(w: T, x: &[T], y: &[T], gy: &[T], gx: &mut [T]) {
        for (((gx, x), y), d) in gx.iter_mut().zip(x).zip(y).zip(gy) {
            *gx = if *y == T::zero() { T::zero() } else { w * w * *x / *y * *d };
        }
    }
}

/// Keeps the largest value and the number of its input.
fn max<T: Float>(input: u32, x: &[T], y: &mut [T], winner: &mut [u32]) {
    for ((y, w), x) in y.iter_mut().zip(winner).zip(x) {
        if input == 0 || *x > *y {
            (*y, *w) = (*x, input);
        }
    }
}

impl<T: Float> Cell<T> for ElemWise<T> {
    fn kind(&self) -> &'static str {
        "ElemWise"
    }

    fn inputs(&self) -> Inputs {
        Inputs::Many
    }

    fn output_shape(&self, name: &str, inputs: &[&[usize]]) -> Result<Shape> {
        if let Some(other) = inputs.iter().find(|s| **s != inputs[0]) {
            return Err(Error::shape(name, "shape of every input", format!("{:?}, that of the first", inputs[0]), format!("{other:?}")));
        }
        let channels = inputs[0].get(1).copied().unwrap_or(1);
        let (places, of) = match self.per_channel {
            true if self.by_channel() => (channels, "channels"),
            // N2D2 takes a list of channels here too, and indexes it by input.
            true => (channels.max(inputs.len()), "channels or inputs"),
            false => (inputs.len(), "inputs"),
        };
        for (what, n) in [("weights", self.weights.len()), ("shifts", self.shifts.len())] {
            if n > places {
                return Err(Error::shape(name, format!("number of `{what}`"), format!("at most {places}, the number of {of}"), n));
            }
        }
        Ok(inputs[0].to_vec())
    }

    fn saved(&self, _: &[&[usize]], output: &[usize]) -> (usize, usize) {
        let len = output.iter().product();
        match self.operation {
            // The root before the activation.
            Operation::EuclideanSum => (len, 0),
            // The number of the winner.
            Operation::Max => (0, len),
            _ => (0, 0),
        }
    }

    fn fuses_activation(&self) -> bool {
        true
    }

    fn fold(&self) -> Option<Fold<T>> {
        self.is_plain_sum().then_some(Fold::Sum)
    }

    fn fuses_deactivation(&self) -> bool {
        true
    }

    fn forward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        self.repeat_coefficients(f.output.shape()[1]);
        Ok(vec![Parts::new(f.output.shape(), ITEM, 1).phase(f.output.len() * (f.inputs.len() + 1))])
    }

    fn forward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let (first, n) = Parts::new(f.output.shape(), ITEM, 1).part(item);
        for start in (first..first + n).step_by(BLOCK) {
            self.combine(start, BLOCK.min(first + n - start), f);
        }
    }

    fn backward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        self.repeat_coefficients(f.output.shape()[1]);
        Ok(vec![Parts::new(f.output.shape(), ITEM, 1).phase(f.output.len() * (f.inputs.len() + 1))])
    }

    fn backward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let (first, n) = Parts::new(f.output.shape(), ITEM, 1).part(item);
        for start in (first..first + n).step_by(BLOCK) {
            self.spread(start, BLOCK.min(first + n - start), f);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::{Unit, Var};
    use crate::{Config, Tensor, config};

    const SHAPE: [usize; 4] = [1, 2, 1, 2];

    /// Output and gradients for two or more inputs `[1, 2, 1, 2]` and a gradient of 1, 2, 3, 4.
    fn run(config: &Config, inputs: &[[f64; 4]]) -> (Vec<f64>, Vec<Vec<f64>>) {
        let unit = Unit::new("e", "ElemWise", config).unwrap();
        let inputs: Vec<_> = inputs.iter().map(|v| Var::leaf(Tensor::from_vec(v.to_vec(), &SHAPE).unwrap(), true)).collect();
        let y = unit.call(&inputs).unwrap();
        y.back_propagate(Some(Tensor::from_vec(vec![1.0, 2.0, 3.0, 4.0], &SHAPE).unwrap())).unwrap();
        (y.tensor().to_vec(), inputs.iter().map(|x| x.grad().unwrap().to_vec()).collect())
    }

    #[test]
    fn sum_by_input_with_missing_coefficients() {
        let c = config! { "weights" => vec![0.5], "shifts" => vec![0.25] };
        let (y, g) = run(&c, &[[2.0, 4.0, 6.0, 8.0], [1.0, -1.0, 0.0, 3.0]]);
        assert_eq!(y, [2.25, 1.25, 3.25, 7.25]);
        assert_eq!(g, [[0.5, 1.0, 1.5, 2.0], [1.0, 2.0, 3.0, 4.0]]);
    }

    #[test]
    fn sum_by_channel_takes_the_same_coefficients_for_every_input() {
        let c = config! { "mode" => "PerChannel", "weights" => vec![2.0, -1.0], "shifts" => vec![0.5] };
        let (y, g) = run(&c, &[[1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 30.0, 40.0]]);
        assert_eq!(y, [23.0, 45.0, -33.0, -44.0]);
        assert_eq!(g, [[2.0, 4.0, -3.0, -4.0], [2.0, 4.0, -3.0, -4.0]]);
    }

    #[test]
    fn absolute_and_euclidean_sums() {
        let x = [[3.0, -3.0, 0.0, 0.0], [4.0, 4.0, -2.0, 0.0]];
        let (y, g) = run(&config! { "operation" => "AbsSum", "weights" => vec![1.0, 2.0] }, &x);
        assert_eq!(y, [11.0, 11.0, 4.0, 0.0]);
        assert_eq!(g, [[1.0, -2.0, 3.0, 4.0], [2.0, 4.0, -6.0, 8.0]]);
        let (y, g) = run(&config! { "operation" => "EuclideanSum" }, &x);
        assert_eq!(y, [5.0, 5.0, 2.0, 0.0]);
        assert_eq!(g, [[0.6, -1.2, 0.0, 0.0], [0.8, 1.6, -3.0, 0.0]]);
    }

    #[test]
    fn product_and_maximum_of_three() {
        let x = [[1.0, 2.0, 0.0, 5.0], [3.0, 2.0, 2.0, -5.0], [2.0, 1.0, 4.0, 5.0]];
        let (y, g) = run(&config! { "operation" => "Prod" }, &x);
        assert_eq!(y, [6.0, 4.0, 0.0, -125.0]);
        assert_eq!(g, [[6.0, 4.0, 24.0, -100.0], [2.0, 4.0, 0.0, 100.0], [3.0, 8.0, 0.0, -100.0]]);
        let (y, g) = run(&config! { "operation" => "Max" }, &x);
        assert_eq!(y, [3.0, 2.0, 4.0, 5.0]);
        assert_eq!(g, [[0.0, 2.0, 0.0, 4.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 3.0, 0.0]]);
    }

    #[test]
    fn blocks_images_and_a_fused_activation_change_nothing() {
        use crate::activation::Activation;
        let c = config! { "mode" => "PerChannel", "weights" => vec![0.5, -2.0, 3.0], "shifts" => vec![0.25] };
        for (config, shape) in [(c.clone(), [2usize, 3, 70, 90]), (c, [33, 3, 7, 9]), (Config::default(), [3, 2, 50, 170])] {
            let len = shape.iter().product::<usize>();
            let value = |seed: usize| (0..len).map(|i| ((i * 7919 + seed) % 1009) as f64 / 500.0 - 1.0).collect::<Vec<_>>();
            let unit = Unit::<f64>::new("e", "ElemWise", &config).unwrap();
            unit.with(|u| u.activation = Some(Activation::new("Tanh", &Config::default()).unwrap()));
            let inputs = [11, 12].map(|seed| Var::leaf(Tensor::from_vec(value(seed), &shape).unwrap(), true));
            let y = unit.call(&inputs).unwrap();
            y.back_propagate(Some(Tensor::from_vec(value(13), &shape).unwrap())).unwrap();
            let (a, b, d) = (value(11), value(12), value(13));
            let grads = inputs.map(|x| x.grad().unwrap().to_vec());
            let through = y.grad().unwrap().to_vec();
            let by_channel = config.get("weights").is_some();
            for (i, y) in y.tensor().to_vec().into_iter().enumerate() {
                let ch = i / (shape[2] * shape[3]) % shape[1];
                let (w, s) = if by_channel { ([0.5, -2.0, 3.0][ch], [0.25, 0.0, 0.0][ch]) } else { (1.0, 0.0) };
                assert!((y - (w * (a[i] + b[i]) + 2.0 * s).tanh()).abs() < 1e-14);
                let back = d[i] * (1.0 - y * y);
                assert!((through[i] - back).abs() < 1e-14 && (grads[0][i] - w * back).abs() < 1e-14 && grads[1][i] == grads[0][i]);
            }
        }
    }

    #[test]
    fn shapes_and_numbers_of_coefficients_are_checked() {
        let unit = Unit::<f32>::new("ElemWise_0", "ElemWise", &config! { "weights" => vec![1.0, 2.0, 3.0] }).unwrap();
        let text = "ElemWise_0: number of `weights`: expected at most 2, the number of inputs, got 3";
        assert_eq!(unit.output_shape(&[&[1, 2, 3, 4], &[1, 2, 3, 4]]).unwrap_err().to_string(), text);
        let unit =
            Unit::<f32>::new("ElemWise_0", "ElemWise", &config! { "mode" => "PerChannel", "shifts" => vec![1.0, 2.0, 3.0] }).unwrap();
        let text = "ElemWise_0: number of `shifts`: expected at most 2, the number of channels, got 3";
        assert_eq!(unit.output_shape(&[&[1, 2, 3, 4], &[1, 2, 3, 4]]).unwrap_err().to_string(), text);
        let unit = Unit::<f32>::new("ElemWise_0", "ElemWise", &config! { "weights" => vec![1.0, 2.0] }).unwrap();
        let text = "ElemWise_0: shape of every input: expected [1, 2, 3, 4], that of the first, got [1, 2, 3, 5]";
        assert_eq!(unit.output_shape(&[&[1, 2, 3, 4], &[1, 2, 3, 5]]).unwrap_err().to_string(), text);
    }
}
