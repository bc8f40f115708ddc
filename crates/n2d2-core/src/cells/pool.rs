//! `Pool`: the largest value or the average of each window.
//!
//! With window `[kh, kw]`, stride `[sh, sw]` and padding `[ph, pw]`, the output has
//! `floor((h + 2 ph - kh) / sh) + 1` rows and likewise columns.
//!
//! * `Max`: the largest value inside the image; padding never wins, of equal values the first in row-major order wins and
//!   gets the gradient, an empty window gives 0.
//! * `Average`: the sum over the part of the window inside the image, divided by the size of the *whole* window.
//!
//! Without `mapping` each channel is pooled by itself. A mapping (a row an input channel, a column an output) makes an
//! output pool over all its channels at once; the average then also divides by their number.
//!
//! Shapes: `[n, c, h, w]` to `[n, c or columns of the mapping, oh, ow]`.
//!
//! Source: ONNX `MaxPool`, `AveragePool` (`count_include_pad = 1`), `GlobalMaxPool`, `GlobalAveragePool`. Not supported:
//! dilation, `ceil_mode`.

mod joint;
mod kernels;
mod lanes;

use super::{Cell, Frame, Phase};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::device::cpu::with_scratch;
use crate::tensor::{Float, Shape, dims4};
use crate::vectorise::vectorised;
use joint::Mapping;
use kernels::{Gather, Windows};
use std::marker::PhantomData;
use std::ops::Range;

/// Input elements of an item, so that an item is worth its scheduling.
const ITEM: usize = 16 * 1024;

/// Sizes of one pass.
#[derive(Debug, Clone, Copy)]
struct Geometry {
    c: usize,
    input: [usize; 2],
    output: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
}

impl Geometry {
    /// The inputs inside the window of output `o` along an axis.
    #[inline(always)]
    fn taps(&self, axis: usize, o: usize) -> Range<usize> {
        let (start, p) = (o * self.stride[axis], self.padding[axis]);
        let end = (start + self.kernel[axis]).saturating_sub(p).min(self.input[axis]);
        start.saturating_sub(p).min(end)..end
    }

