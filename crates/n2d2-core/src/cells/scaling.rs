//! `Scaling`: every channel times a factor of its own, as networks for integer processors do after a convolution.
//!
//! `y = clip(round(x * factor[c]), limit[c])`, by the `mode`:
//!
//! | mode | a value of the list | factor | rounded | limit of a value of `clipping` |
//! |---|---|---|---|---|
//! | `FloatingPoint` | a float `s` | `s` | no | the float itself |
//! | `FixedPoint` | an integer `s` | `s / 2^nb_fractional_bits` | yes | the float itself |
//! | `SingleShift` | a shift `a` to the right | `2^-a` | yes | `2^a` |
//! | `DoubleShift` | two shifts `a`, `b` | `2^-a + 2^-b` | yes | `2^a + 2^b` |
//!
//! - A negative shift is one to the left. A sum of two shifts is rounded once.
//! - Rounding goes to the nearest integer, halves away from zero; the product before it is one of double precision.
//! - Clipping, if `is_clipped`, limits `y` to `[-limit, limit]`.
//! - The gradient goes straight through the rounding: `gx = gy * factor`, 0 where `y` reaches its limit.
//!
//! Shapes: `[n, c, h, w]` to the same, with one value for each of the `c` channels. Source: the scaling modes of N2D2's
//! quantised exports; Y. Bengio et al., "Estimating or Propagating Gradients Through Stochastic Neurons" (2013), for the
//! gradient.

use super::{Cell, Frame, Inputs, Phase};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::tensor::{Float, Shape};
use crate::vectorise::vectorised;

const MODES: [&str; 4] = ["FloatingPoint", "FixedPoint", "SingleShift", "DoubleShift"];

/// Bits of a shift at most, so that every factor is exact.
const MAX_SHIFT: i64 = 62;

/// Elements of an item, about.
const ITEM: usize = 16 * 1024;

/// Length of the loops along channels, at least.
const RUN: usize = 256;

/// A factor for each channel.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `mode` | required | `FloatingPoint`, `FixedPoint`, `SingleShift` or `DoubleShift` |
/// | `scaling` (`FloatingPoint`: `scaling_per_output`) | required | one value a channel, see the module; the pairs of a `DoubleShift` one after the other |
/// | `nb_fractional_bits` | required by `FixedPoint` | position of the point, from 0 to 62 |
/// | `is_clipped` | false | limit the output |
/// | `clipping` | `[]` | as many values as `scaling`, see the module; only with `is_clipped` |
pub struct Scaling<T: Float> {
    /// The parameter that holds the factors.
    list: &'static str,
    channels: usize,
    /// Factors of the channels, over and over until a loop along them is long: `T` for floating point and gradients,
    /// double precision before rounding.
    factors: Vec<T>,
    exact: Vec<f64>,
    rounds: bool,
    /// Alike; infinite without clipping.
    limits: Vec<f64>,
}

/// Shifts in a range, `size` for each channel, as the sum of their powers of two.
fn powers(config: &Config, name: &str, size: usize, range: std::ops::RangeInclusive<i64>, sign: i32) -> Result<Vec<f64>> {
    let shifts = config.ints_or(name, &[])?;
    if let Some(v) = shifts.iter().find(|v| !range.contains(v)) {
        return Err(config.error(name, v, format!("shifts from {} to {}", range.start(), range.end())));
    }
    if shifts.len() % size != 0 {
        return Err(config.error(name, format!("{shifts:?}"), "two shifts for each channel"));
    }
    Ok(shifts.chunks(size).map(|c| c.iter().map(|v| 2f64.powi(sign * *v as i32)).sum()).collect())
}

