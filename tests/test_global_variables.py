"""Settings of the process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import n2d2

SETTINGS = n2d2.global_variables


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    kept = {name: getattr(SETTINGS, name) for name in ("verbosity", "seed", "nb_threads", "model_cache")}
    yield
    for name, value in kept.items():
        setattr(SETTINGS, name, value)


def test_defaults() -> None:
    assert (SETTINGS.default_model, SETTINGS.default_datatype, SETTINGS.cuda_device) == ("Frame", "float", 0)
    assert SETTINGS.verbosity is SETTINGS.Verbosity.detailed
    assert not SETTINGS.cuda_available
    assert SETTINGS.nb_threads >= 1
    assert SETTINGS.model_cache.endswith("MODELS")


def test_the_same_seed_gives_the_same_network() -> None:
    weights = []
    for seed in (5, 5, 6):
        SETTINGS.seed = seed
        assert SETTINGS.seed == seed
        weights.append(n2d2.cells.Fc(3, 3).N2D2().param("weights").tolist())
    assert weights[0] == weights[1] != weights[2]


def test_threads_do_not_change_results() -> None:
    x = n2d2.Tensor([8, 4, 16, 16], value=0.5)
    conv = n2d2.cells.Conv(4, 20, [3, 3])
    outputs = []
    for threads in (1, 2, 4):
        SETTINGS.nb_threads = threads
        assert SETTINGS.nb_threads == threads
        outputs.append(conv(x).to_numpy().tobytes())
    assert outputs[0] == outputs[1] == outputs[2]


def test_printing() -> None:
    lines = str(SETTINGS).split("\n")
    assert lines[0] == "n2d2 global variables :"
    assert lines[1] == "\t- cuda_available : False"
    assert "\t- verbosity : Verbosity.detailed" in lines
    assert lines[1:] == sorted(lines[1:])


def test_verbosity() -> None:
    conv = n2d2.cells.Conv(1, 4, [3, 3], stride_dims=[2, 2], activation=n2d2.activation.Rectifier(), name="v_conv")
    softmax = n2d2.cells.Softmax(name="v_softmax")
    model = n2d2.cells.Sequence([conv, softmax], name="v_net")
    SETTINGS.verbosity = SETTINGS.Verbosity.short
    assert str(model) == (
        "'v_net' Sequence(\n"
        "\t(0): 'v_conv' Conv(Frame<float>)(nb_inputs=1, nb_outputs=4, kernel_dims=[3, 3], sub_sample_dims=[1, 1], "
        "stride_dims=[2, 2], padding_dims=[0, 0], dilation_dims=[1, 1])\n"
        "\t(1): 'v_softmax' Softmax(Frame<float>)(with_loss=False, group_size=0)\n"
        ")"
    )
    model(n2d2.Tensor([1, 1, 5, 5]))
    SETTINGS.verbosity = 0
    text = str(model)
    assert "\t(0): 'v_conv' Conv(Frame<float>)(['TensorPlaceholder_" in text
    assert text.endswith("\t(1): 'v_softmax' Softmax(Frame<float>)(['v_conv'])\n)")


@pytest.mark.parametrize(
    ("name", "value", "kind", "text"),
    [
        ("default_model", 1, TypeError, "default_model must be of type str, got int"),
        ("default_model", "Frames", ValueError, 'parameter `model` is "Frames", expected one of Frame, Frame_CUDA'),
        ("default_model", "Frame_CUDA", RuntimeError, "needs the CUDA backend"),
        ("default_datatype", "double", ValueError, "default_datatype is 'double', expected one of [float]"),
        ("default_datatype", 1.0, TypeError, "default_datatype must be of type str, got float"),
        ("verbosity", 7, ValueError, "verbosity is 7, expected one of [Verbosity.graph_only, Verbosity.short"),
        ("verbosity", "short", TypeError, "verbosity must be of type Verbosity, int, got str"),
        ("verbosity", True, TypeError, "verbosity must be of type Verbosity, int, got bool"),
        ("cuda_device", (0, 1), RuntimeError, "this version has no CUDA backend"),
        ("cuda_device", [0, 0.5], TypeError, "cuda_device: a device must be of type int, got float"),
        ("cuda_device", True, TypeError, "cuda_device must be of type int, tuple, list, got bool"),
        ("cuda_device", -1, ValueError, "cuda_device: a device is -1, expected an integer of at least 0"),
        ("cuda_device", (), ValueError, "cuda_device is (), expected at least one device"),
        ("onnx_compiled", True, RuntimeError, "`onnx_compiled` is a fact of this build and cannot be set"),
        ("seed", 1.5, TypeError, "seed must be of type int, got float"),
        ("seed", -1, ValueError, "seed is -1, expected an integer from 0 to 4294967295"),
        ("nb_threads", 0, ValueError, "nb_threads is 0, expected an integer from 1 to 1024"),
        ("nb_threads", True, TypeError, "nb_threads must be of type int, got bool"),
        ("model_cache", 1, TypeError, "model_cache must be of type str, got int"),
        ("cuda_device", 0, RuntimeError, "this version has no CUDA backend"),
        ("cuda_device", "0", TypeError, "cuda_device must be of type int, tuple, list, got str"),
        ("cuda_available", True, RuntimeError, "`cuda_available` is a fact of this build and cannot be set"),
        ("set_cuda_device", 0, AttributeError, "`set_cuda_device` is not a setting; did you mean `cuda_device`?"),
    ],
)
def test_errors(name: str, value: object, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as raised:
        setattr(SETTINGS, name, value)
    assert text in str(raised.value)


def test_names_that_do_not_exist() -> None:
    with pytest.raises(AttributeError, match=r"`default_modle` is not a setting; did you mean `default_model`\?"):
        SETTINGS.default_modle  # noqa: B018
    with pytest.raises(AttributeError, match=r"`default_net` does not exist: .*for get_deepnet\(\)"):
        SETTINGS.default_net  # noqa: B018
    assert not hasattr(SETTINGS, "__array_interface__")


def test_old_spellings_say_the_new_one() -> None:
    with pytest.raises(RuntimeError, match=r"write n2d2.global_variables.cuda_device = 2"):
        SETTINGS.set_cuda_device(2)
    with pytest.raises(RuntimeError, match=r"write n2d2.global_variables.seed = 5"):
        SETTINGS.set_random_seed(5)
