"""Models: packages, runtimes, and the findings that they yield."""
