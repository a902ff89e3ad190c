"""Serving with the kernels found: compiled, checked, timed, refreshed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from scheduler.demo.files import ModelFiles, megabytes
from scheduler.demo.options import DemoError, DemoOptions
from scheduler.demo.reference import Array, Reference, open_reference
from scheduler.demo.scores import batches_to_check, largest_difference
from scheduler.demo.story import Story
from scheduler.demo.table import BucketResult, geometric_mean, table_of
from scheduler.demo.timing import REPEATS, one_core, time_in_turns
from scheduler.display.text import counted

if TYPE_CHECKING:
    from runtime import BucketReport, Engine, Model

#: Weights are moved by about this share of themselves where there is no second set.
_PERTURBATION = 0.02


class Serving:
    """A model served on one CPU architecture from the database that was just filled."""

    def __init__(self, options: DemoOptions, files: ModelFiles, arch: str, story: Story) -> None:
        self._options, self._files, self._story = options, files, story
        self._arch = arch
        self._engine: Engine
        self._model: Model
        self._reference: Reference

    def serve(self) -> list[BucketResult]:
        """Compile the model with the best records, check its scores, and time it."""
        from runtime import Engine

        story, options = self._story, self._options
        start = time.monotonic()
        with story.doing(f"compiling for {self._arch} with the best records"):
            # Tuned kernels are what the demo shows: it rather waits than serves without.
            self._engine = Engine(options.url, arch=self._arch, patience_s=60.0)
            self._model = self._engine.load(self._files.model, buckets=options.buckets)
        secs = time.monotonic() - start
        buckets = counted(len(self._model.buckets), "bucket")
        story.say(f"imported and compiled for {self._arch}, {buckets}, in {secs:.1f} s")
        with story.doing("checking scores"):
            names = [spec.name for spec in self._model.input_specs]
            self._reference = open_reference(self._files, names)
            self._say_difference()
        with story.doing("compiling with default schedules, to compare"):
            untuned = Engine(arch=self._arch, use_records=False)
            plain = untuned.load(self._files.model, buckets=options.buckets)
        with one_core() as core:
            results = [self._time(bucket, plain) for bucket in self._model.report().buckets]
        story.say(f"µs per call: medians of {REPEATS} rounds in turns, one thread, on core {core}")
        story.console.print()
        story.show(table_of(results, self._reference.column))
        story.console.print()
        mean = geometric_mean([result.ratio for result in results])
        story.say(f"{mean:.2f}x as fast as {self._reference.name} (geometric mean)", style="bold")
        return results

    def _time(self, bucket: BucketReport, plain: Model) -> BucketResult:
        inputs = self._model.random_inputs(bucket.batch, seed=bucket.batch)
        with self._story.doing(f"timing batch {bucket.batch}"):
            reference, untuned, tuned = time_in_turns(
                [
                    self._reference.call(inputs),
                    lambda: plain(*inputs),
                    lambda: self._model(*inputs),
                ]
            )
        return BucketResult(
            batch=bucket.batch,
            reference=reference,
            untuned=untuned,
            tuned=tuned,
            from_database=bucket.from_records,
            kernels=len(bucket.kernels),
        )

    def refresh(self) -> None:
        """Give the model other weights while it serves, and check its scores again."""
        from tuner.importers import read_weights

        source = self._files.refreshed or self._perturbed()
        compiled = self._engine.compile_count
        start = time.perf_counter()
        self._model.refresh(source)
        secs = time.perf_counter() - start
        if self._engine.compile_count != compiled:
            raise DemoError("refreshing the weights compiled something; please report this")
        what = self._files.refreshed.name if self._files.refreshed else "perturbed weights"
        size = megabytes(self._model.weight_bytes)
        self._story.say(
            f"{what} ({size}) served after {secs:.2f} s, nothing was compiled",
            style="bold",
        )
        self._reference.refresh(read_weights(source)[0])
        self._say_difference()
        self._engine.close()

    def _say_difference(self) -> None:
        batches = batches_to_check(self._model)
        worst = largest_difference(self._model, self._reference, batches, self._options.tolerance)
        listed = ", ".join(map(str, batches))
        self._story.say(
            f"largest difference from {self._reference.name}: {worst:.1e} (batches {listed})"
        )

    def _perturbed(self) -> Mapping[str, Array]:
        """The model's own weights, each moved a little; what is no float stays as it is."""
        from tuner.importers import read_weights

        rng = np.random.default_rng(1)
        weights, _ = read_weights(self._files.model)
        moved = {}
        for name, array in weights.items():
            if name in self._model.parameters and np.issubdtype(array.dtype, np.floating):
                factor = rng.uniform(1 - _PERTURBATION, 1 + _PERTURBATION, array.shape)
                moved[name] = (array * factor).astype(array.dtype)
        return moved
