#!/usr/bin/env python3
"""Writes two English texts that come with Python: calibration.txt (docstrings of the standard library) and evaluation.txt (the language reference that help() shows).

Usage: quantization_texts.py OUT_DIR
What comes out depends on the version of Python, so results name the digests that are printed.
"""
import ast
import hashlib
import pathlib
import sys
import sysconfig

import pydoc_data.topics


def docstrings(folder):
    for path in sorted(folder.glob("*.py")) + sorted(folder.glob("[a-z]*/*.py")):
        if path.parts[len(folder.parts)] in ("test", "idlelib", "lib2to3", "pydoc_data", "site-packages"):
            continue
        tree = ast.parse(path.read_bytes())
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                text = ast.get_docstring(node)
                if text and len(text) >= 200:
                    yield text


def write(path, text):
    data = text.encode()
    path.write_bytes(data)
    print(path.name, len(data), "bytes, sha256", hashlib.sha256(data).hexdigest())


out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
print("Python", sys.version.split()[0])
seen = dict.fromkeys(docstrings(pathlib.Path(sysconfig.get_paths()["stdlib"])))
write(out / "calibration.txt", "\n\n".join(seen))
topics = pydoc_data.topics.topics
write(out / "evaluation.txt", "\n\n".join(topics[name] for name in sorted(topics)))
