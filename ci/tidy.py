#!/usr/bin/env python3
"""The rules of style that a program can check. Prints file:line: rule, exits 1 if any is broken."""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMITS = {".cc": 800, ".h": 400}
MAX_COLUMNS = 100
# Third-party headers that only the named module may include.
OWNED_HEADERS = {
    "arrow/": "parquet", "parquet/arrow": "parquet", "parquet/api": "parquet", "duckdb.h": "sql", "sqlite3.h": "catalog",
    "boost/": "http", "nlohmann/": "codec", "yaml-cpp/": "config", "CLI/": "app", "histedit.h": "app",
}
# Calls with a better way; the modules named may make them all the same.
BANNED = [
    (re.compile(r"\bstd::(system_clock|steady_clock)::now\b"), {"os"}, "take an os::Clock"),
    (re.compile(r"\b(std::chrono|chrono)::(system|steady)_clock::now\b"), {"os"}, "take an os::Clock"),
    (re.compile(r"\bstd::(mt19937|random_device|rand)\b"), {"os"}, "take an os::Random"),
    (re.compile(r"\bstd::(thread|jthread|async)\b(?!::)"), {"os"}, "use os::Thread"),
    (re.compile(r"\bsleep_(for|until)\b|\busleep\("), {"os"}, "wait on a condition or a clock"),
    (re.compile(r"\bassert\("), set(), "use TARN_CHECK, or answer an Error"),
    (re.compile(r"\b(strcpy|strcat|sprintf|gets|strtok|atoi|atol|atof)\("), {"none"}, "use base/text.h or fmt"),
    (re.compile(r"^\s*throw\b"), set(), "return an Error"),
    (re.compile(r"\b(TODO|FIXME|XXX|HACK)\b"), set(), "finish it, or file an issue"),
    (re.compile(r"/(work|farm|root)/"), set(), "no path of one machine"),
]
REFUSED_NAMES = re.compile(r"\b(class|struct)\s+\w*(Manager|Helper|Util|Processor|Handler|Info)\b(?!;)")
ALLOWED_NAMES = {"FileInfo", "ObjectInfo", "TableInfo", "ColumnInfo"}  # facts about a thing, in the field's words
LONG_HEADERS = {"src/source/access_log/kernel_impl.h"}  # one body compiled for two instruction sets
REFUSED_FOLDERS = {"util", "utils", "common", "misc", "helpers"}


def modules():
    """Module path -> (deps, listed files), read from the tarn_module calls, in the order of CMakeLists.txt."""
    text = (ROOT / "CMakeLists.txt").read_text()
    order = re.search(r"foreach\(module IN ITEMS(.*?)\)", text, re.S).group(1).split()
    found = {}
    for path in order:
        cmake = ROOT / "src" / path / "CMakeLists.txt"
        if not cmake.exists():
            continue
        body = re.sub(r"#.*", "", cmake.read_text())
        call = re.search(r"tarn_module\(\s*" + re.escape(path) + r"\b(.*?)\)", body, re.S)
        words = call.group(1).split() if call else []
        deps, key = [], None
        for word in words:
            if word.isupper():
                key = word
            elif key == "DEPS":
                deps.append(word)
        found[path] = (deps, set(re.findall(r"[\w./]+\.(?:cc|h)\b", body)))
    return order, found


def module_of(path, order):
    relative = path.relative_to(ROOT / "src").parent.as_posix()
    return next((m for m in sorted(order, key=len, reverse=True) if relative == m or relative.startswith(m + "/")), None)


def check_layers(order, found, problems):
    for module, (deps, _) in found.items():
        for dep in deps:
            if dep not in order or order.index(dep) >= order.index(module):
                problems.append(f"src/{module}/CMakeLists.txt:1: {module} may not depend on {dep}: it is not below it")


def check_file(path, order, found, problems):
    relative = path.relative_to(ROOT)
    lines = path.read_text(errors="replace").splitlines()
    inside = path.is_relative_to(ROOT / "src")
    module = module_of(path, order) if inside else None
    if len(lines) > LIMITS[path.suffix] and str(relative) not in LONG_HEADERS:
        problems.append(f"{relative}:1: {len(lines)} lines, over {LIMITS[path.suffix]}: split by noun")
    if inside and module is None:
        problems.append(f"{relative}:1: belongs to no module of CMakeLists.txt")
        return
    for_tests = path.name.startswith("test_") or "_test" in path.name
    if module and not for_tests and path.name not in {Path(f).name for f in found.get(module, ([], set()))[1]}:
        problems.append(f"{relative}:1: no CMake target lists it")
    for number, line in enumerate(lines, 1):
        check_line(f"{relative}:{number}", line, module, order, found, problems)


def check_line(where, line, module, order, found, problems):
    if len(line) > MAX_COLUMNS and "http" not in line and 'R"' not in line:
        problems.append(f"{where}: {len(line)} columns, over {MAX_COLUMNS}")
    include = re.match(r'#include ["<]([^">]+)[">]', line)
    if include and module:
        target = include.group(1)
        owner = next((o for prefix, o in OWNED_HEADERS.items() if target.startswith(prefix)), None)
        if owner and owner != module:
            problems.append(f"{where}: only module {owner} includes {target}")
        other = module_of(ROOT / "src" / target, order) if "/" in target and (ROOT / "src" / target).exists() else None
        is_test = where.split(":")[0].endswith(("_test.cc", "_fuzz.cc"))
        if other and other != module and other not in reachable(module, found) and not is_test:
            problems.append(f"{where}: {module} includes {other}, which its DEPS do not list")
    code = line.split("//")[0]
    for pattern, allowed, instead in BANNED:
        text = line if "TODO" in pattern.pattern or "work" in pattern.pattern else code
        # Programs outside the product, and tests, meet the machine as it is.
        exempt = allowed and (module is None or "_test" in where or "/test_" in where)
        if pattern.search(text) and not exempt and (module or "").split("/")[0] not in allowed:
            problems.append(f"{where}: {instead}")
    named = REFUSED_NAMES.search(code)
    if named and named.group(0).split()[1] not in ALLOWED_NAMES:
        problems.append(f"{where}: the name says nothing; call it what it is")


def reachable(module, found):
    seen, todo = set(), list(found.get(module, ([], set()))[0])
    while todo:
        dep = todo.pop()
        if dep not in seen:
            seen.add(dep)
            todo += found.get(dep, ([], set()))[0]
    return seen


def main():
    order, found = modules()
    problems = []
    check_layers(order, found, problems)
    tracked = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True,
                             check=False).stdout.splitlines()
    for name in tracked:
        path = ROOT / name
        if REFUSED_FOLDERS & set(path.relative_to(ROOT).parts):
            problems.append(f"{name}:1: a folder that means nothing; split by noun")
        if path.suffix in LIMITS and path.exists() and name.startswith(("src/", "demo/", "bench/", "test/", "ci/")):
            check_file(path, order, found, problems)
    print("\n".join(problems) if problems else f"tidy: {len(tracked)} files, nothing to say")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