    fn window_size(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// The outputs along an axis whose windows lie inside the image.
    fn inside(&self, axis: usize) -> Range<usize> {
        let (k, s, p) = (self.kernel[axis], self.stride[axis], self.padding[axis]);
        let end = (self.input[axis] + p).checked_sub(k).map_or(0, |room| room / s + 1).min(self.output[axis]);
        p.div_ceil(s).min(end)..end
    }

    /// True if windows lie side by side inside the image, so that every input belongs to at most one.
    fn is_tiled(&self) -> bool {
        self.padding == [0, 0] && self.stride == self.kernel
    }

    /// The outputs whose windows hold input `i` along an axis.
    #[inline(always)]
    fn outputs(&self, axis: usize, i: usize) -> Range<usize> {
        let (k, s, padded) = (self.kernel[axis], self.stride[axis], i + self.padding[axis]);
        // A padded place below the window's size lies in the windows from the first on.
        let first = if padded < k { 0 } else { (padded - k) / s + 1 };
        let end = if s == 1 { padded + 1 } else { padded / s + 1 }.min(self.output[axis]);
        first.min(end)..end
    }

    /// Output rows of an item.
    fn rows(&self) -> usize {
        ITEM.div_ceil((self.stride[0] * self.input[1] * self.c).max(1)).min(self.output[0])
    }

    fn bands(&self) -> usize {
        self.output[0].div_ceil(self.rows())
    }

    /// The output rows of a band.
    fn band(&self, band: usize) -> [usize; 2] {
        let rows = self.rows();
        [band * rows, ((band + 1) * rows).min(self.output[0])]
    }

    /// Input rows of an item of the pass back.
    fn input_rows(&self) -> usize {
        ITEM.div_ceil((self.input[1] * self.c).max(1)).min(self.input[0]).max(1)
    }

    fn input_bands(&self) -> usize {
        self.input[0].div_ceil(self.input_rows())
    }

    /// The input rows of a band.
    fn input_band(&self, band: usize) -> [usize; 2] {
        let rows = self.input_rows();
        [band * rows, ((band + 1) * rows).min(self.input[0])]
    }

    fn image(&self) -> usize {
        self.input[0] * self.input[1] * self.c
    }
}

/// Largest value or average of windows.
///
/// Parameters: `pooling` (`Max`, default, or `Average`), `pool_dims` (`[height, width]`, required unless `global`),
/// `stride_dims` (default 1), `padding_dims` (default 0), `global` (default false: the window is the whole input),
/// `mapping` (default none).
pub struct Pool<T: Float> {
    average: bool,
    global: bool,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    /// `None` also for the identity.
    mapping: Option<Mapping>,
    /// Rows of the mapping that was given.
    rows: Option<usize>,
    float: PhantomData<T>,
}

impl<T: Float> Pool<T> {
    /// Reads the parameters.
    ///
    /// # Errors
    /// The errors of [`Config`].
    pub fn new(config: &Config) -> Result<Self> {
        config.only(&["pooling", "pool_dims", "stride_dims", "padding_dims", "global", "mapping"])?;
        let global = config.bool_or("global", false)?;
        if let Some(name) = ["pool_dims", "stride_dims", "padding_dims"].iter().find(|n| global && config.get(n).is_some()) {
            return Err(config.error(name, "given", "no window, stride or padding with `global`"));
        }
        let mapping = config.mask("mapping")?.map(|(rows, columns, connected)| Mapping::new(rows, columns, connected));
        Ok(Pool {
            average: config.one_of("pooling", &["Max", "Average"], "Max")? == "Average",
            global,
            kernel: if global { [1, 1] } else { config.pair_or("pool_dims", None, 1)? },
            stride: config.pair_or("stride_dims", Some([1, 1]), 1)?,
            padding: config.pair_or("padding_dims", Some([0, 0]), 0)?,
            rows: mapping.as_ref().map(|m| m.channels),
            mapping: mapping.filter(|m| !m.is_identity() || m.sources.is_empty()),
            float: PhantomData,
        })
    }

    fn geometry(&self, name: &str, input: &[usize]) -> Result<Geometry> {
        let [_, c, h, w] = dims4(input);
        let mut g = Geometry { c, input: [h, w], output: [1, 1], kernel: self.kernel, stride: self.stride, padding: self.padding };
        if self.global {
            (g.kernel, g.stride) = ([h, w], [h, w]);
            return Ok(g);
        }
        for axis in 0..2 {
            let padded = g.input[axis] + 2 * g.padding[axis];
            let Some(room) = padded.checked_sub(g.kernel[axis]) else {
                let expected = format!("an input with padding of at least the window {:?}", g.kernel);
                return Err(Error::shape(
                    name,
                    "height and width of the input",
                    expected,
                    format!("{:?} with padding {:?}", g.input, g.padding),
                ));
            };
            g.output[axis] = room / g.stride[axis] + 1;
        }
        if c * h * w >= kernels::NOWHERE as usize {
            return Err(Error::shape(name, "elements of an image", format!("fewer than {}", kernels::NOWHERE), c * h * w));
        }
        Ok(g)
    }

    /// The geometry of a pass whose shapes have been checked.
    fn of(&self, f: &Frame<'_, T>) -> Geometry {
        self.geometry(f.name, f.inputs[0].shape()).expect("`output_shape` has accepted the input")
    }
}

impl<T: Float> Cell<T> for Pool<T> {
    fn kind(&self) -> &'static str {
        "Pool"
    }

