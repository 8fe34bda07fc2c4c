"""The concepts that reports and observations use; the measurements are those of the Structured Report (TID 1411)."""

from ainode_models.findings import Code

VOLUME = Code("118565006", "SCT", "Volume")
DIAMETER = Code("81827009", "SCT", "Diameter")
MAXIMUM = Code("56851009", "SCT", "Maximum")
CERTAINTY = Code("111012", "DCM", "Certainty of Finding")
MEAN = Code("373098007", "SCT", "Mean")
DIFFERENCE = Code("442714003", "SCT", "Difference in size")

MEASUREMENT_GROUP = Code("125007", "DCM", "Measurement Group")
TRACKING_UID = Code("112040", "DCM", "Tracking Unique Identifier")
CLINICAL_FINDING_ABSENT = Code("373572006", "SCT", "Clinical finding absent")
CLINICAL_FINDING_PRESENT = Code("373573001", "SCT", "Clinical finding present")
PRESENT = Code("52101004", "SCT", "Present")
ABSENT = Code("272519000", "SCT", "Absent")
UNDETERMINED = Code("373068000", "SCT", "Undetermined")
PROBABILITY = Code("122157", "DCM", "Probability")
MARGIN = Code("margin", "99AINODE", "Margin between the two most probable classes")
DISAGREEMENT = Code("disagreement", "99AINODE", "Mean standard deviation between the nets")

SUMMARY = Code("111017", "DCM", "CAD Processing and Findings Summary")
WITHOUT_FINDINGS = Code("111241", "DCM", "All algorithms succeeded; without findings")
WITH_FINDINGS = Code("111242", "DCM", "All algorithms succeeded; with findings")
PARTIAL_WITHOUT_FINDINGS = Code("111243", "DCM", "Not all algorithms succeeded; without findings")
PARTIAL_WITH_FINDINGS = Code("111244", "DCM", "Not all algorithms succeeded; with findings")

IMAGING_STUDY_REPORT = Code("18748-4", "LN", "Diagnostic imaging study")
RADIOLOGY = Code("LP29684-5", "LN", "Radiology")
IMAGE_PROCESSING = Code("110001", "DCM", "Image Processing")
