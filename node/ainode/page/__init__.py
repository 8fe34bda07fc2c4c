"""The result on one page of paper, in English and Spanish, for sites whose viewer shows no Structured Report."""
