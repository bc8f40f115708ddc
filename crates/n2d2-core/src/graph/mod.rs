//! The eager tape: calling a cell computes at once and records how to go back.
//!
//! A [`Var`] is a tensor, the node that made it and a place for its gradient. [`Unit::call`] runs a cell's forward pass
//! and makes a node; [`Var::back_propagate`] walks the nodes behind a variable from the newest to the oldest;
//! [`Var::update`] lets the solvers move the parameters of every cell behind it,
//! [`update_all`] those behind several variables.
//!
//! Gradients are *minus* the derivative of the loss (target - output), summed over the batch, as in N2D2: solvers add.

mod call;
mod deferred;
mod explain;
mod gradient;
mod inference;
mod plan;
mod profile;
mod queue;
mod unit;
mod update;
mod var;

pub use explain::{ExplainedNode, Explanation};
pub use plan::{Plan, Run};
pub use profile::{Profiled, begin_profile, end_profile};
pub use unit::{Inner, Unit, set_shapes_only};
pub use var::{Var, update_all};

#[cfg(test)]
mod explain_test;
#[cfg(test)]
mod plan_test;
#[cfg(test)]
mod tests;
