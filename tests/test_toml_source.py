"""A TOML file that knows the line of each key."""

import tomllib
from pathlib import Path

import pytest

from ainode.toml_lines import KeyPath, key_lines
from ainode.toml_source import TomlSource
from ainode_models.errors import RulesError, SettingsError

DOCUMENT = '''\
# a comment with "quotes" and [brackets]
title = "x # no comment" # [also] = no table

[dicom]
port = 104
"quoted key" = """
not = a key
[not.a.table]
ends with a quote""""
literal = \'\'\'
[[also]]
\'\'\'
site.name = "dotted"
site.city = 'c:\\folder'

[[dicom.caller]]
ae_title = "A"

[[dicom.caller]]
ae_title = "B"   # second
[dicom.caller.more]
deep = 1

[rule.input."T1 (pre)"]
SeriesDescription = { regex = "a}b,c", not = { in = ["x", "y"], when = 1979-05-27T07:32:00Z } }
list = [
  "first",   # with, a ] comment
  { inner = 1 },
]
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("dicom",), 4),
        (("dicom", "port"), 5),
        (("dicom", "quoted key"), 6),
        (("dicom", "literal"), 10),
        (("dicom", "site", "name"), 13),
        (("dicom", "site", "city"), 14),
        (("dicom", "caller", 0, "ae_title"), 17),
        (("dicom", "caller", 1), 19),
        (("dicom", "caller", 1, "ae_title"), 20),
        (("dicom", "caller", 1, "more", "deep"), 22),
        (("rule", "input", "T1 (pre)"), 24),
        (("rule", "input", "T1 (pre)", "SeriesDescription", "not", "when"), 25),
        (("rule", "input", "T1 (pre)", "list"), 26),
        (("rule", "input", "T1 (pre)", "list", 0), 27),
        (("rule", "input", "T1 (pre)", "list", 1, "inner"), 28),
    ],
)
def test_the_line_of_every_kind_of_key_is_known(path: KeyPath, line: int) -> None:
    assert key_lines(DOCUMENT)[path] == line
    assert key_lines(DOCUMENT.replace("\n", "\r\n"))[path] == line


def test_every_key_that_tomllib_finds_has_a_line_and_no_other_has() -> None:
    assert set(key_lines(DOCUMENT)) == set(_paths(tomllib.loads(DOCUMENT), ()))


def _paths(value: object, path: KeyPath) -> list[KeyPath]:
    found = [path] if path else []
    if isinstance(value, dict):
        return found + [inner for key, item in value.items() for inner in _paths(item, (*path, key))]
    if isinstance(value, list):
        return found + [inner for index, item in enumerate(value) for inner in _paths(item, (*path, index))]
    return found


def test_a_key_that_is_missing_is_placed_at_the_table_around_it(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(DOCUMENT)
    source = TomlSource.read(tmp_path / "a.toml", SettingsError)
    assert source.line_of(("dicom", "caller", 1, "address")) == 19
    assert source.line_of(("nothing", "of", "this")) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a = 1\nb = \nc = 3\n", ":2: not valid TOML: Invalid value"),
        (b"a = 1\n[b\n", ":2: not valid TOML: Expected ']' at the end of a table declaration"),
        (b'a = 1\n\nb = """never ends\n', ":3: not valid TOML: "),
        (b"a = 1\na = 2\n", ":2: not valid TOML: Cannot overwrite a value"),
        (b"a = '\xff'\n", ": is not UTF-8 text"),
    ],
)
def test_what_is_not_toml_is_refused_with_file_and_line(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "rules.toml"
    file.write_bytes(content)
    with pytest.raises(RulesError) as refused:
        TomlSource.read(file, RulesError)
    assert str(refused.value).startswith(f"{file}{message}")


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml: cannot be read: No such file or directory"):
        TomlSource.read(tmp_path / "none.toml", SettingsError)
