"""Chest X-ray classification: nets of torchvision, their ensemble, and where they look."""
