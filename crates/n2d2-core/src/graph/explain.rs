//! What a network computes with, node by node, and how long each takes.

use super::call::Step;
use super::plan::{Plan, Run};
use super::profile::{Profiled, mute, trace};
use super::unit::{Unit, computes};
use super::var::Var;
use crate::activation::{Activation, ActivationFn};
use crate::cells::Param;
use crate::device::cpu::Peak;
use crate::error::{Error, Result};
use crate::tensor::{Element, Float, Shape};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// Time of the calls before.
const WARM_UP: Duration = Duration::from_millis(50);
/// Measurements of which the median counts.
const ROUNDS: usize = 7;
/// Time after which no other measurement begins, if there are [`LEAST_ROUNDS`].
const LONG: Duration = Duration::from_secs(1);
const LEAST_ROUNDS: usize = 3;

/// A node of a network: a cell with those that are computed in its pass.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainedNode {
    /// Name of the cell.
    pub name: String,
    /// Its class.
    pub kind: &'static str,
    /// What is computed in its pass beside: names of cells in front of it and of their activation, of cells behind it, and the
    /// class of its activation.
    pub fused: Vec<String>,
    /// What computes it: the word of [`Cell::kernel`](crate::cells::Cell::kernel), after `concatenation` if several inputs are
    /// joined first, before the activation if a pass of its own applies that.
    pub kernel: String,
    /// NumPy name of the type of its values.
    pub dtype: &'static str,
    /// Shape of the output.
    pub shape: Shape,
    /// Bytes of its parameters as they lie in memory, padding included, those of the cells in its pass among them.
    pub parameter_bytes: usize,
    /// Bytes of its output.
    pub output_bytes: usize,
    /// The buffer that holds the output until another node needs it; `None` if the output stays as it is.
    pub buffer: Option<usize>,
    /// Multiply-accumulates of a call, as the definition of the cell has them.
    pub macs: u64,
    /// Bytes that must move: inputs, output and parameters, once each.
    pub moved_bytes: usize,
    /// Time of all threads together for a call, in nanoseconds: the median of a few.
    pub thread_ns: u64,
}

/// What [`Plan::explain`] finds.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The nodes in the order in which they are computed.
    pub nodes: Vec<ExplainedNode>,
    /// True if the cells are fused, as they are if all are in test mode; else each is a node of its own, and recorded.
    pub is_fused: bool,
    /// Time of a whole call, in nanoseconds: the median of a few.
    pub call_ns: u64,
    /// What the machine can do at most, measured before and after the calls.
    pub peak: Peak,
}

/// A node as the plan knows it.
pub(super) struct Described<T: Float> {
    pub(super) unit: Arc<Unit<T>>,
    /// The cell in front that is computed in its pass, with those folded into that, and its activation.
    pub(super) led: Vec<Arc<Unit<T>>>,
    pub(super) led_activation: Option<&'static str>,
    pub(super) folded: Vec<Arc<Unit<T>>>,
    pub(super) activation: Option<&'static str>,
    pub(super) shape: Shape,
    pub(super) buffer: Option<usize>,
    /// True if what it reads is concatenated.
    pub(super) joins: bool,
    /// True if it adds what another node has computed.
    pub(super) adds: bool,
}

impl<T: Float> Described<T> {
    /// A node that is a cell.
    fn of_step(step: &Step<T>, shape: Shape) -> Self {
        let (joins, activation) = step.unit.read(|u| {
            let activation = u.activation.as_ref().map(Activation::function).filter(|f| !f.is_identity());
            (step.reads.len() > 1 && u.cell.inputs().joins(), activation.as_ref().map(ActivationFn::kind))
        });
        Described {
            unit: step.unit.clone(),
            led: Vec::new(),
            led_activation: None,
            folded: Vec::new(),
            activation,
            shape,
            buffer: None,
            joins,
            adds: false,
        }
    }

