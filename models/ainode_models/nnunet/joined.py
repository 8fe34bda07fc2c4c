"""Convolutions of joined features as sums of convolutions, which take less memory.

A U-Net joins what comes from below with what it kept from the way down, and convolves both. Joined, they lie in memory
twice; at full resolution that is where a network takes most. ``conv(a, b) = conv(a) + conv(b)``, with the weights
divided likewise; OpenVINO adds while it convolves. The standard network of `make bench-nnunet` took 1,548 MB with
joined features and 1,327 MB with sums for a window of 128 voxels in each direction in fp32, 963 and 874 MB in bf16, in
the same time.
"""

from typing import Any

import numpy as np

_CHANNELS = 1
"""Axis of the features, ``(windows, channels, *voxels)``, and of the weights, ``(heads, channels, *kernel)``."""


def sum_joined(model: Any) -> None:
    """Write each convolution of joined channels, in one group and with fixed weights, as a sum; changes the model.

    ``model`` is an ``openvino.Model``.
    """
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Convolution":
            _divide(node)
    model.validate_nodes_and_infer_types()


def _divide(node: Any) -> None:
    import openvino.opset13 as ops

    joined, weights = (node.input_value(place).get_node() for place in (0, 1))
    if joined.get_type_name() != "Concat" or weights.get_type_name() != "Constant":
        return
    if joined.get_attributes()["axis"] != _CHANNELS:
        return
    parts = [joined.input_value(place) for place in range(joined.get_input_size())]
    ends = np.cumsum([part.get_partial_shape()[_CHANNELS].get_length() for part in parts])
    shares = np.split(weights.get_data(), ends[:-1], axis=_CHANNELS)
    kept = node.get_attributes()
    how = {name: kept[name] for name in ("strides", "pads_begin", "pads_end", "dilations", "auto_pad")}
    total, *others = [
        ops.convolution(part, ops.constant(np.ascontiguousarray(share)), **how)
        for part, share in zip(parts, shares, strict=True)
    ]
    for other in others:
        total = ops.add(total, other)
    for use in list(node.output(0).get_target_inputs()):
        use.replace_source_output(total.output(0))
