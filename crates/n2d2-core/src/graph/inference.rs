//! A network in test mode for one batch shape: fused, with buffers that are used again.
//!
//! Cells that only finish what one cell computes (see [`Fold`]) become part of its pass. Outputs that nobody keeps go to
//! buffers that later passes write again. Whoever wants to see one gets it from [`super::deferred`].

use super::call::Step;
use super::explain::Described;
use super::queue::{Pass, Queue};
use super::unit::{Stamp, Unit, activate, concatenate_to};
use super::var::{Node, Var};
use crate::activation::{Activation, ActivationFn};
use crate::cells::{Affine, Epilogue, Fold, Inputs, Leading};
use crate::config::values_of;
use crate::error::Result;
use crate::random;
use crate::tensor::{Float, Shape, Tensor, dims4, memory_strides};
use smallvec::{SmallVec, smallvec};
use std::sync::Arc;

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Input(usize),
    Pass(usize),
}

/// The cell in front that a cell computes for itself.
struct Led<T: Float> {
    /// That cell and those folded into it.
    units: Vec<Arc<Unit<T>>>,
    activation: Option<ActivationFn>,
    leading: Leading<T>,
}

/// A cell with those that are folded into it.
struct Fused<T: Float> {
    unit: Arc<Unit<T>>,
    /// The cells that were folded into it.
    folded: Vec<Arc<Unit<T>>>,
    reads: Vec<Source>,
    how: Inputs,
    /// True if what it reads may lie in the memory of somebody else.
    within: bool,
    affine: Option<Affine<T>>,
    residual: Option<Source>,
    led: Option<Led<T>>,
    activation: Option<ActivationFn>,
    /// True if the cell applies the activation itself.
    fuses: bool,
    takes_epilogue: bool,
    /// Shape of the output, and numbers of values and indices that the cell saves.
    shape: Shape,
    saved: (usize, usize),
    /// Kept from call to call, unless the output is the caller's.
    output: Option<Tensor<T>>,
    /// Kept if the output and all that it reads is.
    node: Option<Arc<Node<T>>>,
    random_key: u64,
}

/// The passes of a network for inputs of certain shapes.
pub(super) struct Inference<T: Float> {
    passes: Vec<Fused<T>>,
    /// The pass of each output, and whether somebody wants its gradient.
    ends: Vec<(usize, bool)>,
    inputs: Vec<(Shape, bool)>,
    stamps: Vec<Stamp>,
    states: Arc<[u64]>,
    shapes: Arc<[Shape]>,
    seed: u32,
}

/// What is known of a step while the passes are made.
struct Made {
    shape: Shape,
    /// The pass that makes it; hidden if a later step was folded into that pass.
    pass: usize,
    wants_gradient: bool,
}

