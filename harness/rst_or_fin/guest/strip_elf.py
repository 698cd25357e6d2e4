"""Cuts off what follows the last byte that an ELF program loads, as a rule its debugging information.

`python3 -m guest.strip_elf FILE...`: some Erlang runtimes come with six times as much of that as of
program, and the guest's root file system lies in its memory. Source: elf(5), for 64-bit little-endian files.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")


def strip(elf: bytes) -> bytes:
    """Return the file without its section headers and whatever else is not loaded."""
    fields = list(_HEADER.unpack_from(elf))
    first, entry_len, count = fields[5], fields[9], fields[10]
    entries = [_PROGRAM_HEADER.unpack_from(elf, first + entry_len * number) for number in range(count)]
    end = max(first + entry_len * count, *(offset + length for _, _, offset, _, _, length, *_ in entries))
    fields[6] = fields[11] = fields[12] = fields[13] = 0  # e_shoff, e_shentsize, e_shnum, e_shstrndx
    return _HEADER.pack(*fields) + elf[_HEADER.size : end]


def main() -> None:
    """Strip the files named on the command line, in place."""
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_bytes(strip(path.read_bytes()))


if __name__ == "__main__":
    main()
