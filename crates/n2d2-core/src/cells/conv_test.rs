//! Convolution on every instruction set against a naive sum in double.

use super::*;
use crate::cells::Saved;
use crate::device::cpu::{Isa, Window, isas, kernels_f32_of, kernels_f64, parallel_for};
use crate::random::test_values as random;

/// A case: channels, outputs, kernel, stride, padding, dilation, groups, batch, height, width.
#[derive(Debug, Clone, Copy)]
struct Case(usize, usize, [usize; 2], [usize; 2], [usize; 2], [usize; 2], usize, usize, [usize; 2]);

const CASES: &[Case] = &[
    Case(1, 6, [5, 5], [1, 1], [0, 0], [1, 1], 1, 3, [28, 28]),
    Case(6, 16, [5, 5], [1, 1], [0, 0], [1, 1], 1, 2, [12, 12]),
    Case(3, 40, [3, 3], [1, 1], [1, 1], [1, 1], 1, 2, [9, 7]),
    Case(5, 7, [3, 3], [2, 2], [1, 1], [1, 1], 1, 2, [9, 10]),
    Case(4, 33, [1, 1], [1, 1], [0, 0], [1, 1], 1, 2, [5, 6]),
    Case(4, 9, [1, 1], [2, 2], [0, 0], [1, 1], 1, 1, [7, 7]),
    Case(3, 5, [1, 1], [1, 1], [2, 1], [1, 1], 1, 2, [3, 4]),
    Case(2, 3, [3, 2], [2, 3], [1, 2], [2, 1], 1, 2, [11, 12]),
    Case(2, 19, [7, 7], [2, 2], [3, 3], [1, 1], 1, 1, [17, 19]),
    Case(8, 12, [3, 3], [1, 1], [1, 1], [1, 1], 4, 2, [6, 5]),
    Case(6, 36, [3, 3], [2, 1], [0, 1], [1, 2], 2, 2, [8, 9]),
    Case(19, 19, [3, 3], [1, 1], [1, 1], [1, 1], 19, 2, [7, 8]),
    Case(40, 40, [5, 3], [2, 2], [2, 1], [1, 2], 40, 2, [9, 11]),
    Case(1, 1, [4, 4], [3, 3], [0, 0], [1, 1], 1, 2, [11, 13]),
    Case(3, 8, [2, 2], [3, 3], [0, 0], [1, 1], 1, 1, [8, 9]),
    Case(1, 12, [3, 3], [1, 1], [0, 0], [1, 1], 1, 2, [7, 17]),
    Case(1, 16, [5, 5], [1, 1], [0, 0], [1, 1], 1, 2, [9, 18]),
    Case(1, 9, [4, 4], [1, 1], [1, 1], [1, 1], 1, 1, [6, 16]),
    Case(1, 33, [2, 7], [1, 1], [0, 0], [1, 1], 1, 1, [4, 18]),
    // Channels and outputs of several cache lines: the weight gradient copies its inputs and packs the output gradients, of joined
    // small images, of bands of rows, with stride and dilation, in groups, and with more padding than the kernel reaches.
    Case(64, 200, [3, 3], [1, 1], [1, 1], [1, 1], 1, 5, [5, 4]),
    Case(64, 200, [3, 3], [1, 1], [1, 1], [1, 1], 1, 1, [17, 18]),
    Case(64, 200, [3, 3], [2, 2], [2, 2], [2, 1], 1, 2, [9, 10]),
    Case(128, 200, [3, 3], [1, 1], [1, 1], [1, 1], 2, 2, [4, 5]),
    Case(64, 200, [2, 3], [1, 2], [3, 4], [1, 1], 1, 2, [2, 3]),
    // Depthwise of 3x3 taps: whole and partial vectors of channels, every padding of the kernels for whole rows, even and odd
    // sizes, images smaller than the kernel, several images in an item and several items in an image.
    Case(35, 35, [3, 3], [1, 1], [1, 1], [1, 1], 35, 3, [6, 5]),
    Case(17, 17, [3, 3], [1, 1], [0, 2], [1, 1], 17, 2, [5, 3]),
    Case(16, 16, [3, 3], [1, 1], [2, 0], [1, 1], 16, 2, [1, 4]),
    Case(9, 9, [3, 3], [1, 1], [1, 1], [1, 1], 9, 19, [1, 1]),
    Case(20, 20, [3, 3], [1, 1], [1, 1], [1, 1], 20, 17, [2, 2]),
    Case(40, 40, [3, 3], [1, 1], [1, 1], [1, 1], 40, 1, [27, 30]),
    Case(35, 35, [3, 3], [2, 2], [1, 1], [1, 1], 35, 3, [7, 8]),
    Case(18, 18, [3, 3], [2, 2], [1, 1], [1, 1], 18, 18, [2, 3]),
    Case(16, 16, [3, 3], [2, 2], [1, 1], [1, 1], 16, 2, [1, 1]),
    Case(21, 21, [3, 3], [2, 2], [0, 0], [1, 1], 21, 2, [9, 8]),
    Case(24, 24, [3, 3], [2, 2], [0, 1], [1, 1], 24, 2, [6, 7]),
    Case(40, 40, [3, 3], [2, 2], [1, 1], [1, 1], 40, 1, [39, 40]),
    Case(12, 12, [3, 3], [2, 1], [1, 1], [1, 1], 12, 2, [5, 6]),
    // Parts of the channels: one or two images of many channels, a partial line of them in the last part.
    Case(350, 350, [3, 3], [1, 1], [1, 1], [1, 1], 350, 1, [7, 8]),
    Case(350, 350, [3, 3], [2, 2], [1, 1], [1, 1], 350, 2, [16, 13]),
    // Single pixels of small images, several taken as one: the last has fewer, in parts of the outputs, in bands, in groups,
    // of one channel, of single channels, and of one image as the gradient of a stride sees it.
    Case(70, 200, [1, 1], [1, 1], [0, 0], [1, 1], 1, 19, [1, 1]),
    Case(40, 72, [1, 1], [1, 1], [0, 0], [1, 1], 1, 5, [4, 4]),
    Case(130, 40, [1, 1], [1, 1], [0, 0], [1, 1], 1, 3, [7, 7]),
    Case(12, 80, [1, 1], [1, 1], [0, 0], [1, 1], 2, 7, [2, 3]),
    Case(1, 6, [1, 1], [1, 1], [0, 0], [1, 1], 1, 3, [2, 18]),
    Case(18, 18, [1, 1], [1, 1], [0, 0], [1, 1], 18, 6, [3, 4]),
    Case(20, 40, [1, 1], [2, 2], [0, 0], [1, 1], 1, 5, [1, 1]),
    // One small image: what goes back packs its weights block by block.
    Case(130, 40, [3, 3], [1, 1], [1, 1], [1, 1], 1, 1, [5, 6]),
    // Few channels: gradients are spread over one and two vectors, rows of taps that the kernels take at once and more, with
    // borders, an odd number of outputs in a row, and a partial vector.
    Case(6, 16, [5, 5], [1, 1], [0, 0], [1, 1], 1, 5, [12, 12]),
    Case(5, 19, [7, 3], [1, 1], [2, 1], [1, 1], 1, 4, [9, 8]),
    Case(3, 8, [6, 9], [1, 1], [1, 3], [1, 1], 1, 4, [7, 6]),
    Case(4, 9, [3, 4], [1, 1], [2, 4], [1, 1], 1, 6, [3, 5]),
    // Few large images: the weight gradient is summed in groups of rows, which see rows of each other, or do not.
    Case(24, 40, [1, 1], [1, 1], [0, 0], [1, 1], 1, 1, [33, 29]),
    Case(20, 70, [1, 1], [2, 2], [0, 0], [1, 1], 1, 3, [37, 30]),
    Case(5, 40, [3, 3], [1, 1], [1, 1], [1, 1], 1, 1, [33, 29]),
    Case(6, 18, [3, 2], [2, 1], [1, 2], [2, 1], 2, 2, [51, 23]),
];

