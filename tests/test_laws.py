"""The laws of the design that no linter knows: sizes, names, and where a few things may stand."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "functions").rglob("*.py")])
LONGEST_MODULE, LONGEST_FUNCTION, LONGEST_MAIN = 250, 40, 20
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "shared", "manager"}


def _name(module: Path) -> str:
    return str(module.relative_to(ROOT))


def _is_entry(module: Path) -> bool:
    return module.name == "__main__.py" or module == ROOT / "src" / "molt" / "cli" / "__init__.py"


each_module = pytest.mark.parametrize("module", MODULES, ids=_name)


def _tree(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


def _functions(module: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(_tree(module)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


def test_there_is_something_to_look_at() -> None:
    """The laws are checked on the real tree."""
    assert {"alert.py", "handler.py", "__main__.py"} <= {module.name for module in MODULES}


@each_module
def test_modules_are_short(module: Path) -> None:
    """A module has one idea: at most 250 lines; `__main__` is wiring: at most 20."""
    limit = LONGEST_MAIN if module.name == "__main__.py" else LONGEST_MODULE
    assert len(module.read_text(encoding="utf-8").splitlines()) <= limit


@each_module
def test_functions_are_short(module: Path) -> None:
    """A function has at most 40 lines."""
    assert {} == {node.name: _length(node) for node in _functions(module) if _length(node) > LONGEST_FUNCTION}


@each_module
def test_modules_are_named_for_what_they_hold(module: Path) -> None:
    """No module is called utils, helpers, common or the like."""
    assert module.stem not in BANNED_NAMES


@each_module
def test_only_the_server_catches_everything(module: Path) -> None:
    """`except Exception` stands once in the tree, in server.py."""
    caught = [
        node.lineno
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}))
    ]
    assert (1 if module.name == "server.py" else 0) == len(caught)


@pytest.mark.parametrize("module", [module for module in MODULES if not _is_entry(module)], ids=_name)
def test_only_entry_points_read_the_environment(module: Path) -> None:
    """os.environ is read where a process starts, and handed on as data."""
    read = [
        node.lineno
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"} and _is_os(node.value)
    ]
    assert [] == read


def _is_os(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "os"
