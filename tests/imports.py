"""Who imports whom: every import of a file counts, lazy ones and those by name too."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

Graph = dict[str, set[str]]


def modules(root: Path, tops: Iterable[str] = ("speechpipe", "flows")) -> dict[str, Path]:
    """Dotted name → file of every module below ``root``; a package stands for its ``__init__``."""
    found = {}
    for top in tops:
        for path in sorted((root / top).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def graph(root: Path) -> Graph:
    known = modules(root)
    return {name: set(_imports(name, path, known)) - {name} for name, path in known.items()}


def circles(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """Every group of modules that reach each other (Tarjan)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = low[node] = len(order)
        stack.append(node)
        for other in sorted(edges.get(node, ())):
            if other not in order:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], order[other])
        if low[node] == order[node]:
            group = [stack.pop()]
            while group[-1] != node:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(sorted(group))

    for node in sorted(edges):
        if node not in order:
            visit(node)
    return found


def upward(edges: Mapping[str, set[str]], layers: Iterable[Iterable[str]]) -> list[tuple[str, str]]:
    """Imports from a lower layer into a higher one, or from one room into another of the same layer."""
    places = {room: number for number, layer in enumerate(layers) for room in layer}

    def place(module: str) -> tuple[str, int] | None:
        rooms = [room for room in places if module == room or module.startswith(f"{room}.")]
        return (max(rooms, key=len), places[max(rooms, key=len)]) if rooms else None

    wrong = []
    for module, others in edges.items():
        for other in sorted(others):
            here, there = place(module), place(other)
            if here and there and here[0] != there[0] and here[1] >= there[1]:
                wrong.append((module, other))
    return wrong


def _imports(name: str, path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    constants = {"__name__": name, **dict(_constants(tree))}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield from (
                    module for module in (full, base) if module in known and (module == full or full not in known)
                )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if node.value in known and "." in node.value:
                yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield from _by_name(node, constants, known)


def _by_name(string: ast.JoinedStr, constants: Mapping[str, str], known: Mapping[str, Path]) -> Iterator[str]:
    """The modules that an f-string may name: ``f"{__name__}.{x}"`` is any module of this package."""
    text = ""
    for part in string.values:
        if isinstance(part, ast.Constant):
            text += str(part.value)
        elif isinstance(part, ast.FormattedValue):
            text += _value(part.value, constants)
    head, star, _ = text.partition("*")
    if not star:
        yield from [text] if text in known else []
    elif head.endswith(".") and head[:-1] in known and "." in head:
        yield from (module for module in known if module.startswith(head) and not module.endswith("__main__"))


def _value(value: ast.expr, constants: Mapping[str, str]) -> str:
    if isinstance(value, ast.Name):
        return constants.get(value.id, "*")
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "flows_module":
        return "flows"
    return "*"


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id, node.value.value
