//! `Resize`: an image of another size, by interpolation or by its nearest pixels.
//!
//! An output pixel lies at `(p, q)` in the input, row and column each by the rule of the mode for `i` of `out` on `in`:
//!
//! | mode | place |
//! |---|---|
//! | `BilinearTF`, `align_corners` and `out > 1` | `i * (in - 1) / (out - 1)` |
//! | `BilinearTF` otherwise | `i * in / out` |
//! | `Bilinear`, `align_corners` | as `BilinearTF` |
//! | `Bilinear` otherwise | `(i + 0.5) * in / out - 0.5`, at least 0 |
//! | `NearestNeighbor` | `floor(i * in / out)` |
//!
//! With `lo = floor(p)`, `hi = min(lo + 1, in - 1)` and `t = p - lo`, the value is `x[lo] + (x[hi] - x[lo]) * t`, along the
//! columns first, then along the rows. The gradient of a pixel is the sum over all outputs that read it, each with the
//! weight that it was read with.
//!
//! Shapes: `[n, c, h, w]` to `[n, c, outputs_height, outputs_width]`. Several inputs are joined along channels.
//! Source: ONNX `Resize`, modes `linear` and `nearest`, with `align_corners`, `asymmetric` or `half_pixel` coordinates.

use super::{Cell, Frame, Phase};
use crate::config::Config;
use crate::data::transform::MAX_SIDE;
use crate::error::Result;
use crate::tensor::{Float, Shape, dims4};
use crate::vectorise::vectorised;
use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    NearestNeighbor,
    Bilinear,
    BilinearTf,
}

const MODES: [(&str, Mode); 3] =
    [("NearestNeighbor", Mode::NearestNeighbor), ("Bilinear", Mode::Bilinear), ("BilinearTF", Mode::BilinearTf)];

/// The two indices that an output index reads, and the weight of the second.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Tap<T> {
    low: usize,
    high: usize,
    weight: T,
}

impl Mode {
    fn taps<T: Float>(self, from: usize, to: usize, align_corners: bool) -> Vec<Tap<T>> {
        (0..to)
            .map(|i| {
                let place = match self {
                    Mode::NearestNeighbor => (i * from / to) as f64,
                    _ if align_corners && to > 1 => (i * (from - 1)) as f64 / (to - 1) as f64,
                    Mode::BilinearTf => (i * from) as f64 / to as f64,
                    // One pixel has no corners to align.
                    Mode::Bilinear if align_corners => 0.0,
                    Mode::Bilinear => (((2 * i + 1) * from) as f64 / (2 * to) as f64 - 0.5).max(0.0),
                };
                let low = (place as usize).min(from - 1);
                let high = (low + 1).min(from - 1);
                // A second pixel of no weight is not read: it may hold a value that is not finite.
                let weight = if high == low { 0.0 } else { place - low as f64 };
                Tap { low, high: if weight == 0.0 { low } else { high }, weight: T::of(weight) }
            })
            .collect()
    }
}

/// For each of `from` indices, the run of output indices that may read it.
fn readers<T>(taps: &[Tap<T>], from: usize) -> Vec<Range<usize>> {
    // Places do not decrease, so that the readers of a pixel are neighbours.
    (0..from).map(|k| taps.partition_point(|t| t.high < k)..taps.partition_point(|t| t.low <= k)).collect()
}

/// Another size for every image.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `outputs_width`, `outputs_height` | required | size in pixels, from 1 to 32768 |
/// | `resize_mode` | required | `NearestNeighbor`, `Bilinear` or `BilinearTF` |
/// | `align_corners` | true | the corner pixels of input and output coincide; not for `NearestNeighbor` |
pub struct Resize<T: Float> {
    height: usize,
    width: usize,
    mode: Mode,
    align_corners: bool,
    /// Of the pass that runs: what each output row and column reads.
    rows: Vec<Tap<T>>,
    columns: Vec<Tap<T>>,
    /// Of a backward pass: which output rows read each input row.
    row_readers: Vec<Range<usize>>,
}

impl<T: Float> Resize<T> {
    /// Reads the parameters.
    ///
    /// # Errors
    /// The errors of [`Config`]; [`crate::Error::Value`] for a size outside 1 to 32768 or another mode.
    pub fn new(config: &Config) -> Result<Self> {
        config.only(&["outputs_width", "outputs_height", "resize_mode", "align_corners"])?;
        let side = |name: &str| match config.usize(name)? {
            v if v > MAX_SIDE => Err(config.error(name, v, format!("at most {MAX_SIDE} pixels"))),
            _ => config.count(name, None),
        };
        let (width, height) = (side("outputs_width")?, side("outputs_height")?);
        if config.get("resize_mode").is_none() {
            return Err(config.error("resize_mode", "missing", "a value"));
        }
        let word = config.one_of("resize_mode", &MODES.map(|m| m.0), "")?;
        let mode = MODES.iter().find(|m| m.0 == word).map_or(Mode::Bilinear, |m| m.1);
        let align_corners = config.bool_or("align_corners", true)?;
        Ok(Resize { height, width, mode, align_corners, rows: Vec::new(), columns: Vec::new(), row_readers: Vec::new() })
    }

