//! The kernels against sums over every tap, in double precision, for all instruction sets.

use super::*;
use crate::device::cpu::{isas, kernels_f32_of, kernels_f64};
use crate::random::Stream;
use proptest::prelude::*;

const NOWHERE: u32 = u32::MAX;

/// A convolution and what arrives from the pooling behind it.
#[derive(Debug, Clone)]
struct Case {
    window: Window,
    n: usize,
    image: [usize; 3],
    outputs: usize,
    positions: usize,
    /// Of all gradients, the share that is zero, and that has no winner.
    zero: f32,
    nowhere: f32,
    /// Indices of the first winners only, so that many positions share them.
    ties: bool,
}

struct Values {
    x: Vec<f64>,
    /// `[block][r][s][c][output of the block]` for blocks of 1, that is `[output][r][s][c]`.
    w: Vec<f64>,
    d: Vec<f64>,
    at: Vec<u32>,
}

struct Gradients {
    gx: Vec<f64>,
    /// `[output][r][s][c]`
    gw: Vec<f64>,
    gb: Vec<f64>,
}

impl Case {
    fn full(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.window.output(axis, self.image[axis]).unwrap())
    }

    fn values(&self, seed: u64) -> Values {
        let ([h, w, c], [kh, kw], [oh, ow], k) = (self.image, self.window.kernel, self.full(), self.outputs);
        let stream = Stream::new(seed);
        let uniform = |what: u64, i: usize| f64::from(stream.uniform(what << 40 | i as u64));
        let many = |what: u64, n: usize| -> Vec<f64> { (0..n).map(|i| 2.0 * uniform(what, i) - 1.0).collect() };
        let gradients = self.n * self.positions * k;
        let mut d = many(3, gradients);
        for (i, d) in d.iter_mut().enumerate() {
            if uniform(4, i) < f64::from(self.zero) {
                *d = 0.0;
            }
        }
        let pixels = if self.ties { (oh * ow).min(3) } else { oh * ow };
        let at = (0..gradients).map(|i| {
            let pixel = ((uniform(5, i) * pixels as f64) as usize).min(pixels - 1);
            if uniform(6, i) < f64::from(self.nowhere) { NOWHERE } else { (pixel * k + i % k) as u32 }
        });
        Values { x: many(1, self.n * h * w * c), w: many(2, k * kh * kw * c), at: at.collect(), d }
    }

    /// Every tap of every winner.
    fn reference(&self, v: &Values) -> Gradients {
        let ([h, w, c], [kh, kw], [_, ow], k) = (self.image, self.window.kernel, self.full(), self.outputs);
        let mut g = Gradients { gx: vec![0.0; v.x.len()], gw: vec![0.0; v.w.len()], gb: vec![0.0; k] };
        for (i, (d, at)) in v.d.iter().zip(&v.at).enumerate().filter(|(_, (_, at))| **at != NOWHERE) {
            let (image, o, pixel) = (i / (self.positions * k), i % k, *at as usize / k);
            g.gb[o] += d;
            for (r, s) in (0..kh).flat_map(|r| (0..kw).map(move |s| (r, s))) {
                let place = |axis: usize, o: usize, tap: usize| {
                    (o * self.window.stride[axis] + tap * self.window.dilation[axis]).checked_sub(self.window.padding[axis])
                };
                let (Some(y), Some(x)) = (place(0, pixel / ow, r), place(1, pixel % ow, s)) else { continue };
                if y < h && x < w {
                    for ch in 0..c {
                        let (xi, wi) = (((image * h + y) * w + x) * c + ch, ((o * kh + r) * kw + s) * c + ch);
                        g.gx[xi] += d * v.w[wi];
                        g.gw[wi] += d * v.x[xi];
                    }
                }
            }
        }
        g
    }

    /// What the kernels compute, the images in ranges of `step`.
    fn computed<T: Float>(&self, kernels: &'static Kernels<T>, v: &Values, step: usize) -> Gradients {
        let ([_, _, c], [kh, kw], [oh, ow], k) = (self.image, self.window.kernel, self.full(), self.outputs);
        let of = |v: &[f64]| -> Vec<T> { v.iter().map(|v| T::of(*v)).collect() };
        let winners = Winners::new(kernels, &self.window, self.image, [oh, ow, k], self.positions);
        let (items, stride) = winners.weight_items();
        let block = kernels.width(k).block;
        let packed_at = |i: usize| i / (kh * kw * c) / block * stride + i % (kh * kw * c) * block + i / (kh * kw * c) % block;
        let mut weights = vec![T::zero(); items * stride];
        v.w.iter().enumerate().for_each(|(i, w)| weights[packed_at(i)] = T::of(*w));
        let mut packed = vec![T::nan(); winners.packed_len()];
        for (item, part) in packed.chunks_exact_mut(winners.packing_len()).enumerate() {
            winners.pack(item, &weights, part);
        }
        let (x, d) = (of(&v.x), of(&v.d));
        // What is behind the gradient must stay as it is.
        let mut gx = vec![T::nan(); x.len()];
        gx.extend([T::of(7.0); 16]);
        let mut sums = Vec::new();
        for from in (0..self.n).step_by(step) {
            let images = from..(from + step).min(self.n);
            // SAFETY: the gradient of all images.
            unsafe { winners.data(images.clone(), &packed, &d, &v.at, gx.as_mut_ptr()) };
            let mut part = vec![T::nan(); winners.sums_len()];
            winners.weights(images, &x, &d, &v.at, &mut part);
            sums.extend(part);
        }
        assert!(gx[x.len()..].iter().all(|v| *v == T::of(7.0)), "written behind the end");
        let mut gw = vec![T::one(); items * stride];
        for (item, part) in gw.chunks_exact_mut(stride).enumerate() {
            winners.add_weights(item, &sums, part, false);
            let before = part.to_vec();
            winners.add_weights(item, &sums, part, true);
            for (i, (sum, once)) in part.iter_mut().zip(before).enumerate() {
                let apart = (*sum - once - once).abs();
                assert!(apart <= T::of(1e-4) || once.is_nan(), "the second sum of weight {i} was not added to the first");
                *sum = once;
            }
        }
        Gradients {
            gx: gx[..x.len()].iter().map(|v| v.as_f64()).collect(),
            gw: (0..v.w.len()).map(|i| gw[packed_at(i)].as_f64()).collect(),
            gb: (0..k).map(|o| winners.bias(o, &sums).as_f64()).collect(),
        }
    }

    fn check(&self, seed: u64) {
        let values = self.values(seed);
        let expected = self.reference(&values);
        let compare = |what: &str, found: &Gradients, tolerance: f64| {
            for (name, e, f) in [("gx", &expected.gx, &found.gx), ("gw", &expected.gw, &found.gw), ("gb", &expected.gb, &found.gb)] {
                let scale = e.iter().fold(1.0, |m: f64, v| m.max(v.abs()));
                for (i, (e, f)) in e.iter().zip(f).enumerate() {
                    assert!((e - f).abs() <= tolerance * scale, "{what} {name}[{i}]: {f} instead of {e} in {self:?}");
                }
            }
        };
        for step in [1, 3, self.n] {
            compare("f64", &self.computed(kernels_f64(), &values, step), 1e-12);
            for isa in isas() {
                compare(isa.name(), &self.computed(kernels_f32_of(isa), &values, step), 2e-6);
            }
        }
    }
}

