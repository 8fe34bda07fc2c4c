"""A labelled folder of chest phantoms in the layout of the COVID-19 Radiography Database."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from ainode_models.demo.chest import chest_phantom

FOLDERS = ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")
"""In the order of `ainode_models.demo.chest.KINDS`."""
FIRST = 400_000
"""Seeds from here on are of patients that no demonstration was trained or measured on."""


def write_phantom_folder(folder: Path, *, patients: int, every: int = 3) -> Path:
    """So many patients, one kind each; every third (or so) has two images. With masks and ``patients.csv``."""
    rows = []
    for name in FOLDERS:
        for part in ("images", "masks"):
            (folder / name / part).mkdir(parents=True)
    for patient in range(patients):
        kind = patient % len(FOLDERS)
        for image in range(2 if patient % every == 0 else 1):
            phantom = chest_phantom(FIRST + 2 * patient + image, kind)
            file = f"{FOLDERS[kind]}/images/{phantom.patient}-{image}.png"
            Image.fromarray(np.rint(phantom.image * 255).astype(np.uint8)).save(folder / file)
            mask = Image.fromarray(np.uint8(phantom.lungs * 255))
            mask.resize((256, 256), Image.Resampling.NEAREST).save(folder / file.replace("images", "masks"))
            rows.append({"file": file, "patient": phantom.patient, **_person(patient)})
    with (folder / "patients.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder


def _person(patient: int) -> dict[str, str]:
    rng = np.random.default_rng(patient)
    return {
        "sex": str(rng.choice(["F", "M"])),
        "age": str(rng.integers(5, 95)),
        "site": str(rng.choice(["north", "south"])),
        "view": str(rng.choice(["PA", "AP"])),
    }
