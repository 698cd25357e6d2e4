"""A scenario: a claim about how a connection ends, the Erlang session that shows it, and what to expect.

The model and its TOML form; no scenario's logic. Files are named `NAME.scenario.toml`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from rst_or_fin.errors import UsageError
from rst_or_fin.scenario.applications import ELIXIR
from rst_or_fin.scenario.axes import Axes, When
from rst_or_fin.scenario.parameters import MOST, ParameterError, bind
from rst_or_fin.scenario.renamed import with_new_names
from rst_or_fin.scenario.wire import Chance, RandomFaults, WireRule, random_of
from rst_or_fin.tcp.ending import Cause, Ending
from rst_or_fin.tcp.precondition import Length, Precondition

SUFFIX = ".scenario.toml"

# Bounds that no scenario comes near: a slip of the pen must not keep a testbed for days.
MOST_LINES = 10_000
LineNumber = Annotated[int, msgspec.Meta(ge=0, le=MOST_LINES)]
_MOST_MS = 3_600_000
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=_MOST_MS)]
Parameter = Annotated[int, msgspec.Meta(ge=-MOST, le=MOST)]


Language = Literal["erlang", "elixir"]


class Server(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The peer: which server, and the options it is started with (the option names are the server's own).

    A client is told to connect as soon as line `start_after_line` (from 1) of the session has returned.
    """

    kind: str = "origin"
    options: dict[str, int | str | bool] = {}
    start_after_line: LineNumber = 0


