"""Stamps and durations of messages, as numbers and back."""

from __future__ import annotations

from builtin_interfaces.msg import Duration, Time


def nanoseconds(stamp: Time | Duration) -> int:
    """Return a stamp or duration in nanoseconds."""
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


def seconds(stamp: Time | Duration) -> float:
    """Return a stamp or duration in seconds."""
    return float(stamp.sec + stamp.nanosec * 1e-9)


def duration(seconds_: float) -> Duration:
    """Return a duration message."""
    total_ns = round(seconds_ * 1e9)
    return Duration(sec=total_ns // 10**9, nanosec=total_ns % 10**9)
