//! A convolution behind a maximum pooling, against the same gradient spread over all pixels.

use super::*;
use crate::activation::Activation;
use crate::config;
use crate::config::Config;
use crate::device::cpu::one_at_a_time;
use crate::graph::{Unit, Var};
use crate::random::Stream;
use std::sync::Arc;

fn noise<T: Float>(len: usize, seed: u64) -> Vec<T> {
    let stream = Stream::new(seed);
    (0..len as u64).map(|i| T::of(2.0 * f64::from(stream.uniform(i)) - 1.0)).collect()
}

fn conv<T: Float>([c, outputs]: [usize; 2], kernel: usize, padding: usize, activation: Option<&str>) -> Arc<Unit<T>> {
    let pair = |v: usize| vec![v as i64; 2];
    let config = config! {
        "nb_inputs" => c, "nb_outputs" => outputs, "kernel_dims" => pair(kernel), "padding_dims" => pair(padding)
    };
    let unit = Unit::new("conv", "Conv", &config).unwrap();
    unit.with(|u| {
        for (i, p) in u.cell.params_mut().iter_mut().enumerate() {
            let len = p.len();
            p.assign(&noise(len, 10 + i as u64)).unwrap();
        }
        u.activation = activation.map(|kind| Activation::new(kind, &Config::default()).unwrap());
    });
    unit
}

/// The gradients of image, weights and bias; a second pass is added to those of the parameters.
fn gradients<T: Float>(unit: &Arc<Unit<T>>, x: &Var<T>) -> Vec<Vec<T>> {
    let mut all = vec![x.grad().unwrap().to_vec()];
    unit.with(|u| all.extend(u.cell.params().iter().map(Param::grad_to_vec)));
    all
}

/// The gradients through the pooling, and those of the dense gradient which the convolution then has.
fn both<T: Float>([n, c, size, outputs]: [usize; 4], [kernel, padding, pool, step]: [usize; 4]) -> [Vec<Vec<T>>; 2] {
    let x = || Var::leaf(Tensor::from_vec(noise(n * c * size * size, 1), &[n, c, size, size]).unwrap(), true);
    let first = conv::<T>([c, outputs], kernel, padding, Some("Rectifier"));
    let pair = |v: usize| vec![v as i64; 2];
    let choice = Unit::new("pool", "Pool", &config! { "pool_dims" => pair(pool), "stride_dims" => pair(step) }).unwrap();
    let (x1, x2) = (x(), x());
    let y = first.call(std::slice::from_ref(&x1)).unwrap();
    assert!(
        first.with(|u| u.cell.takes_winners(&[x1.tensor().shape()], y.tensor().shape())),
        "the case must be one that goes over the winners"
    );
    let z = choice.call(std::slice::from_ref(&y)).unwrap();
    let again = choice.call(&[first.call(&[x()]).unwrap()]).unwrap();
    let g = Tensor::from_vec(noise(z.tensor().len(), 3), z.tensor().shape()).unwrap();
    z.back_propagate(Some(g.clone())).unwrap();
    let second = conv::<T>([c, outputs], kernel, padding, None);
    // The gradient has gone back through the activation.
    second.call(std::slice::from_ref(&x2)).unwrap().back_propagate(Some(y.grad().unwrap())).unwrap();
    // Gradients of parameters add up until the next forward pass.
    let once = gradients(&first, &x1);
    again.back_propagate(Some(g)).unwrap();
    for (twice, once) in gradients(&first, &x1)[1..].iter().zip(&once[1..]) {
        for (t, o) in twice.iter().zip(once) {
            assert!((*t - *o - *o).abs() <= T::of(1e-3), "{t} is not twice {o}");
        }
    }
    [once, gradients(&second, &x2)]
}

const CASES: [([usize; 4], [usize; 4]); 4] =
    [([37, 1, 28, 6], [5, 0, 2, 2]), ([9, 6, 12, 16], [5, 0, 2, 2]), ([5, 20, 16, 40], [3, 1, 2, 2]), ([2, 17, 23, 33], [3, 1, 3, 2])];

fn close<T: Float>(tolerance: f64) {
    for (sizes, window) in CASES {
        let [winners, dense] = both::<T>(sizes, window);
        for (name, (a, b)) in ["gx", "gw", "gb"].iter().zip(winners.iter().zip(&dense)) {
            assert_eq!(a.len(), b.len());
            let scale = b.iter().fold(1.0, |m: f64, v| m.max(v.as_f64().abs()));
            for (i, (a, b)) in a.iter().zip(b).enumerate() {
                let apart = (a.as_f64() - b.as_f64()).abs();
                assert!(apart <= tolerance * scale, "{name}[{i}] of {sizes:?} {window:?}: {a} instead of {b}");
            }
        }
    }
}

#[test]
fn the_winners_give_the_gradients_of_all_pixels() {
    close::<f32>(5e-6);
    close::<f64>(1e-12);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    for (sizes, window) in CASES {
        let run = |threads: usize| {
            let _turn = one_at_a_time(threads);
            let [winners, _] = both::<f32>(sizes, window);
            winners.concat().iter().map(|v| v.to_bits()).collect::<Vec<_>>()
        };
        let one = run(1);
        assert!([2, 4].into_iter().all(|threads| run(threads) == one), "{sizes:?}");
    }
}
