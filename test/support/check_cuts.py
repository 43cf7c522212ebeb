#!/usr/bin/env python3
"""Checks that code in the documentation is what the tests compile.

A page says `<!-- cut: <file> <name> -->` before a code block; the file holds the same lines between
`// [example <name>]` and `// [example end]`. With --write the pages are brought up to date.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CUT = re.compile(r"(<!-- cut: (\S+) (\S+) -->\n```cpp\n)(.*?)(```\n)", re.DOTALL)


def example(file, name):
    text = (ROOT / file).read_text()
    found = re.search(rf"// \[example {name}\]\n(.*?)// \[example end\]\n", text, re.DOTALL)
    if not found:
        raise SystemExit(f"{file} has no example {name}")
    return found.group(1)


def main():
    write = "--write" in sys.argv
    stale = 0
    for page in sorted((ROOT / "docs").glob("*.md")):
        text = page.read_text()
        fresh = CUT.sub(lambda m: m[1] + example(m[2], m[3]) + m[5], text)
        if fresh == text:
            continue
        stale += 1
        if write:
            page.write_text(fresh)
        else:
            print(f"{page.relative_to(ROOT)}: its code is not what the tests compile; run {sys.argv[0]} --write")
    return 1 if stale and not write else 0


if __name__ == "__main__":
    sys.exit(main())
