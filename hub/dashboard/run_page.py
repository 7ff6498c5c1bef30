"""The page of one run: its executed notebook as HTML, for those who may see the job."""

import asyncio
import hashlib
import html
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from urllib.parse import quote

from tornado.web import RequestHandler

from ...catalogs.errors import BoathouseError, NotFound
from ...workflows.jobs import Job
from .arrivals import readable
from .identity import Gate
from .session import Session, Visitor
from .work import message_of

logger = logging.getLogger(__name__)

# A notebook is somebody's program: its page may draw, but neither run scripts, nor send
# forms, nor fetch anything, and it is no part of the dashboard's origin.
CONTENT_SECURITY_POLICY = (
    "sandbox allow-popups allow-downloads; default-src 'none'; img-src data:; media-src data:; "
    "style-src 'unsafe-inline'; font-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
# Rendered pages that are kept, and the size above which a notebook is only offered as a file.
KEEP = 16
MOST_BYTES = 40_000_000

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>{head}
<style>{style}</style></head><body class="jp-Notebook">{strip}{body}</body></html>"""
_STYLE = """
body.jp-Notebook { margin: 0; padding: 0 0 3rem; background: #fff; }
.boathouse-strip { position: sticky; top: 0; z-index: 9; display: flex; gap: .4rem 1.5rem;
  flex-wrap: wrap; align-items: baseline; padding: .8rem 1.5rem; background: #f4f7f8;
  border-bottom: 1px solid #d5dee2; font: 14px/1.45 system-ui, sans-serif; color: #16262f; }
.boathouse-strip h1 { font-size: 16px; margin: 0; }
.boathouse-strip a { color: #0b5d66; }
.boathouse-strip .error { flex-basis: 100%; color: #a3221a; white-space: pre-wrap; }
.boathouse-note { max-width: 46rem; margin: 4rem auto; padding: 0 1.5rem;
  font: 15px/1.6 system-ui, sans-serif; color: #16262f; }
"""


class NotebookPages:
    """Renders notebooks and remembers the newest few.

    Examples
    --------
    >>> empty = b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
    >>> styles, body = NotebookPages().body(empty)
    >>> styles.startswith("<style>")
    True
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[str, str]] = OrderedDict()
        # nbconvert's exporter is not made for threads, and one page at a time is enough.
        self._lock = threading.Lock()

    def warm(self) -> None:
        """Import what rendering needs, so that the first page need not wait for it."""
        from nbconvert import HTMLExporter

        HTMLExporter(template_name="lab")

    def body(self, notebook: bytes) -> tuple[str, str]:
        """The head (styles) and the body of a notebook as HTML.

        Parameters
        ----------
        notebook : bytes
            The ipynb.
        """
        name = hashlib.sha256(notebook).hexdigest()
        with self._lock:
            if name not in self._kept:
                self._kept[name] = _render(notebook)
                while len(self._kept) > KEEP:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(name)
            return self._kept[name]


def _render(notebook: bytes) -> tuple[str, str]:
    import nbformat
    from nbconvert import HTMLExporter

    # Scripts never run on this page, so none are asked for.
    exporter = HTMLExporter(
        template_name="lab", mathjax_url="", require_js_url="", jquery_url="", mermaid_js_url=""
    )
    document = nbformat.reads(notebook.decode("utf-8"), as_version=4)
    for cell in document.cells:
        cell.setdefault("id", "")
    page, _ = exporter.from_notebook_node(document)
    head = page.partition("<head>")[2].partition("</head>")[0]
    styles = "".join(
        f"<style>{part.partition('>')[2].partition('</style>')[0]}</style>"
        for part in head.split("<style")[1:]
    )
    body = page.partition("<body")[2].partition(">")[2].rpartition("</body>")[0]
    return styles, body


def strip_of(job: Job, prefix: str) -> str:
    """The line above the notebook that says which run it is (HTML)."""
    parameters = ", ".join(f"{name} = {value!r}" for name, value in job.parameters.items())
    facts = [
        f"<h1>{html.escape(job.recipe)}</h1>",
        f"<span>{html.escape(job.state)}</span>",
        f"<span>{html.escape(job.owner)}</span>" if job.owner else "",
        f"<span>{html.escape(readable(job.finished or job.started or job.created))}</span>",
        f"<span>{html.escape(parameters[:300])}</span>" if parameters else "",
        f'<a href="{prefix}/runs/{quote(job.id, safe="")}/notebook.ipynb">Download notebook</a>',
        f'<a href="{prefix}/">Back to the dashboard</a>',
        f'<span class="error">{html.escape(job.message)}</span>' if job.state == "failed" else "",
    ]
    return f'<div class="boathouse-strip">{"".join(facts)}</div>'


def note_page(title: str, text: str, prefix: str) -> str:
    """A small page that says one thing (HTML)."""
    body = (
        f'<div class="boathouse-note"><h1>{html.escape(title)}</h1><p>{html.escape(text)}</p>'
        f'<p><a href="{prefix}/">Back to the dashboard</a></p></div>'
    )
    return _PAGE.format(title=html.escape(title), head="", style=_STYLE, strip="", body=body)


def run_handlers(
    gate: Gate, open_session: Callable[[Visitor], Session], pages: NotebookPages
) -> list[tuple[str, type[RequestHandler]]]:
    """The handlers of ``/runs/<job id>`` and its file, relative to the prefix.

    Parameters
    ----------
    gate : Gate
        Who may come in.
    open_session : callable
        Makes the visitor's session; it is closed after each answer.
    pages : NotebookPages
        Renders.
    """

    class Run(RequestHandler):
        async def _visitor(self) -> Visitor | None:
            return await gate.guest(self)

        async def get(self, id: str) -> None:
            visitor = await self._visitor()
            if visitor is None:
                return
            self.set_header("Cache-Control", "no-store")
            self.set_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
            status, page = await asyncio.to_thread(self._page, id, visitor)
            self.set_status(status)
            self.finish(page)

        def _page(self, id: str, visitor: Visitor) -> tuple[int, str]:
            session = open_session(visitor)
            try:
                job = session.job(id)
                return 200, _notebook_page(job, session, pages, gate.prefix)
            except NotFound:
                text = "There is no such run, or it belongs to somebody else."
                return 404, note_page("No such run", text, gate.prefix)
            except BoathouseError as error:
                text = message_of(error)
                return error.status, note_page("Not just now", text, gate.prefix)
            finally:
                session.close()

    class File(Run):
        async def get(self, id: str) -> None:
            visitor = await self._visitor()
            if visitor is None:
                return
            try:
                content = await asyncio.to_thread(self._content, id, visitor)
            except BoathouseError as error:
                self.set_status(error.status)
                self.finish(note_page("No notebook", error.detail, gate.prefix))
                return
            self.set_header("Content-Type", "application/x-ipynb+json")
            self.set_header("Content-Disposition", 'attachment; filename="notebook.ipynb"')
            self.set_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
            self.finish(content)

        def _content(self, id: str, visitor: Visitor) -> bytes:
            session = open_session(visitor)
            try:
                return session.notebook(id)
            finally:
                session.close()

    return [(r"/runs/([^/]+)", Run), (r"/runs/([^/]+)/notebook\.ipynb", File)]


def _notebook_page(job: Job, session: Session, pages: NotebookPages, prefix: str) -> str:
    try:
        notebook = session.notebook(job.id)
    except NotFound:
        head, body = "", _note("The notebook appears here when its first cell has run.")
    else:
        if len(notebook) > MOST_BYTES:
            head, body = "", _note("This notebook is very large; download it to read it.")
        else:
            head, body = _rendered(notebook, pages)
    title = html.escape(f"{job.recipe} – Boathouse")
    return _PAGE.format(
        title=title, head=head, style=_STYLE, strip=strip_of(job, prefix), body=body
    )


def _rendered(notebook: bytes, pages: NotebookPages) -> tuple[str, str]:
    try:
        return pages.body(notebook)
    except (ValueError, KeyError, AttributeError) as error:  # whatever a program wrote there
        logger.warning("A notebook cannot be rendered: %r", error)
        return "", _note("This notebook cannot be read; download the file to look into it.")


def _note(text: str) -> str:
    return f'<div class="boathouse-note"><p>{html.escape(text)}</p></div>'
