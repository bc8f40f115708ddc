//! Which instruction set the kernels use.

use std::sync::OnceLock;

/// Instruction sets with kernels of their own, best last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Plain Rust that the compiler vectorises for the build target (SSE2, NEON ...).
    Portable,
    /// AVX2 with fused multiply-add.
    Avx2,
    /// AVX-512F with VL, BW and DQ.
    Avx512,
}

impl Isa {
    /// The name used in reports and in the variable `N2D2_ISA`.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
        }
    }
}

/// The instruction sets that this processor can run, worst first.
pub fn isas() -> Vec<Isa> {
    #[allow(unused_mut)]
    let mut found = vec![Isa::Portable];
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            found.push(Isa::Avx2);
            let avx512 = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl");
            if avx512 && is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512dq") {
                found.push(Isa::Avx512);
            }
        }
    }
    found
}

/// The instruction set in use: the best one, or the one that the environment variable `N2D2_ISA` names (`portable`,
/// `avx2` or `avx512`) if the processor has it. Read once.
pub fn isa() -> Isa {
    static CHOSEN: OnceLock<Isa> = OnceLock::new();
    *CHOSEN.get_or_init(|| {
        let found = isas();
        let best = *found.last().unwrap_or(&Isa::Portable);
        match std::env::var("N2D2_ISA") {
            Ok(name) => found.into_iter().find(|i| i.name() == name).unwrap_or(best),
            Err(_) => best,
        }
    })
}

/// True if the instruction set in use has AVX2, for loops that have no version of their own for AVX-512.
#[cfg(target_arch = "x86_64")]
pub(crate) fn uses_avx2() -> bool {
    isa() >= Isa::Avx2
}
