"""MONAI bundles: nothing of them is executed; MONAI's own classes run what was checked."""