impl<T: Float> Scaling<T> {
    /// Reads the parameters.
    ///
    /// # Errors
    /// The errors of [`Config`]; [`Error::Value`] for lists that are empty, out of range or of different lengths.
    pub fn new(config: &Config) -> Result<Self> {
        let mode = config.one_of("mode", &MODES, "")?;
        let list = if mode == "FloatingPoint" { "scaling_per_output" } else { "scaling" };
        let mut known = vec!["mode", list, "is_clipped", "clipping"];
        if mode == "FixedPoint" {
            known.push("nb_fractional_bits");
        }
        config.only(&known)?;
        let shifts = -MAX_SHIFT..=MAX_SHIFT;
        let exact = match mode {
            "FloatingPoint" => finite(config, list)?,
            "FixedPoint" => fixed_point(config, list)?,
            "SingleShift" => powers(config, list, 1, shifts, -1)?,
            _ => powers(config, list, 2, shifts, -1)?,
        };
        if exact.is_empty() {
            return Err(config.error(list, "[]", "a value for each channel"));
        }
        let is_clipped = config.bool_or("is_clipped", false)?;
        let limits = match mode {
            "FloatingPoint" | "FixedPoint" => positive(config, "clipping")?,
            "SingleShift" => powers(config, "clipping", 1, 0..=MAX_SHIFT, 1)?,
            _ => powers(config, "clipping", 2, 0..=MAX_SHIFT, 1)?,
        };
        if !is_clipped && !limits.is_empty() {
            return Err(config.error("clipping", format!("a list of {}", limits.len()), "[] unless `is_clipped` is true"));
        }
        if is_clipped && limits.len() != exact.len() {
            let expected = format!("{}, one for each value of `{list}`", exact.len());
            return Err(config.error("clipping", format!("a list for {} channels", limits.len()), expected));
        }
        let limits = if is_clipped { limits } else { vec![f64::INFINITY; exact.len()] };
        let (channels, times) = (exact.len(), RUN.div_ceil(exact.len()));
        let (exact, limits) = (exact.repeat(times), limits.repeat(times));
        let factors = exact.iter().map(|v| T::of(*v)).collect();
        Ok(Scaling { list, channels, factors, exact, rounds: mode != "FloatingPoint", limits })
    }

    /// Elements of an item: whole runs.
    fn each(&self) -> usize {
        (ITEM / self.exact.len()).max(1) * self.exact.len()
    }

    fn phase(&self, elements: usize) -> Vec<Phase> {
        vec![Phase::streaming(elements.div_ceil(self.each()), 3 * elements)]
    }

    /// The elements of an item: first, and how many.
    fn range(&self, item: usize, elements: usize) -> (usize, usize) {
        (item * self.each(), self.each().min(elements - item * self.each()))
    }
}

fn finite(config: &Config, name: &str) -> Result<Vec<f64>> {
    let values = config.floats_or(name, &[])?;
    match values.iter().find(|v| !(**v as f32).is_finite()) {
        Some(v) => Err(config.error(name, format!("{v:?}"), "finite numbers")),
        None => Ok(values),
    }
}

fn positive(config: &Config, name: &str) -> Result<Vec<f64>> {
    let values = finite(config, name)?;
    match values.iter().find(|v| **v <= 0.0) {
        Some(v) => Err(config.error(name, format!("{v:?}"), "numbers above 0")),
        None => Ok(values),
    }
}

fn fixed_point(config: &Config, name: &str) -> Result<Vec<f64>> {
    let bits = config.usize("nb_fractional_bits")?;
    if bits > MAX_SHIFT as usize {
        return Err(config.error("nb_fractional_bits", bits, format!("at most {MAX_SHIFT}")));
    }
    let values = config.ints_or(name, &[])?;
    if let Some(v) = values.iter().find(|v| i32::try_from(**v).is_err()) {
        return Err(config.error(name, v, "integers of 32 bits"));
    }
    Ok(values.iter().map(|v| *v as f64 / 2f64.powi(bits as i32)).collect())
}

vectorised! {
    fn scale<T: Float>(x: &[T], factors: &[T], limits: &[f64], y: &mut [T]) {
        for (y, x) in y.chunks_mut(factors.len()).zip(x.chunks(factors.len())) {
            for (((y, x), s), limit) in y.iter_mut().zip(x).zip(factors).zip(limits) {
                let limit = T::of(*limit);
                let v = *x * *s;
                let v = if v > limit { limit } else { v };
                *y = if v < -limit { -limit } else { v };
            }
        }
    }

    fn scale_and_round<T: Float>(x: &[T], factors: &[f64], limits: &[f64], y: &mut [T]) {
        for (y, x) in y.chunks_mut(factors.len()).zip(x.chunks(factors.len())) {
            for (((y, x), s), limit) in y.iter_mut().zip(x).zip(factors).zip(limits) {
                *y = T::of((x.as_f64() * *s).round().clamp(-*limit, *limit));
            }
        }
    }

    /// `y` is the output before any activation.
    fn gradient<T: Float>(y: &[T], factors: &[T], limits: &[f64], gy: &[T], gx: &mut [T]) {
        let run = factors.len();
        for ((gx, y), gy) in gx.chunks_mut(run).zip(y.chunks(run)).zip(gy.chunks(run)) {
            for ((((gx, y), d), s), limit) in gx.iter_mut().zip(y).zip(gy).zip(factors).zip(limits) {
                let reached = *limit < f64::INFINITY && y.abs() >= T::of(*limit);
                *gx = if reached { T::zero() } else { *d * *s };
            }
        }
    }
}

impl<T: Float> Scaling<T> {
    fn compute(&self, x: &[T], y: &mut [T]) {
        if self.rounds { scale_and_round(x, &self.exact, &self.limits, y) } else { scale(x, &self.factors, &self.limits, y) }
    }
}

