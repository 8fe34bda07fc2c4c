"""What `make demo` sends and shows."""
