"""Parameter files: formats, round trips to the bit, wrong files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from n2d2 import Tensor, error_handler
from n2d2.cells import BatchNorm2d, Cell, Conv, Deconv, Fc, NeuralNetworkCell, Pool2d, Sequence
from n2d2.filler import Constant, Normal
from n2d2.mapping import Mapping


def numbered(cell: NeuralNetworkCell, start: int = 1) -> None:
    """Give the weights the values start, start + 1 ... in [output, channel, kernel] order."""
    dims = cell.N2D2().param_dims("weights")
    cell.N2D2().set_param("weights", np.arange(start, start + np.prod(dims), dtype=np.float32).reshape(dims))


def exported(cell: Cell, folder: Path) -> dict[str, str]:
    cell.export_free_parameters(str(folder), verbose=False)
    return {f.name: f.read_text() for f in sorted(folder.iterdir())}


def parameters(cell: NeuralNetworkCell) -> dict[str, bytes]:
    return {name: cell.N2D2().param(name).tobytes() for name in cell.N2D2().param_names()}


def test_fc(tmp_path: Path) -> None:
    fc = Fc(3, 2, name="ff", bias_filler=Constant(value=0.25))
    numbered(fc)
    assert exported(fc, tmp_path) == {"ff_biases.syntxt": "0.25\n0.25\n", "ff_weights.syntxt": "1 2 3 \n4 5 6 \n"}


def test_conv(tmp_path: Path) -> None:
    conv = Conv(2, 2, [1, 2], name="cc", no_bias=True)
    numbered(conv)
    assert exported(conv, tmp_path) == {"cc_weights.syntxt": "1 2 3 4 \n5 6 7 8 \n"}
    conv.weights_export_flip = True
    assert exported(conv, tmp_path) == {"cc_weights.syntxt": "2 1 4 3 \n6 5 8 7 \n"}
    conv.weights_export_flip = False
    conv.weights_export_format = "HWCO"
    assert exported(conv, tmp_path) == {"cc_weights.syntxt": "1 5 3 7 \n2 6 4 8 \n"}


def test_deconv(tmp_path: Path) -> None:
    """The forms of a convolution; the original's order of outputs and channels."""
    cell = Deconv(2, 2, [1, 2], name="dd", no_bias=True)
    numbered(cell)
    assert exported(cell, tmp_path) == {"dd_weights.syntxt": "1 2 3 4 \n5 6 7 8 \n"}
    cell.weights_export_flip, cell.weights_export_format = True, "HWCO"
    written = exported(cell, tmp_path)
    assert written == {"dd_weights.syntxt": "2 6 4 8 \n1 5 3 7 \n"}
    before = parameters(cell)
    cell.refill_weights()
    cell.import_free_parameters(str(tmp_path))
    assert parameters(cell) == before


def test_files_hold_connected_channels_only(tmp_path: Path) -> None:
    grouped = Conv(4, 2, [1, 1], name="g", no_bias=True, mapping=Mapping(nb_groups=2))
    numbered(grouped)
    assert exported(grouped, tmp_path)["g_weights.syntxt"] == "1 2 \n3 4 \n"
    grouped.weights_export_format = "HWCO"
    assert exported(grouped, tmp_path)["g_weights.syntxt"] == "1 2 3 4 \n"
    mapping = Tensor([3, 2], datatype="bool")
    mapping.set_values([[1, 0], [1, 1], [0, 1]])
    irregular = Conv(3, 2, [1, 1], name="i", no_bias=True, mapping=mapping)
    numbered(irregular)
    assert exported(irregular, tmp_path)["i_weights.syntxt"] == "1 2 \n5 6 \n"


def test_batch_norm(tmp_path: Path) -> None:
    assert exported(BatchNorm2d(2, name="bb"), tmp_path) == {
        "bb_biases.syntxt": "0\n0\n",
        "bb_means.syntxt": "0\n0\n",
        "bb_scales.syntxt": "1\n1\n",
        "bb_variances.syntxt": "1\n1\n",
    }


