//! The partitions of a dataset, and how stimuli are drawn into them.

use crate::error::{Error, Result};
use crate::random::Mt19937;
use std::fmt;

/// A part of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Partition {
    /// Stimuli to learn from.
    Learn,
    /// Stimuli that choose between trained networks.
    Validation,
    /// Stimuli that measure the chosen network.
    Test,
    /// Stimuli not in a partition yet.
    Unpartitioned,
}

impl Partition {
    /// All of them, in the order in which they are filled.
    pub const ALL: [Partition; 4] = [Partition::Learn, Partition::Validation, Partition::Test, Partition::Unpartitioned];

    /// The name of the partition.
    pub fn name(self) -> &'static str {
        match self {
            Partition::Learn => "Learn",
            Partition::Validation => "Validation",
            Partition::Test => "Test",
            Partition::Unpartitioned => "Unpartitioned",
        }
    }

    /// The partition of a name; `owner` is who asks, for the error.
    ///
    /// # Errors
    /// [`Error::Value`] for another name.
    pub fn parse(owner: &str, name: &str) -> Result<Self> {
        let known = || Self::ALL.map(Partition::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|p| p.name() == name)
            .ok_or_else(|| Error::value(owner, "partition", format!("{name:?}"), format!("one of {}", known())))
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Numbers of stimuli for the fractions of Learn, Validation and Test of `n`.
///
/// Learn is rounded half up, the other two together half down, Validation's share of them half up.
///
/// # Errors
/// [`Error::Value`] if a fraction is negative or not finite, or if their sum is above 1.
pub(crate) fn counts(owner: &str, n: usize, learn: f64, validation: f64, test: f64) -> Result<[usize; 3]> {
    for (name, v) in [("learn", learn), ("validation", validation), ("test", test)] {
        if !(0.0..=1.0).contains(&v) {
            return Err(Error::value(owner, name, format!("{v:?}"), "a fraction from 0 to 1"));
        }
    }
    let sum = learn + validation + test;
    // Sums such as 0.6 + 0.3 + 0.1 may round up.
    if sum > 1.0 + 1e-9 {
        return Err(Error::value(owner, "learn + validation + test", format!("{sum:?}"), "at most 1"));
    }
    let half_up = |v: f64| (v + 0.5).floor() as usize;
    let half_down = |v: f64| (v - 0.5).ceil().max(0.0) as usize;
    let nb_learn = half_up(n as f64 * learn).min(n);
    let rest = half_down(n as f64 * (validation + test)).min(n - nb_learn);
    let share = if validation > 0.0 { validation / (validation + test) } else { 0.0 };
    let nb_validation = half_up(rest as f64 * share).min(rest);
    Ok([nb_learn, nb_validation, rest - nb_validation])
}

/// Takes `count` of the remaining items, each at random among those left or always the first.
pub(crate) struct Draw {
    items: Vec<u32>,
    /// Fenwick tree of the items left: finds and removes the k-th in logarithmic time.
    tree: Vec<u32>,
    left: usize,
}

impl Draw {
    pub(crate) fn new(items: Vec<u32>) -> Self {
        let n = items.len();
        let tree = (0..=n).map(|i| (i & i.wrapping_neg()) as u32).collect();
        Draw { left: n, items, tree }
    }

    /// Removes the item with `rank` items left before it.
    fn remove(&mut self, rank: usize) -> u32 {
        let n = self.items.len();
        let (mut at, mut before) = (0, rank as u32);
        let mut step = if n == 0 { 0 } else { 1 << n.ilog2() };
        while step > 0 {
            if at + step <= n && self.tree[at + step] <= before {
                at += step;
                before -= self.tree[at];
            }
            step /= 2;
        }
        let mut i = at + 1;
        while i <= n {
            self.tree[i] -= 1;
            i += i & i.wrapping_neg();
        }
        self.left -= 1;
        self.items[at]
    }

    /// `count` items in the order drawn; without generator the first ones.
    pub(crate) fn take(&mut self, count: usize, mut random: Option<&mut Mt19937>) -> Vec<u32> {
        (0..count.min(self.left))
            .map(|_| {
                let rank = random.as_mut().map_or(0, |r| r.below(self.left));
                self.remove(rank)
            })
            .collect()
    }

    /// What was not taken, in order.
    pub(crate) fn rest(mut self) -> Vec<u32> {
        let left = self.left;
        self.take(left, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_read_and_others_refused() {
        for p in Partition::ALL {
            assert_eq!(Partition::parse("x", p.name()), Ok(p));
        }
        let e = Partition::parse("DataProvider_0", "learn").unwrap_err();
        let text = "DataProvider_0: parameter `partition` is \"learn\", expected one of Learn, Validation, Test, Unpartitioned";
        assert_eq!(e.to_string(), text);
    }

    #[test]
    fn counts_round_as_documented() {
        // 5 * 0.5 = 2.5: learn up to 3, the others down to 2, halved up: 1 and 1.
        assert_eq!(counts("x", 5, 0.5, 0.25, 0.25), Ok([3, 1, 1]));
        // 10 * 0.25 = 2.5 up to 3; 10 * 0.75 = 7.5 down to 7; 7 * 2/3 = 4.67 to 5.
        assert_eq!(counts("x", 10, 0.25, 0.5, 0.25), Ok([3, 5, 2]));
        assert_eq!(counts("x", 60_000, 1.0 - 0.1, 0.1, 0.0), Ok([54_000, 6_000, 0]));
        assert_eq!(counts("x", 4_000, 1.0, 0.0, 0.0), Ok([4_000, 0, 0]));
        assert_eq!(counts("x", 7, 0.0, 0.0, 1.0), Ok([0, 0, 7]));
        assert_eq!(counts("x", 10, 0.6, 0.3, 0.1), Ok([6, 3, 1]));
        assert_eq!(counts("x", 0, 0.5, 0.5, 0.0), Ok([0, 0, 0]));
    }

    #[test]
    fn fractions_are_checked() {
        let e = counts("MNIST", 10, 0.8, 0.3, 0.0).unwrap_err();
        assert_eq!(e.to_string(), "MNIST: parameter `learn + validation + test` is 1.1, expected at most 1");
        let e = counts("MNIST", 10, -0.1, 0.0, 0.0).unwrap_err();
        assert_eq!(e.to_string(), "MNIST: parameter `learn` is -0.1, expected a fraction from 0 to 1");
        assert!(counts("MNIST", 10, f64::NAN, 0.0, 0.0).is_err());
    }

    #[test]
    fn draws_of_seed_1_are_those_of_the_original() {
        let mut d = Draw::new((0..10).collect());
        assert_eq!(d.take(10, Some(&mut Mt19937::new(1))), [4, 9, 6, 8, 0, 1, 3, 7, 2, 5]);
        assert!(d.rest().is_empty());
    }

    proptest! {
        #[test]
        fn draws_agree_with_removal_from_a_list(n in 0usize..200, taken in 0usize..200, seed in any::<u32>()) {
            let mut d = Draw::new((0..n as u32).collect());
            let drawn = d.take(taken, Some(&mut Mt19937::new(seed)));
            let (mut list, mut r) = ((0..n as u32).collect::<Vec<_>>(), Mt19937::new(seed));
            let expected: Vec<u32> = (0..taken.min(n)).map(|_| { let k = r.below(list.len()); list.remove(k) }).collect();
            prop_assert_eq!(drawn, expected);
            prop_assert_eq!(d.rest(), list);
        }
    }
}
