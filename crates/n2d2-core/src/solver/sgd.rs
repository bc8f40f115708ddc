//! `SGD`: stochastic gradient descent with momentum, weight decay and learning-rate policies.
//!
//! With `r` the rate of the policy and `B` the stimuli of the update:
//! `v = momentum * v + r / B * g - decay * r * w`, `w = clamp(w + v)`; without momentum and decay `w = clamp(w + r / B * g)`.
//!
//! With `i` the completed updates, `s = floor(stimuli / learning_rate_step_size)` and `d = learning_rate_decay`:
//!
//! | policy | rate |
//! |---|---|
//! | `None` | `lr` |
//! | `StepDecay` | `lr * d^s` |
//! | `ExponentialDecay` | `lr * exp(-d * s)` |
//! | `InvTDecay` | `lr / (1 + d * s)` |
//! | `PolyDecay` | `lr * (1 - i / max_iterations)^power` |
//! | `InvDecay` | `lr * (1 + d * i)^-power` |
//! | `CosineDecay` | `lr * ((1 - f) * s / W + f)` while `s < W`, with `W = warm_up_duration` and `f = warm_up_lr_frac`; then `lr * max(0, (1 - m) * c + m)` with `m = min_decay` and `c = (1 + cos(pi * (s - W) / (max_iterations - W))) / 2` |

use super::{Clamping, State, clamp};
use crate::config::{Config, Value};
use crate::error::Result;
use crate::tensor::Float;
use crate::vectorise::vectorised;

macro_rules! policies {
    ($($policy:ident),*) => {
        /// How the learning rate changes; formulas in the module documentation.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub enum Policy {
            $($policy),*
        }

        impl Policy {
            const ALL: &[Policy] = &[$(Policy::$policy),*];

            /// Its word.
            pub fn name(self) -> &'static str {
                match self {
                    $(Policy::$policy => stringify!($policy)),*
                }
            }
        }
    };
}
policies!(None, StepDecay, ExponentialDecay, InvTDecay, PolyDecay, InvDecay, CosineDecay);

/// Stochastic gradient descent.
#[derive(Debug, Clone, PartialEq)]
pub struct Sgd {
    /// Range of the values; default none.
    pub clamping: Clamping,
    /// L2 weight decay; default 0. It is not divided by the batch size and goes through the momentum.
    pub decay: f64,
    /// Batches accumulated for an update, at least 1; default 1.
    pub iteration_size: usize,
    /// Base learning rate; default 0.01.
    pub learning_rate: f64,
    /// Decay of the policies; default 0.1.
    pub learning_rate_decay: f64,
    /// Policy; default `None`.
    pub learning_rate_policy: Policy,
    /// Stimuli of a step of the policies; default 1.
    pub learning_rate_step_size: usize,
    /// Updates (`PolyDecay`) or steps (`CosineDecay`) of the whole training; updates are not counted beyond; default 0, none.
    pub max_iterations: usize,
    /// Floor of the factor of `CosineDecay`; default 0.
    pub min_decay: f64,
    /// Momentum; default 0.
    pub momentum: f64,
    /// Kept for compatibility; changes nothing, as in N2D2.
    pub polyak_momentum: bool,
    /// Exponent of `PolyDecay` and `InvDecay`; default 0.
    pub power: f64,
    /// Steps of warm-up of `CosineDecay`; default 0.
    pub warm_up_duration: usize,
    /// Fraction of the rate at the start of the warm-up; default 0.25.
    pub warm_up_lr_frac: f64,
}

impl Default for Sgd {
    fn default() -> Self {
        Sgd {
            clamping: Clamping::default(),
            decay: 0.0,
            iteration_size: 1,
            learning_rate: 0.01,
            learning_rate_decay: 0.1,
            learning_rate_policy: Policy::None,
            learning_rate_step_size: 1,
            max_iterations: 0,
            min_decay: 0.0,
            momentum: 0.0,
            polyak_momentum: true,
            power: 0.0,
            warm_up_duration: 0,
            warm_up_lr_frac: 0.25,
        }
    }
}

