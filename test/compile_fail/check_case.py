#!/usr/bin/env python3
"""check_case.py <case.cpp> <compiler> <flag>...: passes if the compiler refuses the case and its
first error line contains the text after `// expect:` in the case's first line."""

import pathlib
import subprocess
import sys

MARK = "// expect: "


def main():
    case, *compiler = sys.argv[1:]
    first_line = pathlib.Path(case).read_text().splitlines()[0]
    if not first_line.startswith(MARK):
        sys.exit(f"{case} does not begin with '{MARK}<text>'")
    expected = first_line[len(MARK):].strip()

    result = subprocess.run([*compiler, case], capture_output=True, text=True)
    if result.returncode == 0:
        sys.exit(f"{case} compiles; it should be refused with: {expected}")
    errors = [line for line in result.stderr.splitlines() if "error: " in line]
    if not errors or expected not in errors[0]:
        sys.exit(f"expected in the first error line: {expected}\n{result.stderr}")


if __name__ == "__main__":
    main()
