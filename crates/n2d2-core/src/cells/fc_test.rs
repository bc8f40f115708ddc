//! The fully connected layer on every instruction set against a naive sum in double.

use super::*;
use crate::cells::Saved;
use crate::device::cpu::{isas, kernels_f32_of, kernels_f64, parallel_for};
use crate::config;
use crate::graph::{Unit, Var};
use crate::random::test_values as random;

fn run<T: Float>(cell: &mut Fc<T>, x: &Tensor<T>, gy: &[f64], learn: bool) -> (Vec<T>, Vec<T>) {
    let shape = cell.output_shape("Fc", &[x.shape()]).unwrap();
    let x = x.to_channels_last();
    let (output, gx) = (Tensor::uninit(&shape), Tensor::uninit(x.shape()));
    let gy = Tensor::from_vec(gy.iter().map(|v| T::of(*v)).collect(), &shape).unwrap();
    let saved = Saved { values: Tensor::zeros(&[0]), index: Tensor::zeros(&[0]) };
    let (inputs, grads) = ([x], [Some(gx)]);
    let mut f = Frame {
        name: "Fc",
        inputs: &inputs,
        output: &output,
        saved: &saved,
        learn,
        activation: None,
        epilogue: None,
        random_key: 9,
        grad_output: None,
        winners: None,
        grad_inputs: &[],
    };
    for (i, phase) in cell.forward_begin(&f).unwrap().into_iter().enumerate() {
        parallel_for(phase.items, usize::MAX, &|item| cell.forward(i, item, &f));
    }
    f.grad_output = Some(&gy);
    f.grad_inputs = &grads;
    for (i, phase) in cell.backward_begin(&f).unwrap().into_iter().enumerate() {
        parallel_for(phase.items, usize::MAX, &|item| cell.backward(i, item, &f));
        cell.backward_end(i, &f);
    }
    cell.params[0].settle();
    (output.to_vec(), grads[0].as_ref().unwrap().to_vec())
}

fn check<T: Float>(n: usize, [c, h, w_]: [usize; 3], k: usize, kernels: &'static Kernels<T>) {
    let m = c * h * w_;
    let config = crate::config! { "nb_inputs" => m, "nb_outputs" => k };
    let mut cell = Fc::<T>::with_kernels(&config, kernels).unwrap();
    let (x, w, b, gy) = (random(n * m, 1), random(k * m, 2), random(k, 3), random(n * k, 4));
    let round = |v: &[f64]| -> Vec<T> { v.iter().map(|v| T::of(*v)).collect() };
    cell.params[0].assign(&round(&w)).unwrap();
    cell.params[1].assign(&round(&b)).unwrap();
    let (y, gx) = run(&mut cell, &Tensor::from_vec(round(&x), &[n, c, h, w_]).unwrap(), &gy, true);
    let eps = if size_of::<T>() == 4 { 1e-6 } else { 1e-13 } * (2.0 + (m.max(n).max(k) as f64).sqrt());
    let close =
        |what: &str, got: T, want: f64| assert!((got.as_f64() - want).abs() <= eps * (1.0 + want.abs()), "{what}: {got} instead of {want}");
    for i in 0..n {
        for o in 0..k {
            close("y", y[i * k + o], b[o] + (0..m).map(|j| w[o * m + j] * x[i * m + j]).sum::<f64>());
        }
        for j in 0..m {
            close("gx", gx[i * m + j], (0..k).map(|o| w[o * m + j] * gy[i * k + o]).sum());
        }
    }
    let (gw, gb) = (cell.params[0].grad_to_vec(), cell.params[1].grad_to_vec());
    for o in 0..k {
        close("gb", gb[o], (0..n).map(|i| gy[i * k + o]).sum());
        for j in 0..m {
            close("gw", gw[o * m + j], (0..n).map(|i| gy[i * k + o] * x[i * m + j]).sum());
        }
    }
}

#[test]
fn every_instruction_set_agrees_with_the_definition() {
    for isa in isas() {
        for (n, input, k) in [(1, [7, 1, 1], 1), (3, [4, 3, 2], 10), (32, [16, 4, 4], 84), (70, [50, 1, 1], 33), (5, [3, 1, 1], 16), (3, [70, 1, 1], 45), (1, [50, 1, 1], 300), (300, [200, 1, 1], 64)] {
            check(n, input, k, kernels_f32_of(isa));
        }
    }
    check(5, [4, 3, 2], 10, kernels_f64());
}

#[test]
fn another_image_size_keeps_the_weights() {
    let config = crate::config! { "nb_inputs" => 12usize, "nb_outputs" => 2usize, "no_bias" => true };
    let mut cell = Fc::<f32>::new(&config).unwrap();
    let w: Vec<f32> = (0..24).map(|v| v as f32).collect();
    cell.params[0].assign(&w).unwrap();
    let x: Vec<f32> = (0..12).map(|v| v as f32).collect();
    for shape in [[1, 12, 1, 1], [1, 3, 2, 2], [1, 1, 3, 4], [1, 12, 1, 1]] {
        let (y, _) = run(&mut cell, &Tensor::from_vec(x.clone(), &shape).unwrap(), &[0.0, 0.0], true);
        assert_eq!(y, [506.0, 1298.0], "{shape:?}");
        assert_eq!(cell.params[0].to_vec(), w, "{shape:?}");
        assert_eq!(cell.params[0].view(&[1, 5]).unwrap().to_vec(), [17.0], "{shape:?}");
    }
}

