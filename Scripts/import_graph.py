#!/usr/bin/env python3
"""Checks that dependencies point one way: between the targets of Package.swift, and between the folders of the faces.

    Scripts/import_graph.py                # undeclared and unused dependencies of targets, cycles of either graph: status 1 if there is any
    Scripts/import_graph.py --print        # also prints both graphs
    Scripts/import_graph.py --self-test    # plants one of each fault and sees that it is found

Targets are judged by the `import` lines of their sources. Folders of faces (Sources/Faces/*) are one module; between them an edge is
a type that one folder declares at top level and the other one names.
"""
import pathlib
import re
import sys
import tempfile

import swift_text

# Modules of the toolchain and of the system, which no manifest declares.
TOOLCHAIN = {
    "Swift", "Glibc", "Foundation", "FoundationEssentials", "Synchronization", "Dispatch", "Testing", "XCTest", "Builtin", "_Concurrency",
}
FACES = ("Sources/Faces",)
IMPORT = re.compile(
    r"^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:public|package|internal|fileprivate|private)\s+)?"
    r"import\s+(?:(?:struct|class|enum|protocol|func|var|let|typealias|actor)\s+)?([A-Za-z_]\w*)",
    re.M)


def balanced(text, start):
    """The text between the parenthesis at `start` and the one that closes it; brackets in strings do not occur in a manifest."""
    depth = 0
    for at in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0:
            return text[start + 1:at]
    raise ValueError("Package.swift: a parenthesis is not closed")


def manifest(text):
    """name -> (directory, declared dependencies), for each target in Package.swift."""
    text = re.sub(r"(?m)(?<!:)//.*$", "", text)
    targets = {}
    for match in re.finditer(r"\.(target|testTarget|executableTarget|systemLibrary)\(", text):
        body = balanced(text, match.end() - 1)
        name = re.search(r'name:\s*"([^"]+)"', body).group(1)
        path = re.search(r'\bpath:\s*"([^"]+)"', body)
        listed = re.search(r"dependencies:\s*\[(.*?)\]", body, re.S)
        dependencies = set()
        if listed:
            products = re.findall(r'\.product\(\s*name:\s*"([^"]+)"[^)]*\)', listed.group(1))
            plain = re.findall(r'"([^"]+)"', re.sub(r"\.product\([^)]*\)", "", listed.group(1)))
            dependencies = set(products) | set(plain)
        folder = "Tests" if match.group(1) == "testTarget" else "Sources"
        targets[name] = (path.group(1) if path else f"{folder}/{name}", dependencies)
    return targets


def sources(directory):
    return sorted(path for path in directory.rglob("*.swift") if ".build" not in path.parts)