/// Output, input gradient, weight gradient and bias gradient by the definition; tensors in logical order.
struct Reference {
    y: Vec<f64>,
    gx: Vec<f64>,
    gw: Vec<f64>,
    gb: Vec<f64>,
}

fn reference(case: Case, x: &[f64], w: &[f64], b: &[f64], gy: Option<&[f64]>) -> Reference {
    let Case(c, k, [kh, kw], s, p, d, groups, n, [h, w_]) = case;
    let window = Window { kernel: [kh, kw], stride: s, padding: p, dilation: d };
    let (oh, ow) = (window.output(0, h).unwrap(), window.output(1, w_).unwrap());
    let (cg, kg) = (c / groups, k / groups);
    let mut r = Reference { y: vec![0.0; n * k * oh * ow], gx: vec![0.0; x.len()], gw: vec![0.0; w.len()], gb: vec![0.0; k] };
    for (i, o, y, xx) in itertools(n, k, oh, ow) {
        let at = ((i * k + o) * oh + y) * ow + xx;
        let g = gy.map_or(0.0, |g| g[at]);
        r.y[at] += b[o];
        r.gb[o] += g;
        for (c, q, t, _) in itertools(cg, kh, kw, 1) {
            let (iy, ix) = ((y * s[0] + q * d[0]).wrapping_sub(p[0]), (xx * s[1] + t * d[1]).wrapping_sub(p[1]));
            if iy < h && ix < w_ {
                let xi = ((i * groups * cg + o / kg * cg + c) * h + iy) * w_ + ix;
                let wi = ((o * cg + c) * kh + q) * kw + t;
                r.y[at] += x[xi] * w[wi];
                r.gx[xi] += g * w[wi];
                r.gw[wi] += g * x[xi];
            }
        }
    }
    r
}

