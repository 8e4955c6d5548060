"""`python -m orchestrator COMMAND`: see `python -m orchestrator --help`."""

from orchestrator.cli.app import main

if __name__ == "__main__":
    main()
