#!/usr/bin/env python3
"""Write the bill of materials of Bascule: CycloneDX 1.5, of what `bascule[all]` installs and what it carries along.

    .venv/bin/python tools/write_sbom.py [dist/bascule.cdx.json]

Versions are those installed beside this Python; a package that is not installed is an error, so that none is left out.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
ROOTS = "bascule[all]"
DEFAULT = ROOT / "dist/bascule.cdx.json"


def main(arguments: list[str]) -> int:
    path = Path(arguments[0]) if arguments else DEFAULT
    path.parent.mkdir(parents=True, exist_ok=True)
    document = bill()
    path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    print(f"{len(document['components'])} components: {path}")
    return 0


def bill() -> dict[str, Any]:
    """The document; the same packages give the same text."""
    found = {each.metadata["Name"].lower(): each for each in _installed()}
    own = found.pop("bascule")
    components = [_component(each) for _, each in sorted(found.items())]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": _component(own) | {"type": "application"}},
        "components": [*components, *_carried()],
    }


def _installed() -> Iterator[Distribution]:
    """Bascule, and everything that it needs on this machine, each once."""
    waiting, seen = [Requirement(ROOTS)], set[tuple[str, str]]()
    named = set[str]()
    while waiting:
        wanted = waiting.pop()
        try:
            package = distribution(wanted.name)
        except PackageNotFoundError as error:
            raise SystemExit(f"{wanted.name} is not installed; run `make setup`") from error
        if package.metadata["Name"].lower() not in named:
            named.add(package.metadata["Name"].lower())
            yield package
        for extra in {"", *wanted.extras}:
            key = (package.metadata["Name"].lower(), extra)
            if key not in seen:
                seen.add(key)
                waiting += [each for each in _needs(package) if _is_for(each, extra)]


def _needs(package: Distribution) -> list[Requirement]:
    return [Requirement(text) for text in package.requires or ()]


def _is_for(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _component(package: Distribution) -> dict[str, Any]:
    name, version = package.metadata["Name"], package.version
    purl = f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{version}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl, **_licence(package)}


def _licence(package: Distribution) -> dict[str, Any]:
    """As the package says it: an expression, else the names of its classifiers."""
    if "License-Expression" in package.metadata:
        expression = package.metadata["License-Expression"]
        return {"licenses": [{"expression": expression}]}
    kinds = [
        each.rpartition(" :: ")[2] for each in package.metadata.get_all("Classifier") or () if "License ::" in each
    ]
    return {"licenses": [{"license": {"name": kind}} for kind in kinds]} if kinds else {}


def _carried() -> Iterator[dict[str, Any]]:
    """What is in the package itself and is not Python."""
    module = importlib.util.spec_from_file_location("fetch_uplot", ROOT / "tools/fetch_uplot.py")
    assert module is not None
    assert module.loader is not None
    uplot = importlib.util.module_from_spec(module)
    module.loader.exec_module(uplot)
    purl = f"pkg:npm/uplot@{uplot.VERSION}"
    hashes = [{"alg": "SHA-256", "content": digest} for name, digest in uplot.DIGESTS.items() if name.endswith(".js")]
    yield {"type": "library", "bom-ref": purl, "name": "uPlot", "version": uplot.VERSION, "purl": purl,
           "licenses": [{"license": {"id": "MIT"}}], "hashes": hashes}  # fmt: skip
    yield {"type": "library", "bom-ref": "inter", "name": "Inter", "licenses": [{"license": {"id": "OFL-1.1"}}],
           "description": "the font of reports, in src/bascule/sla/render/fonts"}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
