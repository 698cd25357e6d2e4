"""Draw what applications and administrators do: an exchange, an ending, or something special."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from tests.truth.app import Step
from tests.truth.host import NEVER, Opening
from tests.truth.world import MS, SECOND, US

Script = list[Step]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that an administrator does to a host: "open", "listen", "unlisten", "reboot" or "kill"."""

    at_ns: int
    side: int
    word: str
    opening: Opening | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A story on one port of a server.

    `client` is the side that opens; `scripts` are what the server's application does with each connection.
    `listening` is False for a port that is closed at first.
    """

    name: str
    client: int
    port: int
    scripts: Sequence[Script]
    events: Sequence[Event]
    listening: bool = True
    ways: dict[str, int] = field(default_factory=dict)


def draw_scene(rng: Random, client_port: int, port: int) -> Scene:
    """Return a story."""
    name = rng.choices(tuple(_STORIES), tuple(weight for weight, _ in _STORIES.values()))[0]
    return _STORIES[name][1](rng, name, client_port, port)


# Applications


def pause_ns(rng: Random) -> int:
    """Return how long an application does nothing: from no time at all to longer than TCP remembers."""
    kind = rng.random()
    if kind < 0.35:
        return rng.randrange(200 * US)
    if kind < 0.85:
        return rng.choice((1, 10, 50, 250)) * MS + rng.randrange(10 * MS)
    return rng.choice((1, 3, 63, 130)) * SECOND + rng.randrange(500 * MS)


def size(rng: Random) -> int:
    """Return a number of bytes."""
    return rng.choice((1, 18, 100, 300, 485, 485, rng.randrange(1, 1500), rng.randrange(1, 5000)))


def exchange(rng: Random) -> tuple[Script, Script]:
    """Return what client and server say before anybody closes: requests, and responses to them."""
    client: Script = []
    server: Script = []
    for _ in range(rng.choice((0, 1, 1, 1, 2))):
        request, response = size(rng), size(rng)
        client += [("send", request), ("recv", response)]
        server += [("recv", request), ("send", response)]
    return client, server


def ending(rng: Random) -> Script:
    """Return one way to end a connection."""
    pick = rng.random()
    sleep = ("sleep", pause_ns(rng))
    data = ("send", size(rng))
    if pick < 0.3:
        return [("eof", 0), ("close", 0)]
    if pick < 0.5:
        return [("close", 0)]
    return list(
        rng.choice(
            (
                (sleep, ("close", 0)),
                (sleep, ("close", 0)),
                (("eof", 0), sleep, ("close", 0)),
                (("shutdown", 0), ("eof", 0), ("close", 0)),
                (("shutdown", 0), ("eof", 0), ("close", 0)),
                (("shutdown", 0), sleep, ("close", 0)),
                (("shutdown", 0), sleep, ("linger", 0)),
                (("shutdown", 0), ("eof", 0), ("linger", 0)),
                (("linger", 0),),
                (sleep, ("linger", 0)),
                (("eof", 0), ("linger", 0)),
                (data, ("linger", 0)),
                (data, sleep, ("close", 0)),
                (data, ("close", 0)),
                (("eof", 0), sleep, data, ("close", 0)),
                (("eof", 0), data, sleep, ("linger", 0)),
                (("eof", 0), data, ("drained", 0), ("close", 0)),
                (sleep, ("kill", 0)),
                (("eof", 0), sleep, ("kill", 0)),
                (sleep, data, sleep, ("close", 0)),
                (),
            )
        )
    )


def life(rng: Random) -> tuple[Script, Script]:
    """Return what client and server do from the opening to the end."""
    client, server = exchange(rng)
    for script in (client, server):
        if rng.random() < 0.2:
            script.append(("send", size(rng)))  # that the other end does not ask for
        if rng.random() < 0.04:
            script.append(("recv", size(rng)))  # that may never come
    first, second = ending(rng), ending(rng)
    if first[:1] == second[:1] == [("eof", 0)] and rng.random() < 0.9:
        first = [("close", 0)] if rng.random() < 0.5 else [("sleep", pause_ns(rng)), *first[1:]]
    if rng.random() < 0.5:
        first, second = second, first
    return client + first, server + second


def _open(client: int, lport: int, rport: int, script: Script) -> Event:
    opening = Opening(lport=lport, rport=rport, script=script)
    return Event(at_ns=0, side=client, word="open", opening=opening)


# Stories


def _plain(rng: Random, name: str, lport: int, port: int) -> Scene:
    client, (ours, theirs) = rng.randrange(2), life(rng)
    return Scene(
        name=name, client=client, port=port, scripts=[theirs], events=[_open(client, lport, port, ours)]
    )


def _refused(rng: Random, name: str, lport: int, port: int) -> Scene:
    """Knock at a closed port, and now and then once more when somebody listens, with the same number."""
    client, (ours, theirs) = rng.randrange(2), life(rng)
    isn = rng.randrange(1 << 32)
    then = Opening(lport=lport, rport=port, script=ours, isn=rng.choice((isn, None)))
    first = Opening(
        lport=lport,
        rport=port,
        script=[("sleep", 0), ("again", 500 * MS)],
        isn=isn,
        then=rng.choice((then, then, None)),
    )
    events = [Event(at_ns=0, side=client, word="open", opening=first)]
    if rng.random() < 0.8:
        events.append(Event(at_ns=rng.choice((300, 1500)) * MS, side=1 - client, word="listen"))
    return Scene(name=name, client=client, port=port, scripts=[theirs], events=events, listening=False)


def _reused(rng: Random, name: str, lport: int, port: int) -> Scene:
    """Use the same port pair two or three times."""
    client = rng.randrange(2)
    isn = rng.randrange(1 << 32)
    scripts: list[Script] = []
    then: Opening | None = None
    for _ in range(rng.choice((2, 2, 3))):
        ours, theirs = life(rng)
        scripts.insert(0, theirs)
        again = ("again", rng.choice((0, 1 * MS, 300 * MS, 2 * SECOND, 65 * SECOND)))
        then = Opening(
            lport=lport, rport=port, script=[*ours, again], isn=isn if rng.random() < 0.3 else None, then=then
        )
    event = Event(at_ns=0, side=client, word="open", opening=then)
    return Scene(name=name, client=client, port=port, scripts=scripts, events=[event])


def _both_open(rng: Random, name: str, lport: int, port: int) -> Scene:
    """Let both ends open the same connection at once."""
    ours, theirs = life(rng)
    client = rng.randrange(2)
    events = [_open(client, lport, port, ours)]
    opening = Opening(lport=port, rport=lport, script=theirs)
    events.append(
        Event(at_ns=rng.choice((0, 5 * US, 500 * US)), side=1 - client, word="open", opening=opening)
    )
    return Scene(name=name, client=client, port=port, scripts=[], events=events, listening=False)


def _rebooted(rng: Random, name: str, lport: int, port: int) -> Scene:
    """Let a host forget everything in the midst of it; its client may come again from the same port."""
    client, (ours, theirs) = rng.randrange(2), life(rng)
    again, theirs_again = life(rng)
    side = rng.randrange(2)
    at_ns = rng.choice((1, 30, 300, 1000)) * MS + rng.randrange(100 * MS)
    events = [_open(client, lport, port, ours), Event(at_ns=at_ns, side=side, word="reboot")]
    if side == client and rng.random() < 0.6:
        opening = Opening(lport=lport, rport=port, script=again)
        events.append(
            Event(at_ns=at_ns + rng.choice((0, 10, 2000)) * MS, side=client, word="open", opening=opening)
        )
    if side != client and rng.random() < 0.5:
        events.append(Event(at_ns=at_ns + rng.randrange(2 * SECOND), side=side, word="listen"))
    return Scene(name=name, client=client, port=port, scripts=[theirs, theirs_again], events=events)


def _listener_closed(rng: Random, name: str, lport: int, port: int) -> Scene:
    """Close a listener while a connection waits to be accepted, or is being opened."""
    client, (ours, theirs) = rng.randrange(2), life(rng)
    at_ns = rng.choice((1, 20, 100, 500)) * MS + rng.randrange(50 * MS)
    ways = {"accept_after_ns": rng.choice((NEVER, NEVER, 50 * MS))}
    events = [_open(client, lport, port, ours), Event(at_ns=at_ns, side=1 - client, word="unlisten")]
    return Scene(name=name, client=client, port=port, scripts=[theirs], events=events, ways=ways)


def _full(rng: Random, name: str, lport: int, port: int) -> Scene:
    """Find a listener's queue full, for a time or for ever."""
    client, (ours, theirs) = rng.randrange(2), life(rng)
    ways = {"accept_after_ns": rng.choice((NEVER, 1500 * MS)), "backlog": 1, "refuses": rng.randrange(2)}
    events = [_open(client, lport, port, ours), _open(client, lport + 1, port, life(rng)[0])]
    return Scene(name=name, client=client, port=port, scripts=[theirs], events=events, ways=ways)


