"""The transforms of one section of a bundle, each argument held to the vocabulary."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ainode_models.monai.config import Component, Config, shown
from ainode_models.monai.vocabulary import FLOAT32, IMAGE, PLACES, SAVING, Word

_INVERTED = "@preprocessing"


@dataclass(frozen=True)
class Section:
    """A ``Compose`` below one key of the configuration."""

    config: Config
    name: str
    words: Mapping[str, Word]

    def key(self) -> str:
        """The one key that all transforms work on, whatever the bundle calls it; raises `PackageError`."""
        key = ""
        for place, _, given in self._steps():
            keys = _single(self.config.plain(given.get("keys"), f"{place}.keys"))
            if not isinstance(keys, str) or (key and keys != key):
                problem = f"must be {key!r} alone" if key else "must be the key of the image alone"
                raise self.config.fault(
                    f"{place}.keys", f"{problem}, not {shown(given.get('keys'))}; there is nothing else"
                )
            key = keys
        return key

    def components(self, *, image: str, renamed: str) -> Iterator[Component]:
        """The transforms but those that the node does itself, all on the key ``renamed``.

        ``image`` is what the bundle calls the image. Raises `PackageError`.
        """
        own = self.key()
        for place, name, given in self._steps():
            word = self.words[name]
            links = {"keys": own, **dict.fromkeys(word.links, image)}
            kept = arguments(self.config, place, given, word=word, links=links)
            if name == "Spacingd" and "dtype" in given:
                raise self.config.fault(f"{place}.dtype", "is not known; remove it, float64 is MONAI's own")
            if not word.dropped:
                inverted = {"transform": _INVERTED} if name == "Invertd" else {}
                yield Component(name, {"keys": renamed, **dict.fromkeys(word.links, IMAGE), **inverted, **kept})

    def _steps(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Place, name and arguments of each transform."""
        config = self.config
        target, arguments = config.component(config.entry(self.name), self.name)
        config.named(target, ("Compose",), PLACES["transform"], place=self.name)
        if unknown := sorted(set(arguments) - {"transforms"}):
            raise config.fault(f"{self.name}.{unknown[0]}", "is not followed; remove it")
        for place, entry in config.enabled(arguments.get("transforms"), f"{self.name}.transforms"):
            target, given = config.component(entry, place)
            if target.rpartition(".")[2] not in SAVING:
                yield place, config.named(target, tuple(self.words), PLACES["transform"], place=place), given


def arguments(
    config: Config, place: str, given: Mapping[str, Any], *, word: Word, links: Mapping[str, str]
) -> dict[str, Any]:
    """What ``word`` is made with, without references; ``links``: which key the arguments that name one must name.

    Raises `PackageError` for an argument that ``word`` does not have.
    """
    kept = {}
    for name, value in given.items():
        where = f"{place}.{name}"
        if name in word.arguments:
            kept[name] = config.plain(value, where)
        elif name in links:
            if _single(config.plain(value, where)) != links[name]:
                raise config.fault(where, f"must be {links[name]!r}, not {shown(value)}")
        elif name not in word.ignored:
            _check_neutral(config, where, name, value)
    return kept


def _check_neutral(config: Config, where: str, name: str, value: Any) -> None:
    """Raise `PackageError` unless the argument says what is so anyway."""
    neutral = {"dtype": FLOAT32, "transform": (_INVERTED,), "lazy": (False, None)}
    if name not in neutral:
        raise config.fault(where, "is not known here; remove it if the answer does not depend on it")
    if value not in neutral[name]:
        raise config.fault(
            where, f"must be {neutral[name][0]!r}, not {shown(value)}; otherwise this cannot be imported"
        )


def _single(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value