fn itertools(a: usize, b: usize, c: usize, d: usize) -> impl Iterator<Item = (usize, usize, usize, usize)> {
    (0..a * b * c * d).map(move |i| (i / (b * c * d), i / (c * d) % b, i / d % c, i % d))
}

fn config(case: Case) -> Config {
    let Case(c, k, kernel, s, p, d, groups, ..) = case;
    let mut config = crate::config! {
        "nb_inputs" => c, "nb_outputs" => k, "kernel_dims" => kernel, "stride_dims" => s, "padding_dims" => p, "dilation_dims" => d,
    };
    if groups > 1 {
        let mask = (0..c * k).map(|i| i / k / (c / groups) == i % k / (k / groups)).collect();
        config.set("mapping", crate::Value::Mask(c, k, mask));
    }
    config
}

/// Runs a forward and a backward pass of a cell without a graph.
fn run<T: Float>(cell: &mut Conv<T>, x: &Tensor<T>, gy: &[f64]) -> (Vec<T>, Vec<T>) {
    let shape = cell.output_shape("Conv", &[x.shape()]).unwrap();
    let x = x.to_channels_last();
    let (output, gx) = (Tensor::uninit(&shape), Tensor::uninit(x.shape()));
    let gy = Tensor::from_vec(gy.iter().map(|v| T::of(*v)).collect(), &shape).unwrap().to_channels_last();
    let saved = Saved { values: Tensor::zeros(&[0]), index: Tensor::zeros(&[0]) };
    let (inputs, grads) = ([x], [Some(gx)]);
    let mut f = Frame {
        name: "Conv",
        inputs: &inputs,
        output: &output,
        saved: &saved,
        learn: true,
        activation: None,
        epilogue: None,
        random_key: 0,
        grad_output: None,
        winners: None,
        grad_inputs: &[],
    };
    for (i, phase) in cell.forward_begin(&f).unwrap().into_iter().enumerate() {
        parallel_for(phase.items, usize::MAX, &|item| cell.forward(i, item, &f));
        cell.forward_end(i, &f);
    }
    f.grad_output = Some(&gy);
    f.grad_inputs = &grads;
    for (i, phase) in cell.backward_begin(&f).unwrap().into_iter().enumerate() {
        parallel_for(phase.items, usize::MAX, &|item| cell.backward(i, item, &f));
        cell.backward_end(i, &f);
    }
    (output.to_vec(), grads[0].as_ref().unwrap().to_vec())
}

#[track_caller]
fn close<T: Float>(what: &str, got: &[T], want: &[f64], scale: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    let eps = if size_of::<T>() == 4 { 1e-6 } else { 1e-13 };
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g.as_f64() - w).abs() <= eps * scale * (1.0 + w.abs()), "{what}[{i}]: {g} instead of {w}");
    }
}

fn check<T: Float>(case: Case, kernels: &'static Kernels<T>) {
    let Case(c, k, [kh, kw], .., groups, n, [h, w_]) = case;
    let mut cell = Conv::<T>::with_kernels(&config(case), kernels).unwrap();
    let (x, w, b) = (random(n * c * h * w_, 1), random(k * c / groups * kh * kw, 2), random(k, 3));
    let round = |v: &[f64]| -> Vec<T> { v.iter().map(|v| T::of(*v)).collect() };
    cell.params[0].assign(&round(&w)).unwrap();
    cell.params[1].assign(&round(&b)).unwrap();
    let sized = reference(case, &x, &w, &b, None);
    let gy = random(sized.y.len(), 4);
    let want = reference(case, &x, &w, &b, Some(&gy));
    let what = format!("{case:?} on {:?}", kernels.isa);
    let tensor = Tensor::from_vec(round(&x), &[n, c, h, w_]).unwrap();
    let taps = (c / groups * kh * kw) as f64;
    let (y, gx) = run(&mut cell, &tensor, &gy);
    close(&format!("{what}: y"), &y, &want.y, 2.0 + taps.sqrt());
    close(&format!("{what}: gx"), &gx, &want.gx, 2.0 + ((k / groups * kh * kw) as f64).sqrt());
    let pixels = (gy.len() / k) as f64;
    close(&format!("{what}: gw"), &cell.params[0].grad_to_vec(), &want.gw, 2.0 + pixels.sqrt());
    close(&format!("{what}: gb"), &cell.params[1].grad_to_vec(), &want.gb, 2.0 + pixels.sqrt());
    // A second pass with the gradient still there adds.
    run(&mut cell, &tensor, &gy);
    let twice: Vec<f64> = want.gw.iter().map(|v| 2.0 * v).collect();
    close(&format!("{what}: gw twice"), &cell.params[0].grad_to_vec(), &twice, 4.0 + 2.0 * pixels.sqrt());
    let pad: f64 = cell.params[0].value.to_vec().iter().map(|v| v.as_f64().abs()).sum();
    let used: f64 = cell.params[0].to_vec().iter().map(|v| v.as_f64().abs()).sum();
    assert!((pad - used).abs() < 1e-3, "{what}: padding is not zero");
}

