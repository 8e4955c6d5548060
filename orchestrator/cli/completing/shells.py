"""How bash, zsh and fish ask what may come next, and how they are answered.

A shell's function calls the program with ENSEMBLE_COMPLETE=<shell>, and gets a line a candidate. Where
there are none, the shell offers its files.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from typing import Any

from orchestrator.cli.completing.candidates import Candidate, candidates

# bash cuts words at = and :, so that it gives the line, and gets what follows the last of them
_BASH = """\
_ensemble_complete() {
    local IFS=$'\\n'
    COMPREPLY=( $(COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" ENSEMBLE_COMPLETE=bash "$1" 2>/dev/null) )
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/.] ]]; then compopt -o nospace; fi
}
complete -o default -F _ensemble_complete ensemble
"""
_ZSH = """\
#compdef ensemble
_ensemble() {
    local -a full open
    local value text
    while IFS=$'\\t' read -r value text; do
        value=${value//:/\\\\:}
        if [[ $value == *[=/.] ]]; then open+=("$value${text:+:$text}")
        else full+=("$value${text:+:$text}"); fi
    done < <(ENSEMBLE_COMPLETE=zsh "${words[1]}" "${(@Q)words[2,CURRENT]}" 2>/dev/null)
    if (( ${#full} + ${#open} == 0 )); then _files; return; fi
    (( ${#full} )) && _describe -V '' full
    (( ${#open} )) && _describe -V '' open -S ''
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _ensemble "$@"; else compdef _ensemble ensemble; fi
"""
_FISH = """\
function __ensemble_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l found (ENSEMBLE_COMPLETE=fish $words 2>/dev/null)
    if test (count $found) -eq 0
        __fish_complete_path (commandline -ct)
    else
        printf '%s\\n' $found
    end
end
complete -c ensemble -f -a '(__ensemble_complete)'
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def answer(shell: str, group: Any) -> None:
    """Print the candidates for the line that the shell gives. group: the command line's commands."""
    words = _of_line() if shell == "bash" else sys.argv[1:] or [""]
    found = candidates(group, words)
    lines = [_for_bash(own, words[-1]) if shell == "bash" else own.line() for own in found]
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def _of_line() -> list[str]:
    """The words behind the program's name, up to the cursor; the last is the one being written."""
    line = os.environ.get("COMP_LINE", "").encode()
    point = int(os.environ.get("COMP_POINT") or len(line))
    words = split(line[:point].decode(errors="replace"))
    return words[1:] or [""]


def split(line: str) -> list[str]:
    """Words as a shell reads them, the last one being written: empty behind a space, quotes open."""
    end = "\0"
    for quote in ("", "'", '"'):
        try:
            words = shlex.split(line + end + quote)
        except ValueError:
            continue
        return [*words[:-1], words[-1].removesuffix(end)]
    return [""]


def _for_bash(own: Candidate, written: str) -> str:
    """Without what stands before the last = or : of the word, and with a \\ before what needs one."""
    cut = max(written.rfind("="), written.rfind(":")) + 1
    return re.sub(r"([^\w@%+=:,./~-])", r"\\\1", own.value[cut:])
