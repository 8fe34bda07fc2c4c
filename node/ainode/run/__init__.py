"""The run stage: inputs to volumes, volumes through the model, findings to objects, step by step."""
