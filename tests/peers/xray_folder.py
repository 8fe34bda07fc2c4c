"""A small labelled folder of X-rays in the layout of the COVID-19 Radiography Database."""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FOLDERS = ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")
SIDE = 96


def write_xray_folder(folder: Path, *, patients: int, seed: int) -> Path:
    """So many patients of each class with two images, masks and patients.csv; each class has lungs of its own grey."""
    rng = np.random.default_rng(seed)
    rows = []
    for kind, name in enumerate(FOLDERS):
        for part in ("images", "masks"):
            (folder / name / part).mkdir(parents=True)
        for patient in range(patients):
            person = {
                "sex": rng.choice(["F", "M"]),
                "age": str(rng.integers(5, 95)),
                "site": rng.choice(["north", "south"]),
            }
            for view in ("PA", "AP"):
                file = f"{name}/images/{name}-{patient}-{view}.png"
                grey, lungs = drawn_xray(rng, kind)
                Image.fromarray(np.uint8(grey * 255)).save(folder / file)
                Image.fromarray(np.uint8(lungs * 255)).resize((64, 64), 0).save(
                    folder / file.replace("images", "masks")
                )
                rows.append({"file": file, "patient": f"{name}-{patient}", "view": view, **person})
    with (folder / "patients.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder


def drawn_xray(rng: np.random.Generator, kind: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Grey values 0 to 1 and lungs: how dense the lungs are tells the kind; build, noise and exposure vary."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    width, height = rng.uniform(0.15, 0.18), rng.uniform(0.31, 0.36)
    lungs = sum((((columns - x) / width) ** 2 + ((rows - 0.5) / height) ** 2 < 1) for x in (0.3, 0.7)) > 0
    density = (0.9, 0.3, 0.1, 0.6)[kind] * rng.uniform(0.95, 1.05)
    grey = np.where(lungs, density, 0.75) + rng.normal(0, 0.03, lungs.shape)
    return np.clip(grey, 0, 1), lungs
