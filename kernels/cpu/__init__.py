"""The kernels on the CPU, in Numba; each equals its namesake in `definitions/` and is tested against it."""
