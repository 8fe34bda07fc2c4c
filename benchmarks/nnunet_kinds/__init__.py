"""Small trained networks of the kinds of nnU-Net that the demonstration packages are not."""