    /// The node, with the passes that a call computed for it: joining of its inputs, the cell, an activation behind it.
    fn node(&self, work: &[Profiled]) -> ExplainedNode {
        let cell = work.iter().find(|w| !w.kind.is_empty());
        let (kernel, kind) = cell.map_or(("", ""), |w| (&*w.kernel, w.kind));
        let behind = self.activation.filter(|_| work.last().is_some_and(|w| w.kind.is_empty()));
        let mut fused: Vec<String> = self.led.iter().map(|u| u.name().to_string()).collect();
        fused.extend(self.led_activation.map(String::from));
        fused.extend(self.folded.iter().map(|u| u.name().to_string()));
        fused.extend(self.activation.filter(|_| behind.is_none()).map(String::from));
        let words = [self.joins.then_some("concatenation"), Some(kernel), behind];
        let output_bytes = self.shape.iter().product::<usize>() * size_of::<T>();
        let bytes_of = |u: &Arc<Unit<T>>| u.read(|u| u.cell.params().iter().map(|p| p.layout.len).sum::<usize>()) * size_of::<T>();
        ExplainedNode {
            name: self.unit.name().to_string(),
            kind,
            fused,
            kernel: words.into_iter().flatten().collect::<Vec<_>>().join(", "),
            dtype: <T as Element>::NAME,
            shape: self.shape.clone(),
            parameter_bytes: std::iter::once(&self.unit).chain(&self.led).chain(&self.folded).map(bytes_of).sum(),
            output_bytes,
            buffer: self.buffer,
            macs: cell.map_or(0, |w| (w.flops / 2.0) as u64),
            moved_bytes: work.iter().map(|w| w.bytes as usize).sum::<usize>() + if self.adds { output_bytes } else { 0 },
            thread_ns: work.iter().map(|w| w.thread_ns).sum(),
        }
    }
}

/// The passes of each node. Those of no cell lie between: an activation behind one, then what joins the inputs of the next.
fn by_node<T: Float>(nodes: &[Described<T>], passes: &[Profiled]) -> Option<Vec<Vec<Profiled>>> {
    let mut found: Vec<Vec<Profiled>> = vec![Vec::new(); nodes.len()];
    let (mut at, mut between) = (0, Vec::new());
    for pass in passes.iter().chain([&Profiled { kind: "end", ..Profiled::default() }]) {
        if pass.kind.is_empty() {
            between.push(pass.clone());
            continue;
        }
        let joins = usize::from(nodes.get(at).is_some_and(|n| n.joins));
        let behind = between.len().saturating_sub(joins);
        if at > 0 {
            found[at - 1].extend(between.drain(..behind));
        }
        match found.get_mut(at) {
            Some(of) => {
                of.append(&mut between);
                of.push(pass.clone());
            }
            None => return (pass.kind == "end").then_some(found),
        }
        at += 1;
    }
    None
}

/// What a call in learning mode changes in a cell beside its gradients.
struct Learnt<T> {
    step: u64,
    filled: Vec<bool>,
    /// Values of the statistics, which have no solver.
    statistics: Vec<Option<Vec<T>>>,
}

impl<T: Float> Learnt<T> {
    fn of(unit: &Unit<T>) -> Self {
        unit.read(|u| {
            let params = u.cell.params();
            let statistics = params.iter().map(|p| p.solver.is_none().then(|| p.to_vec())).collect();
            Learnt { step: u.step, filled: params.iter().map(|p| p.grad_filled).collect(), statistics }
        })
    }

    fn restore(self, unit: &Unit<T>) -> Result<()> {
        unit.with(|u| {
            u.step = self.step;
            let params: &mut [Param<T>] = u.cell.params_mut();
            for ((p, filled), values) in params.iter_mut().zip(self.filled).zip(self.statistics) {
                p.grad_filled = filled;
                if let Some(values) = values {
                    p.assign(&values)?;
                }
            }
            Ok(())
        })
    }
}

/// The value in the middle.
fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

