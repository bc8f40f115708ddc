//! `Rearrange`: values at other places, `y[i] = x[index[i]]`, or `fill` where the index is -1.
//!
//! Indices count the elements in row-major order (N, C, H, W), those of several inputs one input behind the other. With
//! `per_sample` they count the elements of one stimulus: the first axis of the output is that of the inputs, and `shape` and
//! `index` describe the rest. One table serves slices, gathers, repetitions, padding, transpositions and concatenations.
//!
//! Gradient: `gx[j]` is the sum of `gy[i]` over all `i` with `index[i] = j`, in the order of `i`.
//!
//! Shapes: inputs of any rank up to six to `shape`, or to `[n] + shape`. Source: ONNX `Gather`, `Slice`, `Expand`, `Tile` and
//! others.

use super::strided::Walk;
use super::{Cell, Frame, Inputs, MAX_RANK, Phase};
use crate::config::{Config, MAX_VALUES, values_of};
use crate::error::{Error, Result};
use crate::tensor::{Float, Shape, memory_strides};

/// Elements of an item.
const ITEM: usize = 4096;
/// The place of no input.
const NOWHERE: u32 = u32::MAX;

/// Values at other places.
///
/// Parameters: `index` (required, integers of at least -1), `shape` (required, sizes whose product is the number of
/// indices), `sizes` (elements that the indices count of each input; default: as many as the largest index needs),
/// `per_sample` (default false), `fill` (default 0).
pub struct Rearrange<T: Float> {
    index: Vec<i64>,
    shape: Shape,
    sizes: Vec<usize>,
    per_sample: bool,
    fill: T,
    plan: Option<Plan>,
}

/// The tables for one set of shapes.
struct Plan {
    shapes: Vec<Shape>,
    /// For each place in the memory of the output (of a stimulus): the place in the memory of all inputs.
    from: Vec<u32>,
    /// For each place in the memory of all inputs, where its readers begin in `readers`.
    first: Vec<u32>,
    /// Places in the memory of the output, in row-major order of the output for each place of the inputs.
    readers: Vec<u32>,
}

/// For each element in row-major order, its place in memory.
fn places(shape: &[usize]) -> Vec<u32> {
    let strides = memory_strides(shape);
    let walk = Walk::new(shape.iter().zip(&strides).map(|(n, s)| (*n, [*s as usize])));
    let mut places = Vec::with_capacity(walk.len());
    walk.runs(0, walk.len(), |_, [at], [step], n| places.extend((0..n).map(|i| (at + i * step) as u32)));
    places
}

impl<T: Float> Rearrange<T> {
    /// Reads the parameters.
    ///
    /// # Errors
    /// The errors of [`Config`]; [`Error::Value`] if sizes and indices do not fit each other.
    pub fn new(config: &Config) -> Result<Self> {
        config.only(&["index", "shape", "sizes", "per_sample", "fill"])?;
        let per_sample = config.bool_or("per_sample", false)?;
        let index = config.ints_or("index", &[])?;
        let of = |name: &str| -> Result<Shape> {
            let list = config.ints_or(name, &[])?;
            let sizes: Shape = list.iter().filter_map(|d| usize::try_from(*d).ok()).filter(|d| *d > 0).collect();
            if sizes.len() == list.len() { Ok(sizes) } else { Err(config.error(name, format!("{list:?}"), "sizes of at least 1")) }
        };
        let (shape, sizes) = (of("shape")?, of("sizes")?);
        let rank = MAX_RANK - usize::from(per_sample);
        if index.is_empty() || shape.len() > rank || values_of(&shape) != Some(index.len()) {
            let expected = format!("at most {rank} sizes whose product is {}, the number of indices, and at least 1", index.len());
            return Err(config.error("shape", format!("{shape:?}"), expected));
        }
        let total = sizes.iter().fold(0usize, |sum, n| sum.saturating_add(*n));
        let limit = if sizes.is_empty() { MAX_VALUES } else { total };
        if let Some(outside) = index.iter().find(|i| **i < -1 || **i >= limit as i64) {
            let expected = format!("integers from -1 to {}", limit as i64 - 1);
            return Err(config.error("index", format!("a list with {outside} in it"), expected));
        }
        Ok(Rearrange { index, shape, sizes, per_sample, fill: T::of(config.float_or("fill", 0.0)?), plan: None })
    }

    /// Elements of an input that the indices count.
    fn size(&self, shape: &[usize]) -> usize {
        shape.iter().skip(usize::from(self.per_sample)).product()
    }