impl Sgd {
    pub(super) fn with(&self, c: &Config) -> Result<Self> {
        let names: Vec<_> = self.parameters().iter().map(|p| p.0).collect();
        c.only(&names)?;
        let words: Vec<_> = Policy::ALL.iter().map(|p| p.name()).collect();
        let policy = c.one_of("learning_rate_policy", &words, self.learning_rate_policy.name())?;
        let iteration_size = c.usize_or("iteration_size", self.iteration_size)?;
        if iteration_size == 0 {
            return Err(c.error("iteration_size", 0, "an integer of at least 1"));
        }
        Ok(Sgd {
            clamping: self.clamping.with(c)?,
            decay: c.float_or("decay", self.decay)?,
            iteration_size,
            learning_rate: c.float_or("learning_rate", self.learning_rate)?,
            learning_rate_decay: c.float_or("learning_rate_decay", self.learning_rate_decay)?,
            learning_rate_policy: *Policy::ALL.iter().find(|p| p.name() == policy).unwrap_or(&Policy::None),
            learning_rate_step_size: c.usize_or("learning_rate_step_size", self.learning_rate_step_size)?,
            max_iterations: c.usize_or("max_iterations", self.max_iterations)?,
            min_decay: c.float_or("min_decay", self.min_decay)?,
            momentum: c.float_or("momentum", self.momentum)?,
            polyak_momentum: c.bool_or("polyak_momentum", self.polyak_momentum)?,
            power: c.float_or("power", self.power)?,
            warm_up_duration: c.usize_or("warm_up_duration", self.warm_up_duration)?,
            warm_up_lr_frac: c.float_or("warm_up_lr_frac", self.warm_up_lr_frac)?,
        })
    }

