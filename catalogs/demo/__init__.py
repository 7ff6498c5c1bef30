"""The demo lake: real Met Office data as cubes, and a pool that a replay clock feeds."""

from .build import DEMO, build_demo
from .clock import ReplayClock

__all__ = ["DEMO", "ReplayClock", "build_demo"]
