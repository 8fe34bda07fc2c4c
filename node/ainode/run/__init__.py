"""The run stage: inputs to volumes, volumes through the model, findings to objects, each step checkpointed."""
