"""Train the Keras demonstration: ``python -m ainode_models.demo.train_keras PACKAGE [--seed 1]``.

PACKAGE is the folder with ``model.toml``: its weights, sums and figures are written anew. A quarter of an hour on two
CPU cores.
"""

import argparse
import json
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ainode_models.demo.evaluate import held_out_dice
from ainode_models.demo.keras_cases import Case
from ainode_models.demo.keras_net import multi_scale_unet
from ainode_models.demo.recipe import RECIPES, Recipe
from ainode_models.demo.seal import seal_training, seal_weights
from ainode_models.keras.settings import KerasSettings
from ainode_models.package import ModelPackage

HELD_OUT_CASES = 10
"""Phantoms on which a new package is measured."""

RECIPE: Recipe = replace(
    RECIPES["brain-tumour-demo"],
    name="brain-tumour-keras-demo",
    spacing=(3.0, 3.0, 3.0),
    patch=(64, 64, 64),
    features=(8, 16, 32, 48),
    cases=48,
    epochs=18,
    iterations=60,
)
"""The phantoms of the nnU-Net demonstration, at 3 mm, so that a patch holds nearly the whole head."""


def train(recipe: Recipe, settings: KerasSettings, *, seed: int) -> Any:
    """A ``keras.Model`` that has learnt from ``recipe.cases`` phantoms, one patch in each iteration."""
    import keras

    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    cases = [Case.draw(recipe, settings, case_rng) for case_rng in rng.spawn(recipe.cases)]
    net = multi_scale_unet(
        recipe.patch, channels=len(recipe.inputs), classes=len(settings.values), filters=recipe.features
    )
    sys.stdout.write(f"{len(cases)} cases, {net.count_params()} parameters\n")
    schedule = keras.optimizers.schedules.CosineDecay(3e-3, recipe.epochs * recipe.iterations)
    step = _step(net, keras.optimizers.Adam(schedule, clipnorm=1.0))
    for epoch in range(recipe.epochs):
        losses = [
            float(step(*cases[rng.integers(len(cases))].patch(recipe.patch, rng))) for _ in range(recipe.iterations)
        ]
        sys.stdout.write(f"{datetime.now(tz=UTC):%H:%M:%S} epoch {epoch + 1}: loss {np.mean(losses):.4f}\n")
        sys.stdout.flush()
    return net


def _step(net: Any, optimizer: Any) -> Any:
    """One step of gradient descent on an image and the shares of its classes; answers the loss."""
    import tensorflow as tf

    @tf.function  # type: ignore[untyped-decorator]
    def step(image: Any, shares: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = _loss(net(image, training=True), shares)
        variables = net.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    return step


def _loss(probabilities: Any, shares: Any) -> Any:
    """Cross entropy and one minus the soft Dice of the classes but the background, each with a weight of one."""
    import tensorflow as tf

    entropy = -tf.reduce_mean(tf.reduce_sum(shares * tf.math.log(probabilities + 1e-6), axis=-1))
    voxels = (0, 1, 2, 3)
    common = tf.reduce_sum(probabilities * shares, voxels)[1:]
    both = tf.reduce_sum(probabilities, voxels)[1:] + tf.reduce_sum(shares, voxels)[1:]
    return entropy + 1 - tf.reduce_mean((2 * common + 10) / (both + 10))


def main() -> None:
    """Train, write the ``.h5`` of the package, seal and measure it."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    parser = argparse.ArgumentParser(description="Train the Keras demonstration package on phantoms.")
    parser.add_argument("package", type=Path, help="the package: its weights and model.toml are rewritten")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    settings = KerasSettings.of(ModelPackage.open(arguments.package).manifest)
    net = train(RECIPE, settings, seed=arguments.seed)
    net.save(arguments.package / settings.file, include_optimizer=False)
    seal_weights(arguments.package)
    scores = held_out_dice(ModelPackage.open(arguments.package), RECIPE, cases=HELD_OUT_CASES)
    today = datetime.now(tz=UTC).date()
    seal_training(arguments.package, RECIPE, seed=arguments.seed, dice=scores, today=today)
    sys.stdout.write(json.dumps(scores, indent=2) + "\n")


if __name__ == "__main__":
    main()
