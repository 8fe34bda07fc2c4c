"""``ainode train cxr``: from a labelled folder to a model package."""

from datetime import date
from pathlib import Path

from ainode_models.package import ModelPackage
from ainode_models.training.cxr_package import Naming, new_folder, write_package
from ainode_models.training.cxr_plan import CxrPlan
from ainode_models.training.ensemble import LabelledSet, Progress, train_ensemble
from ainode_models.training.patients import patients_of
from ainode_models.training.xray_folder import read_xrays
from ainode_models.training.xray_pixels import read_pixels


def train_cxr(plan: CxrPlan, out: Path, naming: Naming, *, today: date, progress: Progress) -> ModelPackage:
    """Train by ``plan`` and write the package to ``out``, which must be empty or not there.

    Raises `InputError` for data, `ConfigError` for ``out`` and options, `RuntimeUnavailable` for a device or weights.
    """
    new_folder(out)
    patients = patients_of(plan.data, plan.patient_pattern)
    xrays = read_xrays(plan.data, plan.classes, patients, masked=plan.masked)
    pixels = read_pixels(xrays, lambda done: progress("reading images", done, len(xrays), ""))
    data = LabelledSet(xrays, pixels, patients.by_patient)
    ensemble = train_ensemble(plan, data, progress)
    return write_package(out, naming, plan, data=data, ensemble=ensemble, today=today)
