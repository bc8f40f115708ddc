//! Proof that a guarded build under the address sanitizer sees the overruns that kernels could make. Each is planted in a
//! process of its own, which must fail.

use super::simd::{Portable, Simd};
use super::with_scratch;
#[cfg(target_arch = "x86_64")]
use super::{
    Isa, isas,
    simd::{Avx2, Avx512},
};
use crate::tensor::{Buffer, SLACK_BYTES};
use std::hint::black_box;

/// Which access the process of [`planted`] makes.
const PLANTED: &str = "N2D2_PLANTED_OVERRUN";
/// Elements of the buffer, and those with its slack.
const LEN: usize = 37;
const WITH_SLACK: usize = LEN + SLACK_BYTES / size_of::<f32>();
/// What the sanitizer and the check of the slack say.
const SANITIZER: &str = "heap-buffer-overflow";
const SLACK: &str = "a kernel wrote 0 bytes behind the end of a buffer of 148 bytes";

type Access = (&'static str, fn(*mut f32), Option<&'static str>);

/// The accesses with vectors of `S`, compiled for its instruction set, and what is expected to be said about each.
macro_rules! accesses {
    ($list:ident, $isa:literal, $simd:ty $(, $feature:literal)?) => {
        fn $list() -> Vec<Access> {
            $(#[target_feature(enable = $feature)])?
            fn load_in_slack(p: *mut f32) {
                // SAFETY: ends with the slack.
                black_box(unsafe { <$simd>::load(p.add(WITH_SLACK - <$simd>::LANES)) });
            }
            $(#[target_feature(enable = $feature)])?
            fn load_behind(p: *mut f32) {
                // SAFETY: none, that is the plan; the process ends.
                black_box(unsafe { <$simd>::load(p.add(WITH_SLACK - <$simd>::LANES + 1)) });
            }
            $(#[target_feature(enable = $feature)])?
            fn load_before(p: *mut f32) {
                // SAFETY: as above.
                black_box(unsafe { <$simd>::load(p.sub(1)) });
            }
            $(#[target_feature(enable = $feature)])?
            fn load_n_in_slack(p: *mut f32) {
                // SAFETY: the first element ends with the slack.
                black_box(unsafe { <$simd>::load_n(p.add(WITH_SLACK - 1), black_box(1)) });
            }
            $(#[target_feature(enable = $feature)])?
            fn load_n_behind(p: *mut f32) {
                // SAFETY: none, as above.
                black_box(unsafe { <$simd>::load_n(p.add(WITH_SLACK - 1), black_box(2)) });
            }
            $(#[target_feature(enable = $feature)])?
            fn store_at_end(p: *mut f32) {
                // SAFETY: ends with the buffer.
                unsafe { <$simd>::store(p.add(LEN - <$simd>::LANES), <$simd>::splat(black_box(0.0))) };
            }
            $(#[target_feature(enable = $feature)])?
            fn store_in_slack(p: *mut f32) {
                // SAFETY: none, as above.
                unsafe { <$simd>::store(p.add(LEN), <$simd>::splat(black_box(0.0))) };
            }
            $(#[target_feature(enable = $feature)])?
            fn store_n_in_slack(p: *mut f32) {
                // SAFETY: none, as above.
                unsafe { <$simd>::store_n(p.add(LEN - 1), black_box(2), <$simd>::splat(black_box(0.0))) };
            }
            $(#[target_feature(enable = $feature)])?
            fn store_behind(p: *mut f32) {
                // SAFETY: none, as above.
                unsafe { <$simd>::store(p.add(WITH_SLACK), <$simd>::splat(black_box(0.0))) };
            }
            $(#[target_feature(enable = $feature)])?
            fn store_n_behind(p: *mut f32) {
                // SAFETY: none, as above.
                unsafe { <$simd>::store_n(p.add(WITH_SLACK), black_box(1), <$simd>::splat(black_box(0.0))) };
            }
            macro_rules! access {
                ($name:ident, $said:expr) => {
                    // SAFETY: `accesses` lists the instruction sets that the processor has.
                    (concat!($isa, " ", stringify!($name)), (|p| unsafe { $name(p) }) as fn(*mut f32), $said)
                };
            }
            #[allow(unused_unsafe)]
            Vec::from([
                access!(load_in_slack, None),
                access!(load_behind, Some(SANITIZER)),
                access!(load_before, Some(SANITIZER)),
                access!(load_n_in_slack, None),
                access!(load_n_behind, Some(SANITIZER)),
                access!(store_at_end, None),
                access!(store_in_slack, Some(SLACK)),
                access!(store_n_in_slack, Some(SLACK)),
                access!(store_behind, Some(SANITIZER)),
                access!(store_n_behind, Some(SANITIZER)),
            ])
        }
    };
}

accesses!(portable, "portable", Portable<f32, 4>);
#[cfg(target_arch = "x86_64")]
accesses!(avx2, "avx2", Avx2, "avx2,fma");
#[cfg(target_arch = "x86_64")]
accesses!(avx512, "avx512", Avx512, "avx512f,avx512vl,avx512bw,avx512dq");

fn read_freed(p: *mut f32) {
    let buffer = Buffer::<f32>::uninit(LEN);
    let freed = buffer.as_ptr();
    drop(buffer);
    // SAFETY: none, as above.
    unsafe { *p = black_box(*freed) };
}

fn read_behind_scratch(p: *mut f32) {
    with_scratch(4 * LEN, |_: &mut [f32]| ());
    // SAFETY: none, as above.
    with_scratch(LEN, |scratch: &mut [f32]| unsafe { *p = black_box(*scratch.as_ptr().add(WITH_SLACK)) });
}

fn accesses() -> Vec<Access> {
    let mut all = portable();
    #[cfg(target_arch = "x86_64")]
    for isa in isas() {
        all.extend(match isa {
            Isa::Portable => Vec::new(),
            Isa::Avx2 => avx2(),
            Isa::Avx512 => avx512(),
        });
    }
    all.push(("read of freed memory", read_freed, Some("heap-use-after-free")));
    all.push(("read behind scratch memory", read_behind_scratch, Some(SANITIZER)));
    all
}

#[test]
#[ignore = "run by the test below, in a process for each access"]
fn planted() {
    let wanted = std::env::var(PLANTED).unwrap_or_default();
    for (_, access, _) in accesses().iter().filter(|(name, ..)| *name == wanted) {
        access(Buffer::<f32>::zeroed(LEN).as_ptr());
    }
}

#[test]
fn every_planted_overrun_is_seen() {
    let program = std::env::current_exe().unwrap();
    for (name, _, expected) in accesses() {
        let done = std::process::Command::new(&program)
            .args(["--exact", "device::cpu::guarded_test::planted", "--ignored", "--nocapture"])
            .env(PLANTED, name)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        match expected {
            None => assert!(done.status.success() && said.contains("1 passed"), "{name}: {said}"),
            Some(message) => assert!(!done.status.success() && said.contains(message), "{name}: {said}"),
        }
    }
}

#[test]
fn memory_that_nobody_wrote_is_not_a_number() {
    let buffer = Buffer::<f32>::uninit(LEN);
    // SAFETY: the buffer and its slack; every element has been filled.
    assert!((0..WITH_SLACK).all(|at| unsafe { *buffer.as_ptr().add(at) }.is_nan()));
}
