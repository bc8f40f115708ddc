use super::*;
use crate::config;
use crate::data::transform::ApplyTo;
use crate::data::{Dataset, Pixels};

/// `n` images of 2 x 2 bytes, image i of the value i and i + 100 on the right, in Learn in order.
fn learn(n: usize) -> SharedDataset {
    let mut d = Dataset::new("Numpy");
    let pixels: Vec<u8> = (0..n).flat_map(|i| [i as u8, i as u8 + 100, i as u8, i as u8 + 100]).collect();
    d.add(Pixels::U8(pixels.into()), [2, 2, 1], &(0..n as i32).collect::<Vec<_>>()).unwrap();
    d.partition(1.0, 0.0, 0.0, None).unwrap();
    SharedDataset::new(d)
}

fn provider(n: usize, batch_size: usize) -> Provider {
    seeded(1, n, batch_size)
}

fn seeded(seed: u32, n: usize, batch_size: usize) -> Provider {
    let p = Provider::new("DataProvider_0", learn(n), &[2, 2, 1], batch_size).unwrap();
    let mut p = p.with_generator(Mt19937::new(seed));
    p.set_partition(Partition::Learn);
    p
}

fn flip(random: bool) -> Transform {
    let config = config! { "horizontal_flip" => !random, "random_horizontal_flip" => random };
    Transform::new("Flip", &config, ApplyTo::All).unwrap()
}

/// Everything that a pass over a sequence gives.
fn pass(p: &mut Provider, shuffle: bool) -> Vec<(Vec<u32>, Vec<f32>, Vec<i32>)> {
    p.set_batch(shuffle).unwrap();
    let mut all = Vec::new();
    while !p.all_provided().unwrap() {
        let b = p.read_next().unwrap();
        all.push((b.ids, b.data.to_vec(), b.labels));
    }
    all
}

#[test]
fn bytes_are_divided_by_255_and_floats_are_not() {
    let mut d = Dataset::new("Numpy");
    d.add(Pixels::U8(vec![0, 1, 128, 255].into()), [2, 1, 2], &[3]).unwrap();
    d.add(Pixels::F32(vec![0.0, 1.0, 128.0, -255.0].into()), [2, 1, 2], &[4]).unwrap();
    d.partition(0.0, 0.0, 1.0, None).unwrap();
    let mut p = Provider::new("DataProvider_0", SharedDataset::new(d), &[1, 2, 2], 2).unwrap();
    let b = p.read_at(0).unwrap();
    assert_eq!(b.data.shape(), [2, 2, 2, 1]);
    assert!(b.data.is_channels_last());
    assert_eq!(b.data.to_vec(), [0.0, 128.0 / 255.0, 1.0 / 255.0, 1.0, 0.0, 128.0, 1.0, -255.0]);
    assert_eq!((b.labels, b.ids), (vec![3, 4], vec![0, 1]));
    let divide = config! { "first_operator" => "Divides", "first_value" => 2i64 };
    p.add(Transform::new("RangeAffine", &divide, ApplyTo::TestOnly).unwrap());
    assert_eq!(p.read_at(0).unwrap().data.to_vec(), [0.0, 64.0, 0.5, 127.5, 0.0, 64.0, 0.5, -127.5]);
}

#[test]
fn the_last_batch_is_short_and_every_stimulus_comes_once() {
    let mut p = provider(10, 4);
    assert_eq!(p.nb_batches(), 3);
    let ids = |p: &mut Provider, shuffle| pass(p, shuffle).into_iter().map(|b| b.0).collect::<Vec<_>>();
    assert_eq!(ids(&mut p, false), [vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8, 9]]);
    let shuffled = ids(&mut p, true);
    assert_eq!(shuffled.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2]);
    let mut flat = shuffled.concat();
    assert_ne!(flat, (0..10).collect::<Vec<_>>());
    flat.sort_unstable();
    assert_eq!(flat, (0..10).collect::<Vec<_>>());
    assert_eq!(p.read_at(8).unwrap().labels, [8, 9]);
}

#[test]
fn the_seed_decides_shuffles_and_flips_and_epochs_differ() {
    let two_epochs = |seed| {
        let mut p = seeded(seed, 32, 8);
        p.add_on_the_fly(flip(true));
        [pass(&mut p, true), pass(&mut p, true)]
    };
    let first = two_epochs(7);
    assert_ne!(first[0], first[1]);
    assert_eq!(two_epochs(7), first);
    assert_ne!(two_epochs(8), first);
}

