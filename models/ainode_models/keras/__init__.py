"""TensorFlow networks from Keras's own files, ``.keras`` and ``.h5``; TensorFlow is imported when one is loaded."""
