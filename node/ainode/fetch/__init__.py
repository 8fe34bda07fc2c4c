"""The fetch stage: follows archives and brings in what they have and the node has not."""
