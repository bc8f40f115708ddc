//! Data on its way into a network: files, datasets, transformations, and the provider that makes batches of them.
//!
//! | part | what it does |
//! |---|---|
//! | [`idx`] | reads IDX files (MNIST), plain or compressed |
//! | [`Dataset`] | images, labels and partitions in memory |
//! | [`transform`] | one file a transformation; random ones depend on the stimulus and the epoch, not on the thread |
//! | [`Provider`] | batches `[n, c, h, w]` of a partition, the next one made in the background while the caller computes |

mod batch;
mod dataset;
pub mod idx;
mod image;
mod partition;
mod prefetch;
mod provider;
pub mod transform;

pub use batch::Batch;
pub(crate) use batch::{transformed, within};
pub use dataset::{Dataset, IGNORE, SharedDataset};
pub use image::{Image, Pixels};
pub use partition::Partition;
pub use prefetch::Prefetch;
pub use provider::Provider;
