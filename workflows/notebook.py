"""Executes a recipe with papermill in a kernel of its own, and keeps the notebook as it grows."""

import contextvars
import logging
import os
import signal
import time
from pathlib import Path
from typing import Any

import nbformat
import papermill
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_core.utils import ensure_event_loop
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, NotebookExecutionManager, papermill_engines
from papermill.exceptions import PapermillExecutionError, strip_color
from traitlets.config import Config

from .pulse import Pulse
from .runner import Order

logger = logging.getLogger(__name__)

# Papermill does not see parameters that have no default, and warns of them at each run.
logging.getLogger("papermill").setLevel(logging.ERROR)

KERNEL = "boathouse"
# Where Boathouse's own kernel is not installed.
PLAIN_KERNEL = "python3"
START_SECONDS = 120
# A notebook with large outputs is not written more often than this, in seconds.
SAVE_SECONDS = 2.0
# A Unix socket's path has at most 107 characters; Jupyter adds a number.
LONGEST_SOCKET = 100


class NotebookRun:
    """One execution of a notebook.

    Parameters
    ----------
    order : Order
        What to run, and where the executed notebook goes.
    folder : str
        The kernel's working directory.
    environment : dict
        The kernel's environment.
    """

    def __init__(self, order: Order, *, folder: str, environment: dict[str, str]) -> None:
        self._order = order
        self._folder = folder
        self._environment = environment
        self._client: PapermillNotebookClient | None = None
        self._notebook: Any = None
        self._saved = 0.0
        self._done = 0

    def execute(self, pulse: Pulse) -> str:
        """Run all cells; the answer is the error's text, empty when there was none."""
        # Jupyter keeps a thread's event loop in a context variable, and Dask hands its context
        # on to all threads of a worker: without this, notebooks would share one loop.
        return contextvars.Context().run(self._execute, pulse)

    def _execute(self, pulse: Pulse) -> str:
        self._pulse = pulse
        try:
            papermill.execute_notebook(
                nbformat.reads(self._order.notebook, as_version=4),
                None,
                parameters=self._order.parameters,
                engine_name=KERNEL,
                kernel_name=_kernel_name(),
                language="python",
                progress_bar=False,
                run=self,
            )
            return ""
        except PapermillExecutionError as error:
            return f"In [{error.exec_count}]: {error.ename}: {strip_color(str(error.evalue))}"
        except (DeadKernelError, CellTimeoutError) as error:
            return f"The kernel died in code cell {self._done + 1}; was it out of memory? {error}"
        except RuntimeError as error:  # what Jupyter raises when a kernel does not start
            return f"The kernel did not start: {error}"
        finally:
            # Jupyter makes an event loop for the thread and leaves it open.
            ensure_event_loop().close()
            if not pulse.overtaken:
                self._save()

    def kill(self) -> None:
        """Kill the kernel and its children, if it has started; safe from any thread."""
        manager = self._client and self._client.km
        group = getattr(manager and manager.provisioner, "pgid", None)
        if group:
            try:
                os.killpg(group, signal.SIGKILL)
            except ProcessLookupError:
                return

    def start(self, manager: NotebookExecutionManager, kernel: str) -> None:
        """What papermill's engine does with the parameterised notebook."""
        self._notebook = manager.nb
        # Papermill would note the whole recipe here, as it came not from a file.
        manager.nb.metadata.papermill["input_path"] = f"{self._order.recipe}.ipynb"
        self._save()
        cells = [c for c in manager.nb.cells if c.cell_type == "code" and c.source.strip()]
        self._pulse.say(done=0, total=len(cells))
        self._client = PapermillNotebookClient(
            manager,
            kernel_name=kernel,
            startup_timeout=START_SECONDS,
            timeout=None,
            # All cells are done by then; a polite shutdown only makes the job longer.
            shutdown_kernel="immediate",
            resources={"metadata": {"path": self._folder}},
            on_cell_execute=self._cell_begins,
            on_cell_executed=self._cell_ended,
            log=logger,
            config=_sockets_in(self._folder),
        )
        self._client.execute(env=self._environment)

    def _cell_begins(self, *, cell: Any, cell_index: int) -> None:
        self._pulse.say(message=self._heading(cell_index))

    def _cell_ended(self, *, cell: Any, cell_index: int, execute_reply: Any) -> None:
        self._done += 1
        self._pulse.say(done=self._done)
        if time.monotonic() > self._saved + SAVE_SECONDS and not self._pulse.overtaken:
            self._save()

    def _heading(self, index: int) -> str:
        """The heading that a cell stands under, as what is going on."""
        for cell in reversed(self._notebook.cells[:index]):
            if cell.cell_type == "markdown" and cell.source.startswith("#"):
                return cell.source.partition("\n")[0].lstrip("# ").strip()
        return ""

    def _save(self) -> None:
        if self._notebook is None:
            return
        folder = Path(self._order.lake) / "runs" / self._order.job
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Readers see a whole notebook, the last one or this one.
        fresh = folder / f"notebook-{self._order.attempt}.part"
        fresh.write_text(nbformat.writes(self._notebook), "utf-8")
        fresh.replace(folder / "notebook.ipynb")
        self._saved = time.monotonic()


class _RunEngine(Engine):
    """Papermill's way to be told how to execute a notebook."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: NotebookExecutionManager, kernel_name: str, **kwargs: Any
    ) -> None:
        kwargs["run"].start(nb_man, kernel_name)


papermill_engines.register(KERNEL, _RunEngine)


def _kernel_name() -> str:
    return KERNEL if KERNEL in KernelSpecManager().find_kernel_specs() else PLAIN_KERNEL


def _sockets_in(folder: str) -> Config:
    """Let the kernel speak through files of its folder, which nobody else can open."""
    path = f"{folder}/kernel"
    if len(path) > LONGEST_SOCKET:
        return Config()
    return Config({"ConnectionFileMixin": {"transport": "ipc", "ip": path}})
