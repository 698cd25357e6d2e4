"""Which kernels Debian's suites offer, which one a name means, and which known changes they include.

A kernel is known by its upstream release, such as "6.12.43" or "7.3-rc7".
"""

from __future__ import annotations

import bisect
import difflib
import re
import secrets
import tomllib
from collections.abc import Container, Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from rst_or_fin import data_files
from rst_or_fin.engine import client as engine
from rst_or_fin.engine import images, ownership
from rst_or_fin.engine.build import Progress, Tell
from rst_or_fin.errors import MachineError, UsageError
from rst_or_fin.scenario.kernel_release import release_of

if TYPE_CHECKING:
    import docker

_NEWEST = "newest"
_OFFERS_BASE = "base:trixie"
_OFFERS_LIMIT_S = 120
_MOST_NEAR = 4  # releases that are named in place of an unknown one
_OFFERS = "kernel-offers.txt"
_OFFERS_FRESH_S = 24 * 3600
_GONE = "kernels-gone.txt"
_PARTIAL = "# some suites cannot be read"  # containers/kernel/list-packages.sh
_PARTIAL_FRESH_S = 600
_RELEASE = re.compile(r"\d+(?:\.\d+)*(?:-rc\d+)?")
# linux-image-6.1-cloud-amd64 and its like.
_METAPACKAGE = re.compile(r"linux-image-\d+\.\d+-cloud-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A kernel package of a Debian suite; `release` is the upstream release that it is made from.

    `whole`: its modules are offered too; without them it could not drive a network card.
    """

    release: str
    suite: str
    package: str
    version: str
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A known change to the kernel; `since` has the first release with it in every series that it reached."""

    commit: str
    title: str
    since: tuple[str, ...]

    def included(self, release: str) -> bool:
        """Return whether a kernel of that upstream release includes the change."""
        own = _order(release)
        first = [_order(since) for since in self.since]
        return own[:2] > max(first)[:2] or any(own[:2] == since[:2] and own >= since for since in first)

    def reached(self, release: str) -> str:
        """Return the upstream release that brought it to that kernel's series, or to an earlier series."""
        own = _order(release)
        return max((since for since in self.since if _order(since)[:2] <= own[:2]), key=_order)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """What containers/kernels.toml says: the suites, the kernels to make by default, the known changes."""

    suites: tuple[str, ...]
    default: tuple[str, ...]
    changes: tuple[Change, ...]

    def changes_between(self, one: str, other: str) -> list[Change]:
        """Return the known changes that only one of two upstream releases includes."""
        return [change for change in self.changes if change.included(one) != change.included(other)]


@cache
def catalogue() -> Catalogue:
    """Read the catalogue from disk."""
    table = tomllib.loads((data_files.path("containers") / "kernels.toml").read_text())
    return Catalogue(
        suites=tuple(table["suites"]),
        default=tuple(table["default"]),
        changes=tuple(
            Change(commit=change["commit"], title=change["title"], since=tuple(change["since"]))
            for change in table["changes"]
        ),
    )


# What there is


def offers(
    client: docker.DockerClient, tell: Tell = lambda line: None, *, refresh: bool = False
) -> tuple[Offer, ...]:
    """Return what the configured suites offer, oldest kernel first, one offer for each release.

    Asks the package archive at most once a day, unless told to `refresh`, and again after ten minutes where
    some suite could not be read. Leaves out what the archive answered with 404 in the last day. Falls back
    on an older answer where the archive cannot be reached; raises MachineError if there is none.
    """
    head = f"# {' '.join(catalogue().suites)}\n"
    text, age_s = data_files.remembered(_OFFERS) or ("", 0.0)
    known = text.removeprefix(head) if text.startswith(head) else ""
    fresh_s = _PARTIAL_FRESH_S if _PARTIAL in known else _OFFERS_FRESH_S
    if refresh or not known or age_s > fresh_s:
        try:
            known = _ask_archive(client, tell)
        except MachineError as error:
            if refresh or not known:
                raise
            what = f"using the package list of {age_s / 3600:.0f} hours ago: {error}"
            tell(Progress(image="kernels", step="offers", what=what))
        else:
            data_files.remember(_OFFERS, head + known)
    if refresh:
        data_files.remember(_GONE, "")
    gone = _gone()
    return tuple(offer for offer in chosen_offers(known) if offer.release not in gone)


def leave_out(release: str) -> None:
    """Remember for a day that the archive does not have this release's package, whatever its index says."""
    data_files.remember(_GONE, "\n".join(sorted({*_gone(), release})))


def _gone() -> set[str]:
    text, age_s = data_files.remembered(_GONE) or ("", 0.0)
    return set(text.split()) if age_s < _OFFERS_FRESH_S else set()


def chosen_offers(text: str) -> tuple[Offer, ...]:
    """Choose one offer for each release, oldest first, from lines SUITE PACKAGE VERSION (list-packages.sh).

    Prefers one with its modules, then the newest version, then the suite that the catalogue names first.
    """
    listed = {tuple(line.split()) for line in text.splitlines() if not line.startswith("#")}
    found: dict[str, Offer] = {}
    for suite, package, version in sorted(listed):
        if not _holds_kernel(suite, package, version, listed):
            continue
        offer = Offer(
            release=release_of(version),
            suite=suite,
            package=package,
            version=version,
            whole=package.startswith("linux-image-")
            or (suite, package.replace("-binary-", "-modules-", 1), version) in listed,
        )
        if offer.release not in found or _preference(offer) > _preference(found[offer.release]):
            found[offer.release] = offer
    return tuple(sorted(found.values(), key=lambda offer: _order(offer.release)))


def _holds_kernel(suite: str, package: str, version: str, listed: Container[tuple[str, ...]]) -> bool:
    """Return whether a package contains a kernel.

    From 6.19 on linux-image is a metapackage over linux-binary and linux-modules. Of a version that was
    replaced a suite may go on offering the first two without the third.
    """
    kind, _, name = package.removeprefix("linux-").partition("-")
    if kind == "image":
        return not _METAPACKAGE.match(package) and (suite, f"linux-binary-{name}", version) not in listed
    return kind == "binary"


def choose(name: str, offered: Iterable[Offer]) -> Offer:
    """Return the offer that a name means: a release, a series ("6.12": its newest), or "newest" (no -rc).

    Raises UsageError, with the nearest ones, for an unknown name or a kernel whose modules are gone.
    """
    every = list(offered)
    named = [offer for offer in every if _means(name, offer.release)]
    whole = [offer for offer in named if offer.whole]
    if whole:
        return max(whole, key=lambda offer: _order(offer.release))
    near = nearest(name, [offer.release for offer in every if offer.whole])
    raise UsageError(
        f"the configured Debian suites offer kernel {name} without the modules that drive a network card"
        if named
        else f"no configured Debian suite offers the kernel {name!r}",
        f"the nearest: {', '.join(near)}; `rst-or-fin kernels list` shows all of them",
    )


def _means(name: str, release: str) -> bool:
    settled = "-rc" not in release
    return name == release or (settled and (name == _NEWEST or release.startswith(f"{name}.")))


def nearest(name: str, releases: Iterable[str]) -> list[str]:
    """Return the releases that a user may have meant: a number's neighbours, else similar spellings."""
    ordered = sorted(releases, key=_order)
    if not _RELEASE.fullmatch(name):
        return difflib.get_close_matches(name, ordered, _MOST_NEAR, cutoff=0.0)
    place = bisect.bisect(ordered, _order(name), key=_order)
    return ordered[max(0, place - _MOST_NEAR // 2) : place + _MOST_NEAR // 2]


def _preference(offer: Offer) -> tuple[bool, str, int]:
    suites = catalogue().suites
    place = suites.index(offer.suite) if offer.suite in suites else len(suites)
    # A release's revisions have one digit each; "~" marks a rebuild for an older suite, which is as good.
    revision = offer.version.partition("-")[2].partition("~")[0]
    return offer.whole, revision, -place


def _order(release: str) -> tuple[int, ...]:
    """Return numbers to compare releases by.

    A release candidate comes before its release: 7.3-rc7 is 7.2.…
    """
    numbers, _, candidate = release.partition("-rc")
    parts = tuple(int(part) for part in re.findall(r"\d+", numbers)[:3])
    return (*parts, -1000 + int(candidate)) if candidate else parts


def _ask_archive(client: docker.DockerClient, tell: Tell) -> str:
    base = images.ensure(client, _OFFERS_BASE, tell)
    folder = data_files.path("containers") / "kernel"
    program = "".join((folder / name).read_text() for name in ("apt-sources.sh", "list-packages.sh"))
    tell(Progress(image="kernels", step="offers", what="asking the package archive which kernels it has"))
    with engine.calls("asking for kernel packages"):
        container = client.containers.create(
            base,
            ["sh", "-ec", program, "offers", *catalogue().suites],
            labels=ownership.labels(secrets.token_hex(6)),
            use_config_proxy=True,
        )
        try:
            container.start()
            status = container.wait(timeout=_OFFERS_LIMIT_S)["StatusCode"]
            said = container.logs(stdout=True, stderr=False).decode()
            complaint = container.logs(stdout=False, stderr=True).decode()
        finally:
            container.remove(force=True)
    if status != 0 or not chosen_offers(said):
        last = (complaint.strip().splitlines() or ["it said nothing"])[-1]
        raise MachineError(
            f"the package archive's kernels could not be listed: {last}",
            "check the network or the proxy, then run again; existing kernel images still work",
        )
    return said