class Node(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The Erlang node: the OTP applications that it has beyond Erlang's base, and whose code it runs.

    `code` are folders of compiled modules: in a file patterns relative to it, absolute paths once it has been
    loaded. `image` is a container image of the user's own that has Erlang 23 or newer. `sysctls` are of the
    node's host, by their dotted names.
    """

    applications: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    image: str = ""
    sysctls: dict[str, int | str] = {}


class Hosts(msgspec.Struct, frozen=True, kw_only=True):
    """What a scenario needs of a testbed: scenarios that need the same can share one."""

    server: Server = Server()
    node: Node = Node()
    language: Language = "erlang"
    wired: bool = False  # a program that can lose frames stands between them

    @property
    def applications(self) -> tuple[str, ...]:
        """What the node has to have beyond Erlang's base: applications, and Elixir."""
        return (*self.node.applications, *([ELIXIR] if self.language == ELIXIR else []))


class Expectation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a conclusive verdict must say. None: the scenario leaves it open.

    `ending` and `peer_ending` are those of the end under test and of its peer; `closing_segment` is in
    tcpdump's notation with relative numbers; `returns` is what the close line printed. `peer_sees` and
    `peer_received` are how it ended for the peer's application, and how many bytes that had read by then;
    `peer_received_below` bounds these where their number depends on the kernel. `sent` and `lost` are of
    the loss statement: what the end under test sent, and what of it the peer's application never read.
    """

    ending: Ending
    peer_ending: Ending | None = None
    cause: Cause | None = None
    closing_segment: str | None = None
    peer_sees: str | None = None
    peer_received: Length | None = None
    peer_received_below: Length | None = None
    sent: Length | None = None
    lost: Length | Literal["some"] | None = None
    conn_state: str | None = None
    returns: str | None = None


class LineExpectation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is expected of one line of the session, in a `[[line]]` table; `number` 0 is the close line.

    `returns` is what it printed. The times bound how long it took: nothing else shows a close that blocks.
    """

    number: LineNumber = 0
    takes_at_least_ms: Milliseconds | None = None
    takes_at_most_ms: Milliseconds | None = None
    returns: str | None = None

    def __post_init__(self) -> None:
        least, most = self.takes_at_least_ms, self.takes_at_most_ms
        if least is not None and most is not None and least > most:
            raise ValueError(f"`takes_at_least_ms` ({least}) is greater than `takes_at_most_ms` ({most})")


class ConnectionExpectation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is expected of another connection of the session, in a `[[connection]]` table.

    It is named by the `variable` that it was bound to, or by the `order` (from 1) in which the connections of
    the replay opened.
    """

    expect: Expectation
    variable: str = ""
    order: Annotated[int, msgspec.Meta(ge=0)] = 0

    def __post_init__(self) -> None:
        if bool(self.variable) == bool(self.order):
            raise ValueError("a [[connection]] is named by `variable` or by `order` (from 1), one of the two")

    @property
    def name(self) -> str:
        """What names the connection in reports."""
        return self.variable or f"connection {self.order}"


class Variant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A known difference: where `when` holds, `expect` (and `precondition`) replace the scenario's own.

    `reference` says why: a commit, a release note, a document. A match with the scenario's own expectation
    is then as much an error as any other mismatch.
    """

    when: When
    reference: str
    expect: Expectation
    precondition: Precondition | None = None


class Exclusion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the scenario cannot be played at all, and why."""

    when: When
    reason: str


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One scenario. `close_line` is the 1-based line that closes; 0 stands for the session's last line.

    `settle_ms` bounds how long the wire is watched after the close where the connection does not end by
    itself: a FIN is not final. `theme` groups scenarios; `remedy_for` names the case of a remedy.
    `published` is the closing segment of a published trace, as printed there.
    `language` is what the session is written in.
    `ends_node`: the close line ends the node that evaluates it, by means that do not show in the line itself.
    `race` marks an outcome that depends on timing: it is reported as a distribution, never as pass or fail.
    `expect` is about the connection bound to `Sock` (in Elixir `sock`), or else the first one; `connection`
    about others, `line` about lines of the session.
    `parameters` are the file's own values, `given` what a caller put in their place (`parameters`).
    `wire` is what happens between the hosts, `chance` random faults that a caller put in place of its own.
    """

    claim: str
    sources: tuple[str, ...]
    session: str
    expect: Expectation
    name: Annotated[str, msgspec.Meta(pattern=r"^[^/]*$")] = ""
    theme: str = "your own"
    remedy_for: str = ""
    published: str = ""
    close_line: LineNumber = 0
    settle_ms: Milliseconds = 1000
    line_timeout_ms: Annotated[int, msgspec.Meta(ge=1, le=_MOST_MS)] = 10_000
    precondition: Precondition = Precondition()
    connection: tuple[ConnectionExpectation, ...] = ()
    line: tuple[LineExpectation, ...] = ()
    server: Server = Server()
    ends_node: bool = False
    node: Node = Node()
    language: Language = "erlang"
    race: bool = False
    variants: tuple[Variant, ...] = ()
    excluded: tuple[Exclusion, ...] = ()
    parameters: dict[str, Parameter] = {}
    given: dict[str, Parameter] = {}
    wire: tuple[WireRule, ...] | Chance = ()
    chance: RandomFaults | None = None

    @property
    def rules(self) -> tuple[WireRule, ...]:
        """The wire's rules, in the file's order."""
        return self.wire if isinstance(self.wire, tuple) else ()

    @property
    def random(self) -> RandomFaults | None:
        """The wire's random faults; None if there are none."""
        return self.chance or random_of(self.wire)

    @property
    def needs_wire(self) -> bool:
        """Whether a program has to stand between the two hosts."""
        return bool(self.rules) or self.random is not None

    @property
    def hosts(self) -> Hosts:
        """What the scenario needs of a testbed."""
        return Hosts(server=self.server, node=self.node, language=self.language, wired=self.needs_wire)

    @property
    def varied(self) -> bool:
        """Whether the caller overrode a parameter: then the ending is measured and nothing is expected."""
        return any(self.parameters[name] != value for name, value in self.given.items())

    def at(self, axes: Axes) -> Scenario:
        """Return the scenario as it applies on these axes: with the last variant that holds, if one does."""
        for variant in reversed(self.variants):
            if variant.when.holds(axes):
                return msgspec.structs.replace(
                    self, expect=variant.expect, precondition=variant.precondition or self.precondition
                )
        return self

    def excluded_at(self, axes: Axes) -> str:
        """Return why it cannot be played on these axes; "" if it can."""
        return next((exclusion.reason for exclusion in self.excluded if exclusion.when.holds(axes)), "")


def parse(text: str, where: str, given: Mapping[str, int] | None = None) -> Scenario:
    """Parse a scenario from its TOML. Raises UsageError with file, place and reason.

    `where` is the file, for errors and (without suffix) for the scenario's name. `given` are values in place
    of the defaults of its parameters.
    """
    hint = "see docs/scenarios.md for the format, or a shipped one: rst-or-fin explain recv-then-close"
    try:
        document = with_new_names(tomllib.loads(text))
    except (ValueError, RecursionError) as error:  # a number or a nest without end is not a TOMLDecodeError
        raise UsageError(f"{where}: not valid TOML: {error}", hint) from error
    name = where.rpartition("/")[2].removesuffix(SUFFIX).removesuffix(".toml")
    try:
        bound = bind(document, given or {})
    except ParameterError as error:
        raise UsageError(f"{where}: {error}", hint) from error
    try:
        scenario = msgspec.convert({"name": name, **bound, "given": dict(given or {})}, Scenario)
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}: {str(error).replace('$.', '')}", hint) from error
    for what, value in (("claim", scenario.claim), ("session", scenario.session)):
        if not value.strip():
            raise UsageError(f"{where}: `{what}` is empty", hint)
    if not scenario.sources:
        raise UsageError(f"{where}: `sources` is empty: say where the claim comes from", hint)
    return scenario
