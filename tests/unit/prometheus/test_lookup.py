"""A lookup finds what looking at everything finds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bascule.prometheus.lookup import Lookup, same_alert

labels = st.dictionaries(st.sampled_from(["job", "instance", "region"]), st.sampled_from("ab"))
alerts = st.builds(lambda name, more: {"alertname": name, **more}, st.sampled_from(["Down", "Slow"]), labels)


@given(st.lists(alerts, max_size=12), alerts)
def test_it_finds_an_alert_if_and_only_if_one_is_there(held, wanted):
    found = Lookup(held, lambda each: each).find(wanted)
    assert (found is not None) == any(same_alert(wanted, each) for each in held)
    assert found is None or same_alert(wanted, found)
