"""The one door to the samples of the tests: headers of series, ends of a run, and seeded defects of reports.

They lie in ``tests/peers``, which no wheel holds: the program is for a checkout, with ``tests`` on the path.
"""

from peers import classified, dicom_sources, enhanced_series, report_defects

__all__ = ["classified", "dicom_sources", "enhanced_series", "report_defects"]
