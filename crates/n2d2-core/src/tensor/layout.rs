//! From planes of channels to channels side by side.

use super::Element;

/// Pixels that are turned at once: their values stay in the first cache whatever the number of channels.
const PIXELS: usize = 16;

/// Writes the planes of an image, each a run of as many pixels, pixel by pixel, from pixel `first` until `to` is full:
/// `to[p * channels + c] = from[c * pixels + first + p]`.
///
/// # Panics
/// If `from` or `to` does not hold all channels of its pixels, or `to` more pixels than there are.
pub(super) fn interleave<T: Element>(from: &[T], channels: usize, first: usize, to: &mut [T]) {
    assert!(from.len().is_multiple_of(channels) && to.len().is_multiple_of(channels) && first * channels + to.len() <= from.len());
    match channels {
        1 => to.copy_from_slice(&from[first..][..to.len()]),
        2 => few::<T, 2>(from, first, to),
        3 => few::<T, 3>(from, first, to),
        4 => few::<T, 4>(from, first, to),
        _ => many(from, channels, first, to),
    }
}

fn few<T: Element, const C: usize>(from: &[T], first: usize, to: &mut [T]) {
    let pixels = from.len() / C;
    let planes: [&[T]; C] = std::array::from_fn(|c| &from[c * pixels + first..][..to.len() / C]);
    for (p, to) in to.chunks_exact_mut(C).enumerate() {
        for c in 0..C {
            to[c] = planes[c][p];
        }
    }
}

fn many<T: Element>(from: &[T], channels: usize, first: usize, to: &mut [T]) {
    let pixels = from.len() / channels;
    for (i, to) in to.chunks_mut(PIXELS * channels).enumerate() {
        let n = to.len() / channels;
        for c in 0..channels {
            let plane = &from[c * pixels + first + i * PIXELS..][..n];
            for (p, v) in plane.iter().enumerate() {
                to[p * channels + c] = *v;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::interleave;

    #[test]
    fn every_value_is_where_its_pixel_and_channel_are() {
        for (channels, pixels) in [(1usize, 7usize), (2, 5), (3, 33), (4, 16), (5, 1), (70, 47), (3, 0)] {
            let from: Vec<f32> = (0..channels * pixels).map(|i| i as f32).collect();
            let mut to = vec![-1.0; from.len()];
            // In two parts.
            let (first, second) = to.split_at_mut(pixels / 3 * channels);
            interleave(&from, channels, 0, first);
            interleave(&from, channels, pixels / 3, second);
            for p in 0..pixels {
                for c in 0..channels {
                    assert_eq!(to[p * channels + c], from[c * pixels + p], "{channels} channels, {pixels} pixels");
                }
            }
        }
    }
}
