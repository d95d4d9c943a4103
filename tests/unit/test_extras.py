"""What comes with an extra is imported in one module each, and that module by nobody at import: most go without."""

import ast
from pathlib import Path

import bridged

HOMES = {
    "mcp": "bridged.web.mcp",
    "mcp_types": "bridged.web.mcp",
    "pydantic_ai": "bridged.conversation.agent",
    "genai_prices": "bridged.conversation.agent",
    "opentelemetry": "bridged.core.telemetry",
}
SOURCE = Path(bridged.__file__).parent


def test_extras_are_loaded_only_by_who_uses_them() -> None:
    for path in SOURCE.rglob("*.py"):
        name = ".".join(("bridged", *path.relative_to(SOURCE).with_suffix("").parts))
        for imported in imports(ast.parse(path.read_text())):
            home = HOMES.get(imported.partition(".")[0])
            assert home in {None, name}, f"{name} imports {imported}"
            assert imported not in HOMES.values(), f"{name} imports {imported}, and so an extra"


def imports(tree: ast.Module) -> set[str]:
    """Absolute names of modules that are imported, and of what is imported from them."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found |= {node.module} | {f"{node.module}.{each.name}" for each in node.names}
    return found
