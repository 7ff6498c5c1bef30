"""How Sphinx builds the documentation: ``make docs``."""

import boathouse

project = "Boathouse"
author = "The Boathouse founders"
copyright = "2026, the Boathouse founders"
version = release = boathouse.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
html_theme = "pydata_sphinx_theme"
html_title = "Boathouse"
html_static_path = ["_static"]
html_theme_options = {"show_toc_level": 2, "logo": {"text": "Boathouse"}}
exclude_patterns = ["_build"]
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = False
