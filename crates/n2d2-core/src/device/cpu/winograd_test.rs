//! Winograd's convolution on every instruction set against the definition in double.

use super::*;
use crate::device::cpu::{isas, kernels_f32_of, kernels_f64, one_at_a_time, parallel_for};
use crate::random::test_values as random;
use crate::tensor::Tensor;

/// Batch, height, width, channels, outputs, padding.
#[derive(Debug, Clone, Copy)]
struct Case(usize, usize, usize, usize, usize, [usize; 2]);

/// Images of one tile and of part of one, blocks of several images (the last one short), images of several blocks, channels
/// and outputs that fill no vector, several groups of outputs.
const CASES: &[Case] = &[
    Case(1, 3, 3, 1, 1, [0, 0]),
    Case(2, 1, 2, 3, 5, [1, 1]),
    Case(1, 4, 4, 16, 32, [1, 1]),
    Case(3, 7, 7, 20, 70, [1, 1]),
    Case(11, 8, 6, 17, 33, [1, 0]),
    Case(1, 14, 13, 100, 130, [1, 1]),
    Case(2, 23, 30, 33, 40, [0, 2]),
    Case(1, 41, 37, 64, 24, [1, 1]),
    Case(13, 12, 9, 70, 9, [2, 1]),
];

const VARIANTS: [Variant; 2] = [Variant::F2, Variant::F4];

struct Data {
    x: Vec<f64>,
    /// `[o][c][r][s]`
    w: Vec<f64>,
    bias: Vec<f64>,
    /// Means, factors and biases, or nothing.
    affine: Vec<f64>,
    residual: Vec<f64>,
}

impl Case {
    fn window(&self) -> Window {
        Window { kernel: [3, 3], stride: [1, 1], padding: self.5, dilation: [1, 1] }
    }

    fn full(&self) -> [usize; 3] {
        let w = self.window();
        [w.output(0, self.1).unwrap(), w.output(1, self.2).unwrap(), self.4]
    }

    fn outputs(&self) -> usize {
        self.0 * self.full().iter().product::<usize>()
    }

    /// Values that 32 bits hold exactly.
    fn data(&self, seed: u64) -> Data {
        let Case(n, h, w, c, k, _) = *self;
        let values = |len: usize, seed: u64| -> Vec<f64> { random(len, seed).into_iter().map(|v| f64::from(v as f32)).collect() };
        Data {
            x: values(n * h * w * c, seed),
            w: values(k * c * 9, seed + 1),
            bias: values(k, seed + 2),
            affine: values(3 * k, seed + 4),
            residual: values(self.outputs(), seed + 3),
        }
    }

    /// Outputs, and for each the sum of the magnitudes of its terms.
    fn reference(&self, d: &Data, relu: bool) -> (Vec<f64>, Vec<f64>) {
        let Case(_, h, w, c, k, [ph, pw]) = *self;
        let [oh, ow, _] = self.full();
        let (mut y, mut magnitude) = (Vec::new(), Vec::new());
        for at in 0..self.outputs() {
            let (i, row, column, o) = (at / (oh * ow * k), at / (ow * k) % oh, at / k % ow, at % k);
            let bias = if d.bias.is_empty() { 0.0 } else { d.bias[o] };
            let residual = if d.residual.is_empty() { 0.0 } else { d.residual[at] };
            let [mean, factor, shift] = [0, 1, 2].map(|row| d.affine.get(row * k + o).copied().unwrap_or([0.0, 1.0, 0.0][row]));
            let (mut sum, mut sizes) = (bias, bias.abs());
            for tap in 0..9 {
                let (yy, xx) = ((row + tap / 3).wrapping_sub(ph), (column + tap % 3).wrapping_sub(pw));
                if yy < h && xx < w {
                    for channel in 0..c {
                        let term = d.x[((i * h + yy) * w + xx) * c + channel] * d.w[(o * c + channel) * 9 + tap];
                        sum += term;
                        sizes += term.abs();
                    }
                }
            }
            let sum = (sum - mean) * factor + shift + residual;
            y.push(if relu { sum.max(0.0) } else { sum });
            magnitude.push((sizes + mean.abs()) * factor.abs() + shift.abs() + residual.abs());
        }
        (y, magnitude)
    }

