"""Scenario files that are not right, and what has to be said of each: data for the tests."""

from __future__ import annotations

from rst_or_fin.agents.kinds import OPTIONS
from rst_or_fin.tcp.ending import Cause

GOOD = """\
claim = "close sends a FIN"
sources = ["RFC 9293"]
session = '''
{ok, Sock} = gen_tcp:connect(Server, Port, [{active, false}]).
gen_tcp:close(Sock).
'''
[server]
kind = "origin"
[server.options]
body_bytes = 307
[precondition]
unread = 0
received = 0
[expect]
ending = "FIN"
"""
LISTENING = """\
claim = "close sends a FIN"
sources = ["RFC 9293"]
session = '''
{ok, L} = gen_tcp:listen(Port, [{ip, Self}]).
{ok, Sock} = gen_tcp:accept(L).
gen_tcp:close(Sock).
'''
[server]
kind = "client"
start_after_line = 1
[expect]
ending = "FIN"
"""
ELIXIR = """\
claim = "close sends a FIN"
sources = ["RFC 9293"]
language = "elixir"
session = '''
{:ok, sock} = :gen_tcp.connect(server, port, [])
x = 1
'''
[expect]
ending = "FIN"
"""
STEPPED = LISTENING.replace("[expect]", "[server.options]\nsteps = '''\nrequest\nread all\n'''\n[expect]")
SCRIPTED = """\
claim = "close sends a FIN"
sources = ["RFC 9293"]
session = "gen_tcp:connect(Server, Port, [])."
[server]
kind = "scripted"
[server.options]
script = '''
expect S
send S. 0:0(0) ack 1
'''
[expect]
ending = "FIN"
"""
VARIED = GOOD + '[[variants]]\nwhen = { otp = [">=29"] }\nreference = "r"\nexpect = { ending = "RST" }\n'
WIRED = (
    GOOD
    + """\
[[wire]]
from = "server"
segment = "F."
do = "drop"
[[wire]]
from = "client"
segment = "payload"
nth = 2
do = "reset"
to = "client"
"""
)
PARAMETERS = GOOD.replace("body_bytes = 307", 'body_bytes = { parameter = "Size" }')
PARAMETERS += "[parameters]\nSize = 307\n"

# As they came from the field.
CLIENT = """\
claim = "x"
sources = ["y"]
session = '''
{ok, Sock} = gen_tcp:connect(Server, Port, [{active, false}]).
gen_tcp:close(Sock).
'''
"""
BAD_OPTION = CLIENT + '[server.options]\nbody = 5\n[expect]\nending = "FIN"\n'
BAD_BOOLEAN = CLIENT + '[server.options]\nclose_after_response = "yes"\n[expect]\nending = "FIN"\n'
BAD_CAUSE = CLIENT + '[expect]\nending = "RST"\ncause = "keepalive"\n'
LATE_START = LISTENING.replace("start_after_line = 1", "start_after_line = 9")

