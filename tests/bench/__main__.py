"""`python -m tests.bench`: every benchmark there is."""

import pkgutil
from importlib import import_module

import tests.bench


def main() -> None:
    """Run the `main` of every module here that has one."""
    for module in pkgutil.iter_modules(tests.bench.__path__):
        if module.name != "__main__":
            run = getattr(import_module(f"tests.bench.{module.name}"), "main", None)
            if run is not None:
                run()


if __name__ == "__main__":
    main()
