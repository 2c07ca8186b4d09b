"""The receive path as arithmetic: arrays in, arrays out; knows numpy and numba and nothing else."""
