//! Pooling of an output over several channels at once, as a mapping says.

use super::Geometry;
use super::kernels::NOWHERE;
use crate::tensor::Float;

/// The input channels of each output channel.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mapping {
    /// Number of input channels.
    pub(super) channels: usize,
    /// Channels that each output pools over, in ascending order.
    pub(super) sources: Vec<Vec<usize>>,
}

impl Mapping {
    /// Of a matrix with a row an input channel and a column an output.
    pub(super) fn new(rows: usize, columns: usize, connected: &[bool]) -> Self {
        let of = |o: usize| (0..rows).filter(|c| connected[c * columns + o]).collect();
        Mapping { channels: rows, sources: (0..columns).map(of).collect() }
    }

    /// True if every output pools over the channel of its own number.
    pub(super) fn is_identity(&self) -> bool {
        self.channels == self.sources.len() && self.sources.iter().enumerate().all(|(o, s)| s[..] == [o])
    }
}

/// Calls `f(offset in the image)` for the inputs of an output pixel, channel by channel.
fn each_input(g: &Geometry, pixel: usize, sources: &[usize], mut f: impl FnMut(usize)) {
    let (rows, cols) = (g.taps(0, pixel / g.output[1]), g.taps(1, pixel % g.output[1]));
    for ch in sources {
        for iy in rows.clone() {
            for ix in cols.clone() {
                f((iy * g.input[1] + ix) * g.c + ch);
            }
        }
    }
}

/// The largest value of each window over all channels of an output; the first one wins.
pub(super) fn max_forward<T: Float>(g: &Geometry, m: &Mapping, x: &[T], y: &mut [T], at: &mut [u32]) {
    let outputs = m.sources.len();
    for (i, (y, at)) in y.iter_mut().zip(at).enumerate() {
        (*y, *at) = (T::zero(), NOWHERE);
        each_input(g, i / outputs, &m.sources[i % outputs], |from| {
            if *at == NOWHERE || x[from] > *y {
                (*y, *at) = (x[from], from as u32);
            }
        });
    }
}

/// The sum over all windows and channels of an output, divided by the window's size and the number of channels.
pub(super) fn average_forward<T: Float>(g: &Geometry, m: &Mapping, x: &[T], y: &mut [T]) {
    let outputs = m.sources.len();
    for (i, y) in y.iter_mut().enumerate() {
        let sources = &m.sources[i % outputs];
        let mut sum = T::zero();
        each_input(g, i / outputs, sources, |from| sum += x[from]);
        *y = sum / T::of((g.window_size() * sources.len().max(1)) as f64);
    }
}

/// The gradient of `average_forward`.
pub(super) fn average_backward<T: Float>(g: &Geometry, m: &Mapping, gy: &[T], gx: &mut [T]) {
    let outputs = m.sources.len();
    gx.fill(T::zero());
    for (i, d) in gy.iter().enumerate() {
        let sources = &m.sources[i % outputs];
        let share = *d / T::of((g.window_size() * sources.len().max(1)) as f64);
        each_input(g, i / outputs, sources, |to| gx[to] += share);
    }
}
