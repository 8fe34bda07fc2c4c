"""Random changes of images, so that a net does not learn what does not matter."""

import math

import torch

from ainode_models.training.recipe import Augmentation


def augmented(images: torch.Tensor, how: Augmentation, rng: torch.Generator) -> torch.Tensor:
    """Images ``(n, 1, rows, columns)``, 0 to 1, each turned, moved, flipped, brightened at random."""
    grids = torch.nn.functional.affine_grid(
        _moves(len(images), how, rng).to(images.device), list(images.shape), align_corners=False
    )
    moved = torch.nn.functional.grid_sample(images, grids, align_corners=False)
    if how.gamma == 1.0:
        return moved
    exponents = torch.exp(_uniform(len(images), math.log(how.gamma), rng)).to(images.device)
    return moved.clamp(0, 1) ** exponents[:, None, None, None]


def _moves(count: int, how: Augmentation, rng: torch.Generator) -> torch.Tensor:
    """Affine maps ``(count, 2, 3)`` as ``affine_grid`` takes them."""
    angle = _uniform(count, math.radians(how.degrees), rng)
    size = 1 + _uniform(count, how.scale, rng)
    columns, rows = (_signs(count, flip, rng) for flip in (how.flip_columns, how.flip_rows))
    moves = torch.zeros(count, 2, 3)
    moves[:, 0, 0], moves[:, 0, 1] = columns * size * angle.cos(), -rows * size * angle.sin()
    moves[:, 1, 0], moves[:, 1, 1] = columns * size * angle.sin(), rows * size * angle.cos()
    moves[:, :, 2] = _uniform(2 * count, 2 * how.shift, rng).reshape(count, 2)
    return moves


def _uniform(count: int, limit: float, rng: torch.Generator) -> torch.Tensor:
    return (torch.rand(count, generator=rng) * 2 - 1) * limit


def _signs(count: int, flip: bool, rng: torch.Generator) -> torch.Tensor:
    heads = torch.rand(count, generator=rng) < 0.5
    return torch.where(heads, -1.0, 1.0) if flip else torch.ones(count)
