"""What each field of a scenario file means, in one line each: data, for the schema and the documentation."""

from __future__ import annotations

from rst_or_fin.evidence.records import Gate
from rst_or_fin.scenario.axes import When
from rst_or_fin.scenario.model import (
    ConnectionExpectation,
    Exclusion,
    Expectation,
    LineExpectation,
    Node,
    Scenario,
    Server,
    Variant,
)

FIELDS: dict[type, dict[str, str]] = {
    Scenario: {
        "claim": "what the session shows, in one sentence",
        "sources": "where the claim comes from: a report, a document, a commit",
        "session": "Erlang expressions that end with a dot; Server, Port and Self are bound in it",
        "expect": "what a conclusive verdict must say",
        "name": "the scenario's name; else its file's",
        "theme": "groups scenarios in `rst-or-fin list`",
        "before": "the scenario that this one is a remedy for",
        "published": "the closing segment of a published trace, as printed there",
        "close_line": "which expression closes, from 1; 0 is the last one",
        "settle_ms": "how long the wire is watched after the close, if the connection does not end by itself",
        "line_timeout_ms": "how long one line may take",
        "gate": "what must lie in the receive buffer right before the close; else it is inconclusive",
        "connection": "what is expected of other connections; `expect` is about the one bound to Sock",
        "line": "what is expected of a line of the session",
        "server": "the peer, and its options",
        "ends_node": "the close line ends the node; a halt, an init:stop or a kill of itself shows by itself",
        "node": "the Erlang node, and what it has",
        "race": "timing decides: reported as a distribution, never as pass or fail",
        "variants": "known differences on some axes; the last one that holds replaces `expect`",
        "excluded": "where the scenario cannot be played",
        "parameters": "whole numbers that the session knows under their names, which are Erlang variables",
    },
    Server: {
        "kind": "which peer",
        "options": "what its program is started with",
        "start_after_line": "after which line of the session, from 1, a client is told to connect",
    },
    Node: {"applications": "OTP applications that it has beyond Erlang's base, such as `ssl`"},
    Expectation: {
        "ending": "what the end under test does",
        "peer_ending": "what its peer does",
        "cause": "why the end under test sent a RST",
        "closing_segment": "its first closing segment as tcpdump writes it, such as `R. 19:19(0) ack 486`",
        "peer_sees": "how the connection ended for the peer's application",
        "peer_received": "how many bytes that had read by then",
        "peer_received_below": "a bound for them, where their number is the kernel's business",
        "sent": "how many bytes the end under test sent",
        "lost": "how many of them the peer's application never read; `some`: at least one",
        "conn_state": "Zeek's word for the whole connection",
        "returns": "what the close line printed",
    },
    ConnectionExpectation: {
        "expect": "what a conclusive verdict must say of it",
        "variable": "the variable that it was bound to",
        "order": "its place, from 1, in the order in which the connections opened",
    },
    LineExpectation: {
        "number": "which line, from 1; 0 is the close line",
        "takes_at_least_ms": "how long it takes at least",
        "takes_at_most_ms": "how long it takes at most",
        "returns": "what it printed",
    },
    Gate: {
        "unread": "bytes unread; `all`: something arrived, none of it was read; `some`: at least one byte",
        "received": "bytes received in order",
    },
    Variant: {
        "when": "the axes where it holds",
        "reference": "why: a commit, a release note, a document",
        "expect": "what to expect there",
        "gate": "what must lie in the receive buffer there",
    },
    Exclusion: {"when": "the axes where it holds", "reason": "why it cannot be played there"},
    When: {
        "runtime": "containers, or network namespaces",
        "otp": "Erlang/OTP releases, such as `>=29`",
        "backend": "what gen_tcp runs on",
        "family": "IPv4 or IPv6",
        "kernel": "releases of the closing host's kernel, such as `>=6.12.57 <6.13`",
    },
}
