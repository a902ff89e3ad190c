"""Lines of MetaSchedule databases, whole and torn."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.exchange.lines import decode_module, encode_module, parse_record, parse_workload

RECORD = (
    b'[0,[[[["GetSBlock",[],["C","main"],["b0"]]],[]],[1.0000000000000000818e-05],'
    b'{"keys":["cpu"],"kind":"llvm","mcpu":"znver4","tag":""},[["TENSOR","float32",[16,64]]]]]\n'
)
WORKLOAD = json.dumps(["1155", encode_module('{"root_index": 1}')]).encode()


def test_a_record() -> None:
    record = parse_record(RECORD)
    assert record.workload == 0
    assert json.loads(record.trace) == [[["GetSBlock", [], ["C", "main"], ["b0"]]], []]
    assert record.run_secs == (1e-5,)
    assert record.target["mcpu"] == "znver4"
    assert record.args_info == [["TENSOR", "float32", [16, 64]]]


def test_a_workload() -> None:
    workload = parse_workload(WORKLOAD)
    assert workload.structural_hash == "1155"
    assert workload.module_json == '{"root_index": 1}'


@given(st.text())
def test_modules_round_trip(text: str) -> None:
    assert decode_module(encode_module(text)) == text


@pytest.mark.parametrize("end", range(1, len(RECORD) - 2))
def test_a_record_torn_anywhere_is_noticed(end: int) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # JSON says it in many ways
        parse_record(RECORD[:end])


@pytest.mark.parametrize("end", range(1, len(WORKLOAD)))
def test_a_workload_torn_anywhere_is_noticed(end: int) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parse_workload(WORKLOAD[:end])


@pytest.mark.parametrize(
    "line",
    [b"[]", b"{}", b"[0,[[],[],{},[]]]", b'["0",[[[],[]],[],{},[]]]', b"[0,[[[],[]],[],3,[]]]"],
)
def test_json_of_another_shape(line: bytes) -> None:
    with pytest.raises(ValueError, match="not "):
        parse_record(line)


def test_a_module_of_the_wrong_length() -> None:
    whole = encode_module("abc")
    with pytest.raises(ValueError, match="not a module"):
        decode_module(whole[:-4])