#[test]
fn every_instruction_set_agrees_with_the_definition() {
    for isa in isas() {
        assert!(isa == Isa::Portable || kernels_f32_of(isa).isa == isa);
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

#[test]
fn bits_do_not_depend_on_the_threads() {
    for case in [
        Case(3, 24, [3, 3], [1, 1], [1, 1], [1, 1], 1, 9, [14, 15]),
        Case(64, 200, [3, 3], [1, 1], [1, 1], [1, 1], 1, 5, [5, 4]),
        Case(128, 200, [1, 1], [1, 1], [0, 0], [1, 1], 1, 1, [2, 3]),
        Case(128, 200, [1, 1], [1, 1], [0, 0], [1, 1], 1, 19, [2, 3]),
        Case(24, 40, [1, 1], [1, 1], [0, 0], [1, 1], 1, 1, [33, 29]),
        Case(5, 40, [3, 3], [1, 1], [1, 1], [1, 1], 1, 2, [33, 29]),
        Case(40, 40, [3, 3], [1, 1], [1, 1], [1, 1], 40, 9, [27, 30]),
        Case(20, 20, [3, 3], [1, 1], [1, 1], [1, 1], 20, 17, [2, 2]),
        Case(40, 40, [5, 5], [1, 1], [2, 2], [1, 1], 40, 3, [12, 9]),
        Case(350, 350, [3, 3], [1, 1], [1, 1], [1, 1], 350, 1, [7, 8]),
        Case(40, 40, [3, 3], [2, 2], [1, 1], [1, 1], 40, 9, [39, 40]),
    ] {
        let Case(c, k, [kh, kw], [sh, sw], .., groups, n, [h, w]) = case;
        let single = |values: Vec<f64>| values.iter().map(|v| *v as f32).collect::<Vec<_>>();
        let results: Vec<_> = [1, 2, 4]
            .iter()
            .map(|threads| {
                let _turn = crate::device::cpu::one_at_a_time(*threads);
                let mut cell = Conv::<f32>::new(&config(case)).unwrap();
                cell.params[0].assign(&single(random(k * c / groups * kh * kw, 2))).unwrap();
                let x = Tensor::from_vec(single(random(n * c * h * w, 1)), &[n, c, h, w]).unwrap();
                let (y, gx) = run(&mut cell, &x, &random(n * k * h.div_ceil(sh) * w.div_ceil(sw), 4));
                (y, gx, cell.params[0].grad_to_vec(), cell.params[1].grad_to_vec())
            })
            .collect();
        assert!(results[0] == results[1] && results[0] == results[2], "{case:?}");
    }
}

#[test]
fn sub_sampling_sums_blocks_and_takes_the_bias_once() {
    let config =
        crate::config! { "nb_inputs" => 1usize, "nb_outputs" => 1usize, "kernel_dims" => vec![1i64], "sub_sample_dims" => vec![2i64, 2] };
    let mut cell = Conv::<f32>::new(&config).unwrap();
    cell.params[0].assign(&[2.0]).unwrap();
    cell.params[1].assign(&[0.5]).unwrap();
    let x = Tensor::from_vec((1..=9).map(|v| v as f32).collect(), &[1, 1, 3, 3]).unwrap();
    let (y, gx) = run(&mut cell, &x, &[1.0, 10.0, 100.0, 1000.0]);
    // Blocks 1+2+4+5, 3+6, 7+8, 9.
    assert_eq!(y, [24.5, 18.5, 30.5, 18.5]);
    assert_eq!(gx, [2.0, 2.0, 20.0, 2.0, 2.0, 20.0, 200.0, 200.0, 2000.0]);
    assert_eq!(cell.params[0].grad_to_vec(), [12.0 + 90.0 + 1500.0 + 9000.0]);
    assert_eq!(cell.params[1].grad_to_vec(), [1111.0]);
}

#[test]
fn an_irregular_mapping_keeps_missing_connections_at_zero() {
    let mask = vec![true, false, true, true, true, false];
    let mut config = crate::config! { "nb_inputs" => 2usize, "nb_outputs" => 3usize, "kernel_dims" => vec![1i64] };
    config.set("mapping", crate::Value::Mask(2, 3, mask));
    let mut cell = Conv::<f32>::new(&config).unwrap();
    cell.params[0].assign(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
    // Output 0 sees both inputs, output 1 the second, output 2 the first.
    assert_eq!(cell.params[0].to_vec(), [1.0, 2.0, 0.0, 4.0, 5.0, 0.0]);
    let x = Tensor::from_vec(vec![10.0, 100.0], &[1, 2, 1, 1]).unwrap();
    let (y, _) = run(&mut cell, &x, &[1.0, 1.0, 1.0]);
    assert_eq!(y, [210.0, 400.0, 50.0]);
    assert_eq!(cell.params[0].grad_to_vec(), [10.0, 100.0, 0.0, 100.0, 10.0, 0.0]);
    assert_eq!(cell.statistics(&[&[1, 2, 1, 1]], &[1, 3, 1, 1]), Statistics { params: 4 + 3, macs: 4 + 3 });
}

#[test]
fn bad_parameters_and_shapes_are_named() {
    let base = crate::config! { "nb_inputs" => 3usize, "nb_outputs" => 4usize, "kernel_dims" => vec![3i64, 3] };
    let mut c = base.clone();
    c.set("stride_dims", vec![0i64, 1]);
    assert_eq!(Conv::<f32>::new(&c).err().unwrap().code(), "value");
    let mut c = base.clone();
    c.set("mapping", crate::Value::Mask(2, 4, vec![true; 8]));
    assert!(Conv::<f32>::new(&c).err().unwrap().to_string().contains("a bool matrix of 3 rows (inputs) and 4 columns (outputs)"));
    let cell = Conv::<f32>::new(&base).unwrap();
    let text = "Conv_7: channels of the input: expected 3, got 2 (input shape [1, 2, 8, 8])";
    assert_eq!(cell.output_shape("Conv_7", &[&[1, 2, 8, 8]]).unwrap_err().to_string(), text);
    assert_eq!(cell.output_shape("Conv_7", &[&[1, 3, 2, 8]]).unwrap_err().code(), "shape");
}

/// What a sweep does to its sums is, to the bit, what the operations do one after the other.
#[test]
fn a_sweep_normalises_adds_and_rectifies() {
    for isa in isas() {
        for case in [
            Case(3, 40, [3, 3], [1, 1], [1, 1], [1, 1], 1, 2, [9, 7]),
            Case(6, 36, [3, 3], [2, 1], [0, 1], [1, 2], 2, 2, [8, 9]),
            Case(1, 6, [5, 5], [1, 1], [0, 0], [1, 1], 1, 1, [9, 18]),
            Case(70, 200, [1, 1], [1, 1], [0, 0], [1, 1], 1, 1, [2, 3]),
            Case(6, 64, [1, 1], [1, 1], [0, 0], [1, 1], 1, 5, [3, 5]),
            Case(35, 35, [3, 3], [1, 1], [1, 1], [1, 1], 35, 3, [6, 5]),
            Case(20, 20, [3, 3], [1, 1], [1, 1], [1, 1], 20, 17, [2, 2]),
            Case(40, 40, [3, 3], [2, 2], [1, 1], [1, 1], 40, 2, [39, 40]),
            Case(350, 350, [3, 3], [1, 1], [1, 1], [1, 1], 350, 2, [7, 8]),
            Case(21, 21, [5, 5], [1, 1], [2, 2], [1, 1], 21, 2, [9, 11]),
            Case(21, 21, [2, 2], [1, 1], [0, 0], [1, 1], 21, 2, [4, 4]),
        ] {
            let Case(c, k, [kh, kw], .., groups, n, [h, w]) = case;
            let single = |len: usize, key: u64| random(len, key).into_iter().map(|v| v as f32).collect::<Vec<_>>();
            let mut cell = Conv::<f32>::with_kernels(&config(case), kernels_f32_of(isa)).unwrap();
            cell.params[0].assign(&single(k * c / groups * kh * kw, 2)).unwrap();
            cell.params[1].assign(&single(k, 3)).unwrap();
            let [oh, ow] = cell.full_size("", h, w).unwrap();
            cell.convolution.prepare("", n, [h, w], [oh, ow]).unwrap();
            let x = Tensor::from_vec(single(n * c * h * w, 1), &[n, c, h, w]).unwrap().to_channels_last();
            let rows: [Vec<f32>; 3] = [4, 5, 6].map(|key| single(k + 64, key));
            let residual = Tensor::from_vec(single(n * k * oh * ow, 7), &[n, k, oh, ow]).unwrap().to_channels_last();
            let output = |finish: Finish<'_, f32>| {
                let y = Tensor::uninit(&[n, k, oh, ow]);
                for item in 0..cell.convolution.sweeping().items {
                    cell.convolution.sweep(item, &x, &cell.params[0], Finish { bias: cell.bias(), ..finish }, &y);
                }
                y.part(0, y.len()).to_vec()
            };
            let affine = Some(rows.each_ref().map(Vec::as_slice));
            let residual = residual.part(0, residual.len());
            let plain = output(Finish::NONE);
            let normalised: Vec<f32> = plain.iter().enumerate().map(|(i, v)| (v - rows[0][i % k]) * rows[1][i % k] + rows[2][i % k]).collect();
            let added: Vec<f32> = normalised.iter().zip(residual).map(|(v, r)| v + r).collect();
            let rectify = |values: &[f32]| values.iter().map(|v| v.max(0.0)).collect::<Vec<_>>();
            assert_eq!(output(Finish { affine, ..Finish::NONE }), normalised, "{case:?} on {isa:?}");
            assert_eq!(output(Finish { affine, relu: true, ..Finish::NONE }), rectify(&normalised), "{case:?} on {isa:?}");
            assert_eq!(output(Finish { affine, residual, ..Finish::NONE }), added, "{case:?} on {isa:?}");
            assert_eq!(output(Finish { affine, residual, relu: true, ..Finish::NONE }), rectify(&added), "{case:?} on {isa:?}");
            assert_eq!(output(Finish { relu: true, ..Finish::NONE }), rectify(&plain), "{case:?} on {isa:?}");
            let broken = vec![f32::NAN; rows[0].len()];
            let affine = Some([&rows[0][..], &rows[1], &broken]);
            assert!(output(Finish { affine, relu: true, ..Finish::NONE }).iter().all(|v| v.is_nan()), "{case:?} on {isa:?}");
            let plainly_added: Vec<f32> = plain.iter().zip(residual).map(|(v, r)| v + r).collect();
            assert_eq!(output(Finish { residual, ..Finish::NONE }), plainly_added, "{case:?} on {isa:?}");
        }
    }
}

/// A depthwise convolution and the one behind it, as one sweep, give the bits of both, one after the other.
#[test]
fn a_pair_is_its_convolutions_one_by_one() {
    for isa in isas() {
        for (c, k, step, n, [h, w], relu) in [
            (40, 70, 1, 3, [23, 21], true),
            (33, 32, 2, 2, [31, 45], false),
            (96, 150, 1, 1, [30, 29], true),
            (16, 6, 2, 1, [47, 50], true),
            (300, 20, 1, 1, [7, 64], false),
            (70, 40, 1, 2, [14, 15], true),
        ] {
            let single = |len: usize, key: u64| random(len, key).into_iter().map(|v| v as f32).collect::<Vec<_>>();
            let first = Case(c, c, [3, 3], [step; 2], [1, 1], [1, 1], c, n, [h, w]);
            let second = Case(c, k, [1, 1], [1, 1], [0, 0], [1, 1], 1, n, [h.div_ceil(step), w.div_ceil(step)]);
            let [first, mut second] = [first, second].map(|case| {
                let mut cell = Conv::<f32>::with_kernels(&config(case), kernels_f32_of(isa)).unwrap();
                for (i, p) in cell.params.iter_mut().enumerate() {
                    p.assign(&single(p.len(), 2 + i as u64)).unwrap();
                }
                cell
            });
            let x = Tensor::from_vec(single(n * c * h * w, 1), &[n, c, h, w]).unwrap().to_channels_last();
            let [oh, ow] = first.full_size("", h, w).unwrap();
            let coefficients = |channels: usize| {
                let rows: [Vec<f32>; 3] = [4, 5, 6].map(|key| single(channels, key));
                Affine::new(rows.each_ref().map(Vec::as_slice))
            };
            let (affine, behind) = (coefficients(c), coefficients(k));
            let residual = single(n * oh * ow * k, 7);
            let finish = Finish { bias: &[], affine: Some(behind.rows()), residual: &residual, relu: true };
            let mut leading = first.leading(&[n, c, h, w]).unwrap();
            leading.relu = relu;
            let sweep = |cell: &mut Conv<f32>, x: &Tensor<f32>, finish: Finish<'_, f32>| {
                let [n, _, h, w] = dims4(x.shape());
                let full = cell.full_size("", h, w).unwrap();
                cell.convolution.prepare("", n, [h, w], full).unwrap();
                let y = Tensor::uninit(&[n, cell.convolution.outputs, full[0], full[1]]);
                for item in 0..cell.convolution.sweeping().items {
                    cell.convolution.sweep(item, x, &cell.params[0], Finish { bias: cell.bias(), ..finish }, &y);
                }
                y
            };
            let mut first = first;
            let between = sweep(&mut first, &x, Finish { affine: Some(affine.rows()), relu, ..Finish::NONE });
            let expected = sweep(&mut second, &between, finish);
            let Leader::Depthwise { sweep: led, weights: led_weights } = &leading.led else { panic!("a depthwise convolution leads") };
            let pair = Pair::new(led, k);
            let y = Tensor::uninit(expected.shape());
            let bias = first.bias().to_vec();
            let values =
                || Values { x: x.part(0, x.len()), w: led_weights, finish: Finish { bias: &bias, affine: Some(affine.rows()), relu, ..Finish::NONE }, y: std::ptr::null_mut() };
            let weights = second.params[0].value.part(0, second.params[0].layout.len);
            let mut written = 0;
            for item in 0..pair.items() {
                let finish = Finish { bias: second.bias(), ..finish };
                // SAFETY: the target has the shape of both, and only this thread writes it.
                let part = unsafe { pair.run(kernels_f32_of(isa), item, &values(), weights, finish, y.as_ptr()) };
                for (start, len) in part.runs() {
                    assert_eq!(start, written);
                    written += len;
                }
            }
            assert!(written == y.len() && y.part(0, written) == expected.part(0, written), "{c} -> {k}, {h}x{w} on {isa:?}");
        }
    }
}

/// A depthwise convolution of a small image that computes what makes its pixels gives the bits of both one after the other.
#[test]
fn a_depthwise_convolution_computes_the_pixels_in_front_of_it() {
    for isa in isas() {
        for (c, k, step, [h, w], [relu, biased]) in [
            (40, 70, 1, [7, 9], [true, false]),
            (96, 64, 2, [14, 14], [false, true]),
            (33, 150, 1, [1, 1], [true, true]),
            (130, 128, 2, [2, 3], [true, false]),
        ] {
            let single = |len: usize, key: u64| random(len, key).into_iter().map(|v| v as f32).collect::<Vec<_>>();
            let first = Case(c, k, [1, 1], [1, 1], [0, 0], [1, 1], 1, 1, [h, w]);
            let second = Case(k, k, [3, 3], [step; 2], [1, 1], [1, 1], k, 1, [h, w]);
            let [mut first, mut second] = [first, second].map(|case| {
                let mut cell = Conv::<f32>::with_kernels(&config(case), kernels_f32_of(isa)).unwrap();
                for (i, p) in cell.params.iter_mut().enumerate() {
                    p.assign(&single(p.len(), 2 + i as u64)).unwrap();
                }
                if !biased {
                    cell.params.truncate(1);
                }
                cell
            });
            let x = Tensor::from_vec(single(c * h * w, 1), &[1, c, h, w]).unwrap().to_channels_last();
            let leading = first.leading(&[1, c, h, w]).unwrap();
            assert!(second.takes_leading(&[1, k, h, w], &leading) && !first.takes_leading(&[1, c, h, w], &leading));
            let rows = |key: u64| [key, key + 1, key + 2].map(|key| single(k, key));
            let [between, behind] = [4, 7].map(|key| Affine::new(rows(key).each_ref().map(Vec::as_slice)));
            let leading = Leading { affine: Some(between.clone()), relu, ..leading };
            let full = second.full_size("", h, w).unwrap();
            let shape = [1, k, full[0], full[1]];
            let residual = single(shape.iter().product(), 10);
            let finish = Finish { bias: &[], affine: Some(behind.rows()), residual: &residual, relu: true };
            let sweep = |cell: &mut Conv<f32>, x: &Tensor<f32>, finish: Finish<'_, f32>| {
                let [_, _, h, w] = dims4(x.shape());
                let full = cell.full_size("", h, w).unwrap();
                cell.convolution.prepare("", 1, [h, w], full).unwrap();
                let y = Tensor::uninit(&[1, cell.convolution.outputs, full[0], full[1]]);
                for item in 0..cell.convolution.sweeping().items {
                    cell.convolution.sweep(item, x, &cell.params[0], Finish { bias: cell.bias(), ..finish }, &y);
                }
                y
            };
            let pixels = sweep(&mut first, &x, Finish { affine: Some(between.rows()), relu, ..Finish::NONE });
            let expected = sweep(&mut second, &pixels, finish);
            let Leader::Pixels { channels, weights } = &leading.led else { panic!("a convolution of pixels leads") };
            let trail = Trail::new(second.convolution.depthwise_sweep().unwrap(), *channels);
            let y = Tensor::uninit(&shape);
            let values = Values {
                x: x.part(0, x.len()),
                w: weights.part(0, weights.len()),
                finish: Finish { bias: &leading.bias, affine: Some(between.rows()), relu, ..Finish::NONE },
                y: null_mut(),
            };
            let (own, finish) = (&second.params[0], Finish { bias: second.bias(), ..finish });
            let mut written = 0;
            for item in 0..trail.items() {
                // SAFETY: the target has the shape of both, and only this thread writes it.
                let part = unsafe { trail.run(kernels_f32_of(isa), item, &values, own.value.part(0, own.layout.len), finish, y.as_ptr()) };
                written += part.runs().map(|(_, len)| len).sum::<usize>();
            }
            assert_eq!(written, y.len());
            assert!(y.part(0, written) == expected.part(0, written), "{c} -> {k}, {h}x{w} on {isa:?}");
        }
    }
}

