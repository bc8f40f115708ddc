//! Batch normalisation against values by hand and sums over whole channels.

use super::*;
use crate::config;
use crate::graph::{Unit, Var};
use std::sync::Arc;

fn unit(config: &Config) -> Arc<Unit<f64>> {
    let mut config = config.clone();
    config.set("nb_inputs", 2usize);
    Unit::new("bn", "BatchNorm2d", &config).unwrap()
}

fn values(unit: &Unit<f64>, param: usize) -> Vec<f64> {
    unit.with(|u| u.cell.params()[param].to_vec())
}

fn close(a: &[f64], b: &[f64]) {
    assert!(a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12), "{a:?} not {b:?}");
}

/// Channel 0: 1, 3, 5, 7 (mean 4, variance 5); channel 1: 2, 2, 2, 2.
fn batch() -> Var<f64> {
    Var::leaf(Tensor::from_vec(vec![1.0, 3.0, 2.0, 2.0, 5.0, 7.0, 2.0, 2.0], &[2, 2, 1, 2]).unwrap(), true)
}

#[test]
fn learning_normalises_by_the_batch_and_moves_the_running_statistics() {
    let bn = unit(&config! { "epsilon" => 4i64, "moving_average_momentum" => 0.25 });
    bn.with(|u| u.cell.params_mut()[BIASES].assign(&[10.0, 20.0])).unwrap();
    let y = bn.call(&[batch()]).unwrap();
    // The deviation is sqrt(5 + 4) = 3.
    close(&y.tensor().to_vec(), &[9.0, 10.0 - 1.0 / 3.0, 20.0, 20.0, 10.0 + 1.0 / 3.0, 11.0, 20.0, 20.0]);
    close(&values(&bn, MEANS), &[0.25 * 4.0, 0.25 * 2.0]);
    // Unbiased variance 20 / 3.
    close(&values(&bn, VARIANCES), &[0.25 * 20.0 / 3.0 + 0.75, 0.75]);
}

#[test]
fn gradients_by_hand() {
    let bn = unit(&config! { "epsilon" => 4i64 });
    bn.with(|u| u.cell.params_mut()[SCALES].assign(&[3.0, 1.0])).unwrap();
    let x = batch();
    let y = bn.call(std::slice::from_ref(&x)).unwrap();
    y.back_propagate(Some(Tensor::from_vec(vec![4.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0], &[2, 2, 1, 2]).unwrap())).unwrap();
    // x^ = -1, -1/3, 1/3, 1; gscale = -4, gbias = 4; gx = 3 / 3 * (gy - 1 + x^).
    let grads = bn.with(|u| [u.cell.params()[SCALES].grad_to_vec(), u.cell.params()[BIASES].grad_to_vec()]);
    close(&grads[0], &[-4.0, 0.0]);
    close(&grads[1], &[4.0, 4.0]);
    close(&x.grad().unwrap().to_vec(), &[2.0, -4.0 / 3.0, 0.0, 0.0, -2.0 / 3.0, 0.0, 0.0, 0.0]);
}

#[test]
fn test_mode_and_momentum_0_use_the_running_statistics() {
    for (momentum, learn) in [(0.1, false), (0.0, true)] {
        let bn = unit(&config! { "moving_average_momentum" => momentum, "epsilon" => 1i64 });
        bn.with(|u| {
            u.learn = learn;
            u.cell.params_mut()[MEANS].assign(&[3.0, 0.0])?;
            u.cell.params_mut()[VARIANCES].assign(&[3.0, 0.0])
        })
        .unwrap();
        let x = batch();
        let y = bn.call(std::slice::from_ref(&x)).unwrap();
        close(&y.tensor().to_vec(), &[-1.0, 0.0, 2.0, 2.0, 1.0, 2.0, 2.0, 2.0]);
        y.back_propagate(None).unwrap();
        close(&x.grad().unwrap().to_vec(), &[0.5, 0.5, 1.0, 1.0, 0.5, 0.5, 1.0, 1.0]);
        close(&values(&bn, MEANS), &[3.0, 0.0]);
    }
}

#[test]
fn one_value_a_channel_skips_the_correction() {
    let bn = unit(&config! { "moving_average_momentum" => 0.5 });
    let y = bn.call(&[Var::leaf(Tensor::from_vec(vec![7.0, -3.0], &[1, 2, 1, 1]).unwrap(), true)]).unwrap();
    close(&y.tensor().to_vec(), &[0.0, 0.0]);
    close(&values(&bn, VARIANCES), &[0.5, 0.5]);
}

