"""Give up privileges for good, once the sockets that needed them are open."""

from __future__ import annotations

import ctypes
import os

_PR_SET_NO_NEW_PRIVS = 38


def drop_to(uid: int) -> None:
    """Become the user and group `uid`, without supplementary groups and with no way back.

    Changing every uid from 0 clears the capabilities too (capabilities(7)). Raises PermissionError without
    CAP_SETUID and CAP_SETGID.
    """
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")