    fn prepare(&mut self, f: &Frame<'_, T>, align_corners: bool) {
        let [_, _, h, w] = dims4(f.inputs[0].shape());
        self.rows = self.mode.taps(h, self.height, align_corners);
        self.columns = self.mode.taps(w, self.width, align_corners);
    }
}

/// A value between two, of which the second is not read without weight.
#[inline(always)]
fn mix<T: Float>(a: T, b: T, weight: T) -> T {
    if weight == T::zero() { a } else { a + (b - a) * weight }
}

vectorised! {
    /// One output row between two input rows; `t` is the weight of the second.
    fn interpolate<T: Float>(low: &[T], high: &[T], t: T, columns: &[Tap<T>], c: usize, y: &mut [T]) {
        if c == 1 {
            for (y, tap) in y.iter_mut().zip(columns) {
                let (upper, lower) = ([low[tap.low], low[tap.high]], [high[tap.low], high[tap.high]]);
                *y = mix(mix(upper[0], upper[1], tap.weight), mix(lower[0], lower[1], tap.weight), t);
            }
            return;
        }
        for (y, tap) in y.chunks_exact_mut(c).zip(columns) {
            let (l, r, u) = (tap.low * c, tap.high * c, tap.weight);
            let pixels = low[l..][..c].iter().zip(&low[r..][..c]).zip(high[l..][..c].iter().zip(&high[r..][..c]));
            if u == T::zero() && t == T::zero() {
                y.copy_from_slice(&low[l..][..c]);
            } else if u == T::zero() {
                y.iter_mut().zip(pixels).for_each(|(y, ((a, _), (b, _)))| *y = *a + (*b - *a) * t);
            } else if t == T::zero() {
                y.iter_mut().zip(pixels).for_each(|(y, ((a, b), _))| *y = *a + (*b - *a) * u);
            } else {
                for (y, ((a, b), (d, e))) in y.iter_mut().zip(pixels) {
                    let (upper, lower) = (*a + (*b - *a) * u, *d + (*e - *d) * u);
                    *y = upper + (lower - upper) * t;
                }
            }
        }
    }

    /// Adds a row of gradients, weighted by `t`, to the pixels that it was read from.
    fn spread<T: Float>(gy: &[T], t: T, columns: &[Tap<T>], c: usize, gx: &mut [T]) {
        if c == 1 {
            for (gy, tap) in gy.iter().zip(columns) {
                gx[tap.low] += *gy * (t * (T::one() - tap.weight));
                if tap.weight != T::zero() {
                    gx[tap.high] += *gy * (t * tap.weight);
                }
            }
            return;
        }
        for (gy, tap) in gy.chunks_exact(c).zip(columns) {
            let low = t * (T::one() - tap.weight);
            gx[tap.low * c..][..c].iter_mut().zip(gy).for_each(|(gx, d)| *gx += *d * low);
            if tap.weight != T::zero() {
                let high = t * tap.weight;
                gx[tap.high * c..][..c].iter_mut().zip(gy).for_each(|(gx, d)| *gx += *d * high);
            }
        }
    }
}