    pub(super) fn parameters(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("clamping", self.clamping.text.clone().into()),
            ("decay", self.decay.into()),
            ("iteration_size", self.iteration_size.into()),
            ("learning_rate", self.learning_rate.into()),
            ("learning_rate_decay", self.learning_rate_decay.into()),
            ("learning_rate_policy", self.learning_rate_policy.name().into()),
            ("learning_rate_step_size", self.learning_rate_step_size.into()),
            ("max_iterations", self.max_iterations.into()),
            ("min_decay", self.min_decay.into()),
            ("momentum", self.momentum.into()),
            ("polyak_momentum", self.polyak_momentum.into()),
            ("power", self.power.into()),
            ("warm_up_duration", self.warm_up_duration.into()),
            ("warm_up_lr_frac", self.warm_up_lr_frac.into()),
        ]
    }

    /// The rate after `iterations` updates on `stimuli` stimuli.
    ///
    /// # Errors
    /// [`crate::Error::Value`] if the policy needs a larger parameter.
    pub fn rate(&self, iterations: u64, stimuli: u64) -> Result<f64> {
        let (lr, decay, i) = (self.learning_rate, self.learning_rate_decay, iterations as f64);
        let needs = |name: &str| {
            let expected = format!("an integer of at least 1 for the policy {}", self.learning_rate_policy.name());
            Config::new("SGD").error(name, 0, expected)
        };
        let steps = || stimuli.checked_div(self.learning_rate_step_size as u64).ok_or_else(|| needs("learning_rate_step_size"));
        Ok(match self.learning_rate_policy {
            Policy::None => lr,
            Policy::StepDecay => lr * decay.powf(steps()? as f64),
            Policy::ExponentialDecay => lr * (-decay * steps()? as f64).exp(),
            Policy::InvTDecay => lr / (1.0 + decay * steps()? as f64),
            Policy::PolyDecay if self.max_iterations == 0 => return Err(needs("max_iterations")),
            Policy::PolyDecay => lr * (1.0 - i / self.max_iterations as f64).powf(self.power),
            Policy::InvDecay => lr * (1.0 + decay * i).powf(-self.power),
            Policy::CosineDecay if self.max_iterations <= self.warm_up_duration => {
                let expected = format!("an integer above `warm_up_duration`, which is {}, for the policy CosineDecay", self.warm_up_duration);
                return Err(Config::new("SGD").error("max_iterations", self.max_iterations, expected));
            }
            Policy::CosineDecay => {
                let (step, warm_up) = (steps()? as f64, self.warm_up_duration as f64);
                if step < warm_up {
                    lr * ((1.0 - self.warm_up_lr_frac) * step / warm_up + self.warm_up_lr_frac)
                } else {
                    let turn = (step - warm_up) / (self.max_iterations as f64 - warm_up);
                    let c = 0.5 * (1.0 + (std::f64::consts::PI * turn).cos());
                    lr * ((1.0 - self.min_decay) * c + self.min_decay).max(0.0)
                }
            }
        })
    }

    pub(super) fn begin<T: Float>(&self, state: &mut State<T>, len: usize, batch: usize) -> Result<Option<(f64, Update<T>)>> {
        if self.learning_rate == 0.0 {
            return Ok(None);
        }
        state.pending += batch as u64;
        if state.pass + 1 < self.iteration_size {
            state.pass += 1;
            return Ok(None);
        }
        state.pass = 0;
        let stimuli = std::mem::take(&mut state.pending);
        let rate = self.rate(state.iterations, state.stimuli)?;
        if self.max_iterations == 0 || state.iterations < self.max_iterations as u64 {
            state.iterations += 1;
            state.stimuli += stimuli;
        }
        let rounded = T::of(rate);
        if rounded == T::zero() {
            return Ok(None);
        }
        let plain = self.momentum == 0.0 && self.decay == 0.0;
        if !plain {
            state.size(0, len);
        }
        let update = Update {
            gain: rounded / T::of(stimuli.max(1) as f64),
            momentum: T::of(self.momentum),
            decay: T::of(self.decay) * rounded,
            plain,
            limits: self.clamping.limits(),
        };
        Ok(Some((rate, update)))
    }
}

/// The rates of one update.
#[derive(Debug, Clone, Copy)]
pub(super) struct Update<T> {
    gain: T,
    momentum: T,
    decay: T,
    plain: bool,
    limits: [T; 2],
}

impl<T: Float> Update<T> {
    pub(super) fn apply(self, w: &mut [T], g: &[T], [v, _]: [&mut [T]; 2]) {
        assert_eq!(w.len(), g.len());
        if self.plain {
            return plain(self, w, g);
        }
        assert_eq!(w.len(), v.len());
        if self.decay == T::zero() {
            with_momentum(self, w, g, v);
        } else {
            with_decay(self, w, g, v);
        }
    }
}

