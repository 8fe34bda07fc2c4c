"""The sections and fields of the settings, read from their dataclasses."""

import ast
import inspect
import textwrap
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from itertools import pairwise
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from ainode.settings.kinds import Kind


@dataclass(frozen=True)
class Setting:
    """One field of a section."""

    name: str
    kind: Kind
    default: object
    """``MISSING`` when the file must give it."""

    @property
    def required(self) -> bool:
        """Whether the file must give it."""
        return self.default is MISSING


@dataclass(frozen=True)
class Section:
    """A dataclass of settings, seen from the file: its plain fields, and the tables inside it."""

    settings: tuple[Setting, ...]
    tables: Mapping[str, type]
    """Key to dataclass, for one table."""
    arrays: Mapping[str, type]
    """Key to dataclass, for an array of tables."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key that the file may have here."""
        return (*(setting.name for setting in self.settings), *self.tables, *self.arrays)


def section_of(cls: type) -> Section:
    """What the file may hold for this dataclass; its own fields come before inherited ones."""
    hints = get_type_hints(cls, include_extras=True)
    own = inspect.get_annotations(cls)
    ordered = sorted(fields(cls), key=lambda entry: entry.name not in own)
    return Section(
        settings=tuple(_setting(entry, hints[entry.name]) for entry in ordered if _is_plain(hints[entry.name])),
        tables={entry.name: hints[entry.name] for entry in ordered if is_dataclass(hints[entry.name])},
        arrays={entry.name: get_args(hints[entry.name])[0] for entry in ordered if _is_array(hints[entry.name])},
    )


def field_documents(cls: type) -> dict[str, str]:
    """The docstring under each field, inherited ones included, on one line."""
    documents: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if is_dataclass(base):
            documents.update(_own_documents(base))
    return documents


def _is_plain(hint: Any) -> bool:
    return get_origin(hint) is Annotated


def _is_array(hint: Any) -> bool:
    return get_origin(hint) is tuple


def _setting(entry: "Field[Any]", hint: Any) -> Setting:
    kind = next(mark for mark in hint.__metadata__ if isinstance(mark, Kind))
    return Setting(entry.name, kind, entry.default)


def _own_documents(cls: type) -> dict[str, str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    documents: dict[str, str] = {}
    for statement, following in pairwise(body):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            documents[statement.target.id] = _string(following)
    return documents


def _string(statement: ast.stmt) -> str:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return " ".join(str(statement.value.value).split())
    return ""
