"""Damaged scripts of the scripted peer: each is refused with its line, or plays against any segments."""

from __future__ import annotations

import random
import tomllib
from pathlib import Path

from rst_or_fin.agents import script
from rst_or_fin.agents.packets import Host
from rst_or_fin.agents.script import ScriptError
from rst_or_fin.agents.script_player import Player, Received
from rst_or_fin.agents.scripted import _Connection

from tests.fuzz.mutations import damage

_DOCUMENTS = [tomllib.loads(path.read_text()) for path in sorted(Path("scenarios").glob("*.toml"))]
_SCRIPTS = [text for d in _DOCUMENTS if (text := d.get("server", {}).get("options", {}).get("script"))]
_BYTES = [text.encode() for text in _SCRIPTS]
_WORDS = sorted(
    {word for text in _SCRIPTS for word in text.split()} | {"4294967295", "1:0(0)", "0s", "999999s"}
)
_FLAGS = ("S", "S.", ".", "P.", "F.", "FP.", "R", "R.", "")
_FAR = ("198.18.0.3", 40000)


def made(seed: int, number: int) -> tuple[str, list[Received]]:
    """Make the script of that number, and the segments that it meets."""
    chance = random.Random(f"{seed}/{number}/script")
    text = chance.choice(_SCRIPTS)
    if chance.random() < 0.5:
        text = damage(chance, bytearray(text.encode()), chance.randint(1, 3), _BYTES).decode(
            "utf-8", "replace"
        )
    else:
        words = text.split(" ")
        for _ in range(chance.randint(1, 3)):
            words[chance.randrange(len(words))] = chance.choice(_WORDS)
        text = " ".join(words)
    return text, [_segment(chance) for _ in range(chance.randint(0, 12))]


def _segment(chance: random.Random) -> Received:
    return Received(
        flags=chance.choice(_FLAGS),
        seq=chance.choice([0, 1, 19, -(2**31), 2**31 - 1]),
        payload_len=chance.choice([0, 18, 1460, 65_000]),
        ack=chance.choice([None, 0, 1, 11, 20, 2**31 - 1]),
    )


def look(made_input: tuple[str, list[Received]]) -> str:
    """Play it, and say what came of it."""
    text, segments = made_input
    try:
        steps = script.parse(text)
    except ScriptError:
        return "refused"
    player, now_s = Player(steps), 0.0
    connection, host = _Connection(_FAR, _FAR, 7, steps), Host("198.18.0.5", 80)
    host._macs[bytes([198, 18, 0, 3])] = bytes(6)  # whom it has heard of
    for segment in segments:
        for order in [*player.receive(segment, now_s), *player.tick(now_s)]:
            if order.range[1] - order.range[0] <= 1460:
                host.say(connection.packet(order))
        now_s += 100.0
    return "not played" if player.trouble else "played" if player.over else "waits"
