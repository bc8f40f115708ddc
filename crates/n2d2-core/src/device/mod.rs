//! Devices: where tensors lie and cells compute.
//!
//! | device | model name | state |
//! |---|---|---|
//! | [`cpu`] | `Frame` | thread pool, microkernels for AVX-512, AVX2 + FMA and any other processor |
//! | CUDA | `Frame_CUDA` | not built yet |

pub mod cpu;

use crate::error::{Error, Result};

/// A place to compute, by the name that users give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The processor: model `Frame`.
    Cpu,
}

impl Device {
    /// The models that can be asked for.
    pub const MODELS: &'static [&'static str] = &["Frame", "Frame_CUDA"];

    /// The device of a model name.
    ///
    /// # Errors
    /// [`Error::State`] for `Frame_CUDA`, [`Error::Value`] for any other word but `Frame`.
    ///
    /// ```
    /// use n2d2_core::device::Device;
    /// assert_eq!(Device::of_model("Conv_0", "Frame")?, Device::Cpu);
    /// assert!(Device::of_model("Conv_0", "Frame_CUDA").unwrap_err().to_string().contains("CUDA"));
    /// # Ok::<(), n2d2_core::Error>(())
    /// ```
    pub fn of_model(owner: &str, model: &str) -> Result<Self> {
        match model {
            "Frame" => Ok(Device::Cpu),
            "Frame_CUDA" => {
                Err(Error::state(owner, "model `Frame_CUDA` needs the CUDA backend, which this version does not have; use `Frame`"))
            }
            _ => Err(Error::value(owner, "model", format!("{model:?}"), format!("one of {}", Self::MODELS.join(", ")))),
        }
    }
}
