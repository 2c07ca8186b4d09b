"""The first example that reaches a loop waits for numba to compile it: hypothesis must not count that against it."""

from hypothesis import settings

settings.register_profile("compiled loops", deadline=None)
settings.load_profile("compiled loops")