/// The items of a single image write parts of the outputs, to which each applies the activation.
#[test]
fn an_activation_reaches_every_part_of_a_single_image() {
    use crate::activation::Activation;
    use crate::graph::{Unit, Var};
    let noise = |len: usize, key: u64| -> Vec<f32> { random(len, key).into_iter().map(|v| v as f32).collect() };
    let cases = [
        ("Conv", Case(96, 200, [1, 1], [1, 1], [0, 0], [1, 1], 2, 1, [2, 3])),
        ("Conv", Case(350, 350, [3, 3], [1, 1], [1, 1], [1, 1], 350, 1, [7, 8])),
        ("Deconv", Case(96, 200, [1, 1], [1, 1], [0, 0], [1, 1], 1, 1, [2, 3])),
    ];
    for (kind, case) in cases {
        let output = |activation: Option<&str>| {
            let unit = Unit::<f32>::new("cell", kind, &config(case)).unwrap();
            unit.with(|u| {
                u.activation = activation.map(|a| Activation::new(a, &Config::default()).unwrap());
                for p in u.cell.params_mut() {
                    let values = noise(p.len(), 7);
                    p.assign(&values).unwrap();
                }
            });
            let Case(c, .., [h, w]) = case;
            let x = Tensor::from_vec(noise(c * h * w, 3), &[1, c, h, w]).unwrap();
            unit.call(&[Var::leaf(x, false)]).unwrap().tensor().to_vec()
        };
        let plain = output(None);
        for (name, f) in [("Tanh", f32::tanh as fn(f32) -> f32), ("Rectifier", |v| v.max(0.0))] {
            for (got, v) in output(Some(name)).iter().zip(&plain) {
                assert!((got - f(*v)).abs() < 1e-6, "{kind}, {name}: {got} from {v}");
            }
        }
    }
}

