"""`python -m orchestrator COMMAND`: see `python -m orchestrator --help`."""

from .cli import main

if __name__ == "__main__":
    main()
