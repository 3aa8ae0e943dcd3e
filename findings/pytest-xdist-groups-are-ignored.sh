#!/usr/bin/env bash
# pytest 9.2.0 with pytest-xdist 3.8.0 (PyPI)
#
# Expected: with `--dist loadgroup` all tests of one `xdist_group` run in one worker, as xdist's documentation says and
#   as it is with pytest 9.1.0.
# Seen: with pytest 9.2.0 they are spread over all workers, without a warning.
# Hurts: test suites whose tests share a port, a server or a database by group: they begin to fail now and then.
. "$(dirname "$0")/lib.bash"
install_python pytest==9.2.0 pytest-xdist==3.8.0

mkdir "$work/tests"
cat >"$work/tests/test_group.py" <<'PY'
import os
import pathlib
import time

import pytest


@pytest.mark.xdist_group("one")
@pytest.mark.parametrize("number", range(9))
def test_worker(number):
    time.sleep(0.2)
    pathlib.Path(os.environ["WORKERS"], os.environ["PYTEST_XDIST_WORKER"]).touch()
PY

workers() {
    mkdir -p "$work/$1"
    WORKERS=$work/$1 "$python" -m pytest -q -p no:cacheprovider -n 3 --dist loadgroup "$work/tests" >/dev/null
    ls "$work/$1" | wc -l
}
new=$(workers new)
"$python" -m pip install -q pytest==9.1.0 >&2 || cannot_install pytest==9.1.0
old=$(workers old)
echo "expected: one worker with both"
as_stated "pytest 9.2.0: $new workers, 9.1.0: $old" "pytest 9.2.0: 3 workers, 9.1.0: 1"
