"""From a radiograph to what the nets get of it: one way, at work and in training."""

from torch import Tensor

from ainode_models.cxr.gate import admitted
from ainode_models.cxr.lung_net import LungNet
from ainode_models.cxr.lungs import lungs_of, masked
from ainode_models.cxr.net_input import resized
from ainode_models.radiograph import Radiograph

NO_LUNG_NET = "Classified without a lung mask: the package has none."
NO_LUNGS = "Classified without a lung mask: none that could be two lungs was found."


def prepared(image: Radiograph, lung_net: LungNet | None) -> tuple[Tensor, tuple[str, ...]]:
    """Grey values ``(1, 1, 224, 224)``, 0 to 1, air dark, black outside the lungs; and what is to be said of them.

    Raises `InputError` for what is no frontal chest (`ainode_models.cxr.gate`).
    """
    pixels, said = admitted(image)
    if lung_net is None:
        return resized(pixels), (*said, NO_LUNG_NET)
    lungs = lungs_of(lung_net, pixels)
    return resized(masked(pixels, lungs)), said if lungs is not None else (*said, NO_LUNGS)
