"""Convolutions of joined features, written as sums."""

import numpy as np
import openvino
import openvino.opset13 as ops
import pytest

from ainode_models.nnunet.joined import sum_joined
from ainode_models.openvino_network import OpenVinoNetwork


def _network(*, axis: int) -> openvino.Model:
    """A convolution of two times four channels, joined along ``axis``, with everything that may differ from default."""
    rng = np.random.default_rng(1)
    given = ops.parameter([1, 4, 8, 8], np.float32)
    joined = ops.concat([given, ops.sin(given)], axis)
    weights = ops.constant(rng.normal(size=(3, 8 if axis == 1 else 4, 3, 3)).astype(np.float32))
    ends = ops.convolution(joined, weights, strides=[2, 1], pads_begin=[1, 0], pads_end=[0, 1], dilations=[1, 2])
    return openvino.Model([ops.result(ends)], [given])


def _kinds(model: openvino.Model) -> list[str]:
    return [node.get_type_name() for node in model.get_ordered_ops()]


def test_a_sum_says_what_the_convolution_of_both_said() -> None:
    given = np.random.default_rng(2).normal(size=(1, 4, 8, 8)).astype(np.float32)
    model = _network(axis=1)
    wanted = OpenVinoNetwork(model)(given)
    sum_joined(model)
    assert "Concat" not in _kinds(model)
    assert _kinds(model).count("Convolution") == 2
    assert OpenVinoNetwork(model)(given) == pytest.approx(wanted, abs=1e-5)


def test_what_is_joined_along_another_axis_stays() -> None:
    model = _network(axis=2)
    sum_joined(model)
    assert _kinds(model).count("Convolution") == 1


def test_the_answer_lent_is_overwritten_by_the_next_call_and_a_copy_is_not() -> None:
    network = OpenVinoNetwork(_network(axis=1))
    given = np.ones((1, 4, 8, 8), dtype=np.float32)
    kept, lent = network(given), network.lent(given)
    assert np.array_equal(kept, lent)
    network.lent(2 * given)
    assert not np.array_equal(kept, lent)
