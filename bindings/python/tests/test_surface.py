"""The names, numbers, ranges and defaults are those of the C library's header."""

import dataclasses
import pickle
import re
from pathlib import Path

import pytest
import rft
import rft.aio
from rft import _native, errors

HEADER = Path(__file__).parent.joinpath("../../../include/rft.h").read_text()
UNITS = {"": 1, " KiB": 1 << 10, " MiB": 1 << 20, " GiB": 1 << 30, " TiB": 1 << 40}

# What a function of the header is here. The others are memory management, which an interpreter does by itself.
TWINS = {
    "rft_store_open": (rft.Store, "__new__"),
    "rft_store_snapshot": (rft.Store, "snapshot"),
    "rft_store_save": (rft.Node, "save"),
    "rft_store_close": (rft.Store, "close"),
    "rft_node_create": (rft.Node, "__new__"),
    "rft_node_has_ready": (rft.Node, "ready"),
    "rft_engine_open": (rft.Engine, "__init__"),
    "rft_engine_step_from": (rft.Engine, "step_many"),
    "rft_engine_stop": (rft.Engine, "close"),
    "rft_engine_call": (rft.Engine, "propose"),
    "rft_engine_propose_wait": (rft.Engine, "propose"),
    "rft_engine_read_wait": (rft.Engine, "read"),
    "rft_engine_snapshot_wait": (rft.Engine, "snapshot"),
    "rft_engine_transfer_leader_wait": (rft.Engine, "transfer_leader"),
    "rft_engine_change_wait": (rft.Engine, "change"),
    "rft_engine_replace_wait": (rft.Engine, "replace"),
    "rft_engine_member_bytes": (rft.Member, "context"),
    "rft_engine_read_within": (rft.Engine, "read"),
    "rft_engine_read_within_wait": (rft.Engine, "read"),
    "rft_engine_session_open": (rft.Engine, "open_session"),
    "rft_engine_session_open_wait": (rft.Engine, "open_session"),
    "rft_engine_session_close": (rft.Engine, "close_session"),
    "rft_engine_call_once": (rft.Engine, "propose_once"),
    "rft_engine_counter": (rft.Engine, "counters"),
    "rft_snapshot_write": (rft.StateMachine, "save"),
    "rft_snapshot_read": (rft.StateMachine, "restore"),
    "rft_snapshot_len": (rft.StateMachine, "restore"),
    "rft_answer_set": (rft.StateMachine, "apply"),
    "rft_status_name": (rft.RaftError, "name"),
    "rft_status_str": (rft.RaftError, "__str__"),
    "rft_status_is_retryable": (rft.RaftError, "retryable"),
    "rft_status_is_fatal": (rft.RaftError, "fatal"),
    "rft_error_is_retryable": (rft.RaftError, "retryable"),
    "rft_error_is_fatal": (rft.RaftError, "fatal"),
    "rft_error_code": (rft.RaftError, "code"),
    "rft_error_message": (rft.RaftError, "__str__"),
    "rft_error_leader": (rft.NotLeaderError, "leader_id"),
    "rft_config_new": (rft.Config, "__init__"),
    "rft_config_set": (rft.Config, "__init__"),
    "rft_config_get": (rft.Config, "election_ticks"),
    "rft_config_add_voter": (rft.Config, "voters"),
    "rft_config_validate": (rft.Config, "__post_init__"),
}
# The tree of exceptions says it, or there is nothing to do.
WITHOUT = {
    "rft_abi_version",
    "rft_version_number",
    "rft_version_string",
}


def test_every_function_of_the_header_has_its_twin() -> None:
    functions = set(re.findall(r"^RFT_API [^(;]*?\b(rft_\w+)\(", HEADER, re.MULTILINE))
    assert len(functions) > 50
    for function in sorted(functions - WITHOUT):
        if function.endswith("_free"):
            continue
        noun, _, verb = function.removeprefix("rft_").partition("_")
        default = {"node": (rft.Node, verb), "engine": (rft.Engine, verb), "store": (rft.Store, verb)}.get(
            noun
        )
        twin = TWINS.get(function, default)
        assert twin is not None, f"{function} is new"
        assert hasattr(*twin), f"{function} has no twin {twin}"


