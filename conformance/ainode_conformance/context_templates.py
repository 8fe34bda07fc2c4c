"""Templates of observation context, language, algorithm and tracking (PS3.16 annex A)."""

from pydicom.sr.coding import Code

from ainode_conformance.condition import IfAndOnlyIf
from ainode_conformance.row import CONTEXT, MODIFIER, Cid, Include, Row, Template

PERSON = Code("121006", "DCM", "Person")
DEVICE = Code("121007", "DCM", "Device")
DEVICE_UID = Code("121012", "DCM", "Device Observer UID")
DEVICE_MANUFACTURER = Code("121014", "DCM", "Device Observer Manufacturer")
DEVICE_MODEL = Code("121015", "DCM", "Device Observer Model Name")
ALGORITHM_NAME = Code("111001", "DCM", "Algorithm Name")
ALGORITHM_VERSION = Code("111003", "DCM", "Algorithm Version")
ALGORITHM_MANUFACTURER = Code("122405", "DCM", "Algorithm Manufacturer")
TRACKING_ID = Code("112039", "DCM", "Tracking Identifier")
TRACKING_UID = Code("112040", "DCM", "Tracking Unique Identifier")
_COUNTRY = Code("121046", "DCM", "Country of Language")
_ISSUER = Code("110190", "DCM", "Issuer of Identifier")
_SUBJECT_ID = Code("121030", "DCM", "Subject ID")
_SUBJECT_UID = Code("121028", "DCM", "Subject UID")


def _issued(row: str, name: Code, issuer: str) -> Row:
    return Row(row, CONTEXT, "TEXT", name, rows=(Row(issuer, MODIFIER, "TEXT", _ISSUER),))


_OBSERVATION_CONTEXT = Template(
    "1001",
    (Include("1", CONTEXT, ("1002",), vm="1-n"), Include("2", CONTEXT, ("1005",)), Include("3", CONTEXT, ("1006",))),
    extensible=False,
)

_OBSERVER_CONTEXT = Template(
    "1002",
    (
        Row("1", CONTEXT, "CODE", Code("121005", "DCM", "Observer Type"), "MC", values=Cid(270)),
        Include("2", CONTEXT, ("1003",), "MC"),
        Include("3", CONTEXT, ("1004",), "MC"),
    ),
    extensible=False,
    rules=(
        IfAndOnlyIf("1003.1", "1002.1", PERSON, default=True),
        IfAndOnlyIf("1004.1", "1002.1", DEVICE),
    ),
)

_PERSON_OBSERVER = Template(
    "1003",
    (
        Row("1", CONTEXT, "PNAME", Code("121008", "DCM", "Person Observer Name"), "M"),
        Row("1a", CONTEXT, "TEXT", Code("128774", "DCM", "Person Observer's Login Name")),
        Row("2", CONTEXT, "TEXT", Code("121009", "DCM", "Person Observer's Organization Name")),
        Row(
            "3",
            CONTEXT,
            "CODE",
            Code("121010", "DCM", "Person Observer's Role in the Organization"),
            values=Cid(7452, "B"),
        ),
        Row(
            "4",
            CONTEXT,
            "CODE",
            Code("121011", "DCM", "Person Observer's Role in this Procedure"),
            values=Cid(7453, "B"),
            rows=(Row("5", CONTEXT, "TEXT", Code("128775", "DCM", "Identifier within Person Observer's Role")),),
        ),
    ),
)

_DEVICE_OBSERVER = Template(
    "1004",
    (
        Row("1", CONTEXT, "UIDREF", DEVICE_UID, "M"),
        Row("2", CONTEXT, "TEXT", Code("121013", "DCM", "Device Observer Name")),
        Row("3", CONTEXT, "TEXT", DEVICE_MANUFACTURER),
        Row("4", CONTEXT, "TEXT", DEVICE_MODEL),
        Row("5", CONTEXT, "TEXT", Code("121016", "DCM", "Device Observer Serial Number")),
        Row("6", CONTEXT, "TEXT", Code("121017", "DCM", "Device Observer Physical Location During Observation")),
        Row("7", CONTEXT, "CODE", Code("113876", "DCM", "Device Role in Procedure"), vm="1-n", values=Cid(7445)),
    ),
)

_PROCEDURE_CONTEXT = Template(
    "1005",
    (
        Row("1", CONTEXT, "UIDREF", Code("121018", "DCM", "Procedure Study Instance UID")),
        Row("2", CONTEXT, "UIDREF", Code("121019", "DCM", "Procedure Study Component UID"), vm="1-n"),
        _issued("3", Code("121020", "DCM", "Placer Number"), "4"),
        _issued("5", Code("121021", "DCM", "Filler Number"), "6"),
        _issued("7", Code("121022", "DCM", "Accession Number"), "8"),
        Row("9", CONTEXT, "CODE", Code("121023", "DCM", "Procedure Code"), vm="1-n"),
    ),
    extensible=False,
)