    fn run<T: Float>(&self, kernels: &'static Kernels<T>, variant: Variant, d: &Data, relu: bool) -> Vec<T> {
        let Case(n, h, w, c, ..) = *self;
        let plan = Winograd::new(kernels, variant, &self.window(), n, [h, w, c], self.full());
        let vector = |v: &[f64]| -> Vec<T> { v.iter().map(|v| T::of(*v)).collect() };
        let (x, weights, bias, affine, residual) = (vector(&d.x), vector(&d.w), vector(&d.bias), vector(&d.affine), vector(&d.residual));
        let affine = (!affine.is_empty()).then(|| [0, 1, 2].map(|row| &affine[row * self.4..][..self.4]));
        let guarded = |len: usize| {
            let mut b = vec![T::of(f64::NAN); len + 64];
            b[len..].fill(T::of(123.0));
            b
        };
        let u = Tensor::from_vec(guarded(plan.weights_len()), &[plan.weights_len() + 64]).unwrap();
        parallel_for(plan.weight_items(), usize::MAX, &|item| {
            // SAFETY: the memory has the plan's size; items write disjoint parts.
            unsafe { plan.transform_weights(item, u.as_ptr(), |[o, ch, r, s]| weights[(o * c + ch) * 9 + r * 3 + s]) };
        });
        let (u, mut v, mut y) = (u.to_vec(), guarded(plan.transformed_len()), guarded(self.outputs()));
        let (v_at, y_at) = (v.as_mut_ptr(), y.as_mut_ptr());
        let job = WinogradJob { plan: &plan, x: &x, u: &u, bias: &bias, affine, residual: &residual, relu, v: v_at, y: y_at };
        // SAFETY: the memory has the plan's sizes.
        parallel_for(plan.transform_items(), usize::MAX, &|item| unsafe { job.transform(item) });
        // SAFETY: as above.
        parallel_for(plan.items(), usize::MAX, &|item| unsafe { job.run(item) });
        for (len, b) in [(plan.weights_len(), &u), (plan.transformed_len(), &v), (self.outputs(), &y)] {
            assert!(b[len..].iter().all(|v| v.as_f64() == 123.0), "{self:?} {variant:?} writes behind its end");
        }
        y.truncate(self.outputs());
        y
    }
}

#[track_caller]
fn close<T: Float>(what: &str, got: &[T], want: &[f64], magnitude: &[f64], eps: f64) {
    let scale = magnitude.iter().copied().fold(0.0, f64::max);
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g.as_f64() - w).abs() <= eps * scale, "{what}[{i}]: {g} instead of {w}");
    }
}

