#!/usr/bin/env python3
"""Checks that code in the documentation is what the examples and tests compile.

Before a code block a page says
    <!-- cut: <file> <name> -->   the lines between `// [example <name>]` and `// [example end]` of that file, or
    <!-- from: <file> -->         lines that stand in that file, one after the other, at whatever indentation.
With --write the cuts are brought up to date; a block `from` a file that has changed has to be looked at.
"""

import pathlib
import re
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[2]
CUT = re.compile(r"(<!-- cut: (\S+) (\S+) -->\n```cpp\n)(.*?)(```\n)", re.DOTALL)
FROM = re.compile(r"<!-- from: (\S+) -->\n```cpp\n(.*?)```\n", re.DOTALL)


def example(file, name):
    text = (ROOT / file).read_text()
    found = re.search(rf"// \[example {name}\]\n(.*?)[ ]*// \[example end\]\n", text, re.DOTALL)
    if not found:
        raise SystemExit(f"{file} has no example {name}")
    return textwrap.dedent(found.group(1))


def stands_in(file, block):
    lines = (ROOT / file).read_text().splitlines(keepends=True)
    length = block.count("\n")
    return any(textwrap.dedent("".join(lines[i : i + length])) == block for i in range(len(lines) - length + 1))


def main():
    write = "--write" in sys.argv
    stale = 0
    for page in sorted((ROOT / "docs").glob("*.md")):
        text = page.read_text()
        for file, block in FROM.findall(text):
            if not stands_in(file, block):
                stale += 1
                print(f"{page.relative_to(ROOT)}: {file} has no such lines:\n{block}")
        fresh = CUT.sub(lambda m: m[1] + example(m[2], m[3]) + m[5], text)
        if fresh == text:
            continue
        if write:
            page.write_text(fresh)
        else:
            stale += 1
            print(f"{page.relative_to(ROOT)}: its code is not what the tests compile; run {sys.argv[0]} --write")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
