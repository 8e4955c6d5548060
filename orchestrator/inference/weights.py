"""The files of networks' weights, whole or refused."""

from __future__ import annotations

import hashlib

from ensembles.files import places
from members.errors import BadInput
from orchestrator.errors import WrongRequest
from orchestrator.inference.parts import Network, Trained


def read_weights(network: Network) -> bytes:
    """The content of its file. Raises BadInput where that is not what was recorded."""
    content = places.read_bytes(network.place)
    if network.sha256 and hashlib.sha256(content).hexdigest() != network.sha256:
        raise BadInput(
            f"{network.place}: damaged: its sha256 is not the one that was recorded. Delete it, and "
            "train-members trains its unit again; of a bundle, export it again."
        )
    return content


def require_weights(trained: Trained) -> None:
    """Raise WrongRequest with every file of this machine that is damaged or cannot be read, before
    anything is started; those at addresses are read once, by those who use them.
    """
    problems = []
    for part in trained.members:
        for network in part.networks:
            if "://" not in network.place:
                try:
                    read_weights(network)
                except BadInput as error:
                    problems += [f"{part.name}: {problem}" for problem in error.problems]
                except OSError as error:
                    problems.append(f"{part.name}: {network.place}: {error.strerror or error}.")
    if problems:
        raise WrongRequest(problems)
