"""Changes of a bundle's configuration, each a function of the content of the file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Edit = Callable[[dict[str, Any]], object]


def change(bundle: Path, name: str, edited: Edit) -> None:
    file = bundle / "configs" / f"{name}.json"
    content = json.loads(file.read_text())
    edited(content)
    file.write_text(json.dumps(content))


def step(content: dict[str, Any], section: str, target: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = content[section]["transforms"]
    return next(each for each in found if each["_target_"] == target)


def network(**entries: Any) -> Edit:
    return lambda content: content["network_def"].update(entries)


def before(target: str, **entries: Any) -> Edit:
    return lambda content: step(content, "preprocessing", target).update(entries)


def after(target: str, **entries: Any) -> Edit:
    return lambda content: step(content, "postprocessing", target).update(entries)


def without(section: str, target: str) -> Edit:
    return lambda content: content[section]["transforms"].remove(step(content, section, target))


def described(which: str, name: str, **entries: Any) -> Edit:
    return lambda content: content["network_data_format"][which][name].update(entries)
