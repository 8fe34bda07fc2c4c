"""DICOMweb for peers that speak nothing else (PS3.18), and the upload of files."""
