"""What PixelMed may say of our reports, each content item by its place and name."""

import re

from ainode_conformance.checkers.allowance import Allowance

_REPORT = '/CONTAINER (126000,DCM,"Imaging Measurement Report")'
_GROUP = f'{_REPORT}/CONTAINER (126010,DCM,"Imaging Measurements")/CONTAINER (125007,DCM,"Measurement Group")'
_EVALUATIONS = f'{_REPORT}/CONTAINER (C0034375,UMLS,"Qualitative Evaluations")'
_TEXT_OF_ALGORITHM = (
    'TEXT (111001,DCM,"Algorithm Name")',
    'TEXT (111002,DCM,"Algorithm Parameters")',
    'TEXT (111003,DCM,"Algorithm Version")',
    'TEXT (122405,DCM,"Algorithm Manufacturer")',
)
_ALGORITHM = ('CODE (111000,DCM,"Algorithm Family")', *_TEXT_OF_ALGORITHM)


def _item(container: str, *items: str) -> str:
    """Regular expression of the place and path of one of ``items``."""
    return rf"1[.\d]+: {re.escape(container)}/({'|'.join(map(re.escape, items))})"


def _unknown(container: str, *items: str) -> str:
    return f"Warning: {_item(container, *items)}: Content Item not in template"


_NEWER = "its tables of 2022 do not have this row"
_EXTENSION = "ours beyond the template, which may be extended"
_BOTH = "they fill row 12b, but it also holds them against rows 13 and 14, which are for any concept"
PIXELMED = (
    Allowance(
        "pixelmed",
        rf"Error: Template 1500 .*\[Row 1[34]\] (CODE|TEXT) \*: {_item(_EVALUATIONS, *_ALGORITHM)}"
        ": Incorrect relationship - expected CONTAINS - found HAS CONCEPT MOD",
        _BOTH,
        "PS3.16 TID 1500 row 12b, TID 4019",
    ),
    Allowance(
        "pixelmed",
        r"Error: Template 1500 .*\[Row 4\] .*: Code \(43468-8,LN,.*\) not found in context group 100",
        "it takes a context group for all that may be said, though this is a baseline group, and extensible",
        "PS3.16 TID 1500 row 4: BCID 100",
    ),
    Allowance("pixelmed", _unknown(_GROUP, *_ALGORITHM), _NEWER, "PS3.16 TID 1419 row 4b, TID 4019 row 2b"),
    Allowance(
        "pixelmed",
        _unknown(_GROUP, 'CODE (276214006,SCT,"Finding category")'),
        _NEWER,
        "PS3.16 TID 1411 row 3a, TID 1501 row 3a",
    ),
    Allowance(
        "pixelmed",
        _unknown(
            _GROUP,
            'CODE (373573001,SCT,"Clinical finding present")',
            'CODE (373572006,SCT,"Clinical finding absent")',
            'CODE (373068000,SCT,"Undetermined")',
            'CODE (52101004,SCT,"Present")',
            'CODE (272519000,SCT,"Absent")',
        ),
        _NEWER,
        "PS3.16 TID 1501 row 11",
    ),
    Allowance(
        "pixelmed",
        _unknown(_GROUP, 'UIDREF (112002,DCM,"Series Instance UID")'),
        _EXTENSION,
        "PS3.16 TID 1501: Extensible",
    ),
    Allowance(
        "pixelmed",
        _unknown(f'{_GROUP}/NUM (81827009,SCT,"Diameter")', 'SCOORD3D (121055,DCM,"Path")'),
        _EXTENSION,
        "PS3.16 TID 1419: Extensible",
    ),
    Allowance(
        "pixelmed",
        _unknown(_EVALUATIONS, 'COMPOSITE (122075,DCM,"Prior report for current patient")'),
        _EXTENSION,
        "PS3.16 TID 1500: Extensible",
    ),
)
