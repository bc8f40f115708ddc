//! Transposed convolution on every instruction set against a naive sum in double.

use super::*;
use crate::activation::Activation;
use crate::device::cpu::{isas, kernels_f32_of, kernels_f64};
use crate::graph::{Unit, Var};
use crate::random::{Mt19937, test_values as random};
use crate::{Tensor, config, filler};
use std::sync::Arc;

/// A case: channels, outputs, kernel, stride, padding, dilation, groups, batch, height and width of the input.
#[derive(Debug, Clone, Copy)]
struct Case(usize, usize, [usize; 2], [usize; 2], [usize; 2], [usize; 2], usize, usize, [usize; 2]);

const CASES: &[Case] = &[
    Case(6, 16, [5, 5], [1, 1], [0, 0], [1, 1], 1, 2, [8, 8]),
    Case(16, 3, [4, 4], [2, 2], [1, 1], [1, 1], 1, 2, [7, 9]),
    Case(3, 40, [3, 3], [1, 1], [1, 1], [1, 1], 1, 2, [9, 7]),
    Case(5, 7, [3, 3], [2, 2], [1, 1], [1, 1], 1, 2, [5, 6]),
    Case(4, 33, [1, 1], [1, 1], [0, 0], [1, 1], 1, 2, [5, 6]),
    // Between the pixels of a stride larger than the kernel stands the bias alone.
    Case(4, 9, [2, 1], [3, 2], [0, 0], [1, 1], 1, 1, [4, 5]),
    Case(2, 3, [3, 2], [2, 3], [2, 1], [2, 1], 1, 2, [6, 4]),
    Case(33, 19, [7, 7], [2, 2], [3, 3], [1, 1], 1, 1, [9, 8]),
    Case(8, 12, [3, 3], [1, 1], [1, 1], [1, 1], 4, 2, [6, 5]),
    Case(12, 4, [3, 3], [2, 1], [0, 1], [1, 2], 2, 2, [5, 6]),
    Case(19, 19, [3, 3], [1, 1], [1, 1], [1, 1], 19, 2, [7, 8]),
    Case(40, 40, [5, 3], [2, 2], [2, 1], [1, 2], 40, 2, [5, 6]),
    Case(1, 1, [4, 4], [3, 3], [0, 0], [1, 1], 1, 2, [3, 4]),
    Case(1, 8, [2, 2], [2, 2], [0, 0], [1, 1], 1, 3, [1, 1]),
];

impl Case {
    fn config(self) -> Config {
        let Case(c, k, kernel, s, p, d, groups, ..) = self;
        let mut config = config! {
            "nb_inputs" => c, "nb_outputs" => k, "kernel_dims" => kernel, "stride_dims" => s, "padding_dims" => p, "dilation_dims" => d,
        };
        if groups > 1 {
            let mask = (0..c * k).map(|i| i / k / (c / groups) == i % k / (k / groups)).collect();
            config.set("mapping", crate::Value::Mask(c, k, mask));
        }
        config
    }

    /// Output, input gradient, weight gradient and bias gradient by the definition, and the size of the output.
    fn reference(self, [x, w, b, gy]: [&[f64]; 4]) -> ([Vec<f64>; 4], [usize; 2]) {
        let Case(c, k, [kh, kw], s, p, d, groups, n, [h, width]) = self;
        let size = |axis: usize, n: usize, k: usize| (n - 1) * s[axis] + d[axis] * (k - 1) + 1 - 2 * p[axis];
        let [oh, ow] = [size(0, h, kh), size(1, width, kw)];
        let (cg, kg) = (c / groups, k / groups);
        let (mut y, mut gx, mut gw, mut gb) = (vec![0.0; n * k * oh * ow], vec![0.0; x.len()], vec![0.0; w.len()], vec![0.0; k]);
        for (at, v) in y.iter_mut().enumerate() {
            *v = b[at / (oh * ow) % k];
            gb[at / (oh * ow) % k] += gy.get(at).copied().unwrap_or(0.0);
        }
        for (xi, v) in x.iter().enumerate() {
            let [image, channel, i, j] = [xi / (c * h * width), xi / (h * width) % c, xi / width % h, xi % width];
            for t in 0..kg * kh * kw {
                let [o, r, q] = [channel / cg * kg + t / (kh * kw), t / kw % kh, t % kw];
                let (py, px) = ((i * s[0] + r * d[0]).wrapping_sub(p[0]), (j * s[1] + q * d[1]).wrapping_sub(p[1]));
                if py < oh && px < ow {
                    let (yi, wi) = (((image * k + o) * oh + py) * ow + px, ((o * cg + channel % cg) * kh + r) * kw + q);
                    y[yi] += w[wi] * v;
                    let g = gy.get(yi).copied().unwrap_or(0.0);
                    gx[xi] += w[wi] * g;
                    gw[wi] += v * g;
                }
            }
        }
        ([y, gx, gw, gb], [oh, ow])
    }
}