impl<T: Float> Cell<T> for Scaling<T> {
    fn kind(&self) -> &'static str {
        "Scaling"
    }

    fn inputs(&self) -> Inputs {
        Inputs::One
    }

    fn output_shape(&self, name: &str, inputs: &[&[usize]]) -> Result<Shape> {
        let channels = inputs[0].get(1).copied().unwrap_or(1);
        if channels != self.channels {
            let expected = format!("{}, one for each value of `{}`", self.channels, self.list);
            return Err(Error::shape(name, "channels of the input", expected, channels));
        }
        Ok(inputs[0].to_vec())
    }

    fn forward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        Ok(self.phase(f.output.len()))
    }

    fn forward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let (start, len) = self.range(item, f.output.len());
        // SAFETY: items are disjoint.
        self.compute(f.inputs[0].part(start, len), unsafe { f.output.part_mut(start, len) });
    }

    fn backward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        Ok(f.grad_inputs[0].as_ref().map_or(Vec::new(), |gx| self.phase(gx.len())))
    }

    fn backward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let Some(gx) = &f.grad_inputs[0] else { return };
        let (start, len) = self.range(item, gx.len());
        // Computed again, for the activation has replaced it.
        let mut y = vec![T::zero(); len];
        self.compute(f.inputs[0].part(start, len), &mut y);
        // SAFETY: items are disjoint.
        let gx = unsafe { gx.part_mut(start, len) };
        gradient(&y, &self.factors, &self.limits, f.gy().part(start, len), gx);
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::{Unit, Var};
    use crate::{Config, Error, Tensor, config};

    /// Output and gradient (for a gradient of 1) of pixels with as many channels as there are factors.
    fn run(config: &Config, x: &[f64], channels: usize) -> (Vec<f64>, Vec<f64>) {
        let unit = Unit::new("s", "Scaling", config).unwrap();
        let x = Var::leaf(Tensor::from_vec(x.to_vec(), &[x.len() / channels, channels, 1, 1]).unwrap(), true);
        let y = unit.call(std::slice::from_ref(&x)).unwrap();
        y.back_propagate(Some(Tensor::from_vec(vec![1.0; x.tensor().len()], x.tensor().shape()).unwrap())).unwrap();
        (y.tensor().to_vec(), x.grad().unwrap().to_vec())
    }

    #[test]
    fn floats_are_neither_rounded_nor_limited_unless_asked() {
        let c = config! { "mode" => "FloatingPoint", "scaling_per_output" => vec![0.25, -3.0] };
        assert_eq!(run(&c, &[3.0, 1.5, -1e30, 0.0], 2), (vec![0.75, -4.5, -2.5e29, 0.0], vec![0.25, -3.0, 0.25, -3.0]));
        let c = config! { "mode" => "FloatingPoint", "scaling_per_output" => vec![2.0], "is_clipped" => true, "clipping" => vec![5.0] };
        assert_eq!(run(&c, &[1.0, 2.5, 3.0, -9.0], 1), (vec![2.0, 5.0, 5.0, -5.0], vec![2.0, 0.0, 0.0, 0.0]));
    }

    #[test]
    fn fixed_point_by_hand() {
        // 3/4: 2 gives 1.5, -2 gives -1.5; halves go away from zero. -5/4: 2 gives -2.5.
        let c = config! { "mode" => "FixedPoint", "nb_fractional_bits" => 2i64, "scaling" => vec![3i64, -5] };
        let (y, g) = run(&c, &[2.0, 2.0, -2.0, 1.0, 1.0, 0.1], 2);
        assert_eq!(y, [2.0, -3.0, -2.0, -1.0, 1.0, 0.0]);
        assert_eq!(g, [0.75, -1.25, 0.75, -1.25, 0.75, -1.25]);
        // 1 << 31 would not fit in a float's 24 bits with its last bit.
        let c = config! { "mode" => "FixedPoint", "nb_fractional_bits" => 31i64, "scaling" => vec![i64::from(i32::MAX)] };
        assert_eq!(run(&c, &[100.0], 1).0, [100.0]);
    }

    #[test]
    fn shifts_by_hand() {
        // Right by 2: 6 gives 1.5; left by 3: 6 gives 48.
        let c = config! { "mode" => "SingleShift", "scaling" => vec![2i64, -3] };
        assert_eq!(run(&c, &[6.0, 6.0, -6.0, 0.5, 5.0, 0.0], 2).0, [2.0, 48.0, -2.0, 4.0, 1.0, 0.0]);
        assert_eq!(run(&c, &[6.0, 6.0], 2).1, [0.25, 8.0]);
        // 1/2 + 1/8 = 0.625: 4 gives 2.5, rounded once; 1/4 + 2 = 2.25.
        let c = config! { "mode" => "DoubleShift", "scaling" => vec![1i64, 3, 2, -1] };
        assert_eq!(run(&c, &[4.0, 2.0, -4.0, -2.0], 2), (vec![3.0, 5.0, -3.0, -5.0], vec![0.625, 2.25, 0.625, 2.25]));
    }

    #[test]
    fn limits_of_shifts_are_powers_of_two() {
        let c = config! { "mode" => "SingleShift", "scaling" => vec![0i64], "is_clipped" => true, "clipping" => vec![3i64] };
        assert_eq!(run(&c, &[7.4, 7.6, -20.0, 8.0], 1), (vec![7.0, 8.0, -8.0, 8.0], vec![1.0, 0.0, 0.0, 0.0]));
        let c = config! { "mode" => "DoubleShift", "scaling" => vec![1i64, 1], "is_clipped" => true, "clipping" => vec![3i64, 1] };
        assert_eq!(run(&c, &[9.0, 11.0, -11.0], 1), (vec![9.0, 10.0, -10.0], vec![1.0, 0.0, 0.0]));
    }

    #[test]
    fn single_precision_rounds_as_double() {
        let c = config! { "mode" => "FixedPoint", "nb_fractional_bits" => 15i64, "scaling" => vec![12_345i64, -777, 32_767] };
        let x: Vec<f32> = (0..3000).map(|i| (i * 97 % 4001) as f32 - 2000.0).collect();
        let unit = Unit::<f32>::new("s", "Scaling", &c).unwrap();
        let y = unit.call(&[Var::leaf(Tensor::from_vec(x.clone(), &[1000, 3, 1, 1]).unwrap(), false)]).unwrap();
        let expected = run(&c, &x.iter().map(|v| f64::from(*v)).collect::<Vec<_>>(), 3).0;
        assert!(y.tensor().to_vec().iter().zip(expected).all(|(a, b)| f64::from(*a) == b));
    }

    #[test]
    fn errors_say_what_would_fit() {
        let text = |c: Config| match Unit::<f32>::new("Scaling_0", "Scaling", &c) {
            Err(e) => e.to_string(),
            Ok(unit) => unit.output_shape(&[&[1, 2, 3, 4]]).map_err(|e: Error| e.to_string()).unwrap_err(),
        };
        let floats = |v: Vec<f64>| config! { "mode" => "FloatingPoint", "scaling_per_output" => v };
        let of = "Scaling_0: channels of the input: expected 3, one for each value of `scaling_per_output`, got 2";
        assert_eq!(text(floats(vec![1.0; 3])), of);
        assert_eq!(text(floats(vec![])), "Scaling_0: parameter `scaling_per_output` is [], expected a value for each channel");
        assert_eq!(text(floats(vec![1e300, 1.0])), "Scaling_0: parameter `scaling_per_output` is 1e300, expected finite numbers");
        let mut c = floats(vec![1.0, 2.0]);
        c.set("clipping", vec![1.0, 1.0]);
        assert_eq!(text(c.clone()), "Scaling_0: parameter `clipping` is a list of 2, expected [] unless `is_clipped` is true");
        c.set("is_clipped", true);
        c.set("clipping", vec![1.0]);
        let of = "Scaling_0: parameter `clipping` is a list for 1 channels, expected 2, one for each value of `scaling_per_output`";
        assert_eq!(text(c.clone()), of);
        c.set("clipping", vec![1.0, 0.0]);
        assert_eq!(text(c), "Scaling_0: parameter `clipping` is 0.0, expected numbers above 0");
        let c = config! { "mode" => "SingleShift", "scaling" => vec![1i64, 63] };
        assert_eq!(text(c), "Scaling_0: parameter `scaling` is 63, expected shifts from -62 to 62");
        let c = config! { "mode" => "DoubleShift", "scaling" => vec![1i64, 2, 3] };
        assert_eq!(text(c), "Scaling_0: parameter `scaling` is [1, 2, 3], expected two shifts for each channel");
        let c = config! { "mode" => "FixedPoint", "nb_fractional_bits" => 63i64, "scaling" => vec![1i64] };
        assert_eq!(text(c), "Scaling_0: parameter `nb_fractional_bits` is 63, expected at most 62");
        let c = config! { "mode" => "FixedPoint", "nb_fractional_bits" => 8i64, "scaling" => vec![1i64 << 40] };
        assert_eq!(text(c), "Scaling_0: parameter `scaling` is 1099511627776, expected integers of 32 bits");
        let c = config! { "mode" => "SingleShift", "scaling" => vec![1i64], "nb_fractional_bits" => 8i64 };
        assert_eq!(text(c), "Scaling_0: `nb_fractional_bits` is not a parameter");
    }
}