def _keepalive(rng: Random, name: str, lport: int, port: int) -> Scene:
    """Ask an idle end whether it is there; it may have been rebooted, or cannot answer."""
    client, (ours, theirs) = rng.randrange(2), exchange(rng)
    asker = rng.choice((ours, theirs))
    asker.append(("keepalive", rng.choice((1, 5)) * SECOND))
    ours.append(("sleep", 100 * SECOND))
    theirs.append(("sleep", rng.choice((3, 100)) * SECOND))
    ours, theirs = ours + ending(rng), theirs + ending(rng)
    events = [_open(client, lport, port, ours)]
    if rng.random() < 0.5:
        events.append(Event(at_ns=2 * SECOND, side=rng.randrange(2), word="reboot"))
    return Scene(name=name, client=client, port=port, scripts=[theirs], events=events)


def _slow_reader(rng: Random, name: str, lport: int, port: int) -> Scene:
    """Send more than the other end's window takes, while it reads late or never."""
    client = rng.randrange(2)
    amount = rng.choice((700, 4000, 9000))
    sender: Script = [("send", amount), *ending(rng)]
    reader: Script = [
        ("sleep", pause_ns(rng)),
        *([("recv", amount)] if rng.random() < 0.6 else []),
        *ending(rng),
    ]
    ours, theirs = (sender, reader) if rng.random() < 0.5 else (reader, sender)
    return Scene(
        name=name, client=client, port=port, scripts=[theirs], events=[_open(client, lport, port, ours)]
    )


