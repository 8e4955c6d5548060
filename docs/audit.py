"""`make audit`: known vulnerabilities, versions that fit, licences of all that is installed with us.

    python docs/audit.py

pip-audit asks PyPI for the vulnerabilities of each installed version. Where that database is not
reached (a mirror of packages has none), pip-audit itself ends well all the same; here it is said, and
ends with code 3. The other parts need no network: `pip check`, the versions of requirements.txt, and
the licences that the packages state. Exit code 1: something is wrong; 3: nothing is, as far as is known.
"""

from __future__ import annotations

import importlib.metadata as metadata
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
UNKNOWN = 3

# those that let us be used and passed on under MIT; of LGPL and MPL, the package stays as it is and
# apart, as pip installs it
ALLOWED = (
    *(
        "MIT",
        "BSD",
        "Apache",
        "ISC",
        "PSF",
        "Python Software Foundation",
        "HPND",
        "MIT-CMU",
        "Zlib",
    ),
    *(
        "MPL",
        "Mozilla",
        "LGPL",
        "Unlicense",
        "CC0",
        "0BSD",
        "Public Domain",
        "CNRI-Python",
        "BSL-1.0",
    ),
)


def needed() -> dict[str, metadata.Distribution | None]:
    """Everything that `pip install` brings with the package: name -> what is installed here.

    Extras of ours (aws, wandb, ...) are not among it; those that a dependency asks for are.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    todo = [Requirement(text) for text in project["dependencies"]]
    found: dict[str, metadata.Distribution | None] = {}
    seen: set[tuple[str, str]] = set()
    while todo:
        wanted = todo.pop()
        name = canonicalize_name(wanted.name)
        for extra in ("", *wanted.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            try:
                found[name] = metadata.distribution(name)
            except metadata.PackageNotFoundError:
                found[name] = None
                continue
            todo += _requires(found[name], extra)
    return dict(sorted(found.items()))


def _requires(installed: metadata.Distribution | None, extra: str) -> Iterator[Requirement]:
    for text in (installed.requires if installed else None) or ():
        own = Requirement(text)
        if own.marker is None or own.marker.evaluate({"extra": extra}):
            yield own


def licence(installed: metadata.Distribution) -> str:
    """As the package states it: an SPDX expression, else its classifiers, else its first line."""
    about = installed.metadata
    if given := about.get("License-Expression"):
        return given
    classified = [
        text.rpartition("::")[2].strip()
        for text in about.get_all("Classifier") or ()
        if text.startswith("License :: ") and not text.endswith("OSI Approved")
    ]
    if classified:
        return " or ".join(classified)
    lines = (about.get("License") or "").strip().splitlines()
    return lines[0][:60] if lines else ""


def is_allowed(text: str) -> bool:
    """Whether one side of each `or`, and all of its `and`s, is a licence of `ALLOWED`.

    GPL and AGPL are none, though LGPL is; nor is what states nothing.
    """

    def fits(part: str) -> bool:
        strict = re.sub(r"\bL(esser )?GPL|GNU (Lesser|Library)[\w ]*|LGPL", "LGPL", part)
        if re.search(r"(?<!L)GPL|GNU (Affero )?General Public", strict):
            return False
        return any(re.search(rf"\b{re.escape(name)}", strict, re.IGNORECASE) for name in ALLOWED)

    either = re.split(r"\s+or\s+", text.strip("() "), flags=re.IGNORECASE)
    return any(
        all(fits(part) for part in re.split(r"\s+and\s+|;", one, flags=re.IGNORECASE))
        for one in either
    )


def pins() -> dict[str, str]:
    """Name -> version, as requirements.txt pins them."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(own.name): str(own.specifier).removeprefix("==") for own in found}


def other_versions() -> list[str]:
    """Packages that are installed in another version than requirements.txt pins."""
    found = []
    for name, version in pins().items():
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # of the tests, perhaps
        if installed.partition("+")[0] != version:
            found.append(f"{name} {installed} is installed, and {version} is pinned")
    return found


def vulnerabilities(report: str) -> tuple[list[str], int, list[str]]:
    """Of pip-audit's JSON: what was found, how many packages were looked up, and those that were not."""
    found, known, skipped = [], 0, []
    for package in json.loads(report)["dependencies"]:
        if "skip_reason" in package:
            skipped.append(package["name"])
            continue
        known += 1
        found += [
            f"{package['name']} {package['version']}: {own['id']}, mended in "
            f"{', '.join(own['fix_versions']) or 'no version yet'}"
            for own in package["vulns"]
        ]
    return found, known, skipped


def _ask_pip_audit() -> tuple[list[str], int, list[str]] | None:
    """None where the package is not installed, or answers nothing that can be read."""
    arguments = ["--local", "--skip-editable", "--progress-spinner", "off", "--timeout", "10"]
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", *arguments, "--format", "json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    try:
        return vulnerabilities(done.stdout)
    except (ValueError, KeyError):
        print((done.stderr.strip() or "pip-audit says nothing").splitlines()[-1])
        return None


def main() -> int:
    wrong = []
    print("Licences")
    for name, installed in needed().items():
        if installed is None:
            wrong.append(f"{name} is needed and not installed")
            continue
        stated = licence(installed)
        print(f"  {name:<32}{installed.version:<18}{stated or '(states none)'}")
        if not is_allowed(stated):
            wrong.append(f"{name}: the licence {stated!r} is none of the allowed ones")
    print("\nVersions")
    checked = subprocess.run(
        [sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False
    )
    print("  " + checked.stdout.strip().replace("\n", "\n  "))
    wrong += checked.stdout.strip().splitlines() if checked.returncode else []
    wrong += other_versions()
    print("\nKnown vulnerabilities")
    asked = _ask_pip_audit()
    found, known, skipped = asked or ([], 0, [])
    wrong += found
    print(f"  {known} packages looked up, {len(found)} vulnerabilities")
    unknown = asked is None or not known
    if skipped or unknown:
        what = "all packages" if unknown else ", ".join(skipped)
        print(f"  NOT looked up, as the database was not reached for them: {what}")
    well = "No vulnerability was looked up; of the rest nothing" if unknown else "Nothing"
    print("\n" + ("\n".join(f"WRONG: {text}" for text in wrong) or f"{well} is wrong."))
    return 1 if wrong else UNKNOWN if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
