"""Training and evaluation for those who bring data: chest X-ray classifiers are trained, every model is measured."""
