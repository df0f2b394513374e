"""Hook of MkDocs: what the pages of the site are made of, beside docs/.

Links: a page of docs/ may lead to a file of the repository (`../dropship_dagster/shop/rules.py`), and CONTRIBUTING.md,
SECURITY.md, CHANGELOG.md and the packages' READMEs, which the site includes, lead to `docs/...`. On the site the first
is a name without a link, as the site holds no source, and the second a link beside the page. A link to nothing fails
the build.

Python: the public names of a package are those that its `__init__` imports; a page of them names only the package.
"""

from __future__ import annotations

import ast
import logging
import re
from pathlib import Path
from typing import Any

logger = logging.getLogger("mkdocs.hooks.site_pages")

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
INCLUDED = {
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "packages/local-kafka/README.md": "embedded-kafka.md",
    "packages/local-snowflake/README.md": "embedded-snowflake.md",
}
_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]+)\]\((?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")
_SNIPPET = re.compile(r'^--8<-- "(.+)"\n$')
_PACKAGE = re.compile(r"^::: (dropship_dagster\.\w+)$", re.MULTILINE)


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """The text of a page with its links resolved and its packages' names listed."""
    source = Path(page.file.abs_src_path)
    snippet = _SNIPPET.match(markdown)
    if snippet:
        source = ROOT / snippet[1]
        markdown = source.read_text(encoding="utf-8")
    markdown = _LINK.sub(lambda link: _resolved(link, source), markdown)
    return _PACKAGE.sub(lambda found: f"{found[0]}\n    options:\n      members: {public_names(found[1])}", markdown)


def public_names(package: str) -> list[str]:
    """The names that the `__init__` of a package imports from its modules, sorted."""
    module = ast.parse((ROOT / package.replace(".", "/") / "__init__.py").read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(module) if isinstance(node, ast.ImportFrom)]
    own = [node for node in imports if (node.module or "").startswith(f"{package}.")]
    return sorted(alias.asname or alias.name for node in own for alias in node.names)


def _resolved(link: re.Match[str], source: Path) -> str:
    if ":" in link["target"]:
        return link[0]
    target = (source.parent / link["target"]).resolve()
    anchor = link["anchor"] or ""
    if not target.exists():
        logger.warning("%s leads to %s, which is not there", source.relative_to(ROOT), link["target"])
        return link[0]
    if str(target.relative_to(ROOT)) in INCLUDED:
        return f"[{link['text']}]({INCLUDED[str(target.relative_to(ROOT))]}{anchor})"
    if not target.is_relative_to(DOCS):
        return link["text"]
    if source.is_relative_to(DOCS):
        return link[0]
    return f"[{link['text']}]({target.relative_to(DOCS)}{anchor})"
