//! Blocks of memory for runs under the address sanitizer: each of its exact size and returned to the system at once, so that
//! the sanitizer sees every access behind it or after its end, and with a slack that nobody may write.

use super::{ALIGN_BYTES, SLACK_BYTES};
use std::alloc::{Layout, alloc, dealloc};
use std::ptr::NonNull;

/// What fresh memory is filled with: not a number in both types of floats, so that a result which depends on memory that
/// nobody has written is none either.
const FRESH: u8 = 0xff;

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, ALIGN_BYTES).expect("the size of a tensor is far below isize::MAX")
}

/// The size itself.
pub(super) fn class_of(bytes: usize) -> usize {
    bytes
}

/// A new block whose content is [`FRESH`].
pub(super) fn take(bytes: usize) -> NonNull<u8> {
    // SAFETY: the layout has at least the size of the slack.
    let p = NonNull::new(unsafe { alloc(layout(bytes)) }).expect("out of memory");
    // SAFETY: the block has this size.
    unsafe { p.write_bytes(FRESH, bytes) };
    p
}

/// Frees a block of [`take`].
///
/// # Panics
/// If its slack was written.
pub(super) fn give(p: NonNull<u8>, bytes: usize) {
    // SAFETY: the slack is the end of the block, which nobody else uses any more.
    let slack: [u8; SLACK_BYTES] = unsafe { p.add(bytes - SLACK_BYTES).cast().read() };
    // SAFETY: `take` allocated the block with this very layout.
    unsafe { dealloc(p.as_ptr(), layout(bytes)) };
    let written = slack.iter().position(|byte| *byte != FRESH);
    assert!(
        written.is_none() || std::thread::panicking(),
        "a kernel wrote {} bytes behind the end of a buffer of {} bytes",
        written.unwrap_or(0),
        bytes - SLACK_BYTES
    );
}
