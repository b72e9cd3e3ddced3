"""How Sphinx builds these pages: `make docs`, or `python -m sphinx -b html -W docs docs/_build/html`.

The built site reads offline: no page fetches a script, a style, a font or an image from another host. Mathematics is
therefore written in plain text, and the code of the pages is run by the tests (tests/test_docs.py), not by the build.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "glassgrad"
author = "glassgrad contributors"
copyright = "glassgrad contributors, MIT licence"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "plain_docstrings"]
exclude_patterns = ["_build", "_extensions"]

nb_execution_mode = "off"
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["config.cache"]

default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
add_module_names = False
toc_object_entries_show_parents = "hide"
highlight_language = "python"

html_theme = "furo"
html_title = "glassgrad"
html_static_path = ["_static"]
html_css_files = ["page.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5c7a", "color-brand-content": "#0b5c7a", "color-brand-visited": "#0b5c7a"},
    "dark_css_variables": {"color-brand-primary": "#7cc7e0", "color-brand-content": "#7cc7e0", "color-brand-visited": "#7cc7e0"},
}
pygments_style = "default"
pygments_dark_style = "github-dark"