#[track_caller]
fn close<T: Float>(what: &str, got: &[T], want: &[f64]) {
    assert_eq!(got.len(), want.len(), "{what}");
    let eps = if size_of::<T>() == 4 { 2e-6 } else { 1e-13 };
    let largest = want.iter().fold(1.0f64, |m, v| m.max(v.abs()));
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g.as_f64() - w).abs() <= eps * largest, "{what}[{i}]: {g} instead of {w}");
    }
}

fn check<T: Float>(case: Case, kernels: &'static Kernels<T>) {
    let Case(c, k, [kh, kw], .., groups, n, [h, width]) = case;
    let (x, w, b) = (random(n * c * h * width, 1), random(k * c / groups * kh * kw, 2), random(k, 3));
    let (sized, [oh, ow]) = case.reference([&x, &w, &b, &[]]);
    let gy = random(sized[0].len(), 4);
    let (want, _) = case.reference([&x, &w, &b, &gy]);
    let round = |v: &[f64]| -> Vec<T> { v.iter().map(|v| T::of(*v)).collect() };
    let mut cell = Deconv::<T>::with_kernels(&case.config(), kernels).unwrap();
    cell.params[0].assign(&round(&w)).unwrap();
    cell.params[1].assign(&round(&b)).unwrap();
    let unit = Unit::with_cell("deconv", Box::new(cell));
    let what = format!("{case:?} on {:?}", kernels.isa);
    for pass in 1..=2 {
        let x = Var::leaf(Tensor::from_vec(round(&x), &[n, c, h, width]).unwrap(), true);
        unit.with(|u| u.learn = pass == 1);
        let y = unit.call(std::slice::from_ref(&x)).unwrap();
        assert_eq!(y.tensor().shape(), [n, k, oh, ow]);
        close(&format!("{what}: y"), &y.tensor().to_vec(), &want[0]);
        y.back_propagate(Some(Tensor::from_vec(round(&gy), &[n, k, oh, ow]).unwrap())).unwrap();
        close(&format!("{what}: gx"), &x.grad().unwrap().to_vec(), &want[1]);
        // A second pass with the gradient still there adds.
        let times = |v: &[f64]| v.iter().map(|v| f64::from(pass) * v).collect::<Vec<_>>();
        unit.with(|u| {
            close(&format!("{what}: gw"), &u.cell.params()[0].grad_to_vec(), &times(&want[2]));
            close(&format!("{what}: gb"), &u.cell.params()[1].grad_to_vec(), &times(&want[3]));
        });
    }
}

#[test]
fn every_instruction_set_agrees_with_the_definition() {
    for isa in isas() {
        for case in CASES {
            check(*case, kernels_f32_of(isa));
        }
    }
}

#[test]
fn doubles_agree_with_the_definition() {
    for case in CASES {
        check(*case, kernels_f64());
    }
}

fn unit(config: &Config) -> Arc<Unit<f32>> {
    Unit::new("Deconv_0", "Deconv", config).unwrap()
}

fn call(unit: &Arc<Unit<f32>>, x: Vec<f32>, shape: &[usize]) -> Tensor<f32> {
    unit.call(&[Var::leaf(Tensor::from_vec(x, shape).unwrap(), false)]).unwrap().tensor().clone()
}

#[test]
fn by_hand_with_stride_bias_and_rectifier() {
    let config = config! { "nb_inputs" => 1usize, "nb_outputs" => 1usize, "kernel_dims" => [1usize, 2], "stride_dims" => [2usize, 2] };
    let unit = unit(&config);
    unit.with(|u| {
        u.cell.params_mut()[0].assign(&[1.0, 10.0]).unwrap();
        u.cell.params_mut()[1].assign(&[0.5]).unwrap();
    });
    let y = call(&unit, vec![1.0, -2.0, 3.0, 4.0], &[1, 1, 2, 2]);
    assert_eq!(y.shape(), [1, 1, 3, 4]);
    assert_eq!(y.to_vec(), [1.5, 10.5, -1.5, -19.5, 0.5, 0.5, 0.5, 0.5, 3.5, 30.5, 4.5, 40.5]);
    unit.with(|u| u.activation = Some(Activation::new("Rectifier", &config! {}).unwrap()));
    let y = call(&unit, vec![1.0, -2.0, 3.0, 4.0], &[1, 1, 2, 2]);
    assert_eq!(y.to_vec(), [1.5, 10.5, 0.0, 0.0, 0.5, 0.5, 0.5, 0.5, 3.5, 30.5, 4.5, 40.5]);
    // Every tap of 4 pixels falls inside, and one bias.
    let statistics = unit.statistics(&[&[1, 1, 2, 2]]).unwrap();
    assert_eq!(statistics, Statistics { params: 3, macs: 8 + 1 });
}