impl<T: Float> Cell<T> for Resize<T> {
    fn kind(&self) -> &'static str {
        "Resize"
    }

    fn output_shape(&self, _: &str, inputs: &[&[usize]]) -> Result<Shape> {
        let [n, c, _, _] = dims4(inputs[0]);
        Ok(vec![n, c, self.height, self.width])
    }

    fn saved(&self, _: &[&[usize]], _: &[usize]) -> (usize, usize) {
        // The alignment, which may change before backward.
        (0, 1)
    }

    fn forward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        self.prepare(f, self.align_corners);
        // SAFETY: no item runs yet.
        let alignment = unsafe { f.saved.index.part_mut(0, 1) };
        alignment[0] = u32::from(self.align_corners);
        Ok(vec![Phase::streaming(f.output.shape()[0] * self.height, 4 * f.output.len())])
    }

    fn forward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let [_, c, h, w] = dims4(f.inputs[0].shape());
        let (image, i) = (item / self.height, item % self.height);
        let tap = self.rows[i];
        let row = |i: usize| f.inputs[0].part((image * h + i) * w * c, w * c);
        // SAFETY: every item writes its own row.
        let y = unsafe { f.output.part_mut(item * self.width * c, self.width * c) };
        interpolate(row(tap.low), row(tap.high), tap.weight, &self.columns, c, y);
    }

    fn backward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        let Some(gx) = &f.grad_inputs[0] else { return Ok(Vec::new()) };
        self.prepare(f, f.saved.index.part(0, 1)[0] == 1);
        let [n, _, h, _] = dims4(gx.shape());
        self.row_readers = readers(&self.rows, h);
        Ok(vec![Phase::streaming(n * h, gx.len() + 4 * f.output.len())])
    }

    fn backward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let Some(gx) = &f.grad_inputs[0] else { return };
        let [_, c, h, w] = dims4(gx.shape());
        let (image, row) = (item / h, item % h);
        // SAFETY: every item writes its own row.
        let gx = unsafe { gx.part_mut(item * w * c, w * c) };
        gx.fill(T::zero());
        for i in self.row_readers[row].clone() {
            let tap = self.rows[i];
            let gy = f.gy().part((image * self.height + i) * self.width * c, self.width * c);
            let t = if tap.low == row { T::one() - tap.weight } else { tap.weight };
            spread(gy, t, &self.columns, c, gx);
        }
    }

    fn set(&mut self, config: &Config) -> Result<()> {
        config.only(&["align_corners"])?;
        self.align_corners = config.bool_or("align_corners", self.align_corners)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Unit, Var};
    use crate::{Tensor, config};
    use std::sync::Arc;

    fn unit(width: i64, height: i64, mode: &str, align_corners: bool) -> std::result::Result<Arc<Unit<f64>>, String> {
        let config = config! {
            "outputs_width" => width, "outputs_height" => height, "resize_mode" => mode, "align_corners" => align_corners,
        };
        Unit::new("Resize_0", "Resize", &config).map_err(|e| e.to_string())
    }

    /// Output and gradient (for a gradient of 1) of one row of values.
    fn row(x: &[f64], width: usize, mode: &str, align_corners: bool) -> (Vec<f64>, Vec<f64>) {
        let x = Var::leaf(Tensor::from_vec(x.to_vec(), &[1, 1, 1, x.len()]).unwrap(), true);
        let y = unit(width as i64, 1, mode, align_corners).unwrap().call(std::slice::from_ref(&x)).unwrap();
        y.back_propagate(Some(Tensor::from_vec(vec![1.0; width], &[1, 1, 1, width]).unwrap())).unwrap();
        (y.tensor().to_vec(), x.grad().unwrap().to_vec())
    }

    #[test]
    fn rows_by_hand() {
        let x = [0.0, 8.0];
        // Places 0, 1/3, 2/3, 1.
        let (y, g) = row(&[0.0, 9.0], 4, "BilinearTF", true);
        assert!(y.iter().zip([0.0, 3.0, 6.0, 9.0]).all(|(a, b)| (a - b).abs() < 1e-12), "{y:?}");
        assert!(g.iter().all(|g| (g - 2.0).abs() < 1e-12), "{g:?}");
        // Places 0, 0.5, 1, 1.5; there is nothing behind the last pixel.
        assert_eq!(row(&x, 4, "BilinearTF", false), (vec![0.0, 4.0, 8.0, 8.0], vec![1.5, 2.5]));
        // Places -0.25 (taken as 0), 0.25, 0.75, 1.25.
        assert_eq!(row(&x, 4, "Bilinear", false), (vec![0.0, 2.0, 6.0, 8.0], vec![2.0, 2.0]));
        assert_eq!(row(&[0.0, 9.0], 4, "Bilinear", true).0, row(&[0.0, 9.0], 4, "BilinearTF", true).0);
        // Places 0, 0, 1, 1, and the gradient of both copies.
        assert_eq!(row(&x, 4, "NearestNeighbor", true), (vec![0.0, 0.0, 8.0, 8.0], vec![2.0, 2.0]));
        assert_eq!(row(&[1.0, 2.0, 3.0, 4.0, 5.0], 3, "NearestNeighbor", false), (vec![1.0, 2.0, 4.0], vec![1.0, 1.0, 0.0, 1.0, 0.0]));
        // One pixel: the corner, or the middle.
        assert_eq!(row(&[1.0, 3.0], 1, "BilinearTF", true), (vec![1.0], vec![1.0, 0.0]));
        assert_eq!(row(&[1.0, 3.0], 1, "Bilinear", true), (vec![1.0], vec![1.0, 0.0]));
        assert_eq!(row(&[1.0, 3.0], 1, "Bilinear", false), (vec![2.0], vec![0.5, 0.5]));
    }

    #[test]
    fn the_size_of_the_input_changes_nothing() {
        let x: Vec<f64> = (0..24).map(f64::from).collect();
        for (mode, _) in MODES {
            for align_corners in [true, false] {
                let leaf = Var::leaf(Tensor::from_vec(x.clone(), &[1, 2, 3, 4]).unwrap(), true);
                let y = unit(4, 3, mode, align_corners).unwrap().call(std::slice::from_ref(&leaf)).unwrap();
                y.back_propagate(Some(Tensor::from_vec(x.clone(), &[1, 2, 3, 4]).unwrap())).unwrap();
                assert_eq!((y.tensor().to_vec(), leaf.grad().unwrap().to_vec()), (x.clone(), x.clone()), "{mode}");
            }
        }
    }

    #[test]
    fn a_pixel_of_no_weight_is_not_read() {
        let x = [1.0, f64::INFINITY, 3.0];
        assert_eq!(row(&x, 2, "BilinearTF", true).0, [1.0, 3.0]);
        assert_eq!(row(&x, 6, "NearestNeighbor", true).0, [1.0, 1.0, f64::INFINITY, f64::INFINITY, 3.0, 3.0]);
        let both: Vec<f64> = [x, x].concat();
        let leaf = Var::leaf(Tensor::from_vec(both.clone(), &[1, 2, 1, 3]).unwrap(), true);
        let y = unit(2, 1, "BilinearTF", true).unwrap().call(std::slice::from_ref(&leaf)).unwrap();
        assert_eq!(y.tensor().to_vec(), [1.0, 3.0, 1.0, 3.0]);
        let same = unit(3, 1, "Bilinear", false).unwrap().call(std::slice::from_ref(&leaf)).unwrap();
        same.back_propagate(Some(Tensor::from_vec(both.clone(), &[1, 2, 1, 3]).unwrap())).unwrap();
        assert_eq!((same.tensor().to_vec(), leaf.grad().unwrap().to_vec()), (both.clone(), both));
    }

    #[test]
    fn readers_are_exactly_those_that_read() {
        for (mode, (from, to)) in MODES.into_iter().flat_map(|m| (1..9).flat_map(move |f| (1..12).map(move |t| (m.1, (f, t))))) {
            for align_corners in [true, false] {
                let taps = mode.taps::<f64>(from, to, align_corners);
                assert!(taps.iter().all(|t| t.low <= t.high && t.high < from && (0.0..1.0).contains(&t.weight)));
                for (k, run) in readers(&taps, from).into_iter().enumerate() {
                    let reading: Vec<_> = (0..to).filter(|i| taps[*i].low == k || taps[*i].high == k).collect();
                    assert_eq!(run.collect::<Vec<_>>(), reading, "{mode:?} {from} to {to}");
                }
            }
        }
    }

    #[test]
    fn alignment_may_change_and_nothing_else() {
        let unit = unit(4, 1, "BilinearTF", true).unwrap();
        unit.with(|u| u.cell.set(&config! { "align_corners" => false })).unwrap();
        let x = Var::leaf(Tensor::from_vec(vec![0.0, 8.0], &[1, 1, 1, 2]).unwrap(), true);
        let y = unit.call(std::slice::from_ref(&x)).unwrap();
        assert_eq!(y.tensor().to_vec(), [0.0, 4.0, 8.0, 8.0]);
        // The gradient is that of the pass, not that of what was set since.
        unit.with(|u| u.cell.set(&config! { "align_corners" => true })).unwrap();
        y.back_propagate(Some(Tensor::from_vec(vec![1.0; 4], &[1, 1, 1, 4]).unwrap())).unwrap();
        assert_eq!(x.grad().unwrap().to_vec(), [1.5, 2.5]);
        assert_eq!(unit.with(|u| u.cell.set(&config! { "outputs_width" => 3i64 })).unwrap_err().code(), "unknown");
    }

    #[test]
    fn errors_say_what_would_fit() {
        let text = "Resize_0: parameter `outputs_width` is 0, expected an integer of at least 1";
        assert_eq!(unit(0, 1, "Bilinear", true).err().unwrap(), text);
        let text = "Resize_0: parameter `outputs_height` is 32769, expected at most 32768 pixels";
        assert_eq!(unit(1, 32769, "Bilinear", true).err().unwrap(), text);
        let text = "Resize_0: parameter `resize_mode` is \"Cubic\", expected one of NearestNeighbor, Bilinear, BilinearTF";
        assert_eq!(unit(1, 1, "Cubic", true).err().unwrap(), text);
    }
}
