"""From the images of a series to one volume in patient space."""