#[test]
fn a_changed_weight_is_packed_anew() {
    let unit = unit(&config! { "nb_inputs" => 1usize, "nb_outputs" => 1usize, "kernel_dims" => 1i64, "no_bias" => true });
    for w in [2.0, 3.0] {
        unit.with(|u| u.cell.params_mut()[0].assign(&[w])).unwrap();
        assert_eq!(call(&unit, vec![5.0], &[1, 1, 1, 1]).to_vec(), [5.0 * w]);
    }
}

#[test]
fn an_irregular_mapping_keeps_missing_connections_at_zero() {
    let mut config = config! { "nb_inputs" => 2usize, "nb_outputs" => 3usize, "kernel_dims" => 1i64, "no_bias" => true };
    config.set("mapping", crate::Value::Mask(2, 3, vec![true, false, true, true, true, false]));
    let unit = unit(&config);
    unit.with(|u| u.cell.params_mut()[0].assign(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])).unwrap();
    assert_eq!(unit.with(|u| u.cell.params()[0].to_vec()), [1.0, 2.0, 0.0, 4.0, 5.0, 0.0]);
    let x = Var::leaf(Tensor::from_vec(vec![10.0, 100.0], &[1, 2, 1, 1]).unwrap(), false);
    let y = unit.call(&[x]).unwrap();
    assert_eq!(y.tensor().to_vec(), [210.0, 400.0, 50.0]);
    y.back_propagate(None).unwrap();
    assert_eq!(unit.with(|u| u.cell.params()[0].grad_to_vec()), [10.0, 100.0, 0.0, 100.0, 10.0, 0.0]);
    assert_eq!(unit.statistics(&[&[1, 2, 1, 1]]).unwrap(), Statistics { params: 4, macs: 4 });
}

#[test]
fn weights_are_drawn_input_by_input() {
    let normal = filler::create("Normal", &config! {}).unwrap();
    let unit = unit(&config! { "nb_inputs" => 2usize, "nb_outputs" => 3usize, "kernel_dims" => [1usize, 2], "no_bias" => true });
    unit.with(|u| u.cell.params_mut()[0].fill(&normal, &mut Mt19937::new(1)));
    let drawn: Vec<f32> = normal.fill(&[3, 2, 1, 2], &mut Mt19937::new(1));
    let weights = unit.with(|u| u.cell.params()[0].to_vec());
    for (o, c, k) in (0..12).map(|i| (i / 4, i / 2 % 2, i % 2)) {
        assert_eq!(weights[(o * 2 + c) * 2 + k], drawn[(c * 3 + o) * 2 + k]);
    }
}

#[test]
fn bad_parameters_and_shapes_are_named() {
    let unit = unit(&config! { "nb_inputs" => 3usize, "nb_outputs" => 4usize, "kernel_dims" => [3usize, 3], "padding_dims" => [3usize, 1] });
    let text = "Deconv_0: channels of the input: expected 3, got 2 (input shape [1, 2, 8, 8])";
    assert_eq!(unit.output_shape(&[&[1, 2, 8, 8]]).unwrap_err().to_string(), text);
    let text = "Deconv_0: height and width of the input: expected at least 1 pixel of output: a larger input, or less padding than [3, 1] \
                for the kernel [3, 3] (stride [1, 1], dilation [1, 1]), got 4x4";
    assert_eq!(unit.output_shape(&[&[1, 3, 4, 4]]).unwrap_err().to_string(), text);
    assert_eq!(unit.output_shape(&[&[1, 3, 5, 4]]), Ok(vec![1, 4, 1, 4]));
    let wrong = config! { "nb_inputs" => 3usize, "nb_outputs" => 4usize, "kernel_dims" => 3i64, "sub_sample_dims" => 2i64 };
    let text = "d: `sub_sample_dims` is not a parameter";
    assert_eq!(Unit::<f32>::new("d", "Deconv", &wrong).err().unwrap().to_string(), text);
}