impl<T: Float> Inference<T> {
    /// Fuses the passes; `None` if the recorded call has to find out what is wrong, or must copy what it reads.
    pub(super) fn new(steps: &[Step<T>], ends: &[usize], inputs: &[Var<T>], stamps: Vec<Stamp>) -> Option<Self> {
        let given = inputs.len();
        let mut readers = vec![0; given + steps.len()];
        steps.iter().flat_map(|s| &s.reads).chain(ends).for_each(|place| readers[*place] += 1);
        let mut passes: Vec<Fused<T>> = Vec::new();
        let mut made: Vec<Made> = Vec::new();
        for (Step { unit, reads }, stamp) in steps.iter().zip(&stamps) {
            let shape_of = |place: usize| if place < given { inputs[place].tensor().shape() } else { &made[place - given].shape };
            let inner = unit.lock();
            let how = inner.cell.inputs();
            let shapes = joined(how, reads.iter().map(|place| shape_of(*place).to_vec()).collect())?;
            let slices: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
            let shape = inner.cell.output_shape(unit.name(), &slices).ok()?;
            values_of(&shape)?;
            let wants = |place: usize| if place < given { inputs[place].wants_gradient() } else { made[place - given].wants_gradient };
            let trains = inner.cell.params().iter().any(|p| p.solver.is_some());
            let wants_gradient = trains || reads.iter().any(|place| wants(*place));
            let function = inner.activation.as_ref().map(Activation::function).filter(|f| !f.is_identity());
            let source = |place: usize| if place < given { Source::Input(place) } else { Source::Pass(made[place - given].pass) };
            // The pass of what is read, if nobody else reads it.
            let alone = |place: usize| (place >= given && readers[place] == 1).then(|| made[place - given].pass);
            let into = match inner.cell.fold() {
                Some(Fold::Identity) if reads.len() == 1 => alone(reads[0]).filter(|at| {
                    let pass = &passes[*at];
                    pass.shape == shape && (pass.activation.is_none() || function.is_none())
                }),
                Some(Fold::Affine(affine)) if reads.len() == 1 => {
                    let at = alone(reads[0]).filter(|at| passes[*at].takes(true));
                    if let Some(at) = at {
                        passes[at].affine = Some(affine);
                    }
                    at
                }
                Some(Fold::Sum) if reads.len() == 2 && reads[0] != reads[1] => {
                    // The later of both, when the other is there.
                    let (first, second) = if reads[0] < reads[1] { (0, 1) } else { (1, 0) };
                    let other = source(reads[first]);
                    let ready = |at: &usize| matches!(other, Source::Pass(of) if of < *at);
                    let at = alone(reads[second]).filter(|at| passes[*at].takes(false) && ready(at));
                    if let Some(at) = at {
                        passes[at].residual = Some(other);
                    }
                    at
                }
                _ => None,
            };
            if let Some(pass) = into {
                passes[pass].activation = passes[pass].activation.or(function);
                passes[pass].folded.push(unit.clone());
                made.push(Made { shape, pass, wants_gradient });
                continue;
            }
            let (fuses, takes_epilogue, within) = (inner.cell.fuses_activation(), inner.cell.takes_epilogue(), inner.cell.reads_within());
            let (values, index) = inner.cell.saved(&slices, &shape);
            // Who goes back has recorded the call anew.
            let saved = (values, if inner.cell.chooses() { 0 } else { index });
            // Nobody waits for a lock while holding another.
            drop(inner);
            let in_front = if let [place] = reads[..] { alone(place) } else { None };
            let led = in_front.and_then(|at| {
                let input = |source: Source| match source {
                    Source::Input(place) => inputs[place].tensor().shape(),
                    Source::Pass(of) => &passes[of].shape,
                };
                passes[at].led(input).map(|led| (at, led))
            });
            let led = led.filter(|(_, led)| slices.len() == 1 && unit.lock().cell.takes_leading(slices[0], &led.leading));
            // What leads gives its place, and what it reads.
            let (pass, reads, led) = match led {
                Some((at, led)) => (at, passes[at].reads.clone(), Some(led)),
                None => (passes.len(), reads.iter().map(|place| source(*place)).collect(), None),
            };
            made.push(Made { shape: shape.clone(), pass, wants_gradient });
            let fused = Fused {
                unit: unit.clone(),
                folded: Vec::new(),
                led,
                reads,
                how,
                within,
                affine: None,
                residual: None,
                activation: function,
                fuses,
                takes_epilogue,
                saved,
                shape,
                output: None,
                node: None,
                random_key: unit.random_key(stamp.step),
            };
            if pass < passes.len() { passes[pass] = fused } else { passes.push(fused) }
        }
        let ends: Vec<(usize, bool)> = ends.iter().map(|p| (made[p - given].pass, made[p - given].wants_gradient)).collect();
        let inputs = inputs.iter().map(|v| (v.tensor().shape().to_vec(), v.wants_gradient())).collect();
        let shapes = made.into_iter().map(|made| made.shape).collect();
        let mut inference = Inference { passes, ends, inputs, stamps: Vec::new(), states: Arc::new([]), shapes, seed: random::seed() };
        inference.set_stamps(stamps);
        inference.assign_buffers();
        Some(inference)
    }

