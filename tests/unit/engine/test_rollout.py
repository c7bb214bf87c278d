from __future__ import annotations

import json
from typing import Any

import pytest

from fleetctl.engine.gate_http import HttpGate, parse_statuses
from fleetctl.engine.gate_local import LocalGate
from fleetctl.engine.gates import HostsGate
from fleetctl.engine.rollout import Rollout
from fleetctl.engine.waves import parse_waves
from fleetctl.errors import StateFolderError, UsageError
from fleetctl.model import Host
from fleetctl.redact import Redactor

PLAIN = Rollout(waves=parse_waves("1,100%"))
FULL = Rollout(
    waves=parse_waves("1,10%,50%,100%"),
    spread_by="zone",
    gates=(
        HostsGate("systemctl is-active app"),
        LocalGate("./smoke.sh", "/srv/project"),
        HttpGate(url="https://app.example.net/", statuses=parse_statuses("200,3xx"), body="/up/"),
    ),
    bake=300.0,
    pause=True,
    gate_seconds=10.0,
    gate_retries=3,
    gate_interval=2.5,
)


@pytest.mark.parametrize("rollout", [PLAIN, FULL])
def test_what_is_on_record_is_what_a_resumed_run_does(rollout: Rollout) -> None:
    assert Rollout.from_record(json.loads(json.dumps(rollout.record()))) == rollout


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"Waves": "1,10%"}, "must end with 100%"),
        ({"Waves": None}, "neither a number nor a percentage"),
        ({"Gates": [{"Kind": "carrier-pigeon"}]}, "no gate of kind 'carrier-pigeon'"),
        ({"Gates": [{"Kind": "hosts"}]}, "no Command"),
        ({"Gates": [{}]}, "no Kind"),
        ({"Gates": ["x"]}, ""),
        ({"Gates": [{"Kind": ["x"]}]}, ""),
        ({"Gates": [{"Kind": "http", "Url": "nowhere", "Status": "200"}]}, "no http or https URL"),
        ({"Gates": 7}, ""),
        ({"BakeSeconds": "soon"}, "soon"),
        ({"GateRetries": None}, ""),
        ({"SpreadBy": 7}, "SpreadBy"),
    ],
)
def test_a_record_that_says_something_else_is_refused_in_words(change: dict[str, Any], what: str) -> None:
    with pytest.raises(StateFolderError, match="waves cannot be read") as caught:
        Rollout.from_record({**FULL.record(), **change})
    assert what in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("missing", ["Waves", "Gates", "BakeSeconds", "Pause", "GateTimeoutSeconds"])
def test_a_record_that_lacks_something_is_refused(missing: str) -> None:
    record = FULL.record()
    del record[missing]
    with pytest.raises(StateFolderError, match=f"no {missing}"):
        Rollout.from_record(record)


def test_hosts_are_put_in_the_order_of_the_waves_once() -> None:
    hosts = [Host(name=f"h{number}", zone="eu" if number < 3 else "us") for number in range(6)]
    ordered = FULL.order(hosts)
    assert [host.zone for host in ordered] == ["eu", "us"] * 3
    assert PLAIN.order(hosts) == tuple(hosts)
    assert [len(wave) for wave in FULL.split(ordered)] == [1, 2, 3]
    with pytest.raises(UsageError, match="--spread-by"):
        FULL.order([Host(name="h")])


@pytest.mark.parametrize(
    "gate",
    [
        HostsGate("curl -H 'Token: hunter22' localhost"),
        LocalGate("check hunter22"),
        HttpGate(url="https://app/?token=hunter22"),
        HttpGate(url="https://app/", body="hunter22"),
    ],
)
def test_a_gate_with_a_secret_in_it_is_refused_before_it_is_recorded(gate: Any) -> None:
    redact = Redactor(frozenset({"hunter22"})).text
    with pytest.raises(UsageError, match="a secret is written in the gate") as caught:
        Rollout(waves=PLAIN.waves, gates=(gate,)).refuse_secrets(redact)
    assert "hunter22" not in f"{caught.value.message} {caught.value.hint}"
    FULL.refuse_secrets(redact)