#[test]
fn batches_made_ahead_are_the_same() {
    let run = |prefetch: Prefetch| {
        let mut p = provider(50, 8);
        p.set_prefetch(prefetch);
        p.add(Transform::new("PadCrop", &config! { "width" => 2usize, "height" => 2usize }, ApplyTo::All).unwrap());
        p.add(flip(true));
        p.add_on_the_fly(flip(true));
        let mut all = vec![pass(&mut p, true)];
        // An abandoned sequence, reads from elsewhere, another partition's chain, a changed parameter.
        p.set_batch(true).unwrap();
        p.read_next().unwrap();
        let at = p.read_at(20).unwrap();
        all.push(vec![(at.ids, at.data.to_vec(), at.labels)]);
        let r = p.read_random().unwrap();
        all.push(vec![(r.ids, r.data.to_vec(), r.labels)]);
        for start in (0..50).step_by(8) {
            let b = p.read_at(start).unwrap();
            all.push(vec![(b.ids, b.data.to_vec(), b.labels)]);
        }
        p.begin_pass();
        all.push(pass(&mut p, false));
        (all, p.prefetched())
    };
    let (expected, none) = run(Prefetch::Never);
    let (ahead, some) = run(Prefetch::Always);
    assert_eq!(ahead, expected);
    // 6 of 7 batches of two passes, and of the 7 reads in a row.
    assert_eq!((none, some), (0, 18));
}

