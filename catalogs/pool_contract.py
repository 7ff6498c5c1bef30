"""The contract of a pool: what a step must be like, checked before a byte is written."""

from datetime import timedelta

import numpy as np
import pandas as pd
import xarray as xr

from .errors import BadRequest, BadStep
from .times import time_text

# A step so many windows ahead of the newest is a wrong time rather than a long silence.
FARTHEST_AHEAD = 100_000


def as_steps(step: xr.Dataset | xr.DataArray) -> xr.Dataset:
    """One or more steps as a Dataset with a time dimension of dates, sorted by time.

    Raises
    ------
    BadStep
        When there is no time, or it holds no dates, or a time comes twice.
    """
    if isinstance(step, xr.DataArray):
        if step.name is None:
            raise BadStep("The DataArray has no name; use .rename('the_variable').", field="name")
        step = step.to_dataset()
    if "time" not in step.coords:
        raise BadStep(
            "A step needs a coordinate 'time'; use .assign_coords(time=...) or .rename(...).",
            field="time",
        )
    if "time" not in step.dims:
        step = step.expand_dims("time")
    times = step["time"].values
    if times.dtype.kind != "M" or not times.size or np.isnat(times).any():
        raise BadStep(
            f"'time' must hold dates (datetime64), not {times.dtype}; use .convert_calendar("
            "'standard') or .assign_coords(time=...).",
            field="time",
        )
    if np.unique(times).size != times.size:
        raise BadStep("The same time comes twice in this data.", field="time")
    return step.sortby("time")


def step_seconds(template: xr.Dataset, step: str | timedelta | np.timedelta64 | None) -> int:
    """The spacing of the pool's times in seconds: given, or found in the template.

    Raises
    ------
    BadRequest
        When it can be neither, or is no whole number of seconds.
    """
    if step is not None:
        try:
            seconds = pd.Timedelta(step).total_seconds()
        except ValueError as error:
            raise BadRequest(
                f"step {step!r} is no time span; write step='1h' or step='1D'.", field="step"
            ) from error
    else:
        times = template["time"].values
        spacings = np.unique(np.diff(times)) / np.timedelta64(1, "s")
        if spacings.size != 1:
            found = "is only one time" if times.size == 1 else "are irregular times"
            raise BadRequest(
                f"There {found} in the template, so say how far apart steps are: step='1h'.",
                field="step",
            )
        seconds = float(spacings[0])
    if seconds < 1 or seconds != int(seconds):
        raise BadRequest(
            f"A step of {seconds} s does not work: whole seconds, at least one.", field="step"
        )
    return int(seconds)


def check_contract(steps: xr.Dataset, pool: xr.Dataset) -> None:
    """Raise ``BadStep`` unless the steps fit the pool, naming what is wrong and the mend.

    Parameters
    ----------
    steps : Dataset
        What :func:`as_steps` returned.
    pool : Dataset
        The pool as it is stored: variables, units, dtypes and coordinates are the contract.
    """
    wanted = {str(name) for name in pool.data_vars}
    given = {str(name) for name in steps.data_vars}
    if missing := sorted(wanted - given):
        raise BadStep(f"The step lacks {_list(missing)}.", field=missing[0])
    if unknown := sorted(given - wanted):
        raise BadStep(
            f"The pool has no {_list(unknown)}, only {_list(sorted(wanted))}; "
            f"use .drop_vars({unknown}).",
            field=unknown[0],
        )
    for name in sorted(time_dependent(pool), key=str):
        if name not in steps.variables:
            raise BadStep(f"The step lacks the coordinate {name!r}.", field=name)
        _check_variable(name, steps[name], pool[name])
    for name, coordinate in pool.coords.items():
        if "time" in coordinate.dims:
            continue
        if name in steps.coords:
            _check_coordinate(str(name), steps[name].values, coordinate.values)
        elif name in pool.dims:
            raise BadStep(f"The step lacks the coordinate {name!r}.", field=str(name))


def time_dependent(pool: xr.Dataset) -> list[str]:
    """The variables that a step brings; ``time`` and ``revision`` are the pool's own."""
    own = {"time", "revision"}
    return [
        str(name)
        for name, array in pool.variables.items()
        if "time" in array.dims and name not in own
    ]


def _check_variable(name: str, step: xr.DataArray, pool: xr.DataArray) -> None:
    if set(step.dims) != set(pool.dims):
        raise BadStep(
            f"{name!r} has the dimensions {_list(step.dims)}; the pool's are {_list(pool.dims)}.",
            field=name,
        )
    units, wanted = step.attrs.get("units", ""), pool.attrs.get("units", "")
    if units != wanted:
        raise BadStep(
            f"{name!r} is in {units or 'no units'!r}; the pool keeps it in "
            f"{wanted or 'no units'!r}. Convert it and set .attrs['units'].",
            field=name,
        )
    if pool.dtype.kind == "M" and step.dtype.kind == "M":
        return
    if step.dtype != pool.dtype:
        raise BadStep(
            f"{name!r} is {step.dtype}; the pool keeps {pool.dtype}: .astype('{pool.dtype}').",
            field=name,
        )


def _check_coordinate(name: str, step: np.ndarray, pool: np.ndarray) -> None:
    if step.shape != pool.shape:
        raise BadStep(
            f"The coordinate {name!r} has {step.size} values; the pool's has {pool.size}.",
            field=name,
        )
    if pool.dtype.kind not in "fiu" or step.dtype.kind not in "fiu":
        same = bool((step == pool).all())
    else:
        # Rounding to float32 and back is not a different grid; a shifted one is.
        spacing = np.abs(np.diff(pool.astype("f8"), axis=-1)).min() if pool.size > 1 else 1.0
        same = np.allclose(step, pool, rtol=0, atol=1e-3 * spacing, equal_nan=True)
    if same:
        return
    if pool.ndim == 1 and np.allclose(step[::-1], pool):
        raise BadStep(
            f"The coordinate {name!r} runs the other way: the pool's goes from {pool[0]} to "
            f"{pool[-1]}. Use .isel({name}=slice(None, None, -1)).",
            field=name,
        )
    raise BadStep(
        f"The coordinate {name!r} is another grid: it begins {step.flat[0]}, {step.flat[-1]} at "
        f"the end; the pool's begins {pool.flat[0]}, {pool.flat[-1]} at the end.",
        field=name,
    )


def slots_of(times: np.ndarray, origin: int, seconds: int) -> np.ndarray:
    """The slot of each time on the pool's grid; raises ``BadStep`` for a time between slots."""
    since = (times - np.datetime64(origin, "s")) / np.timedelta64(1, "s")
    slots = since / seconds
    off = slots != np.floor(slots)
    if off.any():
        time = times[off][0]
        nearest = np.datetime64(origin + int(np.rint(slots[off][0])) * seconds, "s")
        raise BadStep(
            f"{time_text(time)} is not a time of this pool: steps are {seconds} s apart; the "
            f"nearest is {time_text(nearest)}.",
            field="time",
        )
    return slots.astype("i8")


def _list(names: object) -> str:
    return ", ".join(repr(name) for name in names)  # pyright: ignore[reportGeneralTypeIssues]