# What is wrong: the file, what stands in place of what, the line that is named (0: none), and what is said.
# fmt: off
CASES: dict[str, tuple[str, str, str, int, str]] = {
    "field: badopt": (BAD_OPTION, "", "", 8,
        "unknown option `body` of server kind origin (did you mean `body_bytes`?)"),
    "field: boolopt": (BAD_BOOLEAN, "", "", 8, 'expected a Boolean (true or false), got the string "yes"'),
    "field: badcause": (BAD_CAUSE, "", "", 9, "is not one of: " + ", ".join(Cause)),
    "field: a cause that its session cannot bring about": (
        BAD_CAUSE,
        '"keepalive"',
        '"keepalive timeout"',
        9,
        "the causes are: " + ", ".join(Cause),
    ),
    "field: latestart": (LATE_START, "", "", 10, "there is no line 9"),
    "an option of no kind": (GOOD, "body_bytes", "boddy", 10, "unknown option `boddy` of server kind origin"),
    "an option's beginning": (GOOD, "body_bytes", "body", 10, "(did you mean `body_bytes`?)"),
    "an option as on a command line": (GOOD, "body_bytes", "body-bytes", 10, "(did you mean `body_bytes`?)"),
    "the options there are": (GOOD, "body_bytes", "x", 10, "known: " + ", ".join(OPTIONS["origin"])),
    "an option of another kind": (GOOD.replace("body_bytes", "idle_ms"), '"origin"', '"nginx"', 10,
        "unknown option `idle_ms` of server kind nginx (it is one of client); known: tls, body_bytes"),
    "the client's option": (GOOD, "body_bytes", "idle_ms", 10,
        "unknown option `idle_ms` of server kind origin"),
    "a string for a Boolean": (GOOD, "body_bytes = 307", 'close_after_response = "yes"', 10,
        'server.options.close_after_response: expected a Boolean (true or false), got the string "yes"'),
    "a number for a Boolean": (GOOD, "body_bytes = 307", "urgent = 1", 10,
        "expected a Boolean (true or false)"),
    "a string for a number": (GOOD, "307", '"307"', 10,
        'expected a whole number of bytes from 0 to 100000000, got the string "307"'),
    "a Boolean for a number": (GOOD, "307", "true", 10, ", got the Boolean true"),
    "a fraction for a number": (GOOD, "307", "1.5", 10, ", got the number 1.5"),
    "an array for a number": (GOOD, "307", "[1]", 10, ", got an array"),
    "less than none": (GOOD, "307", "-1", 10, "from 0 to 100000000, got the number -1"),
    "more than a host holds": (GOOD, "307", "100000001", 10, "from 0 to 100000000, got"),
    "more than 64 bits": (GOOD, "307", "0x" + "f" * 40, 10, ", got a number of 160 bits"),
    "a response shorter than its header": (GOOD, "body_bytes = 307", "response_bytes = 60", 10,
        "server.options.response_bytes: expected a whole number of bytes from 61 to"),
    "a pause of a day": (GOOD, "body_bytes = 307", "delay_ms = 86400000", 10,
        "of ms from 0 to 600000, got"),
    "options that exclude each other": (
        GOOD, "body_bytes = 307", "body_bytes = 307\nresponse_bytes = 500", 11,
        "`body_bytes` and `response_bytes` exclude each other",
    ),
    "the program's own port": (GOOD, "body_bytes", "port", 10,
        "`port` is set by rst-or-fin"),
    "the program's own address": (GOOD, "body_bytes = 307", 'bind = "::"', 10, "cannot be set"),
    "the program's own user": (GOOD, "body_bytes", "drop-to-uid", 10, "`drop-to-uid` is set by rst-or-fin"),
    "the program's own offloads": (GOOD, "body_bytes", "clean_offloads", 10, "`clean_offloads` is set by"),
    "the client's own target": (LISTENING, "[expect]", '[server.options]\ntarget = "x"\n[expect]', 12,
        "`target`"),
    "options that are a number": (GOOD, "[server.options]\nbody_bytes = 307", "options = 5", 9,
        "expected a table"),
    "an unknown kind": (GOOD, '"origin"', '"orign"', 8,
        "server.kind: no server is called 'orign'; known: origin, tls-origin, client"),
    "a kind that is a number": (GOOD, '"origin"', "7", 8, "server.kind: the number 7 is not one of: origin"),
    "a field of the server": (GOOD, "kind =", "kin =", 8, "unknown field (did you mean `kind`?)"),
    "a script that is missing": (SCRIPTED, "script = '''\nexpect S\nsend S. 0:0(0) ack 1\n'''", "", 4,
        "a server of kind 'scripted' needs `options.script`"),
    "a script that is empty": (SCRIPTED, "expect S\nsend S. 0:0(0) ack 1\n", "", 7, "the script is empty"),
    "a script that is a number": (SCRIPTED, "'''\nexpect S\nsend S. 0:0(0) ack 1\n'''", "5", 7,
        "expected a string"),
    "a step that is none": (SCRIPTED, "send S.", "sned S.", 9, "a step begins with expect, send or wait"),
    "a step that does not add up": (SCRIPTED, "0:0(0)", "0:0(1)", 9, "does not add up"),
    "a script that begins with a send": (SCRIPTED, "expect S\n", "", 8, "a script begins with `expect S`"),
    "a script longer than a command line": (SCRIPTED, "expect S\n", "expect S\n" + "#" * 100000, 7,
        "at most 100000 characters"),
    "a client's step that is none": (STEPPED, "read all", "raed all", 14,
        "server.options.steps: line 2: 'raed' is not a step"),
    "a client's step on a connection that is closed": (STEPPED, "read all", "RST\nread all", 15,
        "connection 1 is closed already"),
    "a client's steps beside its body": (STEPPED, "[expect]", "body_bytes = 5\n[expect]", 12,
        "`body_bytes` and `steps` exclude each other"),
    "a block of Elixir that is not closed": (ELIXIR, "x = 1", "if true do", 6,
        "line 2 of the session does not parse: `do` is not closed: `end` is missing"),
    "a slip in a session's word in Elixir": (ELIXIR, "x = 1", "await_unred(sock, 1)", 6,
        "(did you mean `await_unread`?)"),
    "a check beside a proxy's requests": (
        LISTENING.replace('"client"', '"haproxy-proxy"'), "[expect]",
        '[server.options]\ncheck = "tcp"\nrequests = 2\n[expect]', 13,
        "`check` and `requests` exclude each other"),
    "retries that are none": (
        LISTENING.replace('"client"', '"nginx-proxy"'), "[expect]",
        '[server.options]\nretries = "idempotnet"\n[expect]', 12, "(did you mean `idempotent`?)"),
    "a check of nginx's": (
        LISTENING.replace('"client"', '"nginx-proxy"'), "[expect]",
        '[server.options]\ncheck = "tcp"\n[expect]', 12, "(it is one of haproxy-proxy)"),
    "a cause that is none": (GOOD, 'ending = "FIN"', 'ending = "RST"\ncause = "unread data"', 16,
        'expect.cause: the string "unread data" is not one of: ' + ', '.join(Cause)),
    "a cause that is nearly one": (GOOD, 'ending = "FIN"', 'ending = "RST"\ncause = "zero-linger"', 16,
        "(did you mean `zero linger`?)"),
    "a cause without a RST": (GOOD, 'ending = "FIN"', 'ending = "FIN"\ncause = "zero linger"', 16,
        'a cause explains a RST, and the ending "FIN" has none'),
    "an ending that is none": (GOOD, '"FIN"', '"BANG"', 15, "is not one of: FIN, RST, FIN then RST, none"),
    "an ending in small letters": (GOOD, '"FIN"', '"fin"', 15, "(did you mean `FIN`?)"),
    "a peer's ending that is none": (GOOD, '"FIN"', '"FIN"\npeer_ending = "RTS"', 16,
        "(did you mean `RST`?)"),
    "an ending that is missing": (GOOD, 'ending = "FIN"', 'returns = "ok"', 14, "`ending` is missing"),
    "an end that nobody sees": (GOOD, '"FIN"', '"FIN"\npeer_sees = "EOF"', 16,
        'expect.peer_sees: the string "EOF" is not one of: end of file, closed, ECONNRESET, EPIPE'),
    "an end that is nearly one": (GOOD, '"FIN"', '"FIN"\npeer_sees = "econnreset"', 16,
        "(did you mean `ECONNRESET`?)"),
    "an end that only another kind sees": (SCRIPTED, '"FIN"', '"FIN"\npeer_sees = "ECONNRESET"', 13,
        'the string "ECONNRESET" is not one of: script played, script not played'),
    "a word that Zeek does not know": (GOOD, '"FIN"', '"FIN"\nconn_state = "SX"', 16,
        "is not one of: S0, S1, SF, REJ"),
    "a closing segment without numbers": (GOOD, '"FIN"', '"FIN"\nclosing_segment = "F."', 16,
        "its numbers are missing"),
    "a closing segment that does not add up": (
        GOOD, '"FIN"', '"FIN"\nclosing_segment = "F. 19:19(5) ack 1"', 16,
        "does not add up",
    ),
    "a closing segment that closes nothing": (
        GOOD, '"FIN"', '"FIN"\nclosing_segment = "P. 1:19(18) ack 1"', 16,
        "neither F nor R",
    ),
    "a closing segment as nobody writes it": (
        GOOD, '"FIN"', '"FIN"\nclosing_segment = "F. 19:19(0)  ack 1"', 16,
        "write it as `F. 19:19(0) ack 1`",
    ),
    "fewer than no bytes": (GOOD, '"FIN"', '"FIN"\npeer_received = -1', 16, "from 0 to 2147483647, got"),
    "a loss that is no number": (GOOD, '"FIN"', '"FIN"\nlost = "all"', 16, "lost"),
    "a line that is not there": (GOOD + "[[line]]\nnumber = 3\n", "", "", 17,
        "line[0].number: there is no line 3"),
    "a time that no line takes": (
        GOOD + "[[line]]\ntakes_at_least_ms = 9\ntakes_at_most_ms = 3\n", "", "", 18,
        "`takes_at_least_ms` (9) is greater than `takes_at_most_ms` (3)"),
    "an application that OTP does not have": (GOOD + '[node]\napplications = ["sll"]\n', "", "", 17,
        "(did you mean `ssl`?)"),
    "a sysctl that bears on no close": (GOOD + '[node.sysctls]\n"net.ipv4.tcp_retries1" = 3\n', "", "", 17,
        "(did you mean `net.ipv4.tcp_retries2`?)"),
    "a sysctl that is no number": (GOOD + '[node.sysctls]\n"net.ipv4.tcp_sack" = "on"\n', "", "", 17,
        "expected a whole number"),
    "a sysctl with too few numbers": (GOOD + '[node.sysctls]\n"net.ipv4.tcp_rmem" = 4096\n', "", "", 17,
        '3 numbers such as "4096 131072 6291456"'),
    "an unknown expectation": (GOOD, "ending", "endng", 15, "(did you mean `ending`?)"),
    "an unknown axis": (VARIED, "otp =", "opt =", 17, "(did you mean `otp`?); known: runtime, otp"),
    "a version without a comparison": (VARIED, ">=29", "29", 17, '(did you mean "==29"?)'),
    "a comparison of nothing": (VARIED, ">=29", ">=new", 17, "a comparison of versions such as"),
    "an axis without brackets": (VARIED, '[">=29"]', '">=29"', 17,
        "variants[0].when.otp: expected an array such as"),
    "an unknown runtime": (VARIED, 'otp = [">=29"]', 'runtime = ["podman"]', 17, "is not one of: docker"),
    "an unknown backend": (VARIED, 'otp = [">=29"]', 'backend = ["sockets"]', 17, "(did you mean `socket`?)"),
    "an unknown family": (VARIED, 'otp = [">=29"]', "family = [5]", 17, "the number 5 is not one of: 4, 6"),
    "a family in quotes": (VARIED, 'otp = [">=29"]', 'family = ["4"]', 17, 'string "4" is not one of: 4, 6'),
    "a difference without a reference": (VARIED, 'reference = "r"\n', "", 16, "`reference` is missing"),
    "a reference that says nothing": (VARIED, '"r"', '" "', 18, "variants[0].reference: is empty"),
    "a cause that no variant can have": (VARIED, '"RST" }', '"none", cause = "unknown" }', 19, "has none"),
    "an exclusion without a reason": (GOOD + "[[excluded]]\nwhen = {}\n", "", "", 16, "`reason` is missing"),
    "a close line that is not there": ("close_line = 3\n" + GOOD, "", "", 1,
        "close_line: there is no line 3: the session has 2"),
    "a close line below the first": ("close_line = -1\n" + GOOD, "", "", 1, "from 0 to 10000, got"),
    "a client that starts after the end": (LISTENING, "line = 1", "line = 9", 10,
        "server.start_after_line: there is no line 9"),
    "a client that is waited for in vain": (LISTENING, "line = 1", "line = 2", 10,
        "line 2 of the session waits for a client that connects only after line 2: it never comes"),
    "a client that is never told": (LISTENING, "start_after_line = 1\n", "", 8, "needs `start_after_line`"),
    "a server that is told to start": (GOOD, 'kind = "origin"', 'kind = "origin"\nstart_after_line = 1', 7,
        "takes no `start_after_line`"),
    "a last line without a dot": (GOOD, "Sock).\n", "Sock)\n", 5,
        "the last expression of the session does not end with"),
    "a line without a dot": (GOOD, "false}]).", "false}])", 4, "missing between `)` and `gen_tcp`"),
    "a quote that is left open": (GOOD, "close(Sock)", 'send(Sock, "a)', 5, "has no closing quote"),
    "a bracket that is left open": (GOOD, "close(Sock)", "close(Sock", 5, "`(` is not closed"),
    "typographer's quotes": (GOOD, "close(Sock)", "send(Sock, “a”)", 5, "means nothing in Erlang"),
    "a session of comments": (
        GOOD.replace("{ok, Sock}", "% {ok, Sock}"), "gen_tcp:close", "% gen_tcp:close", 3,
        "the session has no expression",
    ),
    "a session that is blank": (
        "claim = 'c'\nsources = ['s']\nsession = ' '\nexpect.ending = 'FIN'\n", "", "", 3,
        "session: is empty",
    ),
    "a parameter in small letters": (PARAMETERS.replace("Size", "size"), "", "", 17,
        "parameters.size: is not an Erlang variable"),
    "a parameter that nobody uses": (PARAMETERS, "Size = 307", "Size = 307\nIdle = 1", 18, "uses it"),
    "a parameter that is not there": (PARAMETERS, "Size = 307", "Sizes = 307", 10, "(did you mean `Sizes`?)"),
    "a parameter of the session's own": (PARAMETERS.replace("Size", "Port"), "", "", 17,
        "every session has a variable of that name"),
    "a parameter that is no number": (PARAMETERS, "= 307", '= "307"', 17, 'got the string "307"'),
    "a parameter of 64 bits": (PARAMETERS, "= 307", "= 9223372036854775807", 17, "to 2147483647, got"),
    "a parameter out of an option's range": (PARAMETERS, "= 307", "= -5", 10,
        "server.options.body_bytes: expected a whole"),
    "a reference where none can stand": ("settle_ms = { parameter = 'Size' }\n" + PARAMETERS, "", "", 1,
        "settle_ms: expected a whole number from 0 to 3600000, got a reference to a parameter"),
    "what only a caller gives": ("given = { Size = 5 }\n" + PARAMETERS, "", "", 1, "unknown field `given`"),
    "an unknown field": ("settle = 5\n" + GOOD, "", "", 1,
        "settle: unknown field (did you mean `settle_ms`?); known: claim"),
    "a time longer than an hour": ("line_timeout_ms = 18446744073709551616\n" + GOOD, "", "", 1,
        "to 3600000, got"),
    "no time at all": ("line_timeout_ms = 0\n" + GOOD, "", "", 1,
        "from 1 to 3600000, got the number 0"),
    "a date for a time": ("settle_ms = 2024-01-01\n" + GOOD, "", "", 1, "got a date or a time"),
    "a number for a truth": ("race = 1\n" + GOOD, "", "", 1,
        "race: expected a Boolean (true or false), got the number 1"),
    "a name with a slash": ('name = "../x"\n' + GOOD, "", "", 1, "no slash"),
    "a name with a NUL": ('name = "a\\u0000b"\n' + GOOD, "", "", 1, "printable characters"),
    "a name longer than a folder's": (f'''name = "{'n' * 201}"\n''' + GOOD, "", "", 1, "at most 200 bytes"),
    "a remedy for nothing": ('before = "recv-than-close"\n' + GOOD, "", "", 1,
        "(did you mean `recv-then-close`?)"),
    "no claim": (GOOD, 'claim = "close sends a FIN"\n', "", 0, "`claim` is missing: what the session shows"),
    "no source": (GOOD, '"RFC 9293"', "", 2, "sources: is empty"),
    "a source without brackets": (GOOD, '["RFC 9293"]', '"RFC 9293"', 2,
        "expected an array (a string each)"),
    "a source that is a number": (GOOD, '"RFC 9293"', "9293", 2, "sources[0]: expected a string"),
    "a precondition that nothing meets": (GOOD, "unread = 0", "unread = 1", 12,
        "`unread` (1) is greater than `received` (0)"),
    "a precondition of words": (GOOD, "unread = 0", 'unread = "most"', 12,
        'precondition.unread: the string "most" is not one of: all, some'),
    "a precondition with a third thing": (GOOD, "received = 0", "recieved = 0", 13,
        "(did you mean `received`?)"),
    "no TOML": (GOOD, "[precondition]", "[precondition", 11, "not valid TOML: Expected ']'"),
    "an unclosed string": (GOOD, 'close sends a FIN"', "close sends a FIN", 1,
        "not valid TOML: "),
    "a key twice": (GOOD, "received = 0", "unread = 5", 13, "not valid TOML: Cannot overwrite a value"),
    "a number without end": (GOOD, "307", "9" * 5000, 0, "not valid TOML: a number with too many digits"),
    "a close line of 80,000 bits": ("close_line = 0x" + "f" * 20_000 + "\n" + GOOD, "", "", 1,
        "from 0 to 10000, got a number of 80000 bits"),
    "a precondition of 80,000 bits": (GOOD, "unread = 0", "unread = 0x" + "f" * 20_000, 12,
        "from 0 to 2147483647, got a number of 80000 bits"),
    "a table for an array of them": (VARIED, "[[variants]]", "[variants]", 16,
        "variants: expected an array of tables, each with double brackets, got a table"),
    "a sender that is no end": (WIRED, '"server"', '"node"', 17, "is not one of: client, server"),
    "an action that there is not": (WIRED, '"drop"', '"dropp"', 19, "(did you mean `drop`?)"),
    "a rule's field that there is not": (WIRED, 'to = "client"', "mark = 3", 25, "unknown field"),
    "a segment's word that there is not": (WIRED, '"F."', '"payloads"', 18,
        "(did you mean `payload`?)"),
    "a segment that does not add up": (WIRED, '"F."', '"P. 1:4(5)"', 18, "does not add up"),
    "a segment without an ACK": (WIRED, '"F."', '"P"', 18, "can never match: but for a SYN and a RST"),
    "the server's SYN": (WIRED, '"F."', '"S"', 18, "can never match: the server answers the SYN with `S.`"),
    "a SYN with another number": (WIRED, '"F."', '"S. 1:1(0)"', 18, "a SYN has the number 0"),
    "a rule behind one that takes all": (WIRED, 'nth = 2\ndo = "reset"\nto = "client"\n',
        'do = "drop"\ntimes = "all"\n[[wire]]\nfrom = "client"\nsegment = "payload"\ndo = "cut"\n', 25,
        "rule 2 acts on every such segment before it"),
    "a rule behind a cut": (WIRED, 'from = "server"\nsegment = "F."\ndo = "drop"',
        'from = "client"\nsegment = "SYN"\ndo = "cut"', 20, "it can never match: rule 1"),
    "a time that never is": (WIRED, "nth = 2", "after_ms = 20\nuntil_ms = 20", 24, "(20) is not after"),
    "a number of another action": (WIRED, 'do = "drop"', 'do = "drop"\nttl = 3', 20,
        '"drop" does not take it; it belongs to "reset"'),
    "a hold without an end": (WIRED, '"drop"', '"hold"', 16, "`until` is missing"),
    "a delay of nothing": (WIRED, '"drop"', '"delay"', 16, "`delay_ms` is missing"),
    "random faults in the middle": (WIRED, 'do = "drop"', 'do = "drop"\n[wire.random]\nloss = 0.1', 20,
        "[wire.random] comes once, after the last [[wire]]"),
    "random faults that do nothing": (GOOD + "[wire.random]\nseed = 4\n", "", "", 16, "it does nothing"),
    "a share above one": (GOOD + "[wire.random]\nloss = 4\n", "", "", 17,
        "expected a number from 0 to 1, got the number 4"),
    "a key of 50,000 parts": (GOOD, "body_bytes", ".".join("a" * 50000), 10, "a key of more than 20 parts"),
    "a nest of 50,000 arrays": ("x = " + "[" * 50000 + GOOD, "", "", 1, "nested more than 20 levels deep"),
    "a nest of 5,000 tables": ("x = " + "{x=" * 5000 + GOOD, "", "", 1, "nested more than 20 levels deep"),
}
# fmt: on


def spoiled(what: str) -> str:
    """The text of that case's file."""
    text, old, new, _, _ = CASES[what]
    return text.replace(old, new, 1) if old else text
