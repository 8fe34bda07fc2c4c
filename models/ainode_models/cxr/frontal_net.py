"""The small net that tells a frontal chest, its negative, and everything else apart."""

from functools import cache

import torch
from torch import Tensor, nn

from ainode_models.cxr.frontal import WEIGHTS

_CHANNELS = (16, 24, 32, 32)


class FrontalNet(nn.Module):
    """Grey picture ``(n, 1, 64, 64)`` to the logits ``(n, 3)`` of its answers.

    Brightness and contrast do not matter: each picture is brought to mean 0 and deviation 1.
    """

    def __init__(self) -> None:
        super().__init__()
        widths = zip((1, *_CHANNELS[:-1]), _CHANNELS, strict=True)
        self.layers = nn.Sequential(*(layer for before, after in widths for layer in _halving(before, after)))
        self.drop = nn.Dropout(0.3)
        self.last = nn.Linear(_CHANNELS[-1] * 16, 3)

    def forward(self, picture: Tensor) -> Tensor:
        """See the class."""
        spread, mean = torch.std_mean(picture, dim=(2, 3), keepdim=True)
        maps = self.layers((picture - mean) / (spread + 1e-3))
        answer: Tensor = self.last(self.drop(maps.flatten(1)))
        return answer


@cache
def frontal_net() -> FrontalNet:
    """With the weights that come along, on the CPU."""
    net = FrontalNet()
    net.load_state_dict(torch.load(WEIGHTS, map_location="cpu", weights_only=True))
    return net.eval()


def _halving(before: int, after: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()
