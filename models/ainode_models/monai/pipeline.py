"""What a bundle does with a volume: network, preprocessing, windows and postprocessing, each held to the vocabulary."""

from dataclasses import dataclass
from typing import Any

from ainode_models.monai.config import Component, Config, shown
from ainode_models.monai.section import Section, arguments
from ainode_models.monai.vocabulary import (
    ANSWER,
    IMAGE,
    INFERER,
    NETWORKS,
    PLACES,
    POSTPROCESSING,
    PREPROCESSING,
    WINDOWS,
)

_BEFORE, _AFTER = "preprocessing", "postprocessing"
_NEEDED = ("Activationsd", "AsDiscreted", "Invertd")


@dataclass(frozen=True)
class Pipeline:
    """Checked, and complete: nothing else of a bundle's configuration is looked at."""

    network: Component
    preprocessing: tuple[Component, ...]
    inferer: Component
    postprocessing: tuple[Component, ...]

    @classmethod
    def of(cls, config: Config) -> "Pipeline":
        """Read ``network_def``, ``preprocessing``, ``inferer`` and ``postprocessing``.

        Raises `PackageError` that names the key and what to change, for whatever is not in the vocabulary.
        """
        before, after = Section(config, _BEFORE, PREPROCESSING), Section(config, _AFTER, POSTPROCESSING)
        image = before.key()
        pipeline = cls(
            network=_network(config),
            preprocessing=tuple(before.components(image=image, renamed=IMAGE)),
            inferer=_inferer(config),
            postprocessing=tuple(after.components(image=image, renamed=ANSWER)),
        )
        _check_preprocessing(config, pipeline)
        _check_postprocessing(config, pipeline)
        return pipeline

    @property
    def has_regions(self) -> bool:
        """Whether the network answers each label by itself (sigmoid), not which one is likeliest (softmax)."""
        return bool(self._answering("Activationsd").arguments.get("sigmoid"))

    def as_config(self) -> dict[str, Any]:
        """The same in MONAI's words, without references; `of` reads it again."""
        return {
            "network_def": self.network.as_config(),
            _BEFORE: _composed(self.preprocessing),
            "inferer": self.inferer.as_config(),
            _AFTER: _composed(self.postprocessing),
        }

    def _answering(self, name: str) -> Component:
        return next(step for step in self.postprocessing if step.target == name)


def _composed(steps: tuple[Component, ...]) -> dict[str, Any]:
    return Component("Compose", {"transforms": [step.as_config() for step in steps]}).as_config()


def _network(config: Config) -> Component:
    place = "network_def"
    target, given = config.component(config.entry(place), place)
    name = config.named(target, NETWORKS, PLACES["network"], place=place)
    return Component(name, {key: config.plain(value, f"{place}.{key}") for key, value in given.items()})


def _inferer(config: Config) -> Component:
    place = "inferer"
    target, given = config.component(config.entry(place), place)
    name = config.named(target, (INFERER,), PLACES["inferer"], place=place)
    kept = arguments(config, place, given, word=WINDOWS, links={})
    size = kept.get("roi_size")
    sizes = size if isinstance(size, list) else [size] * 3
    if len(sizes) != 3 or not all(type(n) is int and n > 0 for n in sizes):
        raise config.fault(f"{place}.roi_size", f"must be three whole numbers above 0, not {shown(size)}; write them")
    return Component(name, kept)


def _check_preprocessing(config: Config, pipeline: Pipeline) -> None:
    """The axes must be fixed before anything depends on them: a file has those in which somebody wrote it."""
    moving = [step for step in pipeline.preprocessing if PREPROCESSING[step.target].spatial]
    names = [step.target for step in moving]
    if names[:1] != ["Orientationd"] or names.count("Orientationd") > 1:
        raise config.fault(
            _BEFORE,
            "must have one Orientationd, before everything else that moves voxels, for the axes of DICOM are not those "
            "of your files; add it with the axes of the training's files, such as RAS (BraTS: LPS)",
        )
    axcodes = moving[0].arguments.get("axcodes")
    if not isinstance(axcodes, str) or sorted(map(_POSITIVE.get, axcodes), key=str) != ["A", "R", "S"]:
        raise config.fault(
            f"{_BEFORE}: Orientationd.axcodes", f"must be three letters such as RAS, not {shown(axcodes)}"
        )


_POSITIVE = {"R": "R", "L": "R", "A": "A", "P": "A", "S": "S", "I": "S"}


def _check_postprocessing(config: Config, pipeline: Pipeline) -> None:
    names = [step.target for step in pipeline.postprocessing]
    if sorted(names) != sorted(_NEEDED) or names.index("Activationsd") > names.index("AsDiscreted"):
        raise config.fault(
            _AFTER,
            f"must have {', '.join(_NEEDED)} once each, Activationsd before AsDiscreted, not {', '.join(names)}; "
            "without Invertd the answer does not come back to the grid of the study, and without Activationsd results "
            "have no confidence (before AsDiscreted, softmax leaves the labels as they are)",
        )
    given = {step.target: step.arguments for step in pipeline.postprocessing}
    activation = {name: given["Activationsd"].get(name) for name in ("softmax", "sigmoid")}
    answer = {name: given["AsDiscreted"].get(name) for name in ("argmax", "threshold")}
    inverted_last = names[-1] == "Invertd"
    if inverted_last and not given["Invertd"].get("nearest_interp", True):
        raise config.fault(_AFTER, "Invertd after AsDiscreted must have nearest_interp true, for labels are no amounts")
    likeliest = activation["softmax"] is True and not activation["sigmoid"]
    likeliest = likeliest and answer["argmax"] is True and answer["threshold"] is None
    each = activation["sigmoid"] is True and not activation["softmax"]
    each = each and not answer["argmax"] and type(answer["threshold"]) in (int, float)
    if not (likeliest or each):
        raise config.fault(
            _AFTER,
            "must be softmax with argmax, or sigmoid with a number as threshold, not "
            f"{shown(activation)} with {shown(answer)}; other answers are not read",
        )
