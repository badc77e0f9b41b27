"""Settings: each fault is a ConfigError that names it."""

import dataclasses
from typing import Any

import pytest
import rft
from rft import _native

BIG = 1 << 64


@pytest.mark.parametrize("name", sorted(_native.RANGES))
def test_the_ends_of_a_range_are_in_it_and_what_lies_beyond_is_not(name: str) -> None:
    least, _, greatest = _native.RANGES[name]
    others: dict[str, dict[str, int]] = {
        "heartbeat_ticks": {"election_ticks": 100_000},
        "election_ticks": {"heartbeat_ticks": 1},
        "message_bytes_max": {"inflight_bytes_max": 0},
        "inflight_bytes_max": {"message_bytes_max": 1},
        "proposal_bytes_max": {"queue_bytes_max": 1 << 40},
        "queue_bytes_max": {"proposal_bytes_max": 1},
    }
    with_others: dict[str, Any] = others.get(name, {})
    # The greatest number of heartbeats has no room below the greatest election timeout.
    fitting = greatest - 1 if name == "heartbeat_ticks" else greatest
    for value in (least, fitting):
        setting: dict[str, Any] = {name: value}
        assert getattr(rft.Config(id=1, **with_others, **setting), name) == value
    for value in (least - 1, greatest + 1, -1, BIG, -BIG):
        setting = {name: value}
        with pytest.raises(rft.ConfigError, match=name):
            rft.Config(id=1, **with_others, **setting)


@pytest.mark.parametrize("name", ["id", "election_ticks", "seed", "voters"])
@pytest.mark.parametrize("value", ["3", 3.5, b"3", object()])
def test_a_value_of_another_type_is_a_type_error(name: str, value: object) -> None:
    arguments: dict[str, Any] = {"id": 1} | {name: (value,) if name == "voters" else value}
    with pytest.raises(TypeError, match=name):
        rft.Config(**arguments)


@pytest.mark.parametrize("id", [0, -1, BIG - 1, BIG - 2, BIG])
def test_an_id_that_is_none_is_refused(id: int) -> None:
    with pytest.raises(rft.ConfigError, match="id"):
        rft.Config(id=id)
    with pytest.raises(rft.ConfigError, match="voters"):
        rft.Config(id=1, voters=[1, id])


def test_settings_that_contradict_each_other_are_refused() -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"heartbeat_ticks": 10}, "heartbeat_ticks .10. must be less than election_ticks .10."),
        ({"inflight_bytes_max": 5}, "message_bytes_max"),
        ({"queue_bytes_max": 5}, "queue_bytes_max"),
        ({"voters": [2, 3]}, "voters must name this node, 1"),
        ({"voters": [1, 2, 2]}, "voters names 2 twice"),
    ]
    for faulty, words in cases:
        with pytest.raises(rft.ConfigError, match=words) as caught:
            rft.Config(id=1, **faulty)
        assert isinstance(caught.value, ValueError)


def test_it_is_a_value() -> None:
    config = rft.Config(id=1, voters=[1, 2, 3], seed=7)
    assert config == rft.Config(id=1, voters=(1, 2, 3), seed=7)
    assert hash(config) == hash(dataclasses.replace(config))
    assert dataclasses.replace(config, election_ticks=20).election_ticks == 20
    with pytest.raises(rft.ConfigError):
        dataclasses.replace(config, election_ticks=0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.id = 2  # type: ignore[misc]


def test_voters_that_can_be_gone_through_once_are_not_lost() -> None:
    voters: Any = map(int, "123")
    assert rft.Config(id=1, voters=voters).voters == (1, 2, 3)
    strangers: Any = (id for id in (2, 3))
    with pytest.raises(rft.ConfigError, match="must name this node"):
        rft.Config(id=1, voters=strangers)


def test_only_a_config_is_a_config() -> None:
    things: list[Any] = [None, {}, 3, "config"]
    for thing in things:
        with pytest.raises(TypeError, match=r"rft\.Config"):
            rft.Node(thing)