_SUBJECT_CONTEXT = Template(
    "1006",
    (
        Row("1", CONTEXT, "CODE", Code("121024", "DCM", "Subject Class"), values=Cid(271)),
        Include("2", CONTEXT, ("1007",)),
        Include("3", CONTEXT, ("1008",)),
        Include("4", CONTEXT, ("1009",)),
        Include("5", CONTEXT, ("1010",)),
    ),
    extensible=False,
)

_SUBJECT_PATIENT = Template(
    "1007",
    (
        Row("1", CONTEXT, "UIDREF", _SUBJECT_UID),
        Row("2", CONTEXT, "PNAME", Code("121029", "DCM", "Subject Name")),
        Row("3", CONTEXT, "TEXT CODE", _SUBJECT_ID),
        Row("4", CONTEXT, "DATE", Code("121031", "DCM", "Subject Birth Date")),
        Row("5", CONTEXT, "CODE", Code("121032", "DCM", "Subject Sex"), values=Cid(7455)),
        Row("6", CONTEXT, "NUM", Code("121033", "DCM", "Subject Age"), values=Cid(7456)),
        Row("7", CONTEXT, "CODE", Code("121034", "DCM", "Subject Species"), values=Cid(7454)),
        Row("8", CONTEXT, "CODE", Code("121035", "DCM", "Subject Breed"), values=Cid(7480)),
    ),
)

_SUBJECT_FETUS = Template(
    "1008",
    (
        Row("1", CONTEXT, "PNAME", Code("121036", "DCM", "Mother of fetus")),
        Row("4", CONTEXT, "TEXT", Code("11951-1", "LN", "Fetus ID")),
        Row("5", CONTEXT, "NUM", Code("11878-6", "LN", "Number of Fetuses")),
    ),
)
"""Subject UID and Subject ID are those of TID 1007, as both stand at the same place."""

_SUBJECT_SPECIMEN = Template(
    "1009",
    (
        Row("1", CONTEXT, "UIDREF", Code("121039", "DCM", "Specimen UID")),
        Row("3", CONTEXT, "TEXT", Code("121041", "DCM", "Specimen Identifier")),
        Row("4", CONTEXT, "TEXT", Code("111724", "DCM", "Issuer of Specimen Identifier")),
        Row("5", CONTEXT, "CODE", Code("371439000", "SCT", "Specimen Type"), values=Cid(8103)),
        Row("6", CONTEXT, "TEXT", Code("111700", "DCM", "Specimen Container Identifier")),
    ),
)

_SUBJECT_DEVICE = Template(
    "1010",
    (
        Row("1", CONTEXT, "TEXT", Code("121193", "DCM", "Device Subject Name"), "M"),
        Row("2", CONTEXT, "UIDREF", Code("121198", "DCM", "Device Subject UID")),
        Row("3", CONTEXT, "TEXT", Code("121194", "DCM", "Device Subject Manufacturer")),
        Row("4", CONTEXT, "TEXT", Code("121195", "DCM", "Device Subject Model Name")),
        Row("5", CONTEXT, "TEXT", Code("121196", "DCM", "Device Subject Serial Number")),
        Row("6", CONTEXT, "TEXT", Code("121197", "DCM", "Device Subject Physical Location during observation")),
    ),
)

_LANGUAGE = Template(
    "1204",
    (
        Row(
            "1",
            MODIFIER,
            "CODE",
            Code("121049", "DCM", "Language of Content Item and Descendants"),
            "M",
            values=Cid(5000),
            rows=(Row("2", MODIFIER, "CODE", _COUNTRY, values=Cid(5001)),),
        ),
    ),
    extensible=False,
)

_ALGORITHM = Template(
    "4019",
    (
        Row("1", "", "TEXT", ALGORITHM_NAME, "M"),
        Row("1b", "", "CODE", ALGORITHM_NAME),
        Row("2", "", "TEXT", ALGORITHM_VERSION, "M"),
        Row("2b", "", "TEXT", ALGORITHM_MANUFACTURER),
        Row("3", "", "TEXT", Code("111002", "DCM", "Algorithm Parameters"), vm="1-n"),
        Row("4", "", "CODE", Code("111000", "DCM", "Algorithm Family"), values=Cid(7162, "B")),
    ),
    extensible=False,
)

_TRACKING = Template(
    "4108",
    (Row("1", "", "TEXT", TRACKING_ID, "MC"), Row("2", "", "UIDREF", TRACKING_UID, "MC")),
    extensible=False,
)

CONTEXT_TEMPLATES = (
    _OBSERVATION_CONTEXT,
    _OBSERVER_CONTEXT,
    _PERSON_OBSERVER,
    _DEVICE_OBSERVER,
    _PROCEDURE_CONTEXT,
    _SUBJECT_CONTEXT,
    _SUBJECT_PATIENT,
    _SUBJECT_FETUS,
    _SUBJECT_SPECIMEN,
    _SUBJECT_DEVICE,
    _LANGUAGE,
    _ALGORITHM,
    _TRACKING,
)
