"""What a checker may say without failing: each with the reason, and the clause that it rests on."""

from ainode_conformance.checkers.allowance import Allowance
from ainode_conformance.checkers.allowed_pixelmed import PIXELMED

_DEVICE_UID = (
    "IHE AIR demands the UID of model and weights there; PS3.3 has it since a newer edition than this checker knows",
    "IHE AIR 6.5.3.1; PS3.3 C.12.1.1.5",
)
_OWN_SCHEME = (
    "names of nets and of what an ensemble measures have no public code; the scheme is identified in the object",
    "PS3.3 C.12.1.1.4; PS3.16 section 8",
)
_UNKNOWN = ("the source lacks it, so it is written empty, which type 2 is for", "PS3.5 7.4.3")
_NEWER = (
    "Label Map Segmentation is newer than this checker, which knows neither the class nor references to it",
    "PS3.3 A.51 of 2024c (Supplement 243)",
)
_LABEL_MAP = "label map.*"
_POOR = ".*poor headers"

ALLOWED = (
    Allowance(
        "pyrofile",
        r"cardinality.min at .*Task\.(input|output)\[0\]\.value\[x\]: .* is required",
        "the value is there, as valueReference; it does not see a mandatory choice below the root, Medplum does",
        "R4 task.html: Task.input.value[x], Task.output.value[x]",
        subject="registered|ended|never|included",
    ),
    Allowance(
        "dciodvfy",
        r"Warning - Attribute is not present in standard DICOM IOD - \(0x0018,0x1002\) UI Device UID",
        *_DEVICE_UID,
    ),
    Allowance("dciodvfy", r"Warning - Dicom dataset contains attributes not present.*Extended SOP Class", *_DEVICE_UID),
    Allowance(
        "dciodvfy",
        "Warning - is only permitted to be empty when actually unknown;.*<Laterality>",
        "the source does not say which part of the body it shows, so nobody knows whether it is paired",
        "PS3.3 C.7.3.1",
        subject="sc.*",
    ),
    Allowance(
        "dciodvfy",
        "Warning - Unrecognized defined term <QUANTITY> for value 4 of attribute <(Image|Frame) Type>",
        "PS3.3 has this term for values that are a quantity since a newer edition than this checker knows",
        "PS3.3 C.8.32.2",
        subject="pm.*",
    ),
    Allowance("dciodvfy", "Warning - Unrecognized defined term <99AINODE>.*<Coding Scheme Designator>", *_OWN_SCHEME),
    Allowance("dciodvfy", r"Warning - Unrecognized defined term <2\.25\.\d+>.*<Coding Scheme UID>", *_OWN_SCHEME),
    Allowance(
        "dciodvfy",
        "Warning - Missing attribute or value that would be needed to build DICOMDIR - Study (Time|ID)",
        *_UNKNOWN,
        kind=_POOR,
    ),
    Allowance(
        "dcentvfy",
        "Warning - Different information entities for attribute - Element=<AccessionNumber>.*",
        "it looks for Accession Number of an image in the series; so in everybody's reports",
        "PS3.3 C.7.2.1",
    ),
    Allowance(
        "dcentvfy",
        "Warning - Attribute present in one instance but not the other - "
        "Element=<(PatientBirthDate|StudyTime|StudyID|AccessionNumber|ReferringPhysicianName)>.*",
        *_UNKNOWN,
        kind=_POOR,
    ),
    Allowance(
        "dcmtk",
        "W: The VR checker does not support this Specific Character Set: ISO_IR 192",
        "dsrdump does not look into values in UTF-8; dciodvfy does",
        "PS3.3 C.12.1.1.2",
        subject="sr",
    ),
    Allowance("dicom-validator", "SOP Common: ContributingEquipmentSequence > DeviceUID: TagUnexpected", *_DEVICE_UID),
    Allowance(
        "dicom-validator",
        "SR Document Content: .*",
        "its tables put what each value type needs into one list, and demand all of it of every content item",
        "PS3.3 C.17.3",
        subject="sr|tree",
    ),
    Allowance(
        "dciodvfy",
        "Warning - Unrecognized defined term <99IHE>.*<Mapping Resource>",
        "the template of the tree of results is IHE's own",
        "IHE AIR A.3.1.1",
        subject="tree",
    ),
    Allowance("dciodvfy", ".*", *_NEWER, subject="labelmap"),
    Allowance("dciodvfy", "Error - .*Referenced ?Segment ?Number.*", *_NEWER, subject="sr|tree", kind=_LABEL_MAP),
    Allowance("dcentvfy", ".*labelmap.dcm>.*", *_NEWER, kind=_LABEL_MAP),
    Allowance("dcmtk", ".*", *_NEWER, subject="sr", kind=_LABEL_MAP),
    Allowance("dicom-validator", ".*", *_NEWER, subject="labelmap"),
    Allowance(
        "cornerstone",
        r"segment \d+ has the label '.*Ã.*' instead of .*",
        "dcmjs 0.52 reads what lies in a sequence as Latin-1, also where the object is in UTF-8",
        "PS3.5 6.1.2.5.3; PS3.3 C.12.1.1.2",
    ),
    Allowance(
        "pyrofile",
        "(profile.)?invariant.dom-6 at .*",
        "best practice: a narrative; ours is on the report, which is what people read",
        "FHIR R4 domainresource.html#invs",
    ),
    Allowance(
        "pyrofile",
        r"modifierExtension.present at \w+.(status|intent): .*",
        "it says so of every status and intent, which are modifier elements, not extensions",
        "FHIR R4 conformance-rules.html#isModifier",
    ),
    Allowance(
        "pyrofile",
        r"terminology.code-system at ImagingStudy.series\[\d+\].modality: Code 'DOC' is not valid .*",
        "DICOM's Modality of Encapsulated PDF; its copy of DICOM's codes is older",
        "PS3.16 CID 32, PS3.3 C.24.1",
    ),
    Allowance(
        "pyrofile",
        "terminology.extensible at .*security.*: Code 'AIAST' .*",
        "HL7's guide on AI asks for this code, which is newer than the value set",
        "HL7 AI Transparency 1.0.0-ballot",
    ),
    Allowance(
        "pyrofile",
        "terminology.extensible at .*identifier.*type: Code '(110180|112039|112040|observation-uid|ACSN)' .*",
        "HL7's guide on SR asks for these identifier types, and the value set may be extended",
        "HL7 DICOM SR to FHIR 1.0.0",
    ),
    Allowance(
        "pyrofile",
        r"profile.element.cardinality.max at ImagingStudy.series.instance.\w+: Profile allows at most 1 value.*",
        "it counts over all images of a series what R4 limits for each; Medplum and npm fhir count right",
        "FHIR R4 imagingstudy.html",
    ),
    Allowance(
        "npm fhir",
        r".*: Code \".*\" \((?!http://hl7.org/fhir/(?!uv/)).*\) not found in value set",
        "it knows no code systems but those of R4 itself; these bindings are examples, preferred or extensible",
        "FHIR R4 terminologies.html#strength",
    ),
    Allowance(
        "npm fhir",
        r"ServiceRequest.code: Code \".*\"  not found in value set",
        "it knows no codes of a site, which have no system; the value set is an example",
        "FHIR R4 servicerequest-definitions.html#ServiceRequest.code",
    ),
    *PIXELMED,
)
"""A line is an error unless one of these covers it."""
