"""A bundle that is not what it says it is: refused with a reason, and the old version serves on.

The host runs under AddressSanitizer, which ends it at the first byte that is read out of bounds.
"""

from __future__ import annotations

import copy
import hashlib
import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime import Model
from tests.integration.serving.conftest import Refused, Scorer, one_output, serve

Manifest = dict[str, Any]
#: Changes the newest version's manifest, or the files of the bundle.
Damage = Callable[[Manifest, Path], None]


def _arch(manifest: Manifest) -> Manifest:
    (arch,) = manifest["archs"]
    assert isinstance(arch, dict)
    return arch


def _truncate_weights(manifest: Manifest, bundle: Path) -> None:
    path = bundle / _arch(manifest)["weights"]["file"]
    path.write_bytes(path.read_bytes()[:-64])


def _flip_a_bit(manifest: Manifest, bundle: Path) -> None:
    path = bundle / _arch(manifest)["weights"]["file"]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _lose_weights(manifest: Manifest, bundle: Path) -> None:
    (bundle / _arch(manifest)["weights"]["file"]).unlink()


def _swap_code(manifest: Manifest, bundle: Path) -> None:
    one, eight = _arch(manifest)["buckets"]
    one["code"], eight["code"] = eight["code"], one["code"]


def _fake_code(manifest: Manifest, bundle: Path, content: bytes) -> None:
    (bundle / "fake.so").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    said = {"file": "fake.so", "bytes": len(content), "sha256": digest}
    _arch(manifest)["buckets"][0]["code"] = said


def _cut_code(manifest: Manifest, bundle: Path) -> None:
    whole = (bundle / _arch(manifest)["buckets"][0]["code"]["file"]).read_bytes()
    _fake_code(manifest, bundle, whole[:4000])


def _wrong_table(manifest: Manifest, bundle: Path) -> None:
    # An array that is there, in place of a larger one.
    _arch(manifest)["buckets"][0]["reads"][0] = _arch(manifest)["buckets"][0]["reads"][4]


def _other_batch(manifest: Manifest, _: Path) -> None:
    # By the times measured, the plan may leave the smallest bucket out.
    _arch(manifest)["plan"][0] = _arch(manifest)["buckets"][0]["batch"]
    _arch(manifest)["buckets"][0]["batch"] = 2


def _set(*path: str | int, to: Any) -> Damage:
    def damage(manifest: Manifest, _: Path) -> None:
        at: Any = manifest
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = to

    return damage


