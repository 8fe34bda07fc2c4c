"""From a radiograph to what the nets get of it: one way, at work and in training."""

from ainode_models.cxr.ask import Ask, Pictures
from ainode_models.cxr.frontal import by_torch
from ainode_models.cxr.gate import admitted
from ainode_models.cxr.lungs import lungs_of, masked
from ainode_models.cxr.net_input import resized
from ainode_models.radiograph import Radiograph

NO_LUNG_NET = "Classified without a lung mask: the package has none."
NO_LUNGS = "Classified without a lung mask: none that could be two lungs was found."


def prepared(image: Radiograph, lungs: Ask | None, *, frontal: Ask = by_torch) -> tuple[Pictures, tuple[str, ...]]:
    """Grey values ``(1, 1, 224, 224)``, 0 to 1, air dark, black outside the lungs; and what is to be said of them.

    ``lungs`` asks a `LungNet`, ``frontal`` a `FrontalNet`. Raises `InputError` for what is no frontal chest
    (`ainode_models.cxr.gate`).
    """
    pixels, said = admitted(image, frontal)
    if lungs is None:
        return resized(pixels), (*said, NO_LUNG_NET)
    mask = lungs_of(lungs, pixels)
    return resized(masked(pixels, mask)), said if mask is not None else (*said, NO_LUNGS)
