"""`python -m tests.bench`: every benchmark there is, and a line in their history."""

import pkgutil
from importlib import import_module

import tests.bench
from tests.bench.history import one_run

NOT_MEASURED = ("__main__", "history")


def main() -> None:
    """Run the `main` of every module here that has one."""
    with one_run():
        for module in pkgutil.iter_modules(tests.bench.__path__):
            if module.name not in NOT_MEASURED:
                run = getattr(import_module(f"tests.bench.{module.name}"), "main", None)
                if run is not None:
                    run()


if __name__ == "__main__":
    main()