    /// Gives outputs that nobody keeps a buffer that is free while they are read, and makes their nodes.
    ///
    /// Passes of a chain run by shards of images, so a buffer goes only to outputs that have as many values an image, or,
    /// with one image, to smaller ones too.
    fn assign_buffers(&mut self) {
        let mut last_read = vec![0; self.passes.len()];
        for (i, pass) in self.passes.iter().enumerate() {
            for source in pass.reads.iter().chain(&pass.residual) {
                if let Source::Pass(of) = source {
                    last_read[*of] = i;
                }
            }
        }
        let mut free: Vec<Tensor<T>> = Vec::new();
        let mut taken: Vec<Option<Tensor<T>>> = vec![None; self.passes.len()];
        for i in 0..self.passes.len() {
            if !self.ends.iter().any(|(end, _)| *end == i) {
                let shape = &self.passes[i].shape;
                let len: usize = shape.iter().product();
                // In a guarded build memory of another size would hide an overrun.
                let larger = shape.first() == Some(&1) && !cfg!(guarded);
                let fits = |t: &Tensor<T>| t.len() == len || (larger && t.len() > len);
                let best = (0..free.len()).filter(|at| fits(&free[*at])).min_by_key(|at| free[*at].len());
                let buffer = best.map_or_else(|| Tensor::uninit(&[len]), |at| free.swap_remove(at));
                let output = Tensor::from_buffer(buffer.buffer().clone(), 0, shape, &memory_strides(shape));
                taken[i] = Some(buffer);
                self.passes[i].output = Some(output.expect("the buffer is large enough"));
                let tensors = self.passes[i].reads.iter().map(|s| self.output(*s, &[]).cloned()).collect::<Option<SmallVec<_>>>();
                self.passes[i].node = tensors.map(|tensors| self.passes[i].kept_node(tensors));
            }
            for of in 0..=i {
                if last_read[of] <= i
                    && let Some(buffer) = taken[of].take()
                {
                    free.push(buffer);
                }
            }
        }
    }

    /// True if nothing has changed since it was made; whose gradient is wanted matters if `wants`.
    pub(super) fn is_for(&self, steps: &[Step<T>], inputs: &[Var<T>], wants: bool) -> bool {
        let same =
            |(v, (shape, gradient)): (&Var<T>, &(Shape, bool))| v.tensor().shape() == shape && !(wants && v.wants_gradient() != *gradient);
        inputs.iter().zip(&self.inputs).all(same)
            && self.seed == random::seed()
            && steps.iter().zip(&self.stamps).all(|(step, stamp)| step.unit.stamp() == *stamp)
    }

    /// Notes the states of the cells.
    pub(super) fn set_stamps(&mut self, stamps: Vec<Stamp>) {
        self.states = stamps.iter().map(|s| s.state).collect();
        self.stamps = stamps;
    }

    /// The states of the cells.
    pub(super) fn states(&self) -> Arc<[u64]> {
        self.states.clone()
    }

    /// The shapes of the outputs of all steps.
    pub(super) fn shapes(&self) -> Arc<[Shape]> {
        self.shapes.clone()
    }

    /// What the passes are, in the order in which they are computed.
    pub(super) fn describe(&self) -> Vec<Described<T>> {
        let mut buffers: Vec<*mut T> = Vec::new();
        let mut number = |output: &Tensor<T>| {
            let at = output.as_ptr();
            let known = buffers.iter().position(|b| *b == at);
            known.unwrap_or_else(|| {
                buffers.push(at);
                buffers.len() - 1
            })
        };
        let described = |pass: &Fused<T>| Described {
            unit: pass.unit.clone(),
            led: pass.led.as_ref().map_or(Vec::new(), |led| led.units.clone()),
            led_activation: pass.led.as_ref().and_then(|led| led.activation.as_ref()).map(ActivationFn::kind),
            folded: pass.folded.clone(),
            activation: pass.activation.as_ref().map(ActivationFn::kind),
            shape: pass.shape.clone(),
            buffer: pass.output.as_ref().map(&mut number),
            joins: pass.joins(),
            adds: pass.residual.is_some(),
        };
        self.passes.iter().map(described).collect()
    }

