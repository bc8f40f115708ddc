//! Loss, gradient, estimated classes and success of one stimulus.

use super::labels::IGNORE;
use crate::tensor::Float;

/// What a target wants of an output.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Wanted output at the channel of the target.
    pub(super) target_value: f64,
    /// Wanted output at the other channels.
    pub(super) default_value: f64,
    /// Estimates kept for each pixel.
    pub(super) top_n: usize,
    /// Output above which a single channel means class 1.
    pub(super) binary_threshold: f64,
}

/// What one stimulus gives.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Found {
    pub(super) loss: f64,
    pub(super) cross_entropy: f64,
    pub(super) success: f64,
    pub(super) top_n_success: f64,
    pub(super) counts: bool,
    pub(super) not_finite: Option<usize>,
}

/// The parts of the tensors that belong to one stimulus; `y` and `g` are `[h, w, c]`, `e` and `v` `[top_n, h, w]`.
pub(super) struct Stimulus<'a, T> {
    pub(super) want: &'a Wanted,
    pub(super) y: &'a [T],
    pub(super) wanted: &'a [i32],
    pub(super) g: &'a mut [T],
    pub(super) e: &'a mut [i32],
    pub(super) v: &'a mut [T],
}

impl<T: Float> Stimulus<'_, T> {
    pub(super) fn run(&mut self, c: usize, targets: usize, probabilities: bool) -> Found {
        let mut found = Found::default();
        let pixels = self.wanted.len();
        let mut classes = vec![(0u32, 0u32, 0u32); if pixels > 1 { targets } else { 0 }];
        if pixels > 1 {
            self.wanted.iter().filter(|t| **t != IGNORE).for_each(|t| classes[*t as usize].0 += 1);
        }
        for p in 0..pixels {
            let y = &self.y[p * c..(p + 1) * c];
            if let Some(at) = y.iter().position(|v| !v.is_finite()) {
                found.not_finite = Some(p * c + at);
                return found;
            }
            self.estimate(p, c);
            let t = self.wanted[p];
            if t == IGNORE {
                self.g[p * c..(p + 1) * c].fill(T::zero());
                continue;
            }
            let weight = if pixels > 1 { 1.0 / f64::from(classes[t as usize].0) } else { 1.0 };
            found.loss += self.error(p, c, T::of(weight));
            if probabilities {
                found.cross_entropy -= weight * self.probability(p, c).max(f64::MIN_POSITIVE).ln();
            }
            let rank = (0..self.want.top_n).position(|k| self.e[k * pixels + p] == t);
            if pixels == 1 {
                found.success = f64::from(u8::from(rank == Some(0)));
                found.top_n_success = f64::from(u8::from(rank.is_some()));
            } else {
                classes[t as usize].1 += u32::from(rank == Some(0));
                classes[t as usize].2 += u32::from(rank.is_some());
            }
            found.counts = true;
        }
        if pixels > 1 && found.counts {
            let present = classes.iter().filter(|k| k.0 > 0);
            let n = present.clone().count() as f64;
            found.success = present.clone().map(|k| f64::from(k.1) / f64::from(k.0)).sum::<f64>() / n;
            found.top_n_success = present.map(|k| f64::from(k.2) / f64::from(k.0)).sum::<f64>() / n;
        }
        found
    }

    /// Writes the gradient of pixel `p` and returns the sum of its squares.
    fn error(&mut self, p: usize, c: usize, weight: T) -> f64 {
        let (target, default) = (T::of(self.want.target_value), T::of(self.want.default_value));
        let wanted_channel = if c == 1 { self.wanted[p] as usize ^ 1 } else { self.wanted[p] as usize };
        let mut sum = 0.0;
        for (ch, (g, y)) in self.g[p * c..(p + 1) * c].iter_mut().zip(&self.y[p * c..]).enumerate() {
            *g = (if ch == wanted_channel { target } else { default } - *y) * weight;
            sum += g.as_f64() * g.as_f64();
        }
        sum
    }

    /// The probability that the output gives to the target of pixel `p`.
    fn probability(&self, p: usize, c: usize) -> f64 {
        match (c, self.wanted[p]) {
            (1, 0) => 1.0 - self.y[p].as_f64(),
            (1, _) => self.y[p].as_f64(),
            (_, t) => self.y[p * c + t as usize].as_f64(),
        }
    }

    /// Writes the best classes of pixel `p`, the first among equals first.
    fn estimate(&mut self, p: usize, c: usize) {
        let pixels = self.wanted.len();
        if c == 1 {
            let y = self.y[p];
            let positive = y.as_f64() > self.want.binary_threshold;
            self.e[p] = i32::from(positive);
            self.v[p] = if positive { y } else { T::one() - y };
            return;
        }
        let mut kept = 0;
        for (ch, y) in self.y[p * c..(p + 1) * c].iter().enumerate() {
            let mut k = kept;
            while k > 0 && *y > self.v[(k - 1) * pixels + p] {
                k -= 1;
            }
            if k == self.want.top_n {
                continue;
            }
            kept = (kept + 1).min(self.want.top_n);
            for j in (k + 1..kept).rev() {
                self.e[j * pixels + p] = self.e[(j - 1) * pixels + p];
                self.v[j * pixels + p] = self.v[(j - 1) * pixels + p];
            }
            self.e[k * pixels + p] = ch as i32;
            self.v[k * pixels + p] = *y;
        }
    }
}
