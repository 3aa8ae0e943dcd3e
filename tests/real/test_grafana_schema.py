"""Every generated dashboard, checked by TypeScript against Grafana's own types: whole, each panel's options and fields.

JSON holds an enumeration's value where the types name its member, so the types are read with the values in place. A
property that the types do not know is an error, as is a value of another kind.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MODULES = ROOT / ".bascule/schema/node_modules"
DASHBOARDS = sorted(
    [
        *ROOT.glob("examples/*/generated/grafana/dashboards/*.json"),
        *ROOT.glob("tests/fixtures/golden/*/generated/grafana/dashboards/*.json"),
    ]
)
TYPES = {  # a panel's type to the name of its file of types
    "bargauge": "BarGauge",
    "logs": "Logs",
    "piechart": "PieChart",
    "stat": "Stat",
    "state-timeline": "StateTimeline",
    "table": "Table",
    "timeseries": "TimeSeries",
}
WITH_FIELDS = ("piechart", "state-timeline", "table", "timeseries")
JSON_OF = """
type Told<T> = 0 extends 1 & T ? any
  : T extends string ? `${T}`
  : T extends number | boolean | null | undefined ? T
  : T extends readonly (infer U)[] ? Told<U>[]
  : T extends object ? { [K in keyof T]?: Told<T[K]> }
  : T;
"""

pytestmark = pytest.mark.real


def imports(version: str) -> Iterator[str]:
    yield 'import type { Dashboard } from "@grafana/schema";'
    for kind, name in TYPES.items():
        folder = kind.replace("-", "")
        path = f"{MODULES}/schema{version}/dist/esm/raw/composable/{folder}/panelcfg/x/{name}PanelCfg_types.gen"
        yield f'import type * as {name} from "{path}";'


def known(dashboard: dict[str, Any]) -> dict[str, Any]:
    """Without what the types leave out: a data source's own query, and what Grafana's SDK gives every variable."""
    annotations = [_without(each, "expr") for each in dashboard["annotations"]["list"]]
    variables = [_without(each, "auto", "auto_count", "auto_min") for each in dashboard["templating"]["list"]]
    return dashboard | {"annotations": {"list": annotations}, "templating": {"list": variables}}


def _without(told: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name not in names}


def checked(dashboard: dict[str, Any]) -> Iterator[str]:
    yield f"export const whole: Told<Dashboard> = {json.dumps(known(dashboard))};"
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            continue
        name, number = TYPES[panel["type"]], panel["id"]
        yield f"export const options{number}: Told<{name}.Options> = {json.dumps(panel.get('options', {}))};"
        fields = panel.get("fieldConfig", {}).get("defaults", {}).get("custom")
        if fields and panel["type"] in WITH_FIELDS:
            yield f"export const fields{number}: Told<{name}.FieldConfig> = {json.dumps(fields)};"


def complaints(folder: Path, version: str, dashboards: dict[str, dict[str, Any]]) -> str:
    """What TypeScript says of them; nothing when they are of Grafana's types."""
    for name, dashboard in dashboards.items():
        lines = [*imports(version), JSON_OF, *checked(dashboard)]
        (folder / f"{name}.ts").write_text("\n".join(lines))
    options = {
        "strict": True,
        "noEmit": True,
        "skipLibCheck": True,
        "target": "es2022",
        "module": "esnext",
        "moduleResolution": "bundler",
        "types": [],
        "typeRoots": [],
        "paths": {"@grafana/schema": [f"{MODULES}/schema{version}"]},
    }
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "include": ["*.ts"]}))
    command = ["node", str(MODULES / "typescript/bin/tsc"), "--project", str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("version", ["11", "12", "13"])
def test_every_dashboard_is_of_grafanas_own_types(version: str, tmp_path: Path) -> None:
    read = {f"{path.parents[3].name}-{path.stem}": json.loads(path.read_text()) for path in DASHBOARDS}
    assert len(read) == len(DASHBOARDS) >= 12
    assert complaints(tmp_path, version, read) == ""


@pytest.mark.parametrize("version", ["11", "12", "13"])
def test_a_wrong_option_a_wrong_value_and_a_wrong_field_are_found(version: str, tmp_path: Path) -> None:
    """So that silence above means something."""
    board = json.loads(next(path for path in DASHBOARDS if path.name == "supersmartmatch-executive.json").read_text())
    first, second = [panel for panel in board["panels"] if panel["type"] == "stat"][:2]
    series = next(panel for panel in board["panels"] if panel["type"] == "timeseries")
    first["options"]["colourMode"] = "value"
    second["options"]["graphMode"] = "pie"
    series["fieldConfig"]["defaults"]["custom"]["lineWidth"] = "thick"
    board["refresh"] = 10
    told = complaints(tmp_path, version, {"wrong": board})
    for words in ("colourMode", '"pie"', "'string' is not assignable to type 'number'", "'number' is not assignable"):
        assert words in told, told
