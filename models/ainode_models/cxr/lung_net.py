"""The small net that finds the lungs before the others classify them: a U-Net (Ronneberger et al. 2015)."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ainode_models.cxr.state_dict import load_named, read_state_dict

_CHANNELS = (8, 16, 32, 48)


class LungNet(nn.Module):
    """Grey picture ``(n, 1, 112, 112)`` to the logit of lung for each pixel, of the same shape.

    Brightness and contrast do not matter: each picture is brought to mean 0 and deviation 1.
    """

    def __init__(self) -> None:
        super().__init__()
        widths = zip((1, *_CHANNELS[:-1]), _CHANNELS, strict=True)
        self.down = nn.ModuleList(_pair(before, after) for before, after in widths)
        steps = zip(_CHANNELS[:0:-1], _CHANNELS[-2::-1], strict=True)
        self.up = nn.ModuleList(_pair(below + beside, beside) for below, beside in steps)
        self.last = nn.Conv2d(_CHANNELS[0], 1, 1)

    def forward(self, picture: Tensor) -> Tensor:
        """See the class."""
        kept: list[Tensor] = []
        spread, mean = torch.std_mean(picture, dim=(2, 3), keepdim=True)
        maps = (picture - mean) / (spread + 1e-3)
        for number, pair in enumerate(self.down):
            maps = pair(maps if number == 0 else nn.functional.max_pool2d(maps, 2))
            kept.append(maps)
        for pair, beside in zip(self.up, reversed(kept[:-1]), strict=True):
            maps = pair(torch.cat([interpolate(maps, scale_factor=2.0), beside], dim=1))
        answer: Tensor = self.last(maps)
        return answer


def load_lung_net(file: Path, device: torch.device) -> LungNet:
    """Raises `PackageError` unless ``file`` is exactly a state dict of a `LungNet`."""
    net = LungNet()
    load_named(net, read_state_dict(file), name="the lung mask net", file=file)
    return net.to(device).eval()


def _pair(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers += [nn.Conv2d(channels, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)
