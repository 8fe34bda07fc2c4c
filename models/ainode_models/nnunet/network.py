"""One nnU-Net v2 result folder, loaded: its folds, and the stage before it where it ends a cascade."""

import logging
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from ainode_models.device import uses_gpu
from ainode_models.errors import PackageError, RuntimeUnavailable
from ainode_models.nnunet.answer import Seen, answer
from ainode_models.nnunet.engine import Engine
from ainode_models.nnunet.folder import NnunetFolder
from ainode_models.nnunet.labels import Heads
from ainode_models.nnunet.plans import Configuration
from ainode_models.nnunet.preparation import Grids, prepared
from ainode_models.nnunet.sliding import Sliding
from ainode_models.profile import Precision

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NnunetNetwork:
    """Answers as nnunetv2's own predictor does with the folder."""

    folder: NnunetFolder
    configuration: Configuration
    heads: Heads
    sliding: Sliding
    previous: "NnunetNetwork | None"

    @classmethod
    def load(cls, folder: NnunetFolder, device: str, *, precision: Precision = "fp32") -> "NnunetNetwork":
        """Load the folder, and those before it, on ``device``: ``cpu``, ``cuda`` or ``auto``.

        ``precision`` is that of a CPU; see `ainode_models.profile.Profile`.

        Raises `PackageError` when its files do not fit together, or it follows another stage than it was trained to,
        `RuntimeUnavailable` for a device that is not there.
        """
        previous = cls.load(folder.previous, device, precision=precision) if folder.previous else None
        engine, name = _engine(folder, device, precision)
        configuration = Configuration.of(folder, name)
        _check_stages(folder, configuration, previous)
        _log.info("nnU-Net loaded from %s on %s in %s", folder.path, engine.device, engine.precision)
        sliding = Sliding(engine, configuration, folder.step_size, folder.mirroring)
        return cls(folder, configuration, Heads.of(folder), sliding, previous)

    @property
    def parameters(self) -> int:
        """Of all its folds, and of the stages before it."""
        return self.sliding.engine.parameters + (self.previous.parameters if self.previous else 0)

    @property
    def device(self) -> str:
        """Where it computes, in words."""
        return self.sliding.engine.device

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was done otherwise than asked, for lack of memory, since `forget`."""
        before = self.previous.remarks if self.previous else ()
        return tuple(dict.fromkeys((*before, *self.sliding.remarks)))

    def forget(self) -> None:
        """Begin anew with what takes most memory."""
        self.sliding.forget()
        if self.previous:
            self.previous.forget()

    def look(self, image: NDArray[np.float32], spacing: list[float]) -> Seen:
        """What the network says of ``image``.

        ``image`` is ``(channels, slices, rows, columns)`` in canonical axes (`ainode_models.orientation`), ``spacing``
        in millimetres in the order of these axes.
        """
        cropped, grids = prepared(self._turned(image), spacing, self.configuration)
        sliding = self.sliding
        seen = grids.forth(self.configuration).clipped(sliding.engine.place(cropped, beside=False))
        if self.previous:
            before = sliding.engine.place(self._before(image, spacing, grids), beside=False)
            seen = array_namespace(seen).concat([seen, before])
        return Seen(
            sliding.logits(seen),
            grids,
            grids.back(self.configuration),
            self.configuration.transpose,
            flipped=self.folder.reads_ras,
        )

    def labels(self, image: NDArray[np.float32], spacing: list[float]) -> NDArray[np.uint8]:
        """The labels alone, in the axes of ``image``."""
        return answer([self.look(image, spacing)], self.heads, size=image.shape[1:]).labels

    def _turned(self, array: NDArray[Any]) -> NDArray[Any]:
        """To the axes that the network reads: in RAS, rows and columns run the other way than in canonical ones."""
        return array[..., ::-1, ::-1] if self.folder.reads_ras else array

    def _before(self, image: NDArray[np.float32], spacing: list[float], grids: Grids) -> NDArray[np.float32]:
        """The labels of the stage before as channels, one for each but background, on the grid of this stage."""
        assert self.previous
        labels = self._turned(self.previous.labels(image, spacing)).transpose(self.configuration.transpose)[grids.crop]
        marked = np.where((labels == 0) & ~grids.inside, np.int16(-1), labels.astype(np.int16))
        resampled = _resampled_labels(marked, self, grids)
        return np.stack([(resampled == label).astype(np.float32) for label in self.heads.foreground])


def _resampled_labels(labels: NDArray[np.int16], network: NnunetNetwork, grids: Grids) -> NDArray[Any]:
    """By nnunetv2's own function, as the plans name it."""
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    settings = PlansManager(network.folder.document("plans.json")).get_configuration(network.configuration.name)
    found: NDArray[Any] = settings.resampling_fn_seg(labels[None], grids.seen, grids.spacing, grids.wanted)[0]
    return found


def _engine(folder: NnunetFolder, device: str, precision: Precision) -> tuple[Engine, str]:
    """What computes the folder on ``device``, and the name of its configuration."""
    if precision == "int8" and (uses_gpu(device) or not find_spec("openvino")):
        raise RuntimeUnavailable("a profile in int8 is for CPUs, by OpenVINO; let the rule name the model without it")
    if not uses_gpu(device) and find_spec("openvino"):
        from ainode_models.nnunet.conversion import converted
        from ainode_models.nnunet.openvino_engine import OpenVinoEngine
        from ainode_models.nnunet.quantisation import quantised

        found = quantised(folder) if precision == "int8" else converted(folder)
        if found:
            return OpenVinoEngine(found, precision=precision), found.configuration
        _log.warning("OpenVINO cannot convert %s: torch runs it, some times slower", folder.path)
    if find_spec("torch") is None:
        raise RuntimeUnavailable("neither OpenVINO nor torch can run this model; install ainode[cpu] or ainode[gpu]")
    from ainode_models.nnunet.torch_engine import TorchEngine

    engine = TorchEngine(folder, device)
    return engine, engine.configuration


def _check_stages(folder: NnunetFolder, configuration: Configuration, previous: NnunetNetwork | None) -> None:
    wanted = configuration.previous
    given = previous.configuration.name if previous else None
    if wanted != given:
        cure = f"name the folder of {wanted} in the table 'previous'" if wanted else "remove the table 'previous'"
        raise PackageError(
            f"{folder.path}: its configuration {configuration.name} follows {wanted or 'no other stage'}, "
            f"not {given or 'none'}; {cure}"
        )
