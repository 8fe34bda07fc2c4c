"""The one door to the samples of the tests: headers of series, ends of a run, and seeded defects of reports.

They lie in ``tests/peers``, which no wheel holds: the program is for a checkout, with ``tests`` on the path.
"""

try:
    from peers import classified, dicom_sources, enhanced_series, report_defects
    from peers.prior_samples import with_prior
    from peers.probable import with_probabilities
except ModuleNotFoundError as exc:
    raise ModuleNotFoundError("no samples here: run `make conformance` in a checkout of the project") from exc

__all__ = ["classified", "dicom_sources", "enhanced_series", "report_defects", "with_prior", "with_probabilities"]
