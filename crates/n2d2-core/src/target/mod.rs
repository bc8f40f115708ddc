//! Targets: from the output of the last cell and the labels of a batch to loss, gradient and score.
//!
//! | file | what it holds |
//! |---|---|
//! | `labels` | the labels of a batch, and which output each label means |
//! | `score` | [`Score`]: a batch, and the score of each partition |
//! | `stimulus` | loss, gradient, estimates and success of one stimulus |
//! | `confusion` | [`Confusion`] matrix and the 13 [`Metric`]s |
//! | `layers` | the cells behind an output, with their sizes |
//! | `reconstruction` | data as target: loss and gradient, steps of values |
//! | `record` | what a target remembers of each partition |

mod confusion;
mod labels;
mod layers;
mod reconstruction;
mod record;
mod score;
mod stimulus;

pub use confusion::{Confusion, Metric};
pub use labels::{IGNORE, LabelMap, Labels};
pub use layers::{Layer, layers};
pub use record::{Averages, Batch, Record};
pub use score::{Evaluation, Score};