DAMAGES: dict[str, tuple[Damage, str]] = {
    "truncated weights": (_truncate_weights, "bytes instead of"),
    "flipped bit": (_flip_a_bit, "is not what the manifest promises"),
    "no weights": (_lose_weights, "cannot be read"),
    "swapped code": (_swap_code, "disagree on its"),
    "text as code": (lambda m, b: _fake_code(m, b, b"no code" * 99), "cannot be loaded"),
    "half of the code": (_cut_code, "cannot be loaded"),
    "array of another size": (_wrong_table, "disagree on its weights"),
    "other instructions": (_set("archs", 0, "features", to=["avx1024"]), "runs on this CPU"),
    "other level": (_set("archs", 0, "isa_level", to="x86-64-v5"), "runs on this CPU"),
    "other shape": (_set("inputs", 0, "shape", to=[6]), "disagree on its inputs"),
    "other type": (_set("inputs", 0, "dtype", to="float64"), "disagree on its inputs"),
    "larger tables": (_set("inputs", 1, "rows", to=[101]), "disagree on its inputs"),
    "no limits": (_set("inputs", 1, "rows", to=None), "disagree on its inputs"),
    "other scores": (_set("outputs", 0, "shape", to=[2]), "disagree on its outputs"),
    "other batch": (_other_batch, "bucket that is not there"),
    "small arena": (_set("archs", 0, "buckets", 1, "arena_bytes", to=64), "its arena_bytes"),
    "array outside": (_set("archs", 0, "arrays", 0, "offset", to=1 << 40), "outside of its file"),
    "array at an odd place": (_set("archs", 0, "arrays", 0, "offset", to=4), "outside of its file"),
    "no such array": (_set("archs", 0, "buckets", 0, "reads", 0, to=999), "is not there"),
    "another folder": (_set("archs", 0, "weights", "file", to="../w"), "out of the bundle"),
    "another schema": (_set("schema", to=2), "of schema 2"),
    "nothing": (_set("archs", to=[]), "the bundle is for"),
    "a huge number": (_set("archs", 0, "plan", to=[1e300]), "no whole number"),
    "no input": (_set("inputs", to=[]), "no input tells the batch"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_the_old_version_serves_on(checked: Path, bundle: Path, model: Model, name: str) -> None:
    damage, reason = DAMAGES[name]
    manifest = json.loads((bundle / "manifest.json").read_text())
    damage(manifest, bundle)
    (bundle / "versions" / "000002.json").write_text(json.dumps(manifest))
    serve(bundle, 1)
    program, inputs = checked / "tunefleet-score", model.random_inputs(11)
    expected = model(*inputs).tobytes()
    with Scorer(program, bundle, one_output) as scorer:
        assert scorer.score(11, inputs)[0].tobytes() == expected
        serve(bundle, 2)
        assert scorer.score(11, inputs)[0].tobytes() == expected
        assert reason in scorer.said
    # A process that starts with it says so, and does not start.
    done = subprocess.run([program, bundle], input=b"", capture_output=True, check=False)
    assert done.returncode == 1
    assert reason in done.stderr.decode()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '{"schema": 1}', "\0\xff"])
def test_a_manifest_that_is_none(checked: Path, bundle: Path, model: Model, text: str) -> None:
    inputs = model.random_inputs(3)
    serve(bundle, 1)
    with Scorer(checked / "tunefleet-score", bundle, one_output) as scorer:
        expected = scorer.score(3, inputs)[0].tobytes()
        (bundle / "manifest.json").write_text(text, encoding="latin-1")
        assert scorer.score(3, inputs)[0].tobytes() == expected
        assert scorer.said.startswith("refused: ")


def test_manifests_with_anything_in_place_of_anything(
    checked: Path, bundle: Path, model: Model
) -> None:
    """Whatever a manifest says, a call is refused or scores as it should."""
    rng = random.Random(0)
    whole = json.loads((bundle / "versions" / "000001.json").read_text())
    inputs = model.random_inputs(11)
    serve(bundle, 1)
    with Scorer(checked / "tunefleet-score", bundle, one_output) as scorer:
        (expected,) = scorer.score(11, inputs)
        for _ in range(150):
            manifest = copy.deepcopy(whole)
            _mutate(manifest, rng)
            (bundle / "versions" / "000002.json").write_text(json.dumps(manifest))
            serve(bundle, 2)
            try:
                (scores,) = scorer.score(11, inputs)
            except Refused as refused:
                raise AssertionError(f"a call failed: {refused}") from refused
            # Another plan is as good: other buckets differ by rounding alone.
            assert abs(scores - expected).max() < 1e-5, json.dumps(manifest)
        assert scorer.said.count("refused: ") > 50


def _mutate(manifest: Manifest, rng: random.Random) -> None:
    places: list[tuple[Any, Any]] = []

    def note(value: Any) -> None:
        # The weights' own order is the model's: only their sizes can be told apart.
        keys = list(value) if isinstance(value, dict) else range(len(value))
        for key in keys:
            if key in ("reads", "arrays"):
                continue
            places.append((value, key))
            if isinstance(value[key], dict | list):
                note(value[key])

    note(manifest)
    at, key = rng.choice(places)
    at[key] = rng.choice([None, True, -1, 0, 1, 7, 1 << 40, 1 << 63, 0.5, "", "x", [], {}, [[]]])
