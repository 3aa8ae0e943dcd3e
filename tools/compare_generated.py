"""Compare the generated files of the examples with those of a commit: is the difference in texts for people alone?

Usage: compare_generated.py COMMIT. Prints each difference outside of texts, and exits 1 when there is one.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import yaml

FOLDERS = (
    "examples/supersmartmatch/generated",
    "tests/fixtures/golden/mapped/generated",
    "tests/fixtures/golden/minimal/generated",
)
# What people read in rules, alerts, their tests, dashboards, specs and Compose; a runbook's address is text too.
TEXTS = {
    "summary",
    "description",
    "action",
    "runbook",
    "runbook_url",
    "title",
    "name",
    "exp_annotations",
    "text",
    "_meta",
}
# A `name` of these is not text.
NAMED = ("rules", "routes", "receivers", "services", "groups")


def main(commit: str) -> int:
    found = [line for folder in FOLDERS for line in _differences(commit, folder)]
    for line in found:
        print(line)
    print(f"{len(found)} differences outside of texts since {commit}")
    return 1 if found else 0


def _differences(commit: str, folder: str) -> Iterator[str]:
    for name in sorted(_names(commit, folder) | _names("", folder)):
        if name.endswith(".bascule-manifest.json"):  # hashes of the others
            continue
        before, after = _read(commit, name), _read("", name)
        if before != after and _meaning(name, before) != _meaning(name, after):
            yield name


def _names(commit: str, folder: str) -> set[str]:
    listing = ["git", "ls-tree", "-r", "--name-only", commit] if commit else ["git", "ls-files"]
    return set(subprocess.check_output([*listing, folder], text=True).splitlines())


def _read(commit: str, name: str) -> str:
    done = subprocess.run(["git", "show", f"{commit}:{name}"], capture_output=True, text=True, check=False)
    return done.stdout


def _meaning(name: str, text: str) -> Any:
    if name.endswith((".yml", ".yaml")):
        return [_without_texts(each) for each in yaml.safe_load_all(text)]
    if name.endswith(".ndjson"):
        return [_without_texts(json.loads(line)) for line in text.splitlines()]
    if name.endswith(".json"):
        return _without_texts(json.loads(text or "null"))
    return [line for line in text.splitlines() if not line.strip().startswith("#")]


def _without_texts(value: Any, inside: str = "") -> Any:
    if isinstance(value, dict):
        return {
            key: _without_texts(each, str(key))
            for key, each in value.items()
            if key not in TEXTS or isinstance(each, dict | list) or (key == "name" and inside in NAMED)
        }
    if isinstance(value, list):
        return [_without_texts(each, inside) for each in value]
    if isinstance(value, str) and ("\n" in value or value.startswith("{")) and inside not in ("expr", "expression"):
        return _inner(value)
    return value


def _inner(text: str) -> Any:
    """A file within a file, such as rules in a ConfigMap."""
    try:
        return _without_texts(yaml.safe_load(text))
    except yaml.YAMLError:
        return [line for line in text.splitlines() if not line.strip().startswith("#")]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
