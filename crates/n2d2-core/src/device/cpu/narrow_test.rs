//! Rows of pixels with few outputs, on every instruction set, against a plain sum in double.

use crate::device::cpu::{Batch, Finish, Geometry, Job, Kernels, Window, isas, kernels_f32_of, kernels_f64};
use crate::random::test_values as random;
use crate::tensor::Float;

/// What lies around the target and must stay.
const UNTOUCHED: f64 = 7.25;

/// A sweep of one source channel over two images `[h, w]` with `k` outputs, in both directions.
struct Case {
    window: Window,
    image: [usize; 2],
    k: usize,
}

fn cases() -> impl Iterator<Item = Case> {
    let windows = [
        ([5, 5], [1, 1], [0, 0], [1, 1]),
        ([3, 3], [1, 1], [1, 1], [1, 1]),
        ([2, 3], [2, 2], [1, 0], [1, 2]),
        ([1, 1], [1, 3], [0, 0], [1, 1]),
    ];
    let widths = [9, 12, 13, 20, 28, 29, 37, 57];
    let windows = windows.map(|(kernel, stride, padding, dilation)| Window { kernel, stride, padding, dilation });
    windows
        .into_iter()
        .flat_map(move |window| widths.into_iter().flat_map(move |w| (1..=9).map(move |k| Case { window, image: [6, w], k })))
}

impl Case {
    /// Height and width of the output.
    fn output(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.window.output(axis, self.image[axis]).unwrap())
    }

    /// Each pair of a pixel of the image, a pixel of the output, and the tap between them.
    fn each(&self, mut f: impl FnMut(usize, usize, [usize; 2])) {
        let ([h, w], [oh, ow], window) = (self.image, self.output(), &self.window);
        for (y, x) in (0..oh).flat_map(|y| (0..ow).map(move |x| (y, x))) {
            for (r, s) in (0..window.kernel[0]).flat_map(|r| (0..window.kernel[1]).map(move |s| (r, s))) {
                let row = (y * window.stride[0] + r * window.dilation[0]).wrapping_sub(window.padding[0]);
                let column = (x * window.stride[1] + s * window.dilation[1]).wrapping_sub(window.padding[1]);
                if row < h && column < w {
                    f(row * w + column, y * ow + x, [r, s]);
                }
            }
        }
    }

    /// Compares a sweep from one channel to `k`; backwards it is that of the gradient of a convolution from `k` channels to one.
    fn compare<T: Float>(&self, kernels: &Kernels<T>, backwards: bool, relu: bool, tolerance: f64) {
        let (k, [h, w], [oh, ow], images) = (self.k, self.image, self.output(), 2);
        let batch = Batch { images, groups: 1, blocks: k.div_ceil(kernels.width(k).block) };
        let (geometry, source, target) = if backwards {
            (Geometry::backward(&self.window, [h, w, k], [oh, ow, 1], batch), oh * ow, h * w)
        } else {
            (Geometry::forward(&self.window, [h, w, 1], [oh, ow, k], batch), h * w, oh * ow)
        };
        let (block, taps) = (kernels.width(k).block, geometry.taps());
        let [kh, kw] = self.window.kernel;
        let (x, weights, b) = (random(images * source, 1), random(kh * kw * k, 2), random(k, 3));
        let mut packed = vec![T::of(f64::NAN); batch.blocks * taps.len() * block];
        let mut bias = vec![T::zero(); batch.blocks * block];
        for o in 0..k {
            bias[o] = T::of(b[o]);
            for (i, [r, s]) in taps.iter().enumerate() {
                packed[(o / block * taps.len() + i) * block + o % block] = T::of(weights[(r * kw + s) * k + o]);
            }
        }
        let mut expected: Vec<f64> = (0..images * target * k).map(|i| b[i % k]).collect();
        for i in 0..images {
            self.each(|pixel, output, [r, s]| {
                let (from, to) = if backwards { (output, pixel) } else { (pixel, output) };
                for o in 0..k {
                    expected[(i * target + to) * k + o] += x[i * source + from] * weights[(r * kw + s) * k + o];
                }
            });
        }
        let x: Vec<T> = x.into_iter().map(T::of).collect();
        let mut y = vec![T::of(UNTOUCHED); expected.len() + 16];
        // SAFETY: eight values from the start of the vector on.
        let first = unsafe { y.as_mut_ptr().add(8) };
        let job = Job {
            geometry: &geometry,
            kernels,
            x: &x,
            w: &packed,
            finish: Finish { bias: &bias, relu, ..Finish::NONE },
            y: first,
            groups: 1,
            c_group: 1,
            k_group: k,
            depthwise: false,
        };
        // From the last item to the first: what an item writes too far would overwrite the one behind it.
        for item in (0..geometry.items()).rev() {
            // SAFETY: the target has room for all images, and only this thread writes it.
            unsafe { job.run(item) };
        }
        let name = format!("{:?} {:?} -> {k}, {:?}, backwards {backwards}", self.window, self.image, kernels.isa);
        assert!(y[..8].iter().chain(&y[y.len() - 8..]).all(|v| v.as_f64() == UNTOUCHED), "{name} wrote beside its target");
        for (i, (got, expected)) in y[8..].iter().zip(&expected).enumerate() {
            let expected = if relu { expected.max(0.0) } else { *expected };
            assert!((got.as_f64() - expected).abs() < tolerance, "{name}, value {i}: {got:?} not {expected}");
        }
    }
}

#[test]
fn rows_of_few_outputs_are_those_of_the_definition() {
    for (i, case) in cases().enumerate() {
        for backwards in [false, true] {
            case.compare(kernels_f64(), backwards, i % 2 == 0, 1e-12);
            for isa in isas() {
                case.compare(kernels_f32_of(isa), backwards, i % 2 == 1, 1e-5);
            }
        }
    }
}