/// Parts, repeated channels and rest: against sums over the whole channel.
#[test]
fn many_parts_give_the_statistics_of_the_whole() {
    for (c, side) in [(3usize, 75usize), (70, 20)] {
        let shape = [5, c, side, side];
        let len = shape.iter().product::<usize>();
        let x: Vec<f64> = (0..len).map(|i| 100.0 + ((i * 7919) % 1009) as f64 / 100.0).collect();
        let bn = Unit::<f64>::new("bn", "BatchNorm2d", &config! { "nb_inputs" => c, "moving_average_momentum" => 0.5 }).unwrap();
        let y = bn.call(&[Var::leaf(Tensor::from_vec(x.clone(), &shape).unwrap(), false)]).unwrap().tensor().to_vec();
        let (image, pixels) = (side * side, 5.0 * (side * side) as f64);
        for ch in 0..c {
            let at = |v: &[f64], i: usize| v[(i / image * c + ch) * image + i % image];
            let mean = (0..5 * image).map(|i| at(&x, i)).sum::<f64>() / pixels;
            let variance = (0..5 * image).map(|i| (at(&x, i) - mean).powi(2)).sum::<f64>() / pixels;
            let expected = (at(&x, 777) - mean) / (variance + 1e-5).sqrt();
            assert!((at(&y, 777) - expected).abs() < 1e-10 && (values(&bn, MEANS)[ch] - 0.5 * mean).abs() < 1e-10);
        }
    }
}

/// What the cell does with its activation, against an activation of its own behind it; the gradient that arrived shows
/// that it went back through the activation.
#[test]
fn a_fused_activation_gives_what_an_activation_behind_gives() {
    use crate::activation::Activation;
    let shape = [6, 5, 23, 29];
    let len = shape.iter().product::<usize>();
    let x: Vec<f32> = (0..len).map(|i| ((i * 7919) % 1009) as f32 / 100.0).collect();
    let gy: Vec<f32> = (0..len).map(|i| ((i * 31) % 97) as f32 / 50.0 - 1.0).collect();
    for kind in ["Rectifier", "Tanh", "Swish"] {
        let run = |fused: bool| {
            let bn = Unit::<f32>::new("bn", "BatchNorm2d", &config! { "nb_inputs" => 5usize }).unwrap();
            let behind = Unit::<f32>::new("a", "Activation", &config! {}).unwrap();
            bn.with(|u| u.cell.params_mut()[BIASES].assign(&[0.1, -0.2, 0.3, 0.0, -0.5])).unwrap();
            let function = Activation::new(kind, &config! {}).unwrap();
            if fused { &bn } else { &behind }.with(|u| u.activation = Some(function));
            let x = Var::leaf(Tensor::from_vec(x.clone(), &shape).unwrap(), true);
            let normed = bn.call(std::slice::from_ref(&x)).unwrap();
            let y = if fused { normed.clone() } else { behind.call(std::slice::from_ref(&normed)).unwrap() };
            y.back_propagate(Some(Tensor::from_vec(gy.clone(), &shape).unwrap())).unwrap();
            let scales = bn.with(|u| u.cell.params()[SCALES].grad_to_vec());
            [y.tensor().to_vec(), normed.grad().unwrap().to_vec(), x.grad().unwrap().to_vec(), scales].concat()
        };
        assert!(run(true) == run(false), "{kind}");
    }
}

#[test]
fn bits_do_not_depend_on_the_threads() {
    let shape = [6, 20, 40, 40];
    let x: Vec<f32> = (0..6 * 20 * 1600).map(|i| ((i * 7919) % 1009) as f32 / 100.0).collect();
    let gy: Vec<f32> = (0..x.len()).map(|i| ((i * 31) % 97) as f32 / 50.0 - 1.0).collect();
    let run = |threads| {
        let _turn = crate::device::cpu::one_at_a_time(threads);
        let bn = Unit::<f32>::new("bn", "BatchNorm2d", &config! { "nb_inputs" => 20usize }).unwrap();
        let x = Var::leaf(Tensor::from_vec(x.clone(), &shape).unwrap(), true);
        let y = bn.call(std::slice::from_ref(&x)).unwrap();
        y.back_propagate(Some(Tensor::from_vec(gy.clone(), &shape).unwrap())).unwrap();
        let all = [y.tensor().to_vec(), x.grad().unwrap().to_vec(), bn.with(|u| u.cell.params()[SCALES].grad_to_vec())];
        all.concat().into_iter().map(f32::to_bits).collect::<Vec<_>>()
    };
    let one = run(1);
    assert!(one == run(2) && one == run(4));
}

#[test]
fn parameters_are_checked() {
    let mut c = config! { "nb_inputs" => 2usize, "moving_average_momentum" => 1i64 };
    c.set_owner("BatchNorm2d_0");
    let text = "BatchNorm2d_0: parameter `moving_average_momentum` is 1, expected a number of at least 0 and below 1";
    assert_eq!(BatchNorm2d::<f32>::new(&c).err().unwrap().to_string(), text);
    let text = "bn: channels of the input: expected 2, got 3";
    assert_eq!(unit(&Config::default()).output_shape(&[&[1, 3, 2, 2]]).unwrap_err().to_string(), text);
}