def _cancelled(rng: Random, name: str, lport: int, port: int) -> Scene:
    """Close a connection before it is established."""
    client, (_, theirs) = rng.randrange(2), life(rng)
    ours: Script = [("wait", rng.choice((0, 5 * MS, 100 * MS, 2 * SECOND))), ("cancel", 0), ("again", 1 * MS)]
    then = Opening(lport=lport, rport=port, script=life(rng)[0]) if rng.random() < 0.4 else None
    first = Opening(lport=lport, rport=port, script=ours, then=then)
    event = Event(at_ns=0, side=client, word="open", opening=first)
    return Scene(name=name, client=client, port=port, scripts=[theirs], events=[event])


def _wild(rng: Random, name: str, lport: int, port: int) -> Scene:
    """Do anything, in any order."""
    client = rng.randrange(2)
    words = ("send", "recv", "sleep", "eof", "drained", "shutdown", "close", "linger", "kill")
    scripts: list[Script] = []
    for _ in range(2):
        steps = [rng.choice(words) for _ in range(rng.randrange(1, 8))]
        numbers = {"send": size(rng), "recv": size(rng), "sleep": pause_ns(rng)}
        scripts.append([(word, numbers.get(word, 0)) for word in steps])
    events = [_open(client, lport, port, scripts[0])]
    return Scene(name=name, client=client, port=port, scripts=scripts[1:], events=events)


_Story = Callable[[Random, str, int, int], Scene]
_STORIES: dict[str, tuple[int, _Story]] = {
    "plain": (50, _plain),
    "refused": (6, _refused),
    "reused": (10, _reused),
    "both open": (3, _both_open),
    "rebooted": (8, _rebooted),
    "listener closed": (5, _listener_closed),
    "full": (3, _full),
    "keepalive": (4, _keepalive),
    "slow reader": (5, _slow_reader),
    "cancelled": (4, _cancelled),
    "wild": (6, _wild),
}
