"""The command line: one function a command, and the options they share."""

from orchestrator.cli.app import main

__all__ = ["main"]
