"""From one image, or one frame of it, to the picture that a person sees."""