    fn plan(&self, inputs: &[&[usize]], output: &[usize]) -> Plan {
        let one = |shape: &[usize]| -> Shape {
            let mut shape = shape.to_vec();
            if self.per_sample {
                shape[0] = 1;
            }
            shape
        };
        let mut memory = Vec::new();
        for shape in inputs {
            let base = memory.len() as u32;
            memory.extend(places(&one(shape)).into_iter().map(|p| p + base));
        }
        let to = places(&one(output));
        let mut from = vec![NOWHERE; to.len()];
        let mut first = vec![0u32; memory.len() + 1];
        for (i, place) in self.index.iter().zip(&to) {
            if let Ok(i) = usize::try_from(*i) {
                from[*place as usize] = memory[i];
                first[memory[i] as usize + 1] += 1;
            }
        }
        for i in 1..first.len() {
            first[i] += first[i - 1];
        }
        let (mut next, mut readers) = (first.clone(), vec![0; first[memory.len()] as usize]);
        for place in &to {
            let source = from[*place as usize];
            if source != NOWHERE {
                readers[next[source as usize] as usize] = *place;
                next[source as usize] += 1;
            }
        }
        Plan { shapes: inputs.iter().map(|s| s.to_vec()).collect(), from, first, readers }
    }

    /// Makes the tables if the shapes have changed; those of a stimulus do not depend on the number of stimuli.
    fn prepare(&mut self, f: &Frame<'_, T>) {
        let shapes: Vec<&[usize]> = f.inputs.iter().map(crate::Tensor::shape).collect();
        let from = usize::from(self.per_sample);
        let same = |(a, b): (&Shape, &&[usize])| a.len() == b.len() && a[from..] == b[from..];
        if !self.plan.as_ref().is_some_and(|p| p.shapes.len() == shapes.len() && p.shapes.iter().zip(&shapes).all(same)) {
            self.plan = Some(self.plan(&shapes, f.output.shape()));
        }
    }

    /// Stimuli and elements of one in a tensor.
    fn samples(&self, shape: &[usize]) -> (usize, usize) {
        let size = self.size(shape);
        (shape.iter().product::<usize>() / size, size)
    }

    /// Input, element of the stimulus and number of elements of an item, and the stimulus.
    fn target(&self, mut item: usize, f: &Frame<'_, T>) -> Option<(usize, usize, usize, usize)> {
        for (k, gx) in f.grad_inputs.iter().enumerate() {
            let Some(gx) = gx else { continue };
            let (n, size) = self.samples(gx.shape());
            let chunks = size.div_ceil(ITEM);
            if item < n * chunks {
                let start = item % chunks * ITEM;
                return Some((k, start, ITEM.min(size - start), item / chunks));
            }
            item -= n * chunks;
        }
        None
    }
}

