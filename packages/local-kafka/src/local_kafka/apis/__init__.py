"""What the broker does for each API: a function a request, listed in `table`. Called by `connection`."""