#[test]
fn drop_connect_masks_weights_while_learning_only() {
    let config = crate::config! { "nb_inputs" => 400usize, "nb_outputs" => 3usize, "drop_connect" => 0.25, "no_bias" => true };
    let mut cell = Fc::<f32>::new(&config).unwrap();
    cell.params[0].assign(&[1.0; 1200]).unwrap();
    let x = Tensor::from_vec(vec![1.0; 400], &[1, 400, 1, 1]).unwrap();
    let (kept, gx) = run(&mut cell, &x, &[1.0, 1.0, 1.0], true);
    let sum: f32 = kept.iter().sum();
    assert!((210.0..390.0).contains(&sum), "{sum} of 1200 weights kept at probability 0.25");
    assert_eq!(gx.iter().sum::<f32>(), sum);
    assert_eq!(cell.params[0].grad_to_vec().iter().sum::<f32>(), sum);
    assert_eq!(run(&mut cell, &x, &[1.0, 1.0, 1.0], false).0, [400.0; 3]);
}

#[test]
fn normalised_weights_have_length_one() {
    let config = crate::config! { "nb_inputs" => 2usize, "nb_outputs" => 1usize, "normalize" => true, "no_bias" => true };
    let mut cell = Fc::<f32>::new(&config).unwrap();
    cell.params[0].assign(&[3.0, 4.0]).unwrap();
    let (y, _) = run(&mut cell, &Tensor::from_vec(vec![1.0, 0.0], &[1, 2, 1, 1]).unwrap(), &[1.0], true);
    assert!((y[0] - 0.6).abs() < 1e-6);
}

#[test]
fn bad_parameters_and_shapes_are_named() {
    let config = crate::config! { "nb_inputs" => 2usize, "nb_outputs" => 1usize, "drop_connect" => 0.0 };
    assert_eq!(Fc::<f32>::new(&config).err().unwrap().code(), "value");
    let cell = Fc::<f32>::new(&crate::config! { "nb_inputs" => 6usize, "nb_outputs" => 1usize }).unwrap();
    let text = "Fc_0: values of a stimulus: expected 6, got 8 (input shape [5, 2, 2, 2])";
    assert_eq!(cell.output_shape("Fc_0", &[&[5, 2, 2, 2]]).unwrap_err().to_string(), text);
}

#[test]
fn a_mapping_keeps_missing_connections_at_zero() -> Result<()> {
    let mut config = config! { "nb_inputs" => 3usize, "nb_outputs" => 2usize, "no_bias" => true, "normalize" => true };
    config.set("mapping", crate::Value::Mask(3, 2, vec![true, false, true, true, false, true]));
    let unit = Unit::<f32>::new("fc", "Fc", &config)?;
    unit.with(|u| u.cell.params_mut()[0].assign(&[3.0, 4.0, 9.0, 9.0, 6.0, 8.0]))?;
    let y = unit.call(&[Var::leaf(Tensor::from_vec(vec![1.0, 1.0, 1.0], &[1, 3, 1, 1])?, false)])?;
    let weights = unit.with(|u| u.cell.params()[0].to_vec());
    for (w, expected) in weights.iter().zip([0.6, 0.8, 0.0, 0.0, 0.6, 0.8]) {
        assert!((w - expected).abs() < 1e-6, "{weights:?}");
    }
    y.back_propagate(None)?;
    assert_eq!(unit.with(|u| u.cell.params()[0].grad_to_vec()), [1.0, 1.0, 0.0, 0.0, 1.0, 1.0]);
    assert_eq!(unit.statistics(&[&[1, 3, 1, 1]])?.params, 4);
    let wrong = crate::Value::Mask(2, 3, vec![true; 6]);
    config.set("mapping", wrong);
    let text = "fc: parameter `mapping` is 2x3, expected a bool matrix of 3 rows (inputs) and 2 columns (outputs)";
    assert_eq!(Unit::<f32>::new("fc", "Fc", &config).err().unwrap().to_string(), text);
    Ok(())
}

/// A layer of 20 outputs on one image after `passes` backward passes, and whether anybody looked at the gradient between.
fn learned(passes: usize, look: bool, iterations: usize) -> (Vec<f32>, Vec<f32>) {
    let fc = Unit::<f32>::new("Fc_0", "Fc", &config! { "nb_inputs" => 6usize, "nb_outputs" => 20usize }).unwrap();
    let solver = crate::solver::Solver::new("SGD", &config! { "momentum" => 0.5, "iteration_size" => iterations }).unwrap();
    fc.with(|u| u.cell.params_mut().iter_mut().for_each(|p| p.solver = Some(solver.clone())));
    let gradient = || fc.read(|u| u.cell.params()[0].grad_to_vec());
    for pass in 0..passes {
        let values = |n: usize, seed: u64| random(n, seed + 10 * pass as u64).iter().map(|v| *v as f32).collect::<Vec<_>>();
        let x = Var::leaf(Tensor::from_vec(values(6, 1), &[1, 6, 1, 1]).unwrap(), true);
        let y = fc.call(&[x]).unwrap();
        y.back_propagate(Some(Tensor::from_vec(values(20, 2), &[1, 20, 1, 1]).unwrap())).unwrap();
        if look {
            gradient();
        }
        y.update().unwrap();
    }
    (gradient(), fc.read(|u| u.cell.params()[0].to_vec()))
}

#[test]
fn the_gradient_of_few_images_is_the_same_whether_it_is_read_or_not() {
    for (passes, iterations) in [(1, 1), (3, 1), (4, 2), (5, 3)] {
        let (gradient, weights) = learned(passes, true, iterations);
        assert!(gradient.iter().all(|g| *g != 0.0));
        assert_eq!((gradient, weights), learned(passes, false, iterations), "{passes} passes, updates of {iterations}");
    }
}
