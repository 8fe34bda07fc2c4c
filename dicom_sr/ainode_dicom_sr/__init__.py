"""Findings as DICOM Segmentation and Structured Report objects."""