#[test]
fn many_threads_make_the_same_batch() {
    // Large enough for several threads.
    let mut d = Dataset::new("Numpy");
    let pixels: Vec<u8> = (0..16 * 64 * 64 * 3u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    d.add(Pixels::U8(pixels.into()), [64, 64, 3], &[0; 16]).unwrap();
    d.partition(0.0, 0.0, 1.0, None).unwrap();
    let mut p = Provider::new("DataProvider_0", SharedDataset::new(d), &[96, 80, 3], 16).unwrap().with_generator(Mt19937::new(1));
    let size = config! { "width" => 96usize, "height" => 80usize };
    p.add_on_the_fly(flip(true));
    p.add_on_the_fly(Transform::new("Rescale", &size, ApplyTo::All).unwrap());
    let together = p.read_at(0).unwrap().data.to_vec();
    p.batch_size = 1;
    let apart: Vec<f32> = (0..16).flat_map(|i| p.read_at(i).unwrap().data.to_vec()).collect();
    assert_eq!(together, apart);
}

#[test]
fn cached_transformations_are_made_once_and_made_again_when_changed() {
    let mut p = provider(20, 20);
    let t = flip(true);
    p.add(t.clone());
    let first = pass(&mut p, false);
    assert_eq!(pass(&mut p, false), first, "a random transformation applied once stays as it was drawn");
    assert!(first[0].1.chunks(4).any(|x| x[0] > x[1]) && first[0].1.chunks(4).any(|x| x[0] < x[1]));
    t.set("random_horizontal_flip", &crate::Value::Bool(false)).unwrap();
    assert!(pass(&mut p, false)[0].1.chunks(4).all(|x| x[0] < x[1]));
    let more = p.dataset.clone();
    more.change(|d| d.add(Pixels::U8(vec![200, 210, 200, 210].into()), [2, 2, 1], &[1])).unwrap();
    more.change(|d| d.partition(1.0, 0.0, 0.0, None)).unwrap();
    assert_eq!(p.read_at(20).unwrap().ids, [20]);
}

#[test]
fn transformations_follow_the_partition() {
    let mut p = provider(4, 4);
    p.dataset
        .change(|d| {
            d.add(Pixels::U8(vec![1, 2, 3, 4].into()), [2, 2, 1], &[0])?;
            d.partition(0.0, 0.0, 1.0, None)
        })
        .unwrap();
    p.add(Transform::new("Flip", &config! { "horizontal_flip" => true }, ApplyTo::LearnOnly).unwrap());
    assert_eq!(p.read_at(0).unwrap().data.to_vec()[..2], [100.0 / 255.0, 0.0]);
    p.set_partition(Partition::Test);
    assert_eq!(p.read_at(0).unwrap().data.to_vec()[..2], [1.0 / 255.0, 2.0 / 255.0]);
}

#[test]
fn random_batches_are_those_of_the_original() {
    let mut p = seeded(3, 10, 4);
    let drawn: Vec<Vec<u32>> = (0..3).map(|_| p.read_random().unwrap().ids).collect();
    assert_eq!(drawn, [[5, 0, 7, 8], [2, 1, 5, 5], [8, 4, 8, 0]]);
}

#[test]
fn a_pass_without_anything_random_draws_nothing() {
    let mut p = provider(10, 4);
    p.add(flip(false));
    pass(&mut p, false);
    p.begin_pass();
    p.read_at(0).unwrap();
    assert_eq!(p.generator.draw(Mt19937::next_u32), 1_791_095_845);
}

#[test]
fn bad_requests_and_bad_data_have_their_text() {
    let make = |size: &[usize], batch| Provider::new("DataProvider_0", learn(3), size, batch).err().unwrap().to_string();
    let text = "DataProvider_0: parameter `size` is [28], expected [width, height] or [width, height, channels]";
    assert_eq!(make(&[28], 1), text);
    assert!(make(&[28, 0, 1], 1).starts_with("DataProvider_0: parameter `size` is [28, 0, 1], expected integers of at least 1"));
    assert_eq!(make(&[2, 2], 0), "DataProvider_0: parameter `batch_size` is 0, expected an integer of at least 1");

    let mut p = provider(3, 2);
    let text = |e: Error| e.to_string();
    let none = "DataProvider_0: no sequence of the Learn partition; begin one with set_batch()";
    assert_eq!(text(p.read_next().unwrap_err()), none);
    assert_eq!(text(p.all_provided().unwrap_err()), none);
    pass(&mut p, false);
    let end = "DataProvider_0: all batches of Learn have been read; begin again with set_batch()";
    assert_eq!(text(p.read_next().unwrap_err()), end);
    let beyond = "DataProvider_0: stimulus 3 is beyond the 3 stimuli of the Learn partition";
    assert_eq!(text(p.read_at(3).unwrap_err()), beyond);
    p.set_partition(Partition::Validation);
    let empty = "DataProvider_0: the Validation partition of Numpy has no stimulus; choose another one with set_partition() \
                 or fill it with partition_stimuli()";
    assert_eq!(text(p.set_batch(true).unwrap_err()), empty);
    assert_eq!(text(p.read_at(0).unwrap_err()), empty);
    assert_eq!(text(p.read_random().unwrap_err()), empty);

    let mut p = Provider::new("DataProvider_0", learn(3), &[3, 2, 1], 2).unwrap();
    p.set_partition(Partition::Learn);
    let e = text(p.read_at(1).unwrap_err());
    let size = "DataProvider_0: stimulus 1: [width, height, channels] after the transformations: expected [3, 2, 1] \
                (add a Rescale or PadCrop, or give the provider another size), got [2, 2, 1]";
    assert_eq!(e, size);
    let two = config! { "first_operator" => "Plus", "first_value" => vec![1.0, 2.0] };
    p.add(Transform::new("RangeAffine", &two, ApplyTo::All).unwrap());
    let e = text(p.read_at(1).unwrap_err());
    assert_eq!(e, "DataProvider_0: stimulus 1: RangeAffine: first_value: expected 1 or 1 values for 1 channels, got 2");
}

#[test]
fn values_that_are_not_finite_are_named_and_the_sequence_stays() {
    let mut d = Dataset::new("Numpy");
    let mut pixels = vec![0.5; 4 * 6];
    pixels[2 * 6 + 3] = f32::NAN;
    d.add(Pixels::F32(pixels.into()), [1, 3, 2], &[0; 4]).unwrap();
    d.partition(0.0, 0.0, 1.0, None).unwrap();
    let mut p = Provider::new("DataProvider_0", SharedDataset::new(d), &[3, 1, 2], 2).unwrap();
    p.set_prefetch(Prefetch::Always);
    p.set_batch(false).unwrap();
    p.read_next().unwrap();
    let text = "DataProvider_0: stimulus 2 has the value NaN at channel 1, row 0, column 1; remove the stimulus or replace the value";
    for _ in 0..2 {
        assert_eq!(p.read_next().unwrap_err().to_string(), text);
    }
    assert!(!p.all_provided().unwrap());
}

#[test]
fn dropping_a_provider_in_the_middle_of_a_batch_is_clean() {
    for _ in 0..50 {
        let mut p = provider(100, 10);
        p.set_prefetch(Prefetch::Always);
        p.set_batch(false).unwrap();
        p.read_next().unwrap();
    }
}
