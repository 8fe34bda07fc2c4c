"""The classes of MONAI that a bundle may use, and what may be said of each; no other is ever made."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

NETWORKS = (
    *("AttentionUnet", "BasicUNet", "DynUNet", "HighResNet", "MedNeXt", "SegResNet", "SegResNetDS", "SwinUNETR"),
    *("UNet", "UNETR", "VNet"),
)
"""Of ``monai.networks.nets``: those that segment, give one answer, and can fetch no weights from elsewhere."""

IMAGE, ANSWER = "image", "pred"
"""What a package calls the volume and the network's answer."""

PLACES: Mapping[str, str] = MappingProxyType(
    {"network": "monai.networks.nets", "transform": "monai.transforms", "inferer": "monai.inferers"}
)
"""Module of each kind of class."""


@dataclass(frozen=True)
class Word:
    """What may be said of one class."""

    arguments: tuple[str, ...] = ()
    """Those that it is made with."""
    ignored: tuple[str, ...] = ()
    """Those that change nothing here."""
    links: tuple[str, ...] = ()
    """Those that name the image."""
    dropped: bool = False
    """Whether the node does itself what it does."""
    spatial: bool = False
    """Whether it moves voxels."""


_ANYWAY = ("allow_missing_keys",)
_META = ("meta_keys", "meta_key_postfix")
_INTENSITY = {
    "ScaleIntensityRanged": ("a_min", "a_max", "b_min", "b_max", "clip"),
    "ScaleIntensityd": ("minv", "maxv", "factor", "channel_wise"),
    "ScaleIntensityRangePercentilesd": ("lower", "upper", "b_min", "b_max", "clip", "relative", "channel_wise"),
    "NormalizeIntensityd": ("subtrahend", "divisor", "nonzero", "channel_wise"),
    "ClipIntensityPercentilesd": ("lower", "upper", "sharpness_factor", "channel_wise"),
    "ThresholdIntensityd": ("threshold", "above", "cval"),
}
_SPACING = (
    *("pixdim", "diagonal", "mode", "padding_mode", "align_corners", "scale_extent", "recompute_affine"),
    *("min_pixdim", "max_pixdim"),
)
_ENSURE = Word(ignored=("device", "data_type", "wrap_sequence", "track_meta", *_ANYWAY), dropped=True)

PREPROCESSING: Mapping[str, Word] = MappingProxyType(
    {
        "LoadImaged": Word(
            ignored=("reader", "image_only", "ensure_channel_first", "overwriting", *_META, *_ANYWAY), dropped=True
        ),
        "EnsureChannelFirstd": Word(ignored=("channel_dim", "strict_check", *_META, *_ANYWAY), dropped=True),
        "EnsureTyped": _ENSURE,
        "CastToTyped": Word(ignored=_ANYWAY, dropped=True),
        "Orientationd": Word(("axcodes",), _ANYWAY, spatial=True),
        "Spacingd": Word(_SPACING, ("ensure_same_shape", *_META, *_ANYWAY), spatial=True),
        "CropForegroundd": Word(
            ("channel_indices", "margin", "allow_smaller", "k_divisible", "mode"),
            ("start_coord_key", "end_coord_key", *_ANYWAY),
            links=("source_key",),
            spatial=True,
        ),
        "SpatialPadd": Word(("spatial_size", "method", "mode"), _ANYWAY, spatial=True),
        "DivisiblePadd": Word(("k", "method", "mode"), _ANYWAY, spatial=True),
        **{name: Word(arguments, _ANYWAY) for name, arguments in _INTENSITY.items()},
    }
)
"""Transforms of the image: deterministic, and undone by ``Invertd`` where they move voxels."""

POSTPROCESSING: Mapping[str, Word] = MappingProxyType(
    {
        "Activationsd": Word(("softmax", "sigmoid"), _ANYWAY),
        "Invertd": Word(
            ("nearest_interp",),
            ("to_tensor", "device", "orig_meta_keys", *_META, *_ANYWAY),
            links=("orig_keys",),
            spatial=True,
        ),
        "AsDiscreted": Word(("argmax", "threshold"), _ANYWAY),
        "EnsureTyped": _ENSURE,
    }
)
"""Transforms of the network's answer."""

SAVING = ("SaveImaged",)
"""Writes a file, which the node does otherwise: nothing of it is looked at."""

INFERER = "SlidingWindowInferer"
WINDOWS = Word(
    ("roi_size", "sw_batch_size", "overlap", "mode", "sigma_scale", "padding_mode", "cval"),
    ("sw_device", "device", "progress", "cache_roi_weight_map", "cpu_thresh", "buffer_steps", "buffer_dim"),
)

FLOAT32 = tuple(f"{module}float32" for module in ("", "np.", "numpy.", "torch.", "$np.", "$numpy.", "$torch."))
"""How a ``dtype`` may be spelled: all transforms keep to it anyway, and the text is compared, not run."""