def cycles(graph):
    """The strongly connected components of more than one node, each sorted (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            component = stack[stack.index(node):]
            del stack[stack.index(node):]
            if len(component) > 1 or node in graph.get(node, ()):
                found.append(sorted(component))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return sorted(found)


def check_targets(root):
    """(faults, graph). Test targets are judged like the others: an import that works by luck fails in another build order."""
    targets = manifest((root / "Package.swift").read_text())
    modules = {name.replace("-", "_"): name for name in targets}
    faults, graph = [], {}
    for name, (path, declared) in targets.items():
        imported = {}
        for file in sources(root / path):
            for module in IMPORT.findall(swift_text.split(file.read_text())[0]):
                imported.setdefault(modules.get(module, module), file.relative_to(root))
        for module, file in sorted(imported.items()):
            if module not in declared | TOOLCHAIN | {name}:
                faults.append(f"{file}: {name} imports {module} and does not declare it in Package.swift")
        if imported:
            for module in sorted(declared - set(imported)):
                faults.append(f"Package.swift: {name} declares {module} and does not import it")
        graph[name] = sorted((set(imported) | declared) & set(targets) - {name})
    faults += [f"targets depend on each other: {' ⇄ '.join(component)}" for component in cycles(graph)]
    return faults, graph


def top_level_types(code):
    stream, depth, names = swift_text.tokens(code), 0, set()
    for at, token in enumerate(stream):
        depth += {"{": 1, "(": 1, "}": -1, ")": -1}.get(token, 0)
        if depth == 0 and token != "extension" and swift_text.declares_type(stream, at):
            names.add(str(stream[at + 1]).strip("`"))
    return names


def check_folders(root):
    """(faults, graph, uses): `uses[(a, b)]` are the types of `b` that `a` names. A name that two folders declare counts for neither."""
    declared, code = {}, {}
    for faces in FACES:
        for folder in sorted(path for path in (root / faces).glob("*") if path.is_dir()):
            name = str(folder.relative_to(root))
            code[name] = "\n".join(swift_text.split(file.read_text())[0] for file in sources(folder))
            declared[name] = set().union(*(top_level_types(swift_text.split(file.read_text())[0]) for file in sources(folder)))
    counts = {}
    for names in declared.values():
        for name in names:
            counts[name] = counts.get(name, 0) + 1
    graph, uses = {}, {}
    for folder, text in code.items():
        # After a dot a word is a member or a nested type, never a type at top level.
        words = set(re.findall(r"(?<![.\w])[A-Z]\w*", text))
        for other, names in declared.items():
            used = sorted(name for name in names & words if counts[name] == 1)
            if other != folder and used:
                uses[(folder, other)] = used
        graph[folder] = sorted(other for other in code if (folder, other) in uses)
    faults = []
    for component in cycles(graph):
        faults.append(f"folders of faces depend on each other: {' ⇄ '.join(component)}")
        for (folder, other), names in sorted(uses.items()):
            if folder in component and other in component:
                faults.append(f"  {folder} names {', '.join(names)} of {other}")
    return faults, graph, uses


def check(root):
    """(faults of both graphs, graph of targets, graph of folders, uses between folders)."""
    faults, graph = check_targets(root)
    folder_faults, folders, uses = check_folders(root)
    return faults + folder_faults, graph, folders, uses


def self_test():
    def judge(manifest_text, files):
        with tempfile.TemporaryDirectory() as directory:
            root = pathlib.Path(directory)
            (root / "Package.swift").write_text(manifest_text)
            for path, text in files.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text)
            return check(root)[0]

    two = '.target(name: "A", dependencies: [{}]), .target(name: "B", dependencies: ["A"{}])'
    b = "package import A\n@testable import struct A.Thing\nimport Glibc\n"
    faces = {
        "Sources/Faces/One/One.swift": "struct One { let two: Two }\n",
        "Sources/Faces/Two/Two.swift": "extension Two {}\nstruct Two {}\n",
    }
    cases = [
        ("as declared", 0, judge(two.format("", ""), {"Sources/A/A.swift": "import Foundation\n", "Sources/B/B.swift": b})),
        ("undeclared", 1, judge(two.format("", ""), {"Sources/A/A.swift": "import Logging\n", "Sources/B/B.swift": b})),
        ("unused", 1, judge(two.format("", ', .product(name: "Logging", package: "swift-log")'),
                            {"Sources/A/A.swift": "import Glibc\n", "Sources/B/B.swift": b})),
        ("cycle", 1, judge(two.format('"B"', ""), {"Sources/A/A.swift": "import B\n", "Sources/B/B.swift": b})),
        ("in a comment and in a string", 0, judge(two.format("", ""), {
            "Sources/A/A.swift": '// import B\n/* import B\n/* nested */ import B */\nlet a = """\nimport B\n"""\nimport Glibc\n', "Sources/B/B.swift": b})),
        ("faces one way", 0, judge("", faces)),
        ("faces both ways", 3, judge("", faces | {"Sources/Faces/Two/More.swift": "func f(_ one: One) {}\n"})),
        ("a nested type of that name, a comment, a string", 0, judge("", faces | {
            "Sources/Faces/Two/More.swift": 'let a = x.One  // One\nlet b = "One"\n'})),
        ("a name that both declare", 0, judge("", faces | {
            "Sources/Faces/Two/More.swift": "enum One {}\nfunc f(_ one: One) {}\n"})),
        ("three in a ring", 4, judge("", {
            "Sources/Faces/A/A.swift": "struct A { var b: [B] }\n", "Sources/Faces/B/B.swift": 'struct B { let c = "\\(C.self)" }\n',
            "Sources/Faces/C/C.swift": "actor C { func f(a: A?) {} }\n"})),
    ]
    wrong = [(name, expected, found) for name, expected, found in cases if len(found) != expected]
    for name, expected, found in wrong:
        print(f"{name}: expected {expected} faults, found {found}")
    print(f"self-test: {len(cases)} cases, {len(wrong)} wrong")
    return len(wrong)


def main(arguments):
    root = pathlib.Path(__file__).resolve().parent.parent
    faults, graph, folders, uses = check(root)
    if "--print" in arguments:
        for name, others in graph.items():
            print(f"{name} → {', '.join(others) or 'nothing of ours'}")
        for (folder, other), names in sorted(uses.items()):
            print(f"{folder} → {other}: {', '.join(names)}")
    for fault in faults:
        print(fault)
    edges = sum(len(others) for others in graph.values())
    print(f"imports: {len(graph)} targets, {edges} edges, {len(cycles(graph))} cycles; "
          f"{len(folders)} folders of faces, {len(uses)} edges, {len(cycles(folders))} cycles")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(1 if "--self-test" in sys.argv[1:] and self_test() else 0 if "--self-test" in sys.argv[1:] else main(sys.argv[1:]))