    /// Computes the outputs, and says of each whether somebody wants its gradient.
    pub(super) fn run(&self, inputs: &[Var<T>]) -> Result<Vec<(Tensor<T>, bool)>> {
        let mut fresh: Vec<Option<Arc<Node<T>>>> = vec![None; self.passes.len()];
        let mut queue = Queue::new();
        for (i, pass) in self.passes.iter().enumerate() {
            let node = if let Some(node) = &pass.node { node.clone() } else { self.node(pass, inputs, &fresh, &mut queue)? };
            if pass.node.is_some() && pass.joins() {
                let parts = pass.reads.iter().filter_map(|s| self.output(*s, &fresh));
                concatenate_to(parts.cloned().collect(), node.tensors[0].clone(), &mut queue);
            }
            if pass.node.is_none() {
                fresh[i] = Some(node.clone());
            }
            let affine = pass.affine.as_ref();
            let residual = pass.residual.and_then(|s| self.output(s, &fresh)).cloned();
            let leading = pass.led.as_ref().map(|led| &led.leading);
            let beside = affine.is_some() || residual.is_some() || leading.is_some();
            let epilogue = beside.then_some(Epilogue { affine, residual, leading });
            let (own, behind) = if pass.fuses { (pass.activation, None) } else { (None, pass.activation) };
            let behind = behind.map(|f| (f, node.output.clone()));
            let inner = queue.lock(&pass.unit);
            queue.push_forward(Pass { inner, node, activation: own, epilogue, back: None })?;
            if let Some((f, output)) = behind {
                activate(f, None, output, &mut queue);
            }
        }
        queue.flush();
        let end = |(at, wants): &(usize, bool)| fresh[*at].as_ref().map(|node| (node.output.clone(), *wants));
        Ok(self.ends.iter().filter_map(end).collect())
    }

    /// The output of a pass.
    fn output<'a>(&'a self, source: Source, fresh: &'a [Option<Arc<Node<T>>>]) -> Option<&'a Tensor<T>> {
        let Source::Pass(at) = source else { return None };
        let made = || fresh.get(at)?.as_ref().map(|node| &node.output);
        self.passes[at].output.as_ref().or_else(made)
    }

    /// The node for one call of a pass that reads an input, or whose output is the caller's.
    fn node<'a>(
        &'a self,
        pass: &'a Fused<T>,
        inputs: &[Var<T>],
        fresh: &[Option<Arc<Node<T>>>],
        queue: &mut Queue<'a, T>,
    ) -> Result<Arc<Node<T>>> {
        let var = |source: &Source| match source {
            Source::Input(at) => Some(inputs[*at].clone()),
            Source::Pass(_) => self.output(*source, fresh).map(|t| Var::leaf(t.clone(), false)),
        };
        let read: SmallVec<[Var<T>; 1]> = pass.reads.iter().filter_map(var).collect();
        let tensors = pass.unit.join(pass.how, pass.within, &read, queue)?;
        Ok(pass.node(tensors, pass.output.clone().unwrap_or_else(|| Tensor::uninit(&pass.shape))))
    }
}

impl<T: Float> Fused<T> {
    /// True if it can still scale and shift channels, or (without `affine`) add a tensor.
    fn takes(&self, affine: bool) -> bool {
        self.takes_epilogue && self.activation.is_none() && self.residual.is_none() && !(affine && self.affine.is_some())
    }

