//! Files that are written: never half, whatever happens in between.

mod atomic;
mod syntxt;

pub use atomic::write_atomic;
pub use syntxt::{read_syntxt, write_syntxt};