/// Test mode takes Winograd's algorithm for some shapes: the output is that of learning mode, follows changes of the weights,
/// of the batch and of the mode, and does not depend on the number of threads.
#[test]
fn test_mode_computes_what_learning_mode_does() {
    use crate::activation::Activation;
    use crate::device::cpu::one_at_a_time;
    use crate::graph::{Unit, Var};
    let noise = |len: usize, key: u64| -> Vec<f32> { random(len, key).into_iter().map(|v| v as f32).collect() };
    let case = |c: usize, k: usize| Case(c, k, [3, 3], [1, 1], [1, 1], [1, 1], 1, 0, [0, 0]);
    for activation in [None, Some("Rectifier"), Some("Tanh")] {
        let unit = Unit::<f32>::new("conv", "Conv", &config(case(40, 50))).unwrap();
        unit.with(|u| u.activation = activation.map(|a| Activation::new(a, &Config::default()).unwrap()));
        for (step, (n, size)) in [(1, 17), (3, 17), (3, 9), (1, 17)].into_iter().enumerate() {
            unit.with(|u| {
                for p in u.cell.params_mut() {
                    let values = noise(p.len(), 7 + step as u64);
                    p.assign(&values).unwrap();
                }
            });
            let x = Tensor::from_vec(noise(n * 40 * size * size, 3), &[n, 40, size, size]).unwrap();
            let output = |learn: bool, threads: usize| {
                let _turn = one_at_a_time(threads);
                unit.with(|u| u.learn = learn);
                unit.call(&[Var::leaf(x.clone(), false)]).unwrap().tensor().to_vec()
            };
            let (learn, test) = (output(true, 1), output(false, 1));
            let largest = learn.iter().fold(0.0, |a: f32, v| a.max(v.abs()));
            let error = learn.iter().zip(&test).fold(0.0, |a: f32, (l, t)| a.max((l - t).abs()));
            assert!(error <= 3e-6 * largest, "{activation:?}, {n} images of {size}: {error} of {largest}");
            assert_eq!([2, 4].map(|threads| output(false, threads)), [test.clone(), test.clone()]);
            assert_eq!(test != learn, activation != Some("Tanh"), "Winograd's algorithm runs where nothing hinders it");
        }
    }
}