    /// What a cell that takes it over has to compute; `input` gives the shapes of what is read.
    fn led<'a>(&self, input: impl Fn(Source) -> &'a [usize]) -> Option<Led<T>> {
        let [read] = self.reads[..] else { return None };
        let rectifies = self.activation.as_ref().is_none_or(ActivationFn::is_relu);
        if !rectifies || self.residual.is_some() || self.led.is_some() {
            return None;
        }
        let mut leading = self.unit.lock().cell.leading(input(read))?;
        (leading.affine, leading.relu) = (self.affine.clone(), self.activation.is_some());
        let units = std::iter::once(&self.unit).chain(&self.folded).cloned().collect();
        Some(Led { units, activation: self.activation, leading })
    }

    /// True if what it reads is concatenated.
    fn joins(&self) -> bool {
        self.reads.len() > 1 && self.how.joins()
    }

    /// The node over kept tensors.
    fn kept_node(&self, tensors: SmallVec<[Tensor<T>; 1]>) -> Arc<Node<T>> {
        let shapes: Vec<[usize; 4]> = tensors.iter().map(|t| dims4(t.shape())).collect();
        let tensors = if self.joins() { smallvec![Tensor::uninit(&self.how.seen(&shapes)[0])] } else { tensors };
        self.node(tensors, self.output.clone().expect("only of a pass with a buffer"))
    }

    fn node(&self, tensors: SmallVec<[Tensor<T>; 1]>, output: Tensor<T>) -> Arc<Node<T>> {
        let saved = self.unit.room(self.saved.0, self.saved.1);
        Arc::new(Node::new(self.unit.clone(), SmallVec::new(), tensors, saved, output, (false, self.random_key, None), true))
    }
}

