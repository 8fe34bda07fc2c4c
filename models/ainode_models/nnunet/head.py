"""The last convolution of a network, kept in fp32 when OpenVINO computes the others in bf16.

It makes the scores of the labels of the features of a voxel. Where two labels are nearly as likely, features with the
eight bits of bf16 decide for the wrong one: on `brain-tumour-demo` nearly all of the difference between bf16 and fp32
came from there (Dice of the smallest label 0.9950; with this 0.9996), and next to none of the time is spent there.
"""

from typing import Any

import numpy as np


def exact_head(model: Any) -> None:
    """Write the last convolution as a transposed one with the same result, where its kernel is one voxel.

    ``model`` is an ``openvino.Model``, which is changed. OpenVINO's plugin for CPUs computes in bf16 what lies before
    the last convolution or matrix product, and what follows it, "the tail of the graph", in fp32; transposed
    convolutions do not count as such. A network that ends otherwise stays as it is, and is less exact in bf16.
    """
    import openvino.opset13 as ops

    head = head_of(model)
    if head is None or head.get_type_name() != "Convolution":
        return
    features, weights = head.input_value(0), head.input_value(1)
    axes = len(weights.get_shape()) - 2
    turned = ops.transpose(weights, np.array([1, 0, *range(2, axes + 2)]))
    none, once = [0] * axes, [1] * axes
    transposed = ops.convolution_backprop_data(
        features, turned, strides=once, pads_begin=none, pads_end=none, dilations=once
    )
    for use in list(head.output(0).get_target_inputs()):
        use.replace_source_output(transposed.output(0))
    model.validate_nodes_and_infer_types()


def head_of(model: Any) -> Any:
    """The convolution with a kernel of one voxel at the end of the network, transposed or not; None without one."""
    if len(model.get_results()) != 1:
        return None
    node = model.get_results()[0].input_value(0).get_node()
    while node.get_type_name() == "Add":  # its bias
        node = node.input_value(0).get_node()
    if node.get_type_name() not in ("Convolution", "ConvolutionBackpropData"):
        return None
    return None if any(side != 1 for side in node.input_value(1).get_shape()[2:]) else node