    fn output_shape(&self, name: &str, inputs: &[&[usize]]) -> Result<Shape> {
        let [n, c, ..] = dims4(inputs[0]);
        let g = self.geometry(name, inputs[0])?;
        if let Some(rows) = self.rows.filter(|rows| *rows != c) {
            return Err(Error::shape(name, "channels of the input", format!("{rows}, the rows of the mapping"), c));
        }
        let outputs = self.mapping.as_ref().map_or(c, |m| m.sources.len());
        Ok(vec![n, outputs, g.output[0], g.output[1]])
    }

    fn saved(&self, _: &[&[usize]], output: &[usize]) -> (usize, usize) {
        (0, if self.average { 0 } else { output.iter().product() })
    }

    fn chooses(&self) -> bool {
        !self.average && self.mapping.is_none()
    }

    fn forward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        let g = self.of(f);
        let bands = if self.mapping.is_some() { 1 } else { g.bands() };
        let taps = f.output.len() * g.window_size();
        Ok(vec![Phase::streaming(f.output.shape()[0] * bands, taps.max(f.inputs[0].len())).by_image(1)])
    }

    fn forward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let g = self.of(f);
        let out = f.output.len() / f.output.shape()[0];
        if let Some(m) = &self.mapping {
            let x = f.inputs[0].part(item * g.image(), g.image());
            // SAFETY: every item writes its own image.
            let y = unsafe { f.output.part_mut(item * out, out) };
            if self.average {
                return joint::average_forward(&g, m, x, y);
            }
            // SAFETY: as above.
            return joint::max_forward(&g, m, x, y, unsafe { f.saved.index.part_mut(item * out, out) });
        }
        let (image, band) = (item / g.bands(), g.band(item % g.bands()));
        let x = f.inputs[0].as_ptr().wrapping_add(image * g.image());
        let y = f.output.as_ptr().wrapping_add(image * out);
        let index = &f.saved.index;
        let at = if index.is_empty() { std::ptr::null_mut() } else { index.as_ptr().wrapping_add(image * out) };
        let windows = Windows { g, band, x, y, at };
        // SAFETY: the tensors have these sizes, and this item alone writes the rows of its band.
        unsafe { if self.average { kernels::average_forward(&windows) } else { kernels::max_forward(&windows) } };
    }

    fn backward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        let Some(gx) = &f.grad_inputs[0] else { return Ok(Vec::new()) };
        let g = self.of(f);
        let bands = if self.mapping.is_some() { 1 } else { g.input_bands() };
        let taps = if self.average { f.output.len() * g.window_size() } else { f.output.len() };
        Ok(vec![Phase::streaming(f.output.shape()[0] * bands, taps + gx.len()).by_image(1)])
    }

    fn backward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let Some(gx) = &f.grad_inputs[0] else { return };
        let g = self.of(f);
        let out = f.output.len() / f.output.shape()[0];
        if let Some(m) = &self.mapping {
            let gy = f.gy().part(item * out, out);
            // SAFETY: every item writes its own image.
            let gx = unsafe { gx.part_mut(item * g.image(), g.image()) };
            if self.average {
                return joint::average_backward(&g, m, gy, gx);
            }
            return kernels::max_backward(gy, f.saved.index.part(item * out, out), gx);
        }
        let (image, band) = (item / g.input_bands(), g.input_band(item % g.input_bands()));
        let gx = gx.as_ptr().wrapping_add(image * g.image());
        let row = g.output[1] * g.c;
        if !self.average {
            let (d, at) = (f.gy().as_ptr().wrapping_add(image * out), f.saved.index.as_ptr().wrapping_add(image * out));
            // SAFETY: the tensors have these sizes, and this item alone writes the rows of its band.
            return unsafe { kernels::backward(&Gather { g, band, d, factor: T::one(), at, gx }) };
        }
        let (gy, size) = (f.gy().part(image * out, out), T::of(g.window_size() as f64));
        if g.window_size().is_power_of_two() {
            // Its inverse is exact.
            let (d, factor) = (gy.as_ptr(), T::one() / size);
            // SAFETY: as above.
            return unsafe { kernels::backward(&Gather { g, band, d, factor, at: std::ptr::null(), gx }) };
        }
        // The shares of the output rows whose windows reach into the band.
        let first = g.outputs(0, band[0]).start;
        let rows = first..g.outputs(0, band[1] - 1).end.max(first);
        with_scratch(rows.len() * row, |shares: &mut [T]| {
            divide(&gy[rows.start * row..rows.end * row], size, shares);
            let d = shares.as_ptr().wrapping_sub(rows.start * row);
            // SAFETY: as above; no other row of the shares is read.
            unsafe { kernels::backward(&Gather { g, band, d, factor: T::one(), at: std::ptr::null(), gx }) };
        });
    }
}

