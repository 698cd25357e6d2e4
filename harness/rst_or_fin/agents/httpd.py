"""Apache httpd at the other end of the tested connection, and its logs as reports (see `server_log`).

Its access log is silent about what happens after a response: its own verdict, %X, is "+" for a reset and for
an ordinary end alike, because the response had been handed to the kernel. The error log is not: mod_dumpio
notes the errno of a read that failed ("dumpio_in - 104"), and the event MPM, at level trace8, the end of each
connection ("cleanup connection"), after a failed read or without one (httpd 2.4). Where httpd itself closes,
%X is "-".
"""

from __future__ import annotations

import re

from .server_log import Ended, Listening, Requested, main, name_of, requested

_ERROR = re.compile(r"^(\S+) mod_dumpio: dumpio_in - (\d+)$")
_CLEAN_UP = re.compile(r"^(\S+) cleanup connection from state")
_MODULES = "/usr/lib/apache2/modules"
_NO_ERRORS = ("70014", "11")  # APR_EOF; EAGAIN: nothing is there yet, which TLS asks without waiting

_CONFIGURATION = """\
ServerRoot {folder}
ServerName server
Listen {endpoint}
PidFile {folder}/httpd.pid
DefaultRuntimeDir {folder}
Mutex file:{folder}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule dir_module {modules}/mod_dir.so
LoadModule dumpio_module {modules}/mod_dumpio.so
StartServers 1
ServerLimit 1
ThreadsPerChild 8
MaxRequestWorkers 8
MinSpareThreads 1
MaxSpareThreads 8
ServerTokens Prod
FileETag None
KeepAlive On
KeepAliveTimeout 60
MaxKeepAliveRequests 0
DocumentRoot {folder}
DirectoryIndex index.html
DumpIOInput On
LogLevel info dumpio:trace7 mpm_event:trace8
ErrorLogFormat "%{{c}}L %M"
ErrorLog /dev/stderr
LogFormat "{{\\"connection\\":\\"%{{c}}L\\",\\"address\\":\\"%a\\",\\"port\\":%{{remote}}p,\
\\"received\\":%I,\\"sent\\":%O,\\"then\\":\\"%X\\"}}" testimony
CustomLog /dev/stderr testimony
"""
_TLS = """\
LoadModule ssl_module {modules}/mod_ssl.so
SSLEngine on
SSLCertificateFile {folder}/certificate.pem
SSLCertificateKeyFile {folder}/key.pem
SSLProtocol -all +TLSv{version}
SSLSessionCache none
"""


def configuration(address: str, port: int, folder: str, tls: str = "") -> str:
    """Write httpd.conf: one child, everything it writes in that folder, both logs on stderr."""
    endpoint = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    secured = _TLS.format(folder=folder, modules=_MODULES, version=tls) if tls else ""
    return _CONFIGURATION.format(endpoint=endpoint, folder=folder, modules=_MODULES) + secured


def command(path: str) -> list[str]:
    """Return the command that runs httpd in the foreground with the configuration at `path`."""
    return ["apache2", "-f", path, "-DFOREGROUND"]


class Reader:
    """Remembers which connection's read has failed until its end is told."""

    def __init__(self) -> None:
        self._errors: dict[str, str] = {}

    def __call__(self, line: str) -> Listening | Requested | Ended | None:
        """Return the event that a line of either log reports, or None."""
        if line.startswith("{"):
            return requested(line)
        if "AH00489: " in line:  # "configured -- resuming normal operations": it has bound its sockets
            return Listening()
        failed = _ERROR.match(line)
        if failed:
            if failed.group(2) not in _NO_ERRORS:
                self._errors[failed.group(1)] = failed.group(2)
            return None
        ended = _CLEAN_UP.match(line)
        if ended is None:
            return None
        return Ended(ended.group(1), name_of(self._errors.pop(ended.group(1), None)))


if __name__ == "__main__":
    raise SystemExit(main("httpd", configuration, command, Reader()))
