"""Converted networks are kept whole, are known by all that decides them, and are made anew when they were changed."""

import logging
import os
from pathlib import Path

import numpy as np
import pytest

from ainode_models.errors import PackageError
from ainode_models.openvino_cache import Conversion, Converted, Request, place_of, write
from ainode_models.openvino_network import OpenVinoNetwork
from peers.tiny_conversion import adding, convert

HERE, APART = "sys", "a_library_that_is_not_imported"
GIVEN = np.array([[1.0, 2.0, 4.0]], np.float32)


def conversion(place: Path, framework: str, request: Request) -> Conversion:
    return Conversion(place, convert, request, framework)


@pytest.fixture(autouse=True)
def _found_by_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=":")


@pytest.mark.parametrize("framework", [HERE, APART])
def test_what_was_converted_is_read_back_and_not_converted_again(tmp_path: Path, framework: str) -> None:
    place = tmp_path / "cache" / "key"
    made = conversion(place, framework, {"adds": 2.5}).result()
    assert made
    assert made.facts == {"adds": 2.5}
    network = OpenVinoNetwork(made.networks["net"])
    np.testing.assert_array_equal(network(GIVEN), GIVEN + np.float32(2.5))
    two = np.concatenate([GIVEN, GIVEN])
    np.testing.assert_array_equal(network(two), two + np.float32(2.5))
    assert conversion(place, framework, {"fails": "breaks"}).result() == made
    assert [path.name for path in place.parent.iterdir()] == ["key"], "nothing else is left"


@pytest.mark.parametrize("framework", [HERE, APART])
def test_a_conversion_that_breaks_is_logged_and_one_that_cannot_fit_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, framework: str
) -> None:
    assert conversion(tmp_path / "key", framework, {"fails": "breaks"}).result() is None
    assert "an operation that OpenVINO does not know" in caplog.text
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert conversion(tmp_path / "no" / "cache" / "key", framework, {"fails": "breaks"}).result() is None
    caplog.clear()
    with pytest.raises(PackageError, match=r"^net\.pth: does not fit; copy it again$"):
        conversion(tmp_path / "key", framework, {"fails": "does not fit"}).result()


@pytest.mark.parametrize("file", ["net.bin", "net.xml", "network.json"])
@pytest.mark.parametrize("damage", ["cut", "lost"])
def test_what_was_changed_is_converted_anew(tmp_path: Path, file: str, damage: str) -> None:
    place = tmp_path / "key"
    assert conversion(place, HERE, {"adds": 1.0}).result()
    if damage == "lost":
        (place / file).unlink()
    else:
        (place / file).write_bytes((place / file).read_bytes()[:-1])
    assert Converted.read(place) is None
    made = conversion(place, HERE, {"adds": 3.0}).result()
    assert made
    assert made.facts == {"adds": 3.0}


def test_what_nobody_read_for_three_months_goes_when_something_new_is_written(tmp_path: Path) -> None:
    old, read, new = (tmp_path / name for name in ("old", "read", "new"))
    for place in (old, read):
        assert conversion(place, HERE, {"adds": 1.0}).result()
    for place in (old, read):
        os.utime(place, (0, 0))
    kept = OpenVinoNetwork(old / "net.xml")
    assert conversion(read, HERE, {}).result()
    assert old.is_dir(), "reading removes nothing"
    assert conversion(new, HERE, {"adds": 2.0}).result()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "read"]
    np.testing.assert_array_equal(kept(GIVEN), GIVEN + np.float32(1.0))


def test_what_another_process_put_there_first_stays(tmp_path: Path) -> None:
    place = tmp_path / "key"
    write(place, {"net": adding(1.0)}, {"by": "another"})
    write(place, {"net": adding(1.0)}, {"by": "us"})
    found = Converted.read(place)
    assert found
    assert found.facts == {"by": "another"}
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_the_place_is_another_for_other_words_or_files(tmp_path: Path) -> None:
    file, same, other = (tmp_path / name for name in "abc")
    for path, content in ((file, b"1"), (same, b"1"), (other, b"2")):
        path.write_bytes(content)
    places = [
        place_of("kind 1", files=[file]),
        place_of("kind 1", files=[same]),
        place_of("kind 2", files=[file]),
        place_of("kind 1", files=[other]),
    ]
    assert places[0] == places[1]
    assert len(set(places)) == 3
