//! How the sweep of a convolution over few images is cut into items, so that several threads end at the same time.
//!
//! With many images the bands of rows are items enough. One image is cut by rows, by blocks of outputs, or both: by outputs,
//! no two threads read the same weights, by rows, no two read the same pixels. The cut is the one with which a simple model of the time,
//! for several numbers of threads together, is least; it depends on shapes only.

/// From this number of images on, bands of rows are items enough.
const MANY: usize = 16;
/// Numbers of threads that the cut is made for.
const THREADS: [usize; 3] = [2, 4, 8];
/// Items at most.
const ITEMS: usize = 96;
/// Bytes of a band that stay in the second-level cache beside the weights, when it is copied and when it is read in place.
const COPIED_BYTES: usize = 96 * 1024;
const IN_PLACE_BYTES: usize = 448 * 1024;
/// Cycles to begin an item, and a register tile.
const ITEM_CYCLES: usize = 500;
const TILE_CYCLES: usize = 60;
/// Pixels of a register tile, and fewest that keep the processor busy.
const TILE_PIXELS: usize = 14;
const BUSY_PIXELS: usize = 4;

/// Images of an item of about `least` elements, a power of two, where an image has `each`.
pub(crate) fn image_block(each: usize, least: usize) -> usize {
    1 << (least / each.max(1)).clamp(1, 16).ilog2()
}

/// A batch, as far as it matters for the number of items.
#[derive(Debug, Clone, Copy)]
pub struct Batch {
    /// Images.
    pub images: usize,
    /// Groups of channels.
    pub groups: usize,
    /// Blocks of outputs that may be computed apart from each other.
    pub blocks: usize,
}

/// A sweep over one image.
pub(super) struct Image {
    /// Rows of target pixels, and pixels of a row.
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Multiply-accumulates of a pixel.
    pub(super) macs: usize,
    /// Values of the source that a row of pixels adds to a band, and of the weights.
    pub(super) row_values: usize,
    pub(super) weights: usize,
    /// True if bands are copied.
    pub(super) copied: bool,
}

/// Rows of a band, and parts of the outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) band_rows: usize,
    pub(super) parts: usize,
}

impl Image {
    /// The cut for a batch.
    pub(super) fn cut(&self, batch: &Batch) -> Cut {
        let most_rows = |bytes: usize| (bytes / (4 * self.row_values).max(1)).clamp(1, self.rows.max(1));
        let rows = most_rows(COPIED_BYTES);
        let even = Cut { band_rows: self.rows.div_ceil(self.rows.div_ceil(rows).max(1)).max(1), parts: 1 };
        if batch.images >= MANY {
            return even;
        }
        let copied = if batch.images == 1 { 2 * COPIED_BYTES } else { COPIED_BYTES };
        let largest = most_rows(if self.copied { copied } else { IN_PLACE_BYTES });
        let parts = || std::iter::successors(Some(1), |p| (2 * p <= batch.blocks).then_some(2 * p));
        let cuts = (1..=largest).flat_map(|band_rows| parts().map(move |parts| Cut { band_rows, parts }));
        let few = cuts.filter(|c| batch.images * self.rows.div_ceil(c.band_rows) * c.parts <= ITEMS);
        few.min_by_key(|c| self.cycles(batch, *c)).unwrap_or(even)
    }

    /// About the cycles that all threads together are busy or wait, summed over numbers of threads.
    fn cycles(&self, batch: &Batch, cut: Cut) -> usize {
        let item = |rows: usize, part: usize| {
            let blocks = (part + 1) * batch.blocks / cut.parts - part * batch.blocks / cut.parts;
            let pixels = rows * self.columns;
            let tiles = pixels.div_ceil(TILE_PIXELS);
            let idle = (BUSY_PIXELS * tiles).max(pixels) * self.macs / 16 + tiles * TILE_CYCLES * batch.blocks;
            let read = (rows * self.row_values + self.weights * blocks / batch.blocks) / 16;
            let copy = if self.copied { rows * self.row_values / 8 } else { 0 };
            ITEM_CYCLES + idle * blocks / batch.blocks + read + copy
        };
        let bands = self.rows.div_ceil(cut.band_rows);
        let last = self.rows - (bands - 1) * cut.band_rows;
        let total = |threads: usize| {
            let mut ends = [0; 8];
            for _ in 0..batch.images {
                for part in 0..cut.parts {
                    let (whole, rest) = (item(cut.band_rows, part), item(last, part));
                    for band in 0..bands {
                        let first = ends[..threads].iter_mut().min().expect("there are threads");
                        *first += if band + 1 == bands { rest } else { whole };
                    }
                }
            }
            threads * ends.iter().max().expect("there are threads")
        };
        THREADS.into_iter().map(total).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(size: usize, channels: usize, outputs: usize, images: usize) -> Cut {
        let image = Image {
            rows: size,
            columns: size,
            macs: channels * outputs,
            row_values: size * channels,
            weights: channels * outputs,
            copied: false,
        };
        image.cut(&Batch { images, groups: 1, blocks: outputs.div_ceil(32) })
    }

    #[test]
    fn small_images_with_many_channels_are_cut_by_outputs() {
        for (size, channels) in [(1, 1024), (2, 512), (4, 256), (7, 1024), (14, 512)] {
            let c = cut(size, channels, channels, 1);
            assert!(c.parts >= 4 && c.parts.is_power_of_two(), "{size}: {c:?}");
        }
    }

    #[test]
    fn large_images_are_cut_in_bands_that_threads_share_evenly() {
        for (size, channels) in [(28, 128), (56, 64), (112, 32)] {
            let c = cut(size, channels, 2 * channels, 1);
            let items = c.parts * size.div_ceil(c.band_rows);
            assert!(items >= 8, "{size}: {c:?}");
            assert!(size.is_multiple_of(c.band_rows) || items > 16, "{size}: {c:?}");
        }
    }

    #[test]
    fn many_images_are_not_cut_by_outputs() {
        assert_eq!(cut(14, 512, 512, 64), Cut { band_rows: 3, parts: 1 });
        assert_eq!(cut(1, 4096, 512, 16), Cut { band_rows: 1, parts: 1 });
    }
}