vectorised! {
    fn plain<T: Float>(u: Update<T>, w: &mut [T], g: &[T]) {
        w.iter_mut().zip(g).for_each(|(w, g)| *w = clamp(*w + u.gain * *g, u.limits));
    }

    fn with_momentum<T: Float>(u: Update<T>, w: &mut [T], g: &[T], v: &mut [T]) {
        for ((w, g), v) in w.iter_mut().zip(g).zip(v) {
            *v = *v * u.momentum + u.gain * *g;
            *w = clamp(*w + *v, u.limits);
        }
    }

    fn with_decay<T: Float>(u: Update<T>, w: &mut [T], g: &[T], v: &mut [T]) {
        for ((w, g), v) in w.iter_mut().zip(g).zip(v) {
            *v = *v * u.momentum + u.gain * *g - u.decay * *w;
            *w = clamp(*w + *v, u.limits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Solver;
    use super::*;
    use crate::config;

    /// The values of one weight over updates with these gradients.
    fn run(config: &Config, batch: usize, w: f64, gradients: &[f64]) -> Vec<f64> {
        let solver = Solver::new("SGD", config).unwrap();
        let (mut w, mut state) = ([w], State::default());
        let step = |g: &f64| {
            if let Some(rates) = solver.begin(&mut state, 1, batch).unwrap() {
                rates.apply(&mut w, &[*g], state.parts());
            }
            w[0]
        };
        gradients.iter().map(step).collect()
    }

    fn close(got: &[f64], expected: &[f64]) {
        assert!(got.len() == expected.len() && got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{got:?} not {expected:?}");
    }

    fn rates(config: &Config, at: &[(u64, u64)]) -> Vec<f64> {
        let sgd = Sgd::default().with(config).unwrap();
        at.iter().map(|(i, s)| sgd.rate(*i, *s).unwrap()).collect()
    }

    #[test]
    fn the_gradient_is_divided_by_the_batch_and_added() {
        close(&run(&config! { "learning_rate" => 0.5 }, 4, 1.0, &[2.0, -4.0]), &[1.25, 0.75]);
    }

    #[test]
    fn momentum_and_decay_by_hand() {
        let c = config! { "learning_rate" => 0.1, "momentum" => 0.5, "decay" => 0.2 };
        // v1 = 0.1 / 2 * 4 - 0.2 * 0.1 * 1 = 0.18, w1 = 1.18; v2 = 0.09 + 0.2 - 0.02 * 1.18 = 0.2664, w2 = 1.4464.
        close(&run(&c, 2, 1.0, &[4.0, 4.0]), &[1.18, 1.4464]);
        // Momentum alone: v = 0.2, 0.3, 0.35.
        close(&run(&config! { "learning_rate" => 0.1, "momentum" => 0.5 }, 2, 1.0, &[4.0; 3]), &[1.2, 1.5, 1.85]);
        // Decay alone: w1 = 1 + 0 - 0.02, then v2 = -0.02 * 0.98.
        close(&run(&config! { "learning_rate" => 0.1, "decay" => 0.2 }, 1, 1.0, &[0.0, 0.0]), &[0.98, 0.9604]);
    }

    #[test]
    fn clamping_holds_the_value_but_not_the_momentum() {
        let c = config! { "learning_rate" => 1i64, "momentum" => 1i64, "clamping" => ":0.6" };
        // v = 0.3, 0.6, 0.4; the value is held at 0.6 and then moves by the whole v.
        close(&run(&c, 1, 0.2, &[0.3, 0.3, -0.2, -1.0]), &[0.5, 0.6, 0.6, 0.0]);
    }

    #[test]
    fn accumulation_updates_every_iteration_size_batches() {
        let c = config! { "learning_rate" => 1i64, "iteration_size" => 3i64 };
        // The caller accumulates; the third gradient is the sum over three batches of 2 stimuli.
        close(&run(&c, 2, 0.0, &[6.0, 12.0, 18.0, 6.0]), &[0.0, 0.0, 3.0, 3.0]);
        let solver = Solver::new("SGD", &c).unwrap();
        let mut state = State::<f32>::default();
        let flags: Vec<bool> = (0..4)
            .map(|_| {
                solver.begin(&mut state, 1, 2).unwrap();
                state.is_new_iteration()
            })
            .collect();
        assert_eq!(flags, [false, false, true, false]);
    }

    #[test]
    fn policies_by_steps_of_stimuli() {
        let at = [(0, 0), (1, 4), (2, 8), (4, 16)];
        let with = |policy: &str| config! { "learning_rate" => 0.8, "learning_rate_policy" => policy, "learning_rate_step_size" => 8i64, "learning_rate_decay" => 0.5 };
        close(&rates(&with("None"), &at), &[0.8; 4]);
        close(&rates(&with("StepDecay"), &at), &[0.8, 0.8, 0.4, 0.2]);
        close(&rates(&with("ExponentialDecay"), &at), &[0.8, 0.8, 0.8 * (-0.5f64).exp(), 0.8 * (-1f64).exp()]);
        close(&rates(&with("InvTDecay"), &at), &[0.8, 0.8, 0.8 / 1.5, 0.4]);
    }

    #[test]
    fn policies_by_updates() {
        let c = config! { "learning_rate" => 0.8, "learning_rate_policy" => "PolyDecay", "power" => 2i64, "max_iterations" => 4i64 };
        close(&rates(&c, &[(0, 0), (1, 9), (2, 9), (4, 9)]), &[0.8, 0.45, 0.2, 0.0]);
        let c = config! { "learning_rate" => 0.8, "learning_rate_policy" => "InvDecay", "power" => 0.5, "learning_rate_decay" => 3i64 };
        close(&rates(&c, &[(0, 0), (1, 9), (5, 9)]), &[0.8, 0.4, 0.2]);
    }

    #[test]
    fn cosine_with_warm_up_and_floor() {
        let c = config! {
            "learning_rate" => 1i64, "learning_rate_policy" => "CosineDecay", "learning_rate_step_size" => 4i64, "max_iterations" => 6i64,
            "warm_up_duration" => 2i64, "warm_up_lr_frac" => 0.2, "min_decay" => 0.1
        };
        // Steps 0, 1 | 2 .. 6: warm-up 0.2, 0.6; cosine 1, (1 + cos(pi / 4)) / 2, 1/2, .., 0, each * 0.9 + 0.1.
        let quarter = 0.5 * (1.0 + 0.5f64.sqrt());
        close(&rates(&c, &[(0, 0), (1, 7), (2, 8), (3, 12), (4, 16), (6, 24)]), &[0.2, 0.6, 1.0, 0.9 * quarter + 0.1, 0.55, 0.1]);
    }

    #[test]
    fn counting_stops_at_max_iterations() {
        let solver = Solver::new("SGD", &config! { "max_iterations" => 2i64 }).unwrap();
        let mut state = State::<f64>::default();
        (0..5).for_each(|_| assert!(solver.begin(&mut state, 1, 3).unwrap().is_some()));
        assert_eq!((state.iterations, state.stimuli), (2, 6));
    }

    #[test]
    fn a_rate_of_zero_leaves_weights_and_counters() {
        let solver = Solver::new("SGD", &config! { "learning_rate" => 0i64, "momentum" => 0.9 }).unwrap();
        let mut state = State::<f32>::default();
        assert!(solver.begin(&mut state, 1, 1).unwrap().is_none());
        assert_eq!((state.iterations, state.pending), (0, 0));
    }

    #[test]
    fn policies_without_their_parameters_say_so() {
        let begin = |c: &Config| Solver::new("SGD", c).unwrap().begin(&mut State::<f32>::default(), 1, 1).unwrap_err().to_string();
        let text = "SGD: parameter `max_iterations` is 0, expected an integer of at least 1 for the policy PolyDecay";
        assert_eq!(begin(&config! { "learning_rate_policy" => "PolyDecay" }), text);
        let text = "SGD: parameter `learning_rate_step_size` is 0, expected an integer of at least 1 for the policy StepDecay";
        assert_eq!(begin(&config! { "learning_rate_policy" => "StepDecay", "learning_rate_step_size" => 0i64 }), text);
        let text = "SGD: parameter `max_iterations` is 5, expected an integer above `warm_up_duration`, which is 5, for the policy CosineDecay";
        assert_eq!(begin(&config! { "learning_rate_policy" => "CosineDecay", "max_iterations" => 5i64, "warm_up_duration" => 5i64 }), text);
        let e = Solver::new("SGD", &config! { "learning_rate_policy" => "Foo" }).unwrap_err();
        let words = "None, StepDecay, ExponentialDecay, InvTDecay, PolyDecay, InvDecay, CosineDecay";
        assert_eq!(e.to_string(), format!("SGD: parameter `learning_rate_policy` is \"Foo\", expected one of {words}"));
    }
}
