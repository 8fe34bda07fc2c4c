"""Cores that a process may use, by affinity and by quota."""

import os
from pathlib import Path

import openvino.opset13 as ops
import pytest
from openvino import Model

from ainode_models import openvino_network
from ainode_models.cores import cores_allowed
from ainode_models.openvino_network import OpenVinoNetwork


@pytest.fixture
def cgroups(tmp_path: Path) -> Path:
    (tmp_path / "system.slice" / "node.service").mkdir(parents=True)
    (tmp_path / "own").write_text("0::/system.slice/node.service\n")
    return tmp_path


def _allowed(cgroups: Path) -> int:
    return cores_allowed(cgroups=cgroups, own=cgroups / "own")


def test_without_a_quota_all_cores_of_the_affinity_are_used(cgroups: Path) -> None:
    every = len(os.sched_getaffinity(0))
    assert _allowed(cgroups) == every
    (cgroups / "system.slice" / "node.service" / "cpu.max").write_text("max 100000\n")
    assert _allowed(cgroups) == every
    (cgroups / "cpu.max").write_text("99900000 100000\n")
    assert _allowed(cgroups) == every, "a quota of more cores than there are"
    assert cores_allowed(cgroups=cgroups / "none", own=cgroups / "none") == every


@pytest.mark.parametrize(("quota", "cores"), [("50000 100000", 1), ("100000 100000", 1), ("10000 100000", 1)])
@pytest.mark.parametrize("group", ["", "system.slice", "system.slice/node.service"])
def test_the_tightest_quota_counts_rounded_up(cgroups: Path, group: str, quota: str, cores: int) -> None:
    (cgroups / "system.slice" / "node.service" / "cpu.max").write_text("max 100000\n")
    (cgroups / group / "cpu.max").write_text(quota)
    assert _allowed(cgroups) == cores


def test_a_container_whose_group_is_hidden_has_its_quota_at_the_root(cgroups: Path) -> None:
    (cgroups / "own").write_text("0::/../somewhere\n")
    (cgroups / "cpu.max").write_text("100000 100000\n")
    assert _allowed(cgroups) == 1


def test_networks_run_with_as_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_network, "cores_allowed", lambda: 1)
    given = ops.parameter([1, 4])
    network = OpenVinoNetwork(Model([ops.result(ops.sin(given))], [given]))
    compiled = network._request((1, 4)).get_compiled_model()
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 1