impl<T: Float> Cell<T> for Rearrange<T> {
    fn kind(&self) -> &'static str {
        "Rearrange"
    }

    fn inputs(&self) -> Inputs {
        Inputs::Any
    }

    fn output_shape(&self, name: &str, inputs: &[&[usize]]) -> Result<Shape> {
        let batch = inputs[0].first().copied();
        if self.per_sample && (batch.is_none() || inputs.iter().any(|s| s.first().copied() != batch)) {
            return Err(Error::shape(name, "first axis of all inputs", "one number of stimuli", format!("shapes {inputs:?}")));
        }
        let sizes: Vec<usize> = inputs.iter().map(|s| self.size(s)).collect();
        let of = if self.per_sample { "elements of a stimulus of each input" } else { "elements of each input" };
        if !self.sizes.is_empty() && sizes != self.sizes {
            return Err(Error::shape(name, of, format!("{:?}", self.sizes), format!("{sizes:?}")));
        }
        let (total, needed) = (sizes.iter().sum::<usize>(), self.index.iter().max().map_or(0, |i| (*i + 1) as usize));
        if total < needed {
            return Err(Error::shape(name, of, format!("at least {needed}, the largest index and 1"), total));
        }
        if total >= MAX_VALUES {
            return Err(Error::shape(name, of, format!("less than {MAX_VALUES}"), total));
        }
        Ok(batch.filter(|_| self.per_sample).into_iter().chain(self.shape.iter().copied()).collect())
    }

    fn forward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        self.prepare(f);
        let (n, size) = self.samples(f.output.shape());
        Ok(vec![Phase::streaming(n * size.div_ceil(ITEM), 4 * f.output.len())])
    }

    fn forward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let Some(plan) = &self.plan else { return };
        let (_, size) = self.samples(f.output.shape());
        let chunks = size.div_ceil(ITEM);
        let (sample, start) = (item / chunks, item % chunks * ITEM);
        let len = ITEM.min(size - start);
        // SAFETY: items are disjoint.
        let y = unsafe { f.output.part_mut(sample * size + start, len) };
        let inputs: Vec<&[T]> = f.inputs.iter().map(|t| t.part(sample * self.size(t.shape()), self.size(t.shape()))).collect();
        let from = &plan.from[start..start + len];
        if let [x] = inputs[..] {
            y.iter_mut().zip(from).for_each(|(y, i)| *y = if *i == NOWHERE { self.fill } else { x[*i as usize] });
            return;
        }
        let mut input = 0;
        let (mut low, mut high) = (0, inputs[0].len());
        for (y, i) in y.iter_mut().zip(from) {
            let i = *i as usize;
            if i == NOWHERE as usize {
                *y = self.fill;
                continue;
            }
            // Neighbours mostly come from one input.
            while i < low {
                input -= 1;
                (low, high) = (low - inputs[input].len(), low);
            }
            while i >= high {
                input += 1;
                (low, high) = (high, high + inputs[input].len());
            }
            *y = inputs[input][i - low];
        }
    }

    fn backward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        self.prepare(f);
        let items = f.grad_inputs.iter().flatten().map(|g| self.samples(g.shape())).map(|(n, size)| n * size.div_ceil(ITEM)).sum();
        Ok(vec![Phase::streaming(items, 8 * f.output.len())])
    }

    fn backward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let (Some(plan), Some((k, start, len, sample))) = (&self.plan, self.target(item, f)) else { return };
        let Some(gx) = &f.grad_inputs[k] else { return };
        let base: usize = f.inputs[..k].iter().map(|t| self.size(t.shape())).sum();
        let (_, size) = self.samples(f.output.shape());
        let gy = f.gy().part(sample * size, size);
        // SAFETY: every item writes its own part of its own gradient.
        let gx = unsafe { gx.part_mut(sample * self.size(gx.shape()) + start, len) };
        for (i, gx) in gx.iter_mut().enumerate() {
            let at = base + start + i;
            let readers = &plan.readers[plan.first[at] as usize..plan.first[at + 1] as usize];
            *gx = readers.iter().map(|r| gy[*r as usize]).sum();
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::{Unit, Var};
    use crate::{Config, Tensor, config};

    fn leaf(values: &[f64], shape: &[usize]) -> Var<f64> {
        Var::leaf(Tensor::from_vec(values.to_vec(), shape).unwrap(), true)
    }

    #[test]
    fn a_gather_of_two_inputs_by_hand() {
        let config = config! { "index" => vec![4i64, -1, 0, 0], "shape" => vec![2i64, 2], "fill" => 9.0 };
        let unit = Unit::new("r", "Rearrange", &config).unwrap();
        let (a, b) = (leaf(&[1.0, 2.0, 3.0], &[3]), leaf(&[4.0, 5.0], &[1, 2]));
        let y = unit.call(&[a.clone(), b.clone()]).unwrap();
        assert_eq!((y.tensor().shape(), y.tensor().to_vec()), (&[2, 2][..], vec![5.0, 9.0, 1.0, 1.0]));
        y.back_propagate(Some(Tensor::from_vec(vec![1.0, 2.0, 3.0, 4.0], &[2, 2]).unwrap())).unwrap();
        assert_eq!((a.grad().unwrap().to_vec(), b.grad().unwrap().to_vec()), (vec![7.0, 0.0, 0.0], vec![0.0, 1.0]));
    }

    #[test]
    fn each_stimulus_is_rearranged_in_channel_order_whatever_the_batch() {
        let config = config! { "index" => vec![3i64, 2, 1, 0], "shape" => vec![2i64, 1, 2], "per_sample" => true };
        let unit = Unit::new("r", "Rearrange", &config).unwrap();
        for n in [2, 1, 3] {
            let values: Vec<f64> = (0..4 * n).map(|v| v as f64).collect();
            let y = unit.call(&[leaf(&values, &[n, 2, 2, 1])]).unwrap();
            assert_eq!(y.tensor().shape(), [n, 2, 1, 2]);
            let expected: Vec<f64> = values.chunks(4).flat_map(|c| c.iter().rev().copied()).collect();
            assert_eq!(y.tensor().to_vec(), expected);
        }
    }

    #[test]
    fn errors_say_what_would_fit() {
        let error = |config: &Config| Unit::<f64>::new("r", "Rearrange", config).err().unwrap().to_string();
        let text = "r: parameter `shape` is [2], expected at most 6 sizes whose product is 1, the number of indices, and at least 1";
        assert_eq!(error(&config! { "index" => vec![0i64], "shape" => vec![2i64] }), text);
        let text = "r: parameter `index` is a list with 3 in it, expected integers from -1 to 2";
        assert_eq!(error(&config! { "index" => vec![3i64], "shape" => vec![1i64], "sizes" => vec![3i64] }), text);
        let unit = Unit::new("r", "Rearrange", &config! { "index" => vec![3i64], "shape" => vec![1i64], "sizes" => vec![4i64] }).unwrap();
        let text = "r: elements of each input: expected [4], got [5]";
        assert_eq!(unit.call(&[leaf(&[0.0; 5], &[5])]).err().unwrap().to_string(), text);
    }
}