#[test]
fn what_is_not_a_number_is_not_rectified_away() {
    use crate::activation::Activation;
    use crate::graph::{Unit, Var};
    let mut depthwise = crate::config! { "nb_inputs" => 64usize, "nb_outputs" => 64usize, "kernel_dims" => 3i64 };
    depthwise.set("mapping", crate::Value::Mask(64, 64, (0..4096).map(|i| i % 65 == 0).collect()));
    let dense = crate::config! { "nb_inputs" => 64usize, "nb_outputs" => 64usize, "kernel_dims" => 3i64 };
    let few = crate::config! { "nb_inputs" => 1usize, "nb_outputs" => 6usize, "kernel_dims" => 3i64 };
    for (config, learn) in [(&depthwise, true), (&dense, true), (&dense, false), (&few, true)] {
        let unit = Unit::<f32>::new("conv", "Conv", config).unwrap();
        unit.with(|u| u.activation = Some(Activation::new("Rectifier", &Config::default()).unwrap()));
        unit.set_learn(learn);
        let channels = config.count("nb_inputs", None).unwrap();
        let mut x = vec![1.0; channels * 256];
        x[5] = f32::NAN;
        let y = unit.call(&[Var::leaf(Tensor::from_vec(x, &[1, channels, 16, 16]).unwrap(), false)]).unwrap();
        assert!(y.tensor().to_vec().iter().any(|v| v.is_nan()), "learn: {learn}");
    }
}
