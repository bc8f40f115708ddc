//! The processor as a device: a small thread pool and the microkernels for the instruction set found at start-up.

mod ahead;
pub(crate) mod columns;
mod cut;
pub(crate) mod depthwise;
mod direct;
mod gate;
mod gradient;
#[cfg(all(test, guarded))]
mod guarded_test;
mod homes;
mod isa;
mod kernels;
mod narrow;
mod peak;
mod pool;
mod row;
mod simd;
mod spread;
mod winners;
mod winograd;

pub use cut::Batch;
pub(crate) use cut::image_block;
pub(crate) use depthwise::DepthwiseGrad;
pub use direct::{Finish, Geometry, Job, Window, Written};
pub(crate) use direct::{tile_rows, with_scratch};
pub(crate) use gradient::{GradientPlan, group_of_images};
#[cfg(target_arch = "x86_64")]
pub(crate) use isa::uses_avx2;
pub use isa::{Isa, isa, isas};
pub(crate) use kernels::{Dot, Span, Tile, Transpose};
pub use kernels::{Kernels, kernels_f32, kernels_f32_of, kernels_f64};
pub use peak::{Peak, Triad};
pub(crate) use pool::parallel_parts;
pub use pool::{parallel_for, set_threads, threads};
pub(crate) use row::Row;
#[cfg(target_arch = "x86_64")]
pub(crate) use simd::{Avx2, Avx512};
pub(crate) use simd::{Portable, Simd};
pub(crate) use spread::SpreadPlan;
pub use winners::Winners;
pub use winograd::{Variant, Winograd, WinogradJob, wins};

#[cfg(test)]
pub(crate) use pool::one_at_a_time;
