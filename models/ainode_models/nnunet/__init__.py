"""nnU-Net v2 result folders: read as nnunetv2 reads them, and answered by a predictor of our own."""
