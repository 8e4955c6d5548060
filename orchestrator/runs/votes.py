"""What a vote is called: the folder that it has in its run."""

from __future__ import annotations

import re

from ensembles.voting.kinds import MEAN
from ensembles.voting.request import VoteRequest


def vote_name(request: VoteRequest) -> str:
    """`weighted`, `hard`, `soft`, `weighted-log_loss`, `weighted-mean-log_loss`, ..."""
    choice, objective = request.choice, request.fitted_for
    if choice == MEAN and objective is None:
        choice = None  # as without being asked for
    parts = [own for own in (request.mode, choice, objective) if own]
    # neither colons nor spaces are part of file names everywhere
    return re.sub(r"[^\w-]+", "-", "-".join(parts))
