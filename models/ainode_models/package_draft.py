"""What a package will say of a trained network: what its files say themselves, and what people must add."""

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ainode_models.errors import PackageError
from ainode_models.terminology import known_code
from ainode_models.toml_text import toml_text

_COLORS = ("#e41a1c", "#4daf4a", "#ffd92f", "#377eb8", "#984ea3", "#ff7f00", "#a65628", "#f781bf", "#66c2a5", "#999999")
NOT_STATED: Mapping[str, str] = MappingProxyType(
    {
        "manufacturer": "not stated",
        "intended_use": "Research. Whoever trained the model stated no intended use when it was imported.",
        "disclaimer": "Not for diagnostic use.",
        "limits": "Not known: nobody stated them when the model was imported.",
        "licence": "not stated",
    }
)
"""What a package says where neither the files nor people do."""
_CODES = ("category", "type", "anatomy")
_HEADER = """\
# Fill in every empty text, then: ainode models import FOLDER --about THIS_FILE
# category is one of CID 7150, type one of CID 7151, anatomy a region such as Brain; PS3.16 lists them.
"""
_OVERLAP = (
    '# regions: the values of labels that overlap, the outermost first, such as "2,1,3"; of two, the later is shown.\n'
)


def input_of(channel: str, modality: str = "") -> dict[str, str]:
    """The ``[[input]]`` of a channel, by the name that its trainer gave it."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", channel).strip("-")
    return {"name": name, "modality": modality or ("CT" if channel.upper() == "CT" else ""), "description": channel}


def label_of(value: int, name: str, place: int) -> dict[str, Any]:
    """The ``[[label]]`` number ``place``, without codes."""
    nothing = {"value": "", "scheme": "SCT", "meaning": ""}
    codes = {key: dict(nothing) for key in _CODES}
    return {"value": value, "name": name, **codes, "color": _COLORS[place % len(_COLORS)]}


def read_about(file: Path) -> dict[str, Any]:
    """What people have said about a model, in a file like the template; raises `PackageError`."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as exc:
        raise PackageError(f"{file}: cannot be read ({exc.strerror}); --template FILE writes one") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise PackageError(f"{file}: is no valid TOML: {exc}") from exc


def template_text(draft: Mapping[str, Any]) -> str:
    """The file that people fill in."""
    return _HEADER + (_OVERLAP if "regions" in draft else "") + toml_text(draft)


def with_label_codes(draft: Mapping[str, Any], value: str, codes: str) -> dict[str, Any]:
    """``draft`` with ``codes``, written ``SCT:49755003,SCT:6574001,SCT:12738006``, for the label ``value``.

    Meanings come from DICOM's dictionaries, or are given as a third part. Raises `PackageError`.
    """
    parts = codes.split(",")
    if len(parts) != len(_CODES):
        raise PackageError(
            f"--label {value}={codes}: needs three codes, of category, type and anatomy, with ',' between"
        )
    given = {key: _code(part.strip()) for key, part in zip(_CODES, parts, strict=True)}
    if value not in (known := [str(label["value"]) for label in draft["label"]]):
        raise PackageError(f"--label {value}=...: the network has no such label; it has {', '.join(known)}")
    labels = [{**label, **given} if str(label["value"]) == value else label for label in draft["label"]]
    return {**draft, "label": labels}


def refuse_empty(facts: Mapping[str, Any], source: Path) -> None:
    """Raise `PackageError` that lists every text of ``facts`` that is still empty; ``source`` is what is imported."""
    if missing := ", ".join(_empty(facts, "")):
        raise PackageError(
            f"{source}: nobody has said {missing}; write a file to fill in with --template FILE, "
            "give it with --about FILE, or codes with --label VALUE=CATEGORY,TYPE,ANATOMY"
        )


def manifest_of(
    facts: Mapping[str, Any], folder: Path, weights: list[str], *, runtime: str, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of ``model.toml``: ``facts``, the sums of ``weights`` in ``folder``, and the runtime's table."""
    rest = {key: value for key, value in facts.items() if key not in ("family", "name", "version")}
    return {
        "schema": 1,
        "name": facts["name"],
        "version": facts["version"],
        "runtime": runtime,
        "family": facts.get("family") or {"value": "123110", "scheme": "DCM", "meaning": "Artificial Intelligence"},
        **rest,
        "weights": [{"path": name, "sha256": _sha256(folder / name)} for name in weights],
        "geometry": {"orientation": "LPS"},
        runtime: settings,
    }


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _code(text: str) -> dict[str, str]:
    scheme, _, rest = text.partition(":")
    value, _, meaning = rest.partition(":")
    known = known_code(scheme, value)
    if not meaning and known is None:
        raise PackageError(f"{text!r}: DICOM's dictionaries have no such code; write SCHEME:VALUE:MEANING")
    return {"value": value, "scheme": scheme, "meaning": meaning or (known.meaning if known else "")}


def _empty(value: Any, place: str) -> Iterator[str]:
    """Dotted places of empty texts; a code without value is one place."""
    if isinstance(value, Mapping):
        if "scheme" in value:
            yield from [place] if not (value.get("value") and value.get("meaning")) else []
            return
        for key, item in value.items():
            yield from _empty(item, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _empty(item, f"{place}[{number}]")
    elif value == "":
        yield place
