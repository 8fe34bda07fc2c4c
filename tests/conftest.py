"""The order of the test files, the longest first, so that none is left to run alone at the end; and a quick model."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from peers.fhir_checks import R4Checker

LONGEST = (
    "test_viewers.py",
    "test_all_families.py",
    "test_loop_kills.py",
    "test_models_train_cxr.py",
    "test_models_keras_net.py",
    "test_loop_ways_in.py",
    "test_models_under_change.py",
    "test_loop_bad_input.py",
    "test_models_memory.py",
    "test_commitment.py",
    "test_models_demo.py",
    "test_model_bench.py",
    "test_receive_faults.py",
    "test_api_predict.py",
    "test_demo.py",
    "test_fhir_subscriptions.py",
    "test_fhir_push_faults.py",
    "test_receive_fuzz.py",
    "test_receive_limits.py",
    "test_doctor.py",
    "test_loop_geometry.py",
    "test_loop_correction.py",
    "test_fhir_reviewed.py",
    "test_fhir_bench.py",
    "test_loop_prior.py",
    "test_model_workers.py",
    "test_study_bench.py",
    "test_loop_review.py",
    "test_stage_postgres.py",
    "test_loop_partial.py",
)
"""As measured on two cores; the others take less than twelve seconds each, or so."""


def pytest_configure() -> None:
    """Keep what the node caches for its user with all else that tests leave behind, and one thread for arithmetic.

    A worker of pytest has one core: more threads wait for each other, and wait busily.
    """
    os.environ["XDG_CACHE_HOME"] = str(Path(__file__).parent.parent / "build" / "cache")
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files, and leave the tests of each as they are."""
    items.sort(key=lambda item: _place(item.path.name, LONGEST))


@pytest.fixture(scope="session")
def quick_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the head model as it is in `peers.quick_head`, not to be changed."""
    from peers.quick_head import quick_head  # imports nnunetv2

    folder = tmp_path_factory.mktemp("quick")
    quick_head(folder / "t1-head-demo")
    return folder


@pytest.fixture(scope="session")
def r4(tmp_path_factory: pytest.TempPathFactory) -> "R4Checker":
    """Who knows whether resources are valid R4."""
    from peers.fhir_checks import R4Checker  # imports pyrofile

    return R4Checker(tmp_path_factory.mktemp("r4"))


def _place(name: str, longest: Sequence[str]) -> int:
    return longest.index(name) if name in longest else len(longest)
