//! The engine of n2d2: tensors, cells, solvers and fillers to train convolutional networks.
//!
//! | module | what it holds |
//! |---|---|
//! | [`tensor`] | shapes, elements, buffers, views |
//! | [`device`] | what a device must do; the CPU: thread pool and microkernels |
//! | [`cells`] | one file a cell: configuration, shape rule, forward, backward, statistics |
//! | [`graph`] | the eager tape: variables, nodes, back-propagation, update |
//! | [`solver`] [`filler`] [`activation`] [`target`] | one file each kind |
//! | [`random`] | the Mersenne Twister of the fillers, counter-based streams for the rest |
//! | [`data`] | readers, datasets, transformations, the batch provider |
//! | [`io`] | files: atomic writes |
//!
//! A network learns the exclusive or:
//!
//! ```
//! use n2d2_core::activation::Activation;
//! use n2d2_core::graph::{Unit, Var};
//! use n2d2_core::solver::Solver;
//! use n2d2_core::{Tensor, config, filler, random};
//!
//! let hidden = Unit::<f32>::new("hidden", "Fc", &config! { "nb_inputs" => 2usize, "nb_outputs" => 8usize })?;
//! let output = Unit::<f32>::new("output", "Fc", &config! { "nb_inputs" => 8usize, "nb_outputs" => 1usize })?;
//! hidden.with(|u| Ok::<_, n2d2_core::Error>(u.activation = Some(Activation::new("Tanh", &config! {})?)))?;
//! let normal = filler::create("Normal", &config! { "std_dev" => 0.5 })?;
//! let adam = Solver::new("Adam", &config! { "learning_rate" => 0.05 })?;
//! for unit in [&hidden, &output] {
//!     unit.with(|u| {
//!         for p in u.cell.params_mut() {
//!             p.fill(&normal, &mut random::global());
//!             p.solver = Some(adam.clone());
//!         }
//!     });
//! }
//!
//! let x = Tensor::from_vec(vec![0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0], &[4, 2, 1, 1])?;
//! let wanted = [0.0f32, 1.0, 1.0, 0.0];
//! let mut loss = f32::MAX;
//! for _ in 0..300 {
//!     let y = output.call(&[hidden.call(&[Var::leaf(x.clone(), false)])?])?;
//!     // Gradients are minus the derivative: target - output for half the sum of squares.
//!     let error: Vec<f32> = wanted.iter().zip(y.tensor().to_vec()).map(|(t, y)| t - y).collect();
//!     loss = error.iter().map(|e| e * e).sum();
//!     y.back_propagate(Some(Tensor::from_vec(error, y.tensor().shape())?))?;
//!     y.update()?;
//! }
//! assert!(loss < 0.01);
//! # Ok::<(), n2d2_core::Error>(())
//! ```

pub mod activation;
pub mod cells;
pub mod config;
pub mod data;
pub mod device;
mod erf;
pub mod error;
mod exponential;
pub mod filler;
pub mod graph;
pub mod io;
pub mod random;
pub mod solver;
pub mod target;
pub mod tensor;
mod vectorise;

pub use config::{Config, Value};
pub use error::{Error, Result};
pub use tensor::{Float, Tensor};