fn case(kernel: usize, [c, outputs]: [usize; 2], size: usize, padding: usize, n: usize) -> Case {
    let window = Window { kernel: [kernel; 2], stride: [1; 2], padding: [padding; 2], dilation: [1; 2] };
    let image = [size, size, c];
    let full = window.output(0, size).unwrap();
    Case { window, n, image, outputs, positions: (full / 2).pow(2).max(1), zero: 0.3, nowhere: 0.0, ties: false }
}

#[test]
fn layers_of_known_networks() {
    case(5, [1, 6], 28, 0, 5).check(1);
    case(5, [6, 16], 12, 0, 5).check(2);
    case(3, [3, 32], 16, 1, 2).check(3);
    case(3, [32, 32], 16, 1, 3).check(4);
    case(3, [40, 72], 8, 1, 3).check(5);
    case(7, [3, 20], 15, 3, 2).check(6);
    case(11, [3, 24], 23, 2, 1).check(7);
    case(1, [17, 5], 6, 0, 2).check(8);
}

#[test]
fn many_outputs_are_cut_into_blocks() {
    case(3, [16, 130], 6, 1, 2).check(1);
    case(5, [9, 100], 9, 2, 2).check(2);
}

#[test]
fn zero_gradients_give_zero() {
    let all = Case { zero: 1.0, ..case(3, [5, 7], 9, 1, 3) };
    let found = all.computed(kernels_f64(), &all.values(1), 2);
    assert!([found.gx, found.gw, found.gb].concat().iter().all(|v| *v == 0.0));
}

#[test]
fn positions_without_a_winner_add_nothing() {
    let all = Case { nowhere: 1.0, zero: 0.0, ..case(3, [5, 7], 9, 1, 3) };
    let found = all.computed(kernels_f64(), &all.values(1), 2);
    assert!([found.gx, found.gw, found.gb].concat().iter().all(|v| *v == 0.0));
    Case { nowhere: 0.5, ..case(3, [5, 7], 9, 1, 3) }.check(2);
}

#[test]
fn positions_that_share_a_winner_are_added() {
    Case { ties: true, ..case(3, [6, 20], 9, 0, 2) }.check(1);
    Case { ties: true, ..case(5, [1, 1], 12, 0, 3) }.check(2);
}

#[test]
fn a_gradient_that_is_not_a_number_is_not_lost() {
    let c = case(3, [4, 4], 6, 1, 1);
    let mut values = c.values(1);
    values.d[5] = f64::NAN;
    for isa in isas() {
        let found = c.computed(kernels_f32_of(isa), &values, 1);
        for (name, g) in [("gx", &found.gx), ("gw", &found.gw), ("gb", &found.gb)] {
            assert!(g.iter().any(|v| v.is_nan()), "{} {name}", isa.name());
        }
    }
}

fn cases() -> impl Strategy<Value = Case> {
    let pair = |r: Range<usize>| [r.clone(), r];
    let window = (pair(1..6), pair(1..4), pair(0..3), pair(1..4));
    let sizes = (1..4usize, pair(1..12), 1..40usize, 1..40usize, 1..20usize);
    (window, sizes, 0.0..1.0f32, 0.0..0.5f32, any::<bool>()).prop_map(
        |((kernel, stride, padding, dilation), (n, [h, w], c, outputs, positions), zero, nowhere, ties)| {
            let window = Window { kernel, stride, padding, dilation };
            let least = |axis: usize| (dilation[axis] * (kernel[axis] - 1) + 1).saturating_sub(2 * padding[axis]);
            let image = [h.max(least(0)), w.max(least(1)), c];
            Case { window, n, image, outputs, positions, zero, nowhere, ties }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn any_window(case in cases(), seed in any::<u64>()) {
        case.check(seed);
    }
}
