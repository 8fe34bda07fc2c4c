"""The network of the Keras demonstration: a multi-scale 3-D U-Net."""

from typing import Any


def multi_scale_unet(patch: tuple[int, int, int], *, channels: int, classes: int, filters: tuple[int, ...]) -> Any:
    """A ``keras.Model`` from ``(1, *patch, channels)`` to softmax ``(1, *patch, classes)``.

    Each level sees the image at its own scale beside what comes from above, its blocks look through 1, 3 and 5 voxels
    at once, and the answers of all levels of the way up are summed: multi-scale in, within and out.
    """
    import keras

    layers = keras.layers
    image = keras.Input((*patch, channels), batch_size=1, name="image")
    scales = [image]
    for _ in filters[1:]:
        scales.append(layers.AveragePooling3D(2)(scales[-1]))
    features, skips = _block(image, filters[0]), []
    for scale, width in zip(scales[1:], filters[1:], strict=True):
        skips.append(features)
        features = _block(layers.Concatenate()([layers.MaxPooling3D(2)(features), scale]), width)
    answer = layers.Conv3D(classes, 1)(features)
    for skip, width in zip(reversed(skips), reversed(filters[:-1]), strict=True):
        raised = layers.Conv3DTranspose(width, 2, strides=2)(features)
        features = _block(layers.Concatenate()([raised, skip]), width)
        answer = layers.Add()([layers.UpSampling3D(2)(answer), layers.Conv3D(classes, 1)(features)])
    return keras.Model(image, layers.Softmax(name="probabilities")(answer), name="multi_scale_unet")


def _block(features: Any, width: int) -> Any:
    """``width`` channels: a point-wise view, one 3 x 3 x 3 and two of them in a row, side by side and mixed."""
    import keras

    layers = keras.layers
    near = _convolution(features, width)
    far = _convolution(near, width)
    point = layers.Conv3D(width, 1)(features)
    return layers.LeakyReLU(negative_slope=0.1)(layers.Add()([point, near, far]))


def _convolution(features: Any, width: int) -> Any:
    import keras

    layers = keras.layers
    convolved = layers.Conv3D(width, 3, padding="same", use_bias=False)(features)
    # one group for each channel: instance normalisation, which a batch of one needs
    normed = layers.GroupNormalization(groups=width, epsilon=1e-5)(convolved)
    return layers.LeakyReLU(negative_slope=0.1)(normed)