vectorised! {
    fn divide<T: Float>(x: &[T], by: T, y: &mut [T]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = *x / by;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::graph::{Plan, Unit, Var};
    use crate::{Tensor, Value};

    fn run<T: Float>(config: &Config, x: &[T], shape: &[usize], gy: impl Fn(usize) -> T) -> (Vec<T>, Vec<usize>, Vec<T>) {
        let unit = Unit::new("p", "Pool", config).unwrap();
        let x = Var::leaf(Tensor::from_vec(x.to_vec(), shape).unwrap(), true);
        let y = unit.call(std::slice::from_ref(&x)).unwrap();
        let gy = (0..y.tensor().len()).map(gy).collect();
        y.back_propagate(Some(Tensor::from_vec(gy, y.tensor().shape()).unwrap())).unwrap();
        (y.tensor().to_vec(), y.tensor().shape().to_vec(), x.grad().unwrap().to_vec())
    }

    #[test]
    fn maximum_by_hand_with_ties_and_a_column_left_over() {
        let x = [1.0f32, 5.0, 2.0, 2.0, 9.0, 5.0, 1.0, 2.0, 2.0, 9.0];
        let (y, shape, gx) = run(&config! { "pool_dims" => 2i64, "stride_dims" => 2i64 }, &x, &[1, 1, 2, 5], |i| (i + 1) as f32);
        assert_eq!((y, shape), (vec![5.0, 2.0], vec![1, 1, 1, 2]));
        assert_eq!(gx, [0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn padding_never_wins_and_counts_in_the_average() {
        let x = [-1.0f64, -2.0, -3.0, -4.0];
        let c = |pooling: &str| config! { "pooling" => pooling, "pool_dims" => 2i64, "stride_dims" => 2i64, "padding_dims" => 1i64 };
        let (y, _, gx) = run(&c("Max"), &x, &[1, 1, 2, 2], |i| i as f64);
        assert_eq!((y, gx), (x.to_vec(), vec![0.0, 1.0, 2.0, 3.0]));
        let (y, _, gx) = run(&c("Average"), &x, &[1, 1, 2, 2], |i| i as f64);
        assert_eq!((y, gx), (vec![-0.25, -0.5, -0.75, -1.0], vec![0.0, 0.25, 0.5, 0.75]));
        // A padding wider than the window leaves windows without inputs.
        let (y, shape, gx) = run(&config! { "pool_dims" => 1i64, "padding_dims" => 1i64 }, &[-7.0f32], &[1, 1, 1, 1], |_| 1.0);
        assert_eq!((y, shape, gx), (vec![0.0, 0.0, 0.0, 0.0, -7.0, 0.0, 0.0, 0.0, 0.0], vec![1, 1, 3, 3], vec![1.0]));
    }

    #[test]
    fn a_mapping_pools_over_channels() {
        let x = [1.0f32, 2.0, 8.0, 4.0, 5.0, 6.0];
        let m = Value::Mask(3, 2, vec![true, false, true, false, false, true]);
        let c = |pooling: &str| config! { "pooling" => pooling, "pool_dims" => [1usize, 2], "mapping" => m.clone() };
        let (y, shape, gx) = run(&c("Max"), &x, &[1, 3, 1, 2], |i| (i + 1) as f32);
        assert_eq!((y, shape, gx), (vec![8.0, 6.0], vec![1, 2, 1, 1], vec![0.0, 0.0, 1.0, 0.0, 0.0, 2.0]));
        let (y, _, gx) = run(&c("Average"), &x, &[1, 3, 1, 2], |i| (i + 1) as f32);
        assert_eq!((y, gx), (vec![3.75, 5.5], vec![0.25, 0.25, 0.25, 0.25, 1.0, 1.0]));
    }

    /// Output and gradient by the definition, in N, C, H, W order.
    fn reference(average: bool, g: &Geometry, n: usize, x: &[f32], gy: impl Fn(usize) -> f32) -> (Vec<f32>, Vec<f32>) {
        let [h, w] = g.input;
        let (mut y, mut gx) = (Vec::new(), vec![0.0; x.len()]);
        for o in 0..n * g.c * g.output[0] * g.output[1] {
            let (plane, oy, ox) = (o / (g.output[0] * g.output[1]), o / g.output[1] % g.output[0], o % g.output[1]);
            let mut inputs = Vec::new();
            for (ky, kx) in (0..g.kernel[0]).flat_map(|ky| (0..g.kernel[1]).map(move |kx| (ky, kx))) {
                let iy = (oy * g.stride[0] + ky).wrapping_sub(g.padding[0]);
                let ix = (ox * g.stride[1] + kx).wrapping_sub(g.padding[1]);
                if iy < h && ix < w {
                    inputs.push((plane * h + iy) * w + ix);
                }
            }
            let area = (g.kernel[0] * g.kernel[1]) as f32;
            if average {
                y.push(inputs.iter().fold(0.0, |s, i| s + x[*i]) / area);
                for i in &inputs {
                    gx[*i] += gy(o) / area;
                }
            } else {
                let best = inputs.iter().copied().reduce(|a, b| if x[b] > x[a] { b } else { a });
                y.push(best.map_or(0.0, |i| x[i]));
                if let Some(i) = best {
                    gx[i] += gy(o);
                }
            }
        }
        (y, gx)
    }

    #[test]
    fn fast_kernels_agree_with_the_definition() {
        let windows = [
            ([2, 2], [2, 2], [0, 0]),
            ([3, 3], [2, 2], [1, 1]),
            ([3, 2], [1, 3], [0, 1]),
            ([2, 3], [2, 3], [0, 0]),
            ([1, 1], [2, 1], [0, 0]),
        ];
        for (kernel, stride, padding) in windows {
            for (n, c, h, w) in [(2, 1, 7, 9), (3, 6, 8, 8), (2, 8, 5, 6), (2, 11, 6, 7), (1, 19, 4, 5), (5, 1, 4, 3), (2, 3, 90, 301)] {
                for pooling in ["Max", "Average"] {
                    let config =
                        config! { "pooling" => pooling, "pool_dims" => kernel, "stride_dims" => stride, "padding_dims" => padding };
                    let x: Vec<f32> = (0..n * c * h * w).map(|i| ((i * 7919) % 1009) as f32 - 504.0).collect();
                    let gy = |i: usize| ((i * 31) % 97) as f32 - 48.0;
                    let (y, shape, gx) = run(&config, &x, &[n, c, h, w], gy);
                    let g = Geometry { c, input: [h, w], output: [shape[2], shape[3]], kernel, stride, padding };
                    let (ry, rgx) = reference(pooling == "Average", &g, n, &x, gy);
                    let what = format!("{pooling} {kernel:?} {stride:?} {padding:?} on {:?}", (n, c, h, w));
                    assert_eq!(y, ry, "{what}");
                    // As one call in test mode, where the places of maxima are left out.
                    let unit = Unit::new("p", "Pool", &config).unwrap();
                    unit.set_learn(false);
                    let plan = Plan::new(vec![unit], vec![vec![0]], 1, &[1]).unwrap();
                    let x = Var::leaf(Tensor::from_vec(x, &[n, c, h, w]).unwrap(), false);
                    assert_eq!(plan.call(&[x]).unwrap().at(1).unwrap().tensor().to_vec(), ry, "{what}");
                    // Sums over overlapping windows may be made in another order.
                    assert!(gx.iter().zip(&rgx).all(|(a, b)| (a - b).abs() <= 1e-4), "{what}");
                }
            }
        }
    }

    #[test]
    fn a_band_of_short_rows_leaves_the_next_image_alone() {
        for (c, h, w, kernel) in [(1, 2, 5, [2, 2]), (1, 6, 2, [2, 2]), (3, 4, 2, [2, 2]), (2, 3, 3, [3, 3]), (1, 4, 1, [4, 1])] {
            let g = Geometry { c, input: [h, w], output: [h / kernel[0], w / kernel[1]], kernel, stride: kernel, padding: [0, 0] };
            let out = g.output.iter().product::<usize>() * c;
            // Room for a vector behind what is read.
            let (gy, at) = (vec![1.0f32; out + 16], vec![0u32; out + 16]);
            for at in [std::ptr::null(), at.as_ptr()] {
                let mut gx = vec![7.0; g.image() + 16];
                // SAFETY: the slices hold an image and a vector more.
                unsafe { kernels::backward(&Gather { g, band: [0, h], d: gy.as_ptr(), factor: 1.0, at, gx: gx.as_mut_ptr() }) };
                let (image, next) = gx.split_at(g.image());
                assert_eq!(next, [7.0; 16], "{c} {h} {w} {at:?}");
                assert!(image.iter().all(|v| *v != 7.0), "{c} {h} {w} {at:?}");
            }
        }
    }

    #[test]
    fn the_outputs_that_hold_an_input_are_those_whose_taps_it_is_one_of() {
        for k in 1..5 {
            for (s, p, n) in [(1, 0, 9), (1, 1, 9), (2, 1, 8), (2, 0, 7), (3, 2, 10), (3, 5, 6), (4, 0, 9)] {
                let room = n + 2 * p - k;
                let outputs = room / s + 1;
                let g = Geometry { c: 1, input: [n, n], output: [outputs; 2], kernel: [k, k], stride: [s, s], padding: [p, p] };
                for i in 0..n {
                    let held: Vec<usize> = (0..outputs).filter(|o| g.taps(0, *o).contains(&i)).collect();
                    assert_eq!(g.outputs(0, i).collect::<Vec<_>>(), held, "{k} {s} {p} {n} {i}");
                }
                let inside: Vec<usize> = (0..outputs).filter(|o| o * s >= p && o * s + k <= n + p).collect();
                assert_eq!(g.inside(1).collect::<Vec<_>>(), inside, "{k} {s} {p} {n}");
            }
        }
    }

    #[test]
    fn a_global_window_takes_any_size_and_bad_windows_are_named() {
        let c = config! { "global" => true, "pooling" => "Average" };
        let (y, shape, _) = run(&c, &[1.0f32, 2.0, 3.0, 6.0, 1.0, 5.0], &[1, 2, 1, 3], |_| 1.0);
        assert_eq!((y, shape), (vec![2.0, 4.0], vec![1, 2, 1, 1]));
        let unit = Unit::<f32>::new("Pool_0", "Pool", &config! { "pool_dims" => 3i64 }).unwrap();
        let text = "Pool_0: height and width of the input: expected an input with padding of at least the window [3, 3], got [2, 9] with padding [0, 0]";
        assert_eq!(unit.output_shape(&[&[1, 1, 2, 9]]).unwrap_err().to_string(), text);
        let text = "Pool_0: parameter `pool_dims` is missing, expected a value";
        assert_eq!(Unit::<f32>::new("Pool_0", "Pool", &Config::default()).err().unwrap().to_string(), text);
    }
}
