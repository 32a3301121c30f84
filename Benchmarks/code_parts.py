"""Whose code a function is, by the file that it was loaded from."""

import re

KERNEL, OURS, CURL, RUNTIME, LIBC, OTHERS = "kernel", "our code", "libcurl", "Swift's runtime", "libc", "other libraries"
PARTS = [KERNEL, OURS, CURL, RUNTIME, LIBC, OTHERS]
#: Retains, releases and what stands behind them.
COUNTING = re.compile(r"_?swift_(retain|release|bridgeObject|nonatomic_|weak|unowned)|RefCount")


def part(file, function, binary):
    file = file.rpartition("/")[2]
    if "kernel" in file or file in ("[unknown]", "[vdso]", "bpf_prog"):
        return KERNEL
    if file == binary:
        # A binary that was linked with the static library has the runtime within it.
        return RUNTIME if re.match(r"_?swift_|swift::|_ZN5swift", function) else OURS
    if file.startswith("libcurl"):
        return CURL
    if file.startswith(("libswift", "libBlocks", "libdispatch")):
        return RUNTIME
    if file.startswith(("libc.", "libc-", "libm.", "ld-", "libpthread", "vgpreload", "libgcc")):
        return LIBC
    return OTHERS
