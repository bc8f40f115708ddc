//! The cells behind an output, with their sizes: what `log_stats` lists.

use crate::cells::{Inputs, Statistics};
use crate::error::Result;
use crate::graph::Var;
use crate::tensor::{Float, Shape, dims4};
use std::collections::HashMap;

/// A cell of a network, for one stimulus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Name of the cell.
    pub name: String,
    /// Class name of the cell.
    pub kind: String,
    /// Names of the cells whose outputs it takes; empty for a cell that takes data.
    pub parents: Vec<String>,
    /// Output size `[1, c, h, w]`.
    pub output: Shape,
    /// Values of the data it takes directly, 0 if it takes outputs of cells only.
    pub data: usize,
    /// Trainable values.
    pub params: u64,
    /// Multiply-accumulate operations of a forward pass.
    pub macs: u64,
}

/// The cells behind `output`, oldest call first.
///
/// ```
/// use n2d2_core::{config, graph::{Unit, Var}, target::layers, Tensor};
/// let fc = Unit::<f32>::new("fc", "Fc", &config! { "nb_inputs" => 6usize, "nb_outputs" => 2usize })?;
/// let y = fc.call(&[Var::leaf(Tensor::zeros(&[5, 6, 1, 1]), false)])?;
/// let found = layers(&y)?;
/// assert_eq!((found[0].name.as_str(), found[0].params, found[0].output.as_slice()), ("fc", 14, &[1, 2, 1, 1][..]));
/// # Ok::<(), n2d2_core::Error>(())
/// ```
///
/// # Errors
/// Those of [`Unit::statistics`](crate::graph::Unit::statistics).
pub fn layers<T: Float>(output: &Var<T>) -> Result<Vec<Layer>> {
    let mut made: HashMap<u64, Var<T>> = HashMap::new();
    let mut open = vec![output.clone()];
    while let Some(v) = open.pop() {
        let Some(unit) = v.unit() else { continue };
        if made.contains_key(&unit.id()) {
            continue;
        }
        open.extend(v.parents()?.iter().cloned());
        made.insert(unit.id(), v.clone());
    }
    output.units()?.iter().filter_map(|u| made.get(&u.id())).map(layer).collect()
}

fn layer<T: Float>(v: &Var<T>) -> Result<Layer> {
    let unit = v.unit().expect("only outputs of cells are listed");
    let one = |v: &Var<T>| {
        let shape = v.tensor().shape();
        let [_, c, h, w_] = dims4(shape);
        [1, c, h, w_ * shape.iter().skip(4).product::<usize>()]
    };
    let parents = v.parents()?;
    let shapes: Vec<_> = parents.iter().map(one).collect();
    let (kind, joins) = unit.read(|u| (u.cell.kind().to_string(), u.cell.inputs()));
    let inputs = joins.seen(&shapes);
    let slices: Vec<&[usize]> = inputs.iter().map(<[usize; 4]>::as_slice).collect();
    let statistics = if joins == Inputs::Any {
        // Their first axis need not be a batch: those of all stimuli, divided.
        let whole: Vec<&[usize]> = parents.iter().map(|p| p.tensor().shape()).collect();
        let all = unit.statistics(&whole)?;
        Statistics { macs: all.macs / v.tensor().shape().first().map_or(1, |n| *n as u64), ..all }
    } else {
        unit.statistics(&slices)?
    };
    Ok(Layer {
        name: unit.name().to_string(),
        kind,
        parents: parents.iter().filter_map(Var::unit).map(|u| u.name().to_string()).collect(),
        output: one(v).to_vec(),
        data: parents.iter().filter(|p| p.is_leaf()).map(|p| one(p).iter().product::<usize>()).sum(),
        params: statistics.params,
        macs: statistics.macs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::graph::Unit;
    use crate::tensor::Tensor;

    #[test]
    fn a_chain_and_a_branch_are_listed_in_order() {
        let conv = config! { "nb_inputs" => 1usize, "nb_outputs" => 2usize, "kernel_dims" => vec![3usize, 3] };
        let a = Unit::<f64>::new("a", "Conv", &conv).unwrap();
        let b = Unit::new("b", "Conv", &conv).unwrap();
        let fc = Unit::new("fc", "Fc", &config! { "nb_inputs" => 16usize, "nb_outputs" => 3usize }).unwrap();
        let x = Var::leaf(Tensor::zeros(&[7, 1, 4, 4]), false);
        let y = fc.call(&[a.call(std::slice::from_ref(&x)).unwrap(), b.call(&[x]).unwrap()]).unwrap();
        let found = layers(&y).unwrap();
        assert_eq!(found.iter().map(|l| l.name.as_str()).collect::<Vec<_>>(), ["a", "b", "fc"]);
        assert_eq!((found[0].params, found[0].macs, found[0].data, found[0].parents.len()), (20, 2 * 9 * 4 + 2, 16, 0));
        assert_eq!((found[2].params, found[2].macs, found[2].data), (51, 51, 0));
        assert_eq!(found[2].parents, ["a", "b"]);
        assert_eq!(found[1].output, [1, 2, 2, 2]);
    }

    #[test]
    fn data_has_no_layers() {
        assert_eq!(layers(&Var::leaf(Tensor::<f32>::zeros(&[1, 2, 1, 1]), false)).unwrap(), []);
    }
}