def test_the_two_engines_have_the_same_methods() -> None:
    def methods(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert methods(rft.aio.Engine) - {"open"} == methods(rft.Engine)


def test_codes_are_those_of_the_header() -> None:
    codes = {name: int(code) for name, code in re.findall(r"\bRFT_E_(\w+) = (-\d+),", HEADER)}
    assert codes | {"OK": 0} == _native.CODES


@pytest.mark.parametrize("name", sorted(set(_native.CODES) - {"OK"}))
def test_every_code_has_an_exception(name: str) -> None:
    error = errors.error_of(_native.CODES[name], "why", 7)
    assert type(error) is not rft.RaftError
    assert (error.name, error.code, str(error)) == (name, _native.CODES[name], "why")
    assert getattr(rft, type(error).__name__) is type(error)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.name, again.code, str(again)) == (type(error), name, error.code, "why")


def test_an_unknown_code_is_an_error_all_the_same() -> None:
    assert type(errors.error_of(-999, "of a newer library", 0)) is rft.RaftError


def test_exceptions_are_the_language_s_own_too() -> None:
    assert issubclass(rft.ConfigError, ValueError)
    assert issubclass(rft.TimedOutError, TimeoutError)
    assert issubclass(rft.TooLargeError, ValueError)
    assert rft.BusyError("mine").code == _native.CODES["BUSY"]
    assert rft.NotLeaderError("mine").leader_id == 0
    for name in ("NOT_LEADER", "DROPPED"):
        assert errors.error_of(_native.CODES[name], "of a transfer", 3).leader_id == 3  # type: ignore[attr-defined]


def settings_of_the_header() -> dict[str, tuple[str, int]]:
    """The text of each setting, and its default."""
    found = {}
    for text, name in re.findall(r"/\*\*((?:(?!\*/).)*?)\*/\s*RFT_CONFIG_(\w+) = \d+", HEADER, re.DOTALL):
        words = re.sub(r"\s*\n\s*\* ?", " ", text)
        default = re.search(r"default (\d+)( [KMGT]iB)?", words)
        value = int(default[1]) * UNITS[default[2] or ""] if default else -1
        found[name.lower()] = (words, value)
    return found


def test_settings_and_their_defaults_are_those_of_the_header() -> None:
    settings = settings_of_the_header()
    fields = {field.name for field in dataclasses.fields(rft.Config)}
    assert set(settings) | {"voters"} == fields
    config = rft.Config(id=1)
    for name, (_, default) in settings.items():
        if name not in ("id", "seed"):
            assert getattr(config, name) == default, name


def test_ranges_are_those_of_the_header() -> None:
    settings = settings_of_the_header()
    checked = 0
    for name, (least, _, greatest) in _native.RANGES.items():
        words, _ = settings[name]
        span = re.search(r"(\d+)( [KMGT]iB)? to (\d+)( [KMGT]iB)?", words.split(": ", 1)[-1])
        if span:
            assert least == int(span[1]) * UNITS[span[2] or ""], name
            assert greatest == int(span[3]) * UNITS[span[4] or ""], name
            checked += 1
        elif "0 or 1" in words:
            assert (least, greatest) == (0, 1), name
            checked += 1
        else:
            assert "any number" in words, name
            assert (least, greatest) == (0, 2**64 - 1), name
    assert checked >= 14


def test_the_version_is_that_of_the_header() -> None:
    assert f'RFT_VERSION_STRING "{rft.__version__}"' in HEADER
    assert rft.__version__ == _native.__version__


def test_what_is_public_is_documented() -> None:
    for name in rft.__all__:
        if name != "__version__":
            assert getattr(rft, name).__doc__, name


def test_the_package_says_that_it_is_typed() -> None:
    package = Path(rft.__file__).parent
    assert (package / "py.typed").exists()
    assert (package / "_native.pyi").exists()
