"""Bundles made and run by plain MONAI; nothing of ainode is imported here.

For each bundle ``NAME`` it writes the folder, ``NAME/images`` with one NIfTI file for each channel, and
``NAME-answer.nii.gz`` with the labels that MONAI's own pipeline, made from the configs, gives of them. ``evil`` is a
bundle whose network is an expression that creates a file; plain MONAI evaluates it.
"""

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch
import yaml
from monai.bundle import ConfigParser
from monai.data import decollate_batch
from monai.networks import nets
from scipy.ndimage import gaussian_filter

SHAPE = (18, 30, 28)
TRANSFORMS: dict[str, list[dict[str, Any]]] = {
    "softmax": [
        {"_target_": "Orientationd", "keys": "@image_key", "axcodes": "RAS"},
        {"_target_": "Spacingd", "keys": "@image_key", "pixdim": "@pixdim", "mode": "bilinear"},
        {"_target_": "NormalizeIntensityd", "keys": "@image_key", "nonzero": True, "channel_wise": True},
    ],
    "nearest": [
        {"_target_": "Orientationd", "keys": ["image"], "axcodes": "LPS"},
        {"_target_": "Spacingd", "keys": ["image"], "pixdim": [2.0, 2.0, 3.0], "mode": ["bilinear"]},
        {
            "_target_": "ScaleIntensityRanged",
            "keys": ["image"],
            "a_min": -2,
            "a_max": 2,
            "b_min": 0,
            "b_max": 1,
            "clip": True,
        },
        {"_target_": "CropForegroundd", "keys": ["image"], "source_key": "image", "margin": 2, "allow_smaller": True},
        {"_target_": "RandFlipd", "keys": ["image"], "prob": 1.0, "_disabled_": True},
    ],
    "regions": [
        {"_target_": "monai.transforms.Orientationd", "keys": "image", "axcodes": "PIR"},
        {
            "_target_": "ScaleIntensityRangePercentilesd",
            "keys": "image",
            "lower": 1,
            "upper": 99,
            "b_min": -1,
            "b_max": 1,
        },
        {"_target_": "DivisiblePadd", "keys": "image", "k": 8},
    ],
}
INVERTED = {"_target_": "Invertd", "keys": "pred", "transform": "@preprocessing", "orig_keys": "image"}
POSTPROCESSING: dict[str, list[dict[str, Any]]] = {
    "softmax": [
        {"_target_": "Activationsd", "keys": "pred", "softmax": True},
        {**INVERTED, "orig_keys": "@image_key", "nearest_interp": False, "to_tensor": True, "device": "@device"},
        {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
    ],
    "nearest": [
        {"_target_": "Activationsd", "keys": "pred", "softmax": True},
        {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
        {**INVERTED, "meta_key_postfix": "meta_dict", "nearest_interp": True},
    ],
    "regions": [
        {**INVERTED, "nearest_interp": False},
        {"_target_": "Activationsd", "keys": "pred", "sigmoid": True},
        {"_target_": "AsDiscreted", "keys": "pred", "threshold": 0.5},
    ],
}
NETWORKS: dict[str, dict[str, Any]] = {
    "softmax": {
        "_target_": "UNet",
        "spatial_dims": 3,
        "in_channels": 2,
        "out_channels": 3,
        "channels": [4, 8, 16],
        "strides": [2, 2],
        "num_res_units": 1,
        "norm": "batch",
    },
    "nearest": {
        "_target_": "monai.networks.nets.SegResNet",
        "in_channels": 1,
        "out_channels": 3,
        "init_filters": 8,
        "blocks_down": [1, 1],
        "blocks_up": [1],
        "dropout_prob": 0.2,
    },
    "regions": {
        "_target_": "DynUNet",
        "spatial_dims": 3,
        "in_channels": 1,
        "out_channels": 3,
        "kernel_size": [3, 3, 3],
        "strides": [1, 2, 2],
        "upsample_kernel_size": [2, 2],
        "filters": [4, 8, 8],
        "deep_supervision": False,
    },
}
INFERERS: dict[str, dict[str, Any]] = {
    "softmax": {"roi_size": [16, 20, 16], "sw_batch_size": 4, "overlap": 0.5, "device": "@device"},
    "nearest": {
        "roi_size": [16, 16, 16],
        "sw_batch_size": 1,
        "overlap": 0.25,
        "mode": "gaussian",
        "padding_mode": "replicate",
    },
    "regions": {"roi_size": [24, 16, 24], "overlap": "@overlap"},
}
NAMES = {
    "softmax": ["background", "inner part", "outer part"],
    "nearest": ["background", "spleen", "liver"],
    "regions": ["core", "whole", "rim"],
}


def config(name: str, bundle: Path, channels: int) -> dict[str, Any]:
    """``inference.json`` as those of the MONAI Model Zoo are written."""
    images = [str(bundle / "images" / f"{number}.nii.gz") for number in range(channels)]
    before: list[dict[str, Any]] = [
        {"_target_": "LoadImaged", "keys": "image", "image_only": True},
        {"_target_": "EnsureChannelFirstd", "keys": "image"},
        *TRANSFORMS[name],
        {"_target_": "EnsureTyped", "keys": "image", "device": "@device", "dtype": "$torch.float32"},
    ]
    saved = {
        "_target_": "SaveImaged",
        "keys": "pred",
        "output_dir": "@output_dir",
        "separate_folder": False,
        "output_postfix": "answer",
        "resample": False,
        "output_dtype": "$np.uint8",
        "print_log": False,
    }
    return {
        "imports": ["$import glob", "$import numpy as np", "$import torch"],
        "image_key": "image",
        "overlap": 0.3,
        "pixdim": [1.5, 1.5, 2.0],
        "output_dir": f"$'{bundle}' + '/eval'",
        "device": "$torch.device('cpu')",
        "network_def": NETWORKS[name],
        "network": "$@network_def.to(@device)",
        "preprocessing": {"_target_": "Compose", "transforms": before},
        "dataset": {"_target_": "Dataset", "data": [{"image": images}], "transform": "@preprocessing"},
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1, "num_workers": 0},
        "inferer": {"_target_": "SlidingWindowInferer", **INFERERS[name]},
        "postprocessing": {"_target_": "Compose", "transforms": [*POSTPROCESSING[name], saved]},
        "evaluator": {"_target_": "SupervisedEvaluator", "network": "@network"},
        "run": ["$@evaluator.run()"],
    }


def metadata(name: str, channels: int) -> dict[str, Any]:
    """``metadata.json``."""
    inputs = {str(number): f"T{number + 1}" for number in range(channels)}
    outputs = {str(number): label for number, label in enumerate(NAMES[name])}
    return {
        "version": "0.3.1",
        "monai_version": "1.6.1",
        "name": f"Random {name} (test)",
        "authors": "Nobody & sons",
        "intended_use": "Tests.",
        "data_source": "Random numbers",
        "network_data_format": {
            "inputs": {"image": {"type": "image", "modality": "MR", "num_channels": channels, "channel_def": inputs}},
            "outputs": {"pred": {"type": "image", "num_channels": len(outputs), "channel_def": outputs}},
        },
    }


_nifti: Any = nibabel.Nifti1Image


def affine(rng: np.random.Generator) -> Any:
    """Oblique, anisotropic, with axes that run to the back, the feet and the left."""
    rotation, _ = np.linalg.qr(np.eye(3) + 0.15 * rng.normal(size=(3, 3)))
    axes = np.array([[0, 0, -1], [-1, 0, 0], [0, -1, 0]], dtype=float)
    rotation *= np.sign(np.diag(rotation))
    whole = np.eye(4)
    whole[:3, :3] = rotation @ axes @ np.diag([2.3, 1.1, 1.3])
    whole[:3, 3] = rng.uniform(-90, 90, 3)
    return whole


def write_bundle(name: str, folder: Path, rng: np.random.Generator) -> Path:
    """The folder of a bundle with random weights, and the images that it is asked about."""
    bundle, channels = folder / name, NETWORKS[name]["in_channels"]
    for part in ("configs", "models", "images"):
        (bundle / part).mkdir(parents=True)
    written, grid = config(name, bundle, channels), affine(rng)
    text = yaml.safe_dump(written) if name == "nearest" else json.dumps(written, indent=2)
    (bundle / "configs" / f"inference.{'yaml' if name == 'nearest' else 'json'}").write_text(text)
    (bundle / "configs" / "metadata.json").write_text(json.dumps(metadata(name, channels)))
    for number in range(channels):
        field = gaussian_filter(rng.normal(size=SHAPE), 2)
        voxels = 1.5 * field / field.std() * (np.indices(SHAPE)[1] > 6) + 0.05 * rng.normal(size=SHAPE)
        image = _nifti((voxels * (np.indices(SHAPE)[2] > 4)).astype(np.float32), grid)
        nibabel.save(image, bundle / "images" / f"{number}.nii.gz")
    given = {key: value for key, value in NETWORKS[name].items() if key != "_target_"}
    torch.save(shaken(name, given).state_dict(), bundle / "models" / "model.pt")
    return bundle


def shaken(name: str, given: dict[str, Any]) -> Any:
    """The network with a last layer that lets every answer win somewhere."""
    network = getattr(nets, NETWORKS[name]["_target_"].rpartition(".")[2])(**given).eval()
    convolutions = [each for each in network.modules() if isinstance(each, torch.nn.Conv3d)]
    last = [each for each in convolutions if each.out_channels == given["out_channels"]][-1]
    with torch.no_grad():
        means = network(torch.randn(1, given["in_channels"], 16, 16, 16)).mean((0, 2, 3, 4))
        last.bias -= means
        for parameter in (last.weight, last.bias):
            parameter.mul_(8)
    return network


def ask(bundle: Path) -> None:
    """Run MONAI's own pipeline on the images of ``bundle``."""
    parser = ConfigParser()
    parser.read_config(next((bundle / "configs").glob("inference.*")))
    network = parser.get_parsed_content("network")
    network.load_state_dict(torch.load(bundle / "models" / "model.pt", weights_only=True))
    network.eval()
    inferer = parser.get_parsed_content("inferer")
    for batch in parser.get_parsed_content("dataloader"):
        with torch.no_grad():
            batch["pred"] = inferer(batch["image"], network)
        for item in decollate_batch(batch):
            parser.get_parsed_content("postprocessing")(item)
    (saved,) = (bundle / "eval").glob("*.nii.gz")
    shutil.move(saved, bundle.with_name(f"{bundle.name}-answer.nii.gz"))


def write_all(folder: Path) -> None:
    """Write the bundles and their answers to ``folder``."""
    rng = np.random.default_rng(7)
    with warnings.catch_warnings(action="ignore"), torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        for name in NETWORKS:
            ask(write_bundle(name, folder, rng))
        _write_evil(folder)


def _write_evil(folder: Path) -> None:
    shutil.copytree(folder / "softmax", folder / "evil")
    evil, mark = folder / "evil" / "configs" / "inference.json", folder / "mark"
    code = f"$__import__('pathlib').Path({str(mark)!r}).touch()"
    evil.write_text(json.dumps({**json.loads(evil.read_text()), "network_def": code}))
    parser = ConfigParser()
    parser.read_config(evil)
    parser.get_parsed_content("network_def")
    mark.unlink()  # it was there: plain MONAI runs the code of the bundle
