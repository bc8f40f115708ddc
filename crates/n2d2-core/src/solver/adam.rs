//! `Adam`: adaptive moments.
//!
//! At update `t` (from 1): `m = beta1 * m + (1 - beta1) * g`, `v = beta2 * v + (1 - beta2) * g^2`,
//! `w = clamp(w + a * m / (sqrt(v) + e))` with `a = lr * sqrt(1 - beta2^t) / (1 - beta1^t)` and `e = epsilon * sqrt(1 - beta2^t)`.
//! The gradient is the sum over the batch, as in N2D2: it is *not* divided by the batch size.
//!
//! Source: D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015.

use super::{Clamping, State, clamp};
use crate::config::{Config, Value};
use crate::error::Result;
use crate::tensor::Float;
use crate::vectorise::vectorised;

/// Adaptive moments.
#[derive(Debug, Clone, PartialEq)]
pub struct Adam {
    /// Decay of the first moment, in `[0, 1[`; default 0.9.
    pub beta1: f64,
    /// Decay of the second moment, in `[0, 1[`; default 0.999.
    pub beta2: f64,
    /// Range of the values; default none.
    pub clamping: Clamping,
    /// Added to the root of the second moment; default 1e-8.
    pub epsilon: f64,
    /// Learning rate; default 0.001.
    pub learning_rate: f64,
}

impl Default for Adam {
    fn default() -> Self {
        Adam { beta1: 0.9, beta2: 0.999, clamping: Clamping::default(), epsilon: 1e-8, learning_rate: 0.001 }
    }
}

impl Adam {
    pub(super) fn with(&self, c: &Config) -> Result<Self> {
        c.only(&["beta1", "beta2", "clamping", "epsilon", "learning_rate"])?;
        let [beta1, beta2] = [("beta1", self.beta1), ("beta2", self.beta2)].map(|(name, default)| {
            let v = c.float_or(name, default)?;
            if (0.0..1.0).contains(&v) { Ok(v) } else { Err(c.error(name, v, "a number of at least 0 and below 1")) }
        });
        Ok(Adam {
            beta1: beta1?,
            beta2: beta2?,
            clamping: self.clamping.with(c)?,
            epsilon: c.float_or("epsilon", self.epsilon)?,
            learning_rate: c.float_or("learning_rate", self.learning_rate)?,
        })
    }

    pub(super) fn parameters(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("beta1", self.beta1.into()),
            ("beta2", self.beta2.into()),
            ("clamping", self.clamping.text.clone().into()),
            ("epsilon", self.epsilon.into()),
            ("learning_rate", self.learning_rate.into()),
        ]
    }

    #[allow(clippy::unnecessary_wraps)] // The signature that all solvers share.
    pub(super) fn begin<T: Float>(&self, state: &mut State<T>, len: usize, batch: usize) -> Result<Option<(f64, Update<T>)>> {
        state.iterations += 1;
        state.stimuli += batch as u64;
        state.size(0, len);
        state.size(1, len);
        let t = state.iterations as f64;
        let (c1, c2) = (1.0 - self.beta1.powf(t), (1.0 - self.beta2.powf(t)).sqrt());
        let update = Update {
            alpha: T::of(self.learning_rate * c2 / c1),
            epsilon: T::of(self.epsilon * c2),
            beta1: T::of(self.beta1),
            gain1: T::of(1.0 - self.beta1),
            beta2: T::of(self.beta2),
            gain2: T::of(1.0 - self.beta2),
            limits: self.clamping.limits(),
        };
        Ok(Some((self.learning_rate, update)))
    }
}

/// The rates of one update.
#[derive(Debug, Clone, Copy)]
pub(super) struct Update<T> {
    alpha: T,
    epsilon: T,
    beta1: T,
    gain1: T,
    beta2: T,
    gain2: T,
    limits: [T; 2],
}

impl<T: Float> Update<T> {
    pub(super) fn apply(self, w: &mut [T], g: &[T], [m, v]: [&mut [T]; 2]) {
        assert!(w.len() == g.len() && w.len() == m.len() && w.len() == v.len());
        step(self, w, g, m, v);
    }
}

vectorised! {
    fn step<T: Float>(u: Update<T>, w: &mut [T], g: &[T], m: &mut [T], v: &mut [T]) {
        for (((w, g), m), v) in w.iter_mut().zip(g).zip(m).zip(v) {
            *m = u.beta1 * *m + u.gain1 * *g;
            *v = u.beta2 * *v + u.gain2 * (*g * *g);
            *w = clamp(*w + u.alpha * *m / (v.sqrt() + u.epsilon), u.limits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Solver;
    use super::*;
    use crate::config;

    #[test]
    fn the_first_step_is_the_rate_and_the_second_by_hand() {
        let c = config! { "learning_rate" => 0.1, "beta1" => 0.5, "beta2" => 0.75, "epsilon" => 0i64 };
        let solver = Solver::new("Adam", &c).unwrap();
        let (mut w, mut state) = ([1.0f64, 1.0], State::default());
        let mut update = |w: &mut [f64], g: [f64; 2]| {
            let rates = solver.begin(&mut state, 2, 32).unwrap().unwrap();
            assert_eq!(rates.learning_rate, 0.1);
            rates.apply(w, &g, state.parts());
        };
        update(&mut w, [3.0, -7.0]);
        assert!((w[0] - 1.1).abs() < 1e-12 && (w[1] - 0.9).abs() < 1e-12);
        update(&mut w, [1.0, -7.0]);
        // m = 0.5 * 1.5 + 0.5 = 1.25, over 1 - 0.25: 5/3; v = 0.75 * 2.25 + 0.25 = 1.9375, over 1 - 0.5625: 31/7.
        assert!((w[0] - (1.1 + 0.1 * (5.0 / 3.0) / (31.0f64 / 7.0).sqrt())).abs() < 1e-12);
        assert!((w[1] - 0.8).abs() < 1e-12);
    }

    #[test]
    fn epsilon_and_clamping() {
        let c = config! { "learning_rate" => 1i64, "epsilon" => 1i64, "clamping" => "0:1.2" };
        let solver = Solver::new("Adam", &c).unwrap();
        let (mut w, mut state) = ([1.0f64, 1.0, 1.0], State::default());
        solver.begin(&mut state, 3, 1).unwrap().unwrap().apply(&mut w, &[1.0, -1.0, 0.0], state.parts());
        // Step g / (|g| + epsilon) = 1/2: up to 1.5, held at 1.2; down to 0.5.
        assert!(w[0] == 1.2 && (w[1] - 0.5).abs() < 1e-12 && w[2] == 1.0);
        assert!(state.is_new_iteration());
    }

    #[test]
    fn a_beta_of_one_is_refused() {
        let text = "Adam: parameter `beta2` is 1, expected a number of at least 0 and below 1";
        assert_eq!(Solver::new("Adam", &config! { "beta2" => 1i64 }).unwrap_err().to_string(), text);
    }
}