impl<T: Float> Plan<T> {
    /// Calls the network a few times and says of each node what computes it, what is fused into it, where its output lies and
    /// how long it takes, in the mode in which the cells are. Nothing is left of a call in learning mode: statistics and
    /// random numbers go on as if there had been none, and a profile does not see it.
    ///
    /// # Errors
    /// Those of [`Plan::call`]; [`Error::State`] while calls compute shapes only, or if a cell is changed meanwhile.
    ///
    /// ```
    /// use n2d2_core::graph::{Plan, Unit, Var};
    /// use n2d2_core::{Tensor, config};
    /// let config = config! { "nb_inputs" => 4usize, "nb_outputs" => 8usize, "kernel_dims" => 3i64 };
    /// let conv = Unit::<f32>::new("conv", "Conv", &config)?;
    /// let norm = Unit::<f32>::new("norm", "BatchNorm2d", &config! { "nb_inputs" => 8usize })?;
    /// conv.set_learn(false);
    /// norm.set_learn(false);
    /// let plan = Plan::new(vec![conv, norm], vec![vec![0], vec![1]], 1, &[2])?;
    /// let found = plan.explain(&[Var::leaf(Tensor::zeros(&[2, 4, 6, 6]), false)])?;
    /// let [node] = &found.nodes[..] else { panic!("one node") };
    /// assert!(node.kernel.starts_with("direct 3x3"));
    /// assert_eq!(node.fused, ["norm"]);
    /// # Ok::<(), n2d2_core::Error>(())
    /// ```
    pub fn explain(&self, inputs: &[Var<T>]) -> Result<Explanation> {
        if !computes() {
            return Err(Error::state("Plan", "calls compute shapes only, so there is nothing to measure; turn that off first"));
        }
        let learnt: Vec<Learnt<T>> = self.steps.iter().map(|s| Learnt::of(&s.unit)).collect();
        let found = mute(|| self.measure(inputs));
        for (step, learnt) in self.steps.iter().zip(learnt) {
            if step.unit.read(|u| u.learn) {
                learnt.restore(&step.unit)?;
            }
        }
        found
    }

    fn measure(&self, inputs: &[Var<T>]) -> Result<Explanation> {
        // The first call makes the plan, the second has everything packed; the others wake the threads and the processors.
        let start = Instant::now();
        let first = self.call(inputs)?;
        self.call(inputs)?;
        while start.elapsed() < WARM_UP {
            self.call(inputs)?;
        }
        let fused = self.inference.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(super::inference::Inference::describe);
        let is_fused = fused.is_some();
        let described = fused.unwrap_or_else(|| self.described(&first, inputs.len()));
        drop(first);
        let peak = Peak::measure();
        let (mut rounds, mut calls): (Vec<Vec<ExplainedNode>>, Vec<u64>) = (Vec::new(), Vec::new());
        let start = Instant::now();
        while rounds.len() < ROUNDS && (rounds.len() < LEAST_ROUNDS || start.elapsed() < LONG) {
            let (run, passes) = trace(|| self.call(inputs));
            run?;
            let Some(work) = by_node(&described, &passes) else {
                return Err(Error::state("Plan", "the mode of a cell was changed while the network was measured; explain it again"));
            };
            rounds.push(described.iter().zip(work).map(|(d, work)| d.node(&work)).collect());
            let call = Instant::now();
            self.call(inputs)?;
            calls.push(call.elapsed().as_nanos() as u64);
        }
        // Another program may have had a part of the machine for a while.
        let peak = peak.or(&Peak::measure());
        let times: Vec<u64> = (0..described.len()).map(|i| median(rounds.iter().map(|r| r[i].thread_ns).collect())).collect();
        let mut nodes = rounds.pop().unwrap_or_default();
        nodes.iter_mut().zip(times).for_each(|(node, ns)| node.thread_ns = ns);
        Ok(Explanation { nodes, is_fused, call_ns: median(calls), peak })
    }

    /// The cells, each a node.
    fn described(&self, run: &Run<T>, inputs: usize) -> Vec<Described<T>> {
        let steps = self.steps.iter().enumerate();
        steps.map(|(i, step)| Described::of_step(step, run.shape(inputs + i).to_vec())).collect()
    }
}
