"""`python -m zcanalysis` is the command."""

from zcanalysis.cli import main

if __name__ == "__main__":
    main()