#[test]
fn is_the_convolution_on_every_instruction_set() {
    for (i, case) in CASES.iter().enumerate() {
        let d = case.data(10 * i as u64);
        for relu in [false, true] {
            // With bias, normalisation and residual, and without.
            let plain = || Data { bias: Vec::new(), affine: Vec::new(), residual: Vec::new(), x: d.x.clone(), w: d.w.clone() };
            let d = if relu { &d } else { &plain() };
            let (y, magnitude) = case.reference(d, relu);
            for variant in VARIANTS {
                close(&format!("f64 {variant:?} {case:?}"), &case.run(kernels_f64(), variant, d, relu), &y, &magnitude, 3e-15);
                for isa in isas() {
                    let got = case.run(kernels_f32_of(isa), variant, d, relu);
                    close(&format!("{isa:?} {variant:?} {case:?}"), &got, &y, &magnitude, 1e-6);
                }
            }
        }
    }
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads() {
    for case in [Case(1, 14, 13, 100, 130, [1, 1]), Case(9, 30, 30, 33, 40, [1, 1])] {
        let d = case.data(3);
        for variant in VARIANTS {
            let of = |n: usize| {
                let _alone = one_at_a_time(n);
                case.run(f32::kernels(), variant, &d, true)
            };
            let one = of(1);
            assert!([2, 4].iter().all(|n| of(*n) == one), "{case:?} {variant:?}");
        }
    }
}

/// The largest error as a share of the largest output and of the largest sum of magnitudes.
fn errors(case: Case, d: &Data, variant: Variant) -> [f64; 2] {
    let (y, magnitude) = case.reference(d, false);
    let error = case.run(f32::kernels(), variant, d, false).iter().zip(&y).map(|(g, w)| (g.as_f64() - w).abs()).fold(0.0, f64::max);
    let most = |v: &[f64]| v.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
    [error / most(&y), error / most(&magnitude)]
}

#[test]
fn error_is_a_small_share_of_the_largest_output() {
    for (channels, limits) in [(64, [2e-6, 4e-6]), (512, [3e-6, 1e-5])] {
        let case = Case(1, 12, 12, channels, 32, [1, 1]);
        let d = case.data(5);
        let positive = Data { x: d.x.iter().map(|v| v.abs()).collect(), ..case.data(5) };
        for (variant, limit) in VARIANTS.into_iter().zip(limits) {
            for d in [&d, &positive] {
                let [error, _] = errors(case, d, variant);
                println!("{variant:?} {channels} {error:.1e}");
                assert!(error <= limit, "{variant:?} with {channels} channels: {error:e}");
            }
        }
    }
}

/// A pixel, or a channel, a million times larger than the others; images near a constant, whose edges the weights find.
#[test]
fn error_is_bounded_by_the_magnitudes() {
    let case = Case(1, 9, 9, 64, 32, [1, 1]);
    let scaled = |scale: &dyn Fn(usize) -> f64| {
        let d = case.data(8);
        Data { x: d.x.iter().enumerate().map(|(i, v)| f64::from((v * scale(i)) as f32)).collect(), ..case.data(8) }
    };
    let pixel = scaled(&|i| if i / 64 == 40 { 1e6 } else { 1.0 });
    let channel = scaled(&|i| if i % 64 == 7 { 1e6 } else { 1.0 });
    let alternating = scaled(&|i| if i / 64 % 2 == 0 { 1e6 } else { -1e-6 });
    let mut edges = case.data(8);
    edges.x.iter_mut().for_each(|v| *v = f64::from((1.0 + 1e-3 * *v) as f32));
    for w in edges.w.chunks_exact_mut(9) {
        let mean = w.iter().sum::<f64>() / 9.0;
        for v in w.iter_mut() {
            *v = f64::from((*v - mean) as f32);
        }
    }
    for (variant, limit) in VARIANTS.into_iter().zip([1e-6, 2e-6]) {
        for (name, d) in [("pixel", &pixel), ("channel", &channel), ("alternating", &alternating), ("edges", &edges)] {
            let [_, error] = errors(case, d, variant);
            println!("{variant:?} {name} {error:.1e}");
            assert!(error <= limit, "{variant:?} {name}: {error:e}");
        }
    }
}

/// The rule and what it rests on: `benches/winograd.rs`.
#[test]
fn wins_where_measurements_say_so() {
    for (n, size, channels, outputs, variant) in [
        (1, 56, 64, 64, Some(Variant::F4)),
        (1, 28, 128, 128, Some(Variant::F4)),
        (1, 14, 256, 256, Some(Variant::F4)),
        (1, 7, 512, 512, Some(Variant::F2)),
        (8, 7, 512, 512, Some(Variant::F4)),
        (1, 32, 32, 32, Some(Variant::F4)),
        (1, 8, 128, 128, Some(Variant::F4)),
        (1, 4, 128, 128, Some(Variant::F2)),
        (1, 2, 512, 512, None),
        (1, 32, 3, 32, None),
        (1, 32, 32, 10, None),
        (1, 14, 2048, 1024, None),
    ] {
        assert_eq!(wins(n, channels, [size, size, outputs]), variant, "{n} x {size}x{size}, {channels} -> {outputs}");
    }
    let plan = |w: &Window| Winograd::chosen(f32::kernels(), w, 1, [28, 28, 64], [28, 28, 64]).is_some();
    let window = Window { kernel: [3, 3], stride: [1, 1], padding: [1, 1], dilation: [1, 1] };
    assert!(plan(&window));
    for other in [Window { kernel: [3, 1], ..window }, Window { stride: [1, 2], ..window }, Window { dilation: [2, 1], ..window }] {
        assert!(!plan(&other), "{other:?}");
    }
    assert!(Winograd::chosen(kernels_f64(), &window, 1, [28, 28, 64], [28, 28, 64]).is_none());
}