/// The shapes as the cell sees them; `None` if they do not fit, or are flattened first.
fn joined(how: Inputs, shapes: Vec<Shape>) -> Option<Vec<Shape>> {
    if shapes.is_empty() {
        return None;
    }
    if how == Inputs::Any {
        return Some(shapes);
    }
    if (how == Inputs::One && shapes.len() != 1) || shapes.iter().any(|s| s.is_empty() || s.len() > 4 || s.contains(&0)) {
        return None;
    }
    let shapes: Vec<[usize; 4]> = shapes.iter().map(|s| dims4(s)).collect();
    let concatenates = shapes.len() > 1 && how.joins();
    let fits = |s: &[usize; 4]| s[0] == shapes[0][0] && (!concatenates || s[2..] == shapes[0][2..]);
    shapes.iter().all(fits).then(|| how.seen(&shapes).into_iter().map(Vec::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use std::collections::HashSet;

    fn step(name: &str, kind: &str, config: &crate::Config, reads: &[usize]) -> Step<f32> {
        let unit = Unit::new(name, kind, config).unwrap();
        unit.set_learn(false);
        Step { unit, reads: reads.to_vec() }
    }

    #[test]
    fn what_follows_a_convolution_is_folded_and_buffers_are_used_again() {
        let conv = config! { "nb_inputs" => 8usize, "nb_outputs" => 8usize, "kernel_dims" => 3i64, "padding_dims" => 1i64 };
        let norm = config! { "nb_inputs" => 8usize };
        let mut steps = vec![step("conv0", "Conv", &conv, &[0])];
        // Blocks of two convolutions, each with a normalisation, and a shortcut.
        for block in 0..3 {
            let at = steps.len();
            steps.push(step(&format!("a{block}"), "Conv", &conv, &[at]));
            steps.push(step(&format!("b{block}"), "BatchNorm2d", &norm, &[at + 1]));
            steps.push(step(&format!("c{block}"), "Conv", &conv, &[at + 2]));
            steps.push(step(&format!("d{block}"), "BatchNorm2d", &norm, &[at + 3]));
            steps.push(step(&format!("e{block}"), "ElemWise", &config! {}, &[at + 4, at]));
        }
        let x = Var::leaf(Tensor::zeros(&[4, 8, 6, 6]), false);
        let stamps = steps.iter().map(|s| s.unit.stamp()).collect();
        let inference = Inference::new(&steps, &[steps.len()], &[x], stamps).unwrap();
        let names: Vec<&str> = inference.passes.iter().map(|p| p.unit.name()).collect();
        assert_eq!(names, ["conv0", "a0", "c0", "a1", "c1", "a2", "c2"]);
        assert_eq!(inference.passes[2].residual, Some(Source::Pass(0)));
        assert!(inference.passes[1..].iter().all(|p| p.affine.is_some()));
        // The shortcut, what is computed from it, and what is computed from that.
        let buffers: HashSet<_> = inference.passes.iter().filter_map(|p| p.output.as_ref()).map(Tensor::as_ptr).collect();
        assert_eq!(buffers.len(), 3);
        assert!(inference.passes[0].node.is_none() && inference.passes[6].output.is_none());
        assert!(inference.passes[1..6].iter().all(|p| p.node.is_some()));
    }

    #[test]
    fn a_depthwise_convolution_becomes_part_of_the_one_behind_it_where_that_pays() {
        let mut depthwise = config! { "nb_inputs" => 8usize, "nb_outputs" => 8usize, "kernel_dims" => 3i64, "padding_dims" => 1i64 };
        depthwise.set("mapping", crate::Value::Mask(8, 8, (0..64).map(|i| i % 9 == 0).collect()));
        let pointwise = config! { "nb_inputs" => 8usize, "nb_outputs" => 8usize, "kernel_dims" => 1i64 };
        let steps = [
            step("a", "Conv", &depthwise, &[0]),
            step("b", "BatchNorm2d", &config! { "nb_inputs" => 8usize }, &[1]),
            step("c", "Conv", &pointwise, &[2]),
            step("d", "Conv", &depthwise, &[3]),
            step("e", "Conv", &pointwise, &[4]),
        ];
        let names = |images: usize, size: usize, ends: &[usize]| -> Vec<String> {
            let x = Var::leaf(Tensor::zeros(&[images, 8, size, size]), false);
            let inference = Inference::new(&steps, ends, &[x], steps.iter().map(|s| s.unit.stamp()).collect()).unwrap();
            inference.passes.iter().map(|p| format!("{}{}", p.unit.name(), if p.led.is_some() { "+" } else { "" })).collect()
        };
        assert_eq!(names(1, 32, &[5]), ["c+", "e+"]);
        // The output of what would lead is wanted.
        assert_eq!(names(1, 32, &[5, 4]), ["c+", "d", "e"]);
        // Small images, and too few of them.
        assert_eq!(names(64, 8, &[5]), ["a", "c", "d", "e"]);
        assert_eq!(names(1, 14, &[5]), ["a", "c", "d", "e"]);
    }

    #[test]
    fn a_convolution_of_single_pixels_becomes_part_of_the_depthwise_one_behind_it_where_the_image_is_small() {
        let mut depthwise = config! { "nb_inputs" => 64usize, "nb_outputs" => 64usize, "kernel_dims" => 3i64, "padding_dims" => 1i64 };
        depthwise.set("mapping", crate::Value::Mask(64, 64, (0..64 * 64).map(|i| i % 65 == 0).collect()));
        let pointwise = config! { "nb_inputs" => 64usize, "nb_outputs" => 64usize, "kernel_dims" => 1i64 };
        let norm = config! { "nb_inputs" => 64usize };
        let steps = [
            step("a", "Conv", &depthwise, &[0]),
            step("b", "Conv", &pointwise, &[1]),
            step("c", "BatchNorm2d", &norm, &[2]),
            step("d", "Conv", &depthwise, &[3]),
            step("e", "BatchNorm2d", &norm, &[4]),
            step("f", "Conv", &pointwise, &[5]),
        ];
        let names = |images: usize, size: usize, ends: &[usize]| -> Vec<String> {
            let x = Var::leaf(Tensor::zeros(&[images, 64, size, size]), false);
            let inference = Inference::new(&steps, ends, &[x], steps.iter().map(|s| s.unit.stamp()).collect()).unwrap();
            inference.passes.iter().map(|p| format!("{}{}", p.unit.name(), if p.led.is_some() { "+" } else { "" })).collect()
        };
        assert_eq!(names(1, 14, &[6]), ["a", "d+", "f"]);
        // An output in between is wanted, or there are other images.
        assert_eq!(names(1, 14, &[6, 3]), ["a", "b", "d", "f"]);
        assert_eq!(names(2, 14, &[6]), ["a", "b", "d", "f"]);
    }
}
