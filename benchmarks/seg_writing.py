"""One program writes one segmentation, in a process of its own: ``seg_writing.py ainode|highdicom FORM FOLDER SLICES``.

``write`` starts it, or dcmqi, and says how long that took and how much memory.
"""

import json
import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from highdicom.seg import Segmentation
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from ainode_dicom_sr.equipment import Equipment
from ainode_dicom_sr.objects import write_object
from ainode_dicom_sr.segmentation import segmentations
from ainode_dicom_sr.segmentation_form import SegmentationForm
from whole_body import SEGMENTS, findings, headers

EQUIPMENT = Equipment("ainode project", "ainode", "node-1", ("bench",))


@dataclass(frozen=True)
class Writing:
    """One segmentation as it was written."""

    seconds: float
    """From the files of the slices and the label map in memory to the file; dcmqi reads the label map from a file."""
    peak_mb: float
    """Peak of the process, with the label map."""
    paths: list[Path]
    """Of its objects."""

    @property
    def mb(self) -> float:
        """Size of the files."""
        return sum(path.stat().st_size for path in self.paths) / 1e6


def write(program: str, form: SegmentationForm, folder: Path, slices: int) -> Writing:
    """Have ``ainode``, ``highdicom`` or ``dcmqi`` write it."""
    path = folder / f"{program}-{form}.dcm"
    for old in _written(path):
        old.unlink()
    command = [sys.executable, __file__, program, str(form), str(folder), str(slices)]
    if program == "dcmqi":
        options = {
            "inputImageList": folder / f"labels-{slices}.nrrd",
            "inputDICOMDirectory": folder / "ct" / "0",
            "inputMetadata": folder / "segments.json",
            "outputDICOM": path,
            "segmentationType": form,
        }
        command = [str(Path(sysconfig.get_path("scripts")) / "itkimage2segimage")]
        command += [word for name, value in options.items() for word in (f"--{name}", str(value))]
    seconds, peak_mb, said = in_process(command)
    if not _written(path):
        raise RuntimeError(f"{program} wrote no {form}: {said[-2000:]}")
    return Writing(seconds if program == "dcmqi" else json.loads(said.splitlines()[-1]), peak_mb, _written(path))


def in_process(command: list[str]) -> tuple[float, float, str]:
    """Seconds of all, peak memory in MB, and what it said."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        said = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {said[-2000:]}")
    return seconds, usage.ru_maxrss * 1024 / 1e6, said


def _written(path: Path) -> list[Path]:
    """``path``, or its numbered files where a form has several."""
    return sorted(path.parent.glob(f"{path.stem}*.dcm"))


def _main(program: str, form: SegmentationForm, folder: Path, slices: int) -> None:
    labels = np.load(folder / f"labels-{slices}.npy")
    run = findings(labels)
    # Before the clock runs: the node has been up for a while, and highdicom has read its tables.
    (first,) = segmentations(run, headers(folder), EQUIPMENT, form=SegmentationForm.LABELMAP)
    described = list(first.SegmentSequence)[:SEGMENTS]
    began = time.perf_counter()
    sources = headers(folder)
    if program == "ainode":
        made: Sequence[Dataset] = segmentations(run, sources, EQUIPMENT, form=form)
    else:
        ds = Segmentation(
            source_images=sources,
            pixel_array=labels,
            segmentation_type=form.type,
            segment_descriptions=described,
            series_instance_uid=generate_uid(),
            series_number=1001,
            sop_instance_uid=generate_uid(),
            instance_number=1,
            manufacturer="ainode project",
            manufacturer_model_name="ainode",
            software_versions="bench",
            device_serial_number="node-1",
            transfer_syntax_uid=form.transfer_syntax,
        )
        made = [ds]
    for number, each in enumerate(made):
        with (folder / f"{program}-{form}{number or ''}.dcm").open("wb") as file:
            write_object(each, file)
    sys.stdout.write(json.dumps(time.perf_counter() - began))


if __name__ == "__main__":
    _main(sys.argv[1], SegmentationForm(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
