"""The OTP applications that a scenario's node can be given beyond Erlang's base, and what each of them holds.

Data, for the check of scenario files, for the images and for what is said of a call that finds nothing.
Debian packs each of them apart from erlang-base (which has kernel, stdlib, sasl and compiler).
"""

from __future__ import annotations

_PACKAGES = {
    "asn1": "erlang-asn1",
    "crypto": "erlang-crypto",
    "eldap": "erlang-eldap",
    "ftp": "erlang-ftp",
    "inets": "erlang-inets",
    "mnesia": "erlang-mnesia",
    "os_mon": "erlang-os-mon",
    "public_key": "erlang-public-key",
    "runtime_tools": "erlang-runtime-tools",
    "snmp": "erlang-snmp",
    "ssh": "erlang-ssh",
    "ssl": "erlang-ssl",
    "tftp": "erlang-tftp",
    "tools": "erlang-tools",
    "xmerl": "erlang-xmerl",
}
APPLICATIONS = tuple(_PACKAGES)
ELIXIR = "elixir"  # which a scenario asks for by its session's language

# Modules that a session calls, by the application that has them; an application's own name is one as well.
_MODULES = {
    "crypto": ("crypto",),
    "ftp": ("ftp",),
    "inets": ("httpc", "httpd", "inets", "mod_esi"),
    "public_key": ("public_key", "pubkey_cert"),
    "runtime_tools": ("dbg",),
    "ssh": ("ssh", "ssh_connection", "ssh_sftp"),
    "ssl": ("ssl", "tls_sender", "ssl_session"),
    "tools": ("eprof", "fprof"),
    "xmerl": ("xmerl", "xmerl_scan", "xmerl_xpath"),
}
_IN = {module: application for application, modules in _MODULES.items() for module in modules}


def application_of(module: str) -> str:
    """Return the application that has a module; "" if it is in none of these."""
    return _IN.get(module, "")


def package_of(application: str) -> str:
    """Return the Debian package with that application."""
    return _PACKAGES.get(application, application)


def missing(module: str) -> str:
    """Say what to add where a session wants a module or an application that its node lacks, or ""."""
    application = module if module in APPLICATIONS else application_of(module)
    if not application:
        return ""
    add = f'add `[node] applications = ["{application}"]`'
    whose = "" if module == application else f"{module} is of the application {application}; "
    return f"{whose}this node has no {application}: {add}"
