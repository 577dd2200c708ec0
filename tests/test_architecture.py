"""The shape of the house, read from the syntax tree: who imports whom, how large things are, what lies where.

Imports run one way: `app → viz → models.trace` and `app → models`. `models.trace` is the floor, and beside it
`models.generation` with what belongs to it: neither knows torch.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent

FLOOR = ("models.trace", "models.generation", "models.choosing", "models.beams")
MAY_IMPORT = {"app": ("viz", "models"), "viz": ("viz", *FLOOR), "models": ("models",)}
NEVER = {"viz": {"torch", "transformers"}, "models": {"gradio", "plotly"}}
USE_GRADIO = {"app.py", "viz/explorer.py"}
HEAVY = {"plotly", "bertviz", "transformers"}  # may be imported where they are used
PYTHON_LINES, JAVASCRIPT_LINES, FUNCTION_LINES = 350, 400, 60

TOP_LEVEL = {
    *("app.py", "models", "viz", "assets", "tests", "benchmarks", "scripts"),
    *("requirements.txt", "requirements-dev.txt", "constraints.txt", "pyproject.toml"),
    *("README.md", "README.zh-CN.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"),
    *(".github", ".ci", ".gitignore", ".gitattributes"),
}
NOT_OURS = {".git", ".venv", ".venv.lock", "__pycache__", "node_modules", "dist", ".DS_Store"}
NOT_OURS |= {".pytest_cache", ".ruff_cache", ".hypothesis", ".coverage"}


@dataclass(frozen=True)
class Import:
    """One imported module, and where it is written."""

    file: str
    line: int
    module: str
    inside_function: bool

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.module}"


@cache
def files() -> tuple[str, ...]:
    """Every file of the project, from its root: what git keeps or would keep, else what lies here."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        listing = ""
    return tuple(name for name in sorted(listing.split("\0")) if (ROOT / name).is_file()) or tuple(walk())


def walk() -> Iterator[str]:
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(set(folders) - NOT_OURS)
        yield from (Path(folder, name).relative_to(ROOT).as_posix() for name in sorted(set(names) - NOT_OURS))


def python_files() -> list[str]:
    return [name for name in files() if name.endswith(".py")]


@cache
def tree(file: str) -> ast.Module:
    return ast.parse((ROOT / file).read_text(encoding="utf-8"), file)


def line_count(file: str) -> int:
    return len((ROOT / file).read_text(encoding="utf-8").splitlines())


def module_name(file: str) -> str:
    """`viz/figures/__init__.py` is `viz.figures`."""
    parts = PurePosixPath(file).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def product() -> dict[str, str]:
    """The app's own modules, name → file; tests, scripts and benchmarks may import what they like."""
    return {module_name(f): f for f in python_files() if f == "app.py" or f.startswith(("models/", "viz/"))}


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def absolute(node: ast.ImportFrom, file: str) -> str:
    """The module an import-from names, with its leading dots resolved."""
    if not node.level:
        return node.module or ""
    package = PurePosixPath(file).parts[: -node.level]
    return ".".join([*package, *([node.module] if node.module else [])])


def imported_modules(node: ast.AST, file: str) -> list[str]:
    """Modules a statement imports: `from models import trace` is `models.trace`, for that is a module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = absolute(node, file)
        named = [f"{base}.{alias.name}" for alias in node.names]
        return sorted({name if name in product() else base for name in named})
    return []


def imports_below(node: ast.AST, file: str, inside: bool = False) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        for module in imported_modules(child, file):
            yield Import(file, getattr(child, "lineno", 0), module, inside)
        function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from imports_below(child, file, inside or function)


@cache
def product_imports() -> tuple[Import, ...]:
    return tuple(found for file in product().values() for found in imports_below(tree(file), file))


def layer(file: str) -> str:
    return module_name(file).partition(".")[0]


def breaks_direction(found: Import) -> bool:
    ours = found.module.partition(".")[0] in {*MAY_IMPORT, "tests", "scripts", "benchmarks"}
    return ours and not any(is_within(found.module, package) for package in MAY_IMPORT[layer(found.file)])


def report(faults: object) -> str:
    return "\n".join(map(str, faults)) if isinstance(faults, list) else str(faults)


def test_imports_run_one_way():
    faults = [found for found in product_imports() if breaks_direction(found)]
    assert not faults, report(faults)


def test_viz_knows_no_torch_and_models_know_no_page():
    faults = [
        found
        for found in product_imports()
        if found.module.partition(".")[0] in NEVER.get(layer(found.file), set())
    ]
    assert not faults, report(faults)


def test_only_the_page_and_the_explorer_import_gradio():
    faults = [f for f in product_imports() if is_within(f.module, "gradio") and f.file not in USE_GRADIO]
    assert not faults, report(faults)


def test_the_trace_stands_on_the_standard_library_and_numpy():
    allowed = sys.stdlib_module_names | {"numpy"}
    parts = ("head", "parts", "sites")
    files = {f"models/{name}.py" for name in ("trace", *parts)}
    floor = [found for found in product_imports() if found.file in files]
    faults = [
        found
        for found in floor
        if not {found.module.partition(".")[0], found.module}
        & {*allowed, *(f"models.{name}" for name in parts)}
    ]
    assert not faults, report(faults)


def test_no_module_imports_itself_in_a_circle():
    graph: dict[str, set[str]] = {name: set() for name in product()}
    for found in product_imports():
        if found.module in graph:
            graph[module_name(found.file)].add(found.module)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" → ".join(reversed(error.args[1]))) from None


def test_imports_stand_at_the_top_unless_heavy_and_optional():
    faults = [
        found
        for found in product_imports()
        if found.inside_function and found.module.partition(".")[0] not in HEAVY
    ]
    assert not faults, report(faults)


def test_no_python_file_is_too_long():
    faults = [f"{file}: {n} lines" for file in python_files() if (n := line_count(file)) > PYTHON_LINES]
    assert not faults, report(faults)


def test_no_browser_file_of_ours_is_too_long():
    scripts = [name for name in files() if name.endswith((".js", ".mjs"))]
    ours = [name for name in scripts if "vendor" not in PurePosixPath(name).parts and ".min." not in name]
    faults = [f"{file}: {n} lines" for file in ours if (n := line_count(file)) > JAVASCRIPT_LINES]
    assert not faults, report(faults)


def test_no_function_is_too_long():
    faults = [
        f"{file}:{node.lineno} {node.name}: {length} lines"
        for file in python_files()
        for node in ast.walk(tree(file))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    ]
    assert not faults, report(faults)


def test_the_top_level_holds_nothing_unexpected():
    found = {PurePosixPath(name).parts[0] for name in files()}
    assert found <= TOP_LEVEL, report(sorted(found - TOP_LEVEL))
