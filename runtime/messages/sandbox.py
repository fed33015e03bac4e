"""A safe subset of Jinja for templates that businesses write.

It has variables, `if` and a few filters, and nothing else: no loops, assignments, arithmetic or calls, and no
attributes except the variables. So a template cannot reach into Python, and its work grows only with its length,
which is limited, as is its output. It is checked before it is compiled, and still runs in Jinja's sandbox.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from jinja2 import StrictUndefined, TemplateError, nodes
from jinja2 import Template as Compiled
from jinja2.sandbox import ImmutableSandboxedEnvironment

from domain.messages import VARIABLES

LONGEST_SOURCE: Final = 16_384
_DEEPEST: Final = 40
_MOST_EXPRESSIONS: Final = 500
"""Plain text is cheap; compiling this many expressions takes some 0.1 s."""
_NODES: Final = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Const,
    nodes.Name,
    nodes.Getattr,
    nodes.If,
    nodes.CondExpr,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Compare,
    nodes.Operand,
    nodes.Concat,
    nodes.Filter,
    nodes.Test,
    nodes.Keyword,
)
# None of them multiplies its input, however often it is applied: `replace`, `center` and `format` would.
_FILTERS: Final = ("capitalize", "d", "default", "e", "escape", "lower", "title", "trim", "truncate", "upper")
_TESTS: Final = ("defined", "undefined", "none", "eq", "equalto", "ne")
_WORDS: Final = {
    nodes.For: "for",
    nodes.Assign: "set",
    nodes.AssignBlock: "set",
    nodes.Macro: "macro",
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "import",
    nodes.Extends: "extends",
    nodes.Block: "block",
    nodes.Call: "a call",
    nodes.Getitem: "[…]",
    nodes.ScopedEvalContextModifier: "autoescape",
}


class TemplateRefusedError(Exception):
    """A template is not allowed; the message names the line, counted from 1."""

    def __init__(self, message: str, line: int | None = 1) -> None:
        super().__init__(f"line {line or 1}: {message}")


def _environment(*, html: bool) -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
        cache_size=0,
    )
    made.globals.clear()
    made.filters = {name: made.filters[name] for name in _FILTERS}
    made.tests = {name: made.tests[name] for name in _TESTS}
    return made


_PLAIN: Final = _environment(html=False)
_HTML: Final = _environment(html=True)


@lru_cache(maxsize=1024)
def compiled(source: str, *, html: bool = False) -> Compiled:
    """The compiled template; with `html`, values are escaped.

    Raises:
        TemplateRefusedError: it is malformed, not allowed, or names an unknown variable.
    """
    if len(source) > LONGEST_SOURCE:
        raise TemplateRefusedError(f"longer than {LONGEST_SOURCE} characters")
    environment = _HTML if html else _PLAIN
    try:
        tree = environment.parse(source)
        _check(tree, 0)
        if sum(1 for _ in tree.find_all(nodes.Expr)) > _MOST_EXPRESSIONS:
            raise TemplateRefusedError(f"more than {_MOST_EXPRESSIONS} names, filters and the like")
        return environment.from_string(tree)
    except TemplateError as error:
        raise TemplateRefusedError(error.message or "not well-formed", getattr(error, "lineno", 1)) from None
    except (SyntaxError, RecursionError, MemoryError, ValueError, OverflowError):  # from Python's compiler
        raise TemplateRefusedError("too deeply nested, or not well-formed") from None


def fill(template: Compiled, values: Mapping[str, str | int], *, longest: int) -> str:
    """The rendered text, with values for all `VARIABLES`.

    Raises:
        TemplateRefusedError: rendering fails, or the text is longer than `longest` characters.
    """
    try:
        text = template.render(_grouped(values))
    except Exception as error:  # filters raise anything, depending on their arguments
        raise TemplateRefusedError(f"cannot be filled in ({type(error).__name__})") from None
    if len(text) > longest:
        raise TemplateRefusedError(f"the text becomes longer than {longest} characters")
    return text


def _grouped(values: Mapping[str, str | int]) -> dict[str, Any]:
    """`booking.date` as a member of `booking`."""
    groups: dict[str, Any] = {}
    for name, value in values.items():
        group, _, member = name.partition(".")
        if member:
            groups.setdefault(group, {})[member] = value
        else:
            groups[group] = value
    return groups


def _check(node: nodes.Node, depth: int) -> None:
    if depth > _DEEPEST:
        raise TemplateRefusedError("too deeply nested", node.lineno)
    if not isinstance(node, _NODES):
        word = _WORDS.get(type(node), type(node).__name__.lower())
        raise TemplateRefusedError(f"{word} is not allowed in a message", node.lineno)
    if isinstance(node, nodes.Getattr | nodes.Name):
        _check_name(node)
        return
    if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
        raise TemplateRefusedError(f"there is no filter {node.name}", node.lineno)
    if isinstance(node, nodes.Test) and node.name not in _TESTS:
        raise TemplateRefusedError(f"there is no test {node.name}", node.lineno)
    for child in node.iter_child_nodes():
        _check(child, depth + 1)


def _check_name(node: nodes.Getattr | nodes.Name) -> None:
    if isinstance(node, nodes.Name):
        name = node.name
    elif isinstance(node.node, nodes.Name):
        name = f"{node.node.name}.{node.attr}"
    else:
        raise TemplateRefusedError(f"there is nothing called {node.attr} there", node.lineno)
    if name not in VARIABLES:
        raise TemplateRefusedError(f"there is no variable {name}", node.lineno)
