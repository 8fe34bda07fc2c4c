"""Images that cannot be shown are refused with the reason, whatever bytes of them are damaged."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from ainode.picture.picture import read_picture
from ainode.picture.views import Window
from ainode_models.errors import InputError, InstanceError
from peers.rendering import colour_scan, image_of, scan, table
from peers.shared_data import shared_data


def damaged(**elements: Any) -> Dataset:
    """An image with other elements."""
    return image_of(scan(12), 12, **elements)


def cut_short(entries: Any) -> list[Dataset]:
    """A table that lacks most of its entries."""
    items = table(entries, 0, 16)
    items[0].LUTData = items[0].LUTData[:100]
    return items


REFUSED: Mapping[str, tuple[Dataset, Mapping[str, Any], str]] = {
    "a VOI LUT cut short": (
        damaged(VOILUTSequence=cut_short(range(4096))),
        {},
        "image 1 has a damaged VOI LUT or window",
    ),
    "two centers, one width": (damaged(WindowCenter=[1, 2], WindowWidth=9), {}, "image 1 has a damaged VOI LUT"),
    "a palette that is not there": (damaged(PhotometricInterpretation="PALETTE COLOR"), {}, "damaged or no palette"),
    "one sample as RGB": (damaged(PhotometricInterpretation="RGB"), {}, "is RGB, but has not 3 samples"),
    "colours of old": (
        image_of(colour_scan(), 8, PhotometricInterpretation="HSV"),
        {},
        "image 1 has colours as HSV with 8 bits, which this installation cannot convert: let the archive send it",
    ),
    "a window that is not there": (
        damaged(WindowCenter=1800, WindowWidth=2500),
        {"view": 1},
        "image 1 has no VOI LUT or window number 1, from 0: it has window 1800/2500 LINEAR",
    ),
    "a wish without meaning": (damaged(), {"view": Window(1, 0)}, "window 1/0 LINEAR has no meaning"),
    "frame 0": (damaged(), {"frame": 0}, "image 1 has no frame 0: it has 1"),
    "pixels cut short": (damaged(PixelData=b"\0\0"), {}, "image 1 has pixel data that are absent, cut short"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_shown_is_refused_with_the_reason(case: str) -> None:
    image, options, message = REFUSED[case]
    with pytest.raises((InputError, InstanceError), match=message) as refusal:
        read_picture(image, **options)
    assert "SECRET" not in str(refusal.value)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("seed", range(4))
def test_a_real_file_with_changed_bytes_is_shown_or_refused_and_nothing_else(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    real = [path for path in sorted(shared_data("transfer-syntaxes").glob("*.dcm")) if path.stat().st_size < 100_000]
    for path in real:
        content = bytearray(path.read_bytes())
        for place in rng.integers(132, min(len(content), 3000), rng.integers(1, 7)):
            content[place] = rng.integers(256)
        (tmp_path / "changed.dcm").write_bytes(content)
        try:
            pixels = read_picture(tmp_path / "changed.dcm").pixels
        except (InputError, InstanceError):
            continue
        assert 0 <= pixels.min() <= pixels.max() <= 1