def irregular_mapping() -> Tensor:
    mapping = Tensor([4, 6], datatype="bool")
    mapping.set_values(np.random.default_rng(0).integers(0, 2, (4, 6)).tolist())
    return mapping


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("layout", ["OCHW", "HWCO"])
@pytest.mark.parametrize("mapping", [None, Mapping(nb_groups=2), irregular_mapping()])
def test_conv_round_trip(tmp_path: Path, mapping: Mapping | Tensor | None, layout: str, flip: bool) -> None:
    def conv() -> Conv:
        options = {"weights_export_format": layout, "weights_export_flip": flip, "filler": Normal(std_dev=3.0)}
        return Conv(4, 6, [3, 2], mapping=mapping, name="rt", **options)

    first, second = conv(), conv()
    first.export_free_parameters(str(tmp_path))
    assert parameters(first) != parameters(second)
    second.import_free_parameters(str(tmp_path))
    assert parameters(first) == parameters(second)


def network(seed: float) -> Sequence:
    filler = Normal(mean=seed)
    body = Sequence([Conv(1, 3, [3, 3], filler=filler, name="conv/1"), BatchNorm2d(3, name="bn"), Pool2d([2, 2])])
    return Sequence([body, Fc(12, 4, filler=filler, name="fc")])


def test_network_round_trip(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = network(0.0), network(1.0)
    x = Tensor([2, 1, 5, 5], value=0.5)
    first(x)
    first.export_free_parameters(str(tmp_path / "new" / "folder"))
    printed = capsys.readouterr().out.splitlines()
    assert printed[:2] == [f"Export to {tmp_path}/new/folder/conv_1{end}.syntxt" for end in ("", "_quant")]
    assert len(printed) == 8
    assert not list(tmp_path.rglob("*.tmp"))
    second.import_free_parameters(str(tmp_path / "new" / "folder"))
    assert capsys.readouterr().out.splitlines()[0] == f"Import {tmp_path}/new/folder/conv_1.syntxt"
    assert first.test()(x) == second.test()(x)


def test_a_single_file_holds_weights_then_bias(tmp_path: Path) -> None:
    (tmp_path / "s.syntxt").write_text("1 2 3\n4 5 6\n")
    fc = Fc(2, 2, name="s")
    fc.import_free_parameters(str(tmp_path))
    assert fc.N2D2().param("weights").tolist() == [[1, 2], [4, 5]]
    assert fc.N2D2().param("bias").tolist() == [3, 6]
    (tmp_path / "n.syntxt").write_text("1 2 3 4\n5 6 7 8")
    norm = BatchNorm2d(2, name="n")
    norm.import_free_parameters(str(tmp_path))
    assert [norm.N2D2().param(n).tolist() for n in ("scales", "biases", "means", "variances")] == [
        [1, 5],
        [2, 6],
        [3, 7],
        [4, 8],
    ]


def test_transposed_and_remapped_imports(tmp_path: Path) -> None:
    (tmp_path / "t_weights.syntxt").write_text("1 4\n2 5\n3 6\n")
    fc = Fc(3, 2, name="t", no_bias=True, weights_export_format="CO")
    fc.import_free_parameters(str(tmp_path))
    assert fc.N2D2().param("weights").tolist() == [[1, 2, 3], [4, 5, 6]]
    (tmp_path / "r_weights.syntxt").write_text("0\n1\n2\n3\n")
    (tmp_path / "r_biases.syntxt").write_text("10\n11\n12\n13\n")
    remapped = Fc(1, 4, name="r", outputs_remap="0:2, 1:2")
    remapped.import_free_parameters(str(tmp_path))
    assert remapped.N2D2().param("weights").ravel().tolist() == [0, 2, 1, 3]
    assert remapped.N2D2().param("bias").tolist() == [10, 12, 11, 13]
    for wrong in ("0-2", "0:0", "0:2", "0:1, 0:1"):
        remapped.outputs_remap = wrong
        with pytest.raises(ValueError, match=f"r: outputs_remap is '{wrong}', expected"):
            remapped.import_free_parameters(str(tmp_path))


def test_missing_files(tmp_path: Path) -> None:
    fc = Fc(2, 1, name="absent", filler=Constant(value=7.0))
    with pytest.raises(FileNotFoundError, match=r"absent_weights.syntxt: no such file") as raised:
        fc.import_free_parameters(str(tmp_path))
    assert isinstance(raised.value, RuntimeError)
    assert isinstance(raised.value, error_handler.FileError)
    fc.import_free_parameters(str(tmp_path), ignore_not_exists=True)
    assert fc.get_weight(0, 0)[0] == 7.0
    (tmp_path / "absent_biases.syntxt").write_text("3")
    fc.import_free_parameters(str(tmp_path), ignore_not_exists=True)
    assert (fc.get_weight(0, 0)[0], fc.get_bias(0)[0]) == (7.0, 3.0)


@pytest.mark.parametrize(
    ("weights", "biases", "text"),
    [
        ("1", "1", "w_weights.syntxt: ends after 1 of 2 numbers"),
        ("1 2 3", "1", "w_weights.syntxt: line 1: more numbers than the 2 expected"),
        ("1\n2a", "1", "w_weights.syntxt: line 2: `2a` is not a finite number"),
        ("1 inf", "1", "w_weights.syntxt: line 1: `inf` is not a finite number"),
        ("1 2", "", "w_biases.syntxt: ends after 0 of 1 numbers"),
    ],
)
def test_wrong_files_change_nothing(tmp_path: Path, weights: str, biases: str, text: str) -> None:
    (tmp_path / "w_weights.syntxt").write_text(weights)
    (tmp_path / "w_biases.syntxt").write_text(biases)
    fc = Fc(2, 1, name="w", filler=Constant(value=7.0))
    with pytest.raises(RuntimeError) as raised:
        fc.import_free_parameters(str(tmp_path))
    assert text in str(raised.value)
    assert (fc.get_weight(0, 0)[0], fc.get_weight(0, 1)[0], fc.get_bias(0)[0]) == (7.0, 7.0, 7.0)


def test_a_negative_variance_is_refused(tmp_path: Path) -> None:
    (tmp_path / "v.syntxt").write_text("1 2 3 -4")
    norm = BatchNorm2d(1, name="v")
    with pytest.raises(RuntimeError, match="v: variance 0 is negative: -4"):
        norm.import_free_parameters(str(tmp_path))
    assert norm.get_scales()[0] == 1.0


def test_layers_of_one_name_would_overwrite_their_files(tmp_path: Path) -> None:
    model = Sequence([Fc(1, 1, name="a/b"), Sequence([Fc(1, 1, name="a:b")])], name="net")
    with pytest.raises(ValueError, match="net: two layers have the name `a:b`, and so the same parameter files"):
        model.export_free_parameters(str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(error_handler.FileError, match="file: the folder cannot be made: "):
        Fc(1, 1).export_free_parameters(str(tmp_path / "file"))


def test_a_wrong_file_changes_no_layer_of_a_block(tmp_path: Path) -> None:
    small = Sequence([Fc(2, 2, name="first"), Sequence([BatchNorm2d(2, name="norm"), Fc(2, 2, name="last")])])
    small.export_free_parameters(str(tmp_path), verbose=False)
    large = Sequence([Fc(2, 2, name="first"), Sequence([BatchNorm2d(2, name="norm"), Fc(2, 3, name="last")])])
    before = [parameters(layer) for layer in large._layers()]
    text = (
        r"last_weights.syntxt: ends after 4 of 6 numbers; "
        r"cell 'last' has parameters of shapes \{'weights': \[3, 2\], 'bias': \[3\]\}"
    )
    with pytest.raises(error_handler.FileError, match=text):
        large.import_free_parameters(str(tmp_path))
    assert [parameters(layer) for layer in large._layers()] == before
    (tmp_path / "last_weights.syntxt").unlink()
    with pytest.raises(
        error_handler.MissingFileError, match=r"cell 'last' needs it, or keeps its .*ignore_not_exists=True"
    ):
        small.import_free_parameters(str(tmp_path))
    small.import_free_parameters(str(tmp_path), ignore_not_exists=True)
