"""The demo from its first step to its last."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from db import open_store
from scheduler.demo.files import ModelFiles, find_files
from scheduler.demo.options import DemoOptions
from scheduler.demo.serve import Serving
from scheduler.demo.story import Story
from scheduler.display.text import counted

if TYPE_CHECKING:
    from rich.console import Console

    from db import Store
    from scheduler.display import Snapshot

#: Works on a campaign until every job is final: database, campaign, slots.
RunCampaign = Callable[["Store", int, int], "Snapshot"]


def run_demo(options: DemoOptions, console: Console, run_campaign: RunCampaign) -> Snapshot:
    """Tune a model, serve it, refresh it; return how the campaign ended."""
    story = Story(console)
    archs = " and ".join(f"{arch.name} ({arch.isa_level})" for arch in options.archs)
    cores = counted(len(os.sched_getaffinity(0)), "core")
    story.title("tunefleet demo", f"on {archs}, {cores}")
    with story.step("Model"):
        files = find_files(options, story)
    with story.step("Tuning"):
        end = _tune(options, files, story, run_campaign)
    if not end.done:
        return end
    for arch in options.archs:
        serving = Serving(options, files, arch.name, story)
        with story.step("Serving"):
            serving.serve()
        with story.step("Refresh"):
            serving.refresh()
    story.end()
    _say_next(options, files, story)
    return end


def _tune(
    options: DemoOptions, files: ModelFiles, story: Story, run_campaign: RunCampaign
) -> Snapshot:
    with open_store(options.url) as store:
        with story.doing("importing the model and extracting its workloads"):
            from scheduler.campaigns import add_model, start_campaign

            version = add_model(store, files.model, buckets=options.buckets)
            campaign_id, resumed = start_campaign(
                store,
                version,
                archs=[arch.name for arch in options.archs],
                buckets=options.buckets,
                strategy="autotvm",
                trials=None,
                seconds=options.job_seconds,
            )
        if resumed:
            known = store.campaign_progress(campaign_id).measurements
            there = counted(known, "measurement")
            story.say(f"resuming campaign {campaign_id}: {there} already there", style="bold")
        jobs = counted(options.jobs, "job")
        budget = f"{options.job_seconds:.0f} s" + (" each" if options.jobs > 1 else "")
        story.say(f"{jobs}, {budget}, one per CPU architecture and batch size; Ctrl-C is safe")
        story.console.print()
        return run_campaign(store, campaign_id, options.slots)


def _say_next(options: DemoOptions, files: ModelFiles, story: Story) -> None:
    name = files.model.stem
    command = f"tunefleet {options.db_flag}".strip()
    batch = options.buckets[len(options.buckets) // 2]
    lines = [
        (f"{command} lookup {name} --batch {batch}", "the kernels found, one by one"),
        (f"{command} status", "what was tuned"),
        (f"{command} tune {name} --seconds 600", "tune on, ten minutes a job"),
        ("tunefleet demo --model FILE", "the same with your own model"),
    ]
    width = max(len(line) for line, _ in lines)
    story.console.print()
    story.console.print("What to try next:")
    for line, what in lines:
        story.console.print(f"   {line:{width}}   {what}", markup=False, soft_wrap=True)
