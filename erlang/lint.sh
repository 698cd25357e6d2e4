#!/bin/sh
# Check the node's Erlang: the joined script, the compiler's warnings as errors, xref, dialyzer. Says in one line what it
# left out where this machine has no Erlang for it. What dialyzer knows of OTP is kept in build/.
set -eu
cd "$(dirname "$0")/.."

python="${PYTHON:-python3}"
"$python" erlang/join.py --check

# Whether OTP has a file of that application's folder: some distributions have headers in a package of their own.
has() {
  erl -noshell -boot no_dot_erlang -eval "
    halt(case code:lib_dir($1) of {error, _} -> 1; Dir -> case filelib:is_file(Dir ++ \"/$2\") of true -> 0; false -> 1 end end)."
}

if ! command -v erlc >/dev/null; then
  echo "erlang: left out the compiler, xref and dialyzer: there is no erlc on this machine"
  exit 0
fi
left_out=''
beams="$(mktemp -d)"
trap 'rm -rf "$beams"' EXIT
erlc -Werror +warn_missing_spec_all +debug_info -o "$beams" erlang/src/*.erl
mkdir "$beams/joined"
cp erlang/session_node.escript "$beams/joined/session_node.erl"
erlc -Werror -o "$beams/joined" "$beams/joined/session_node.erl"
if has eunit include/eunit.hrl; then
  mkdir "$beams/test"
  erlc -Werror -o "$beams/test" erlang/test/*.erl
else
  left_out="$left_out the tests (no eunit.hrl)"
fi

if has tools ebin/xref.beam; then
  erl -noshell -boot no_dot_erlang -eval '
    {ok, _} = xref:start(parts),
    ok = xref:set_default(parts, [{warnings, false}]),
    ok = xref:set_library_path(parts, code:get_path()),
    {ok, _} = xref:add_directory(parts, "'"$beams"'"),
    Found = [{Analysis, Result} || Analysis <- [undefined_function_calls, locals_not_used, deprecated_function_calls],
                                   {ok, Calls} <- [xref:analyze(parts, Analysis)],
                                   %% Called where the session has loaded it: this OTP may be without ssl or Elixir.
                                   [_ | _] = Result <- [[Call || Call <- Calls, case Call of
                                                                         {_, {ssl, _, _}} -> false;
                                                                         {_, {Module, _, _}} -> not lists:prefix("Elixir.", atom_to_list(Module));
                                                                         _ -> true
                                                                     end]]],
    _ = [io:format("xref: ~p: ~p~n", [Analysis, Result]) || {Analysis, Result} <- Found],
    halt(length(Found)).'
else
  left_out="$left_out xref (no tools)"
fi

# The modules of OTP that ours call: with all of kernel and stdlib dialyzer would take minutes to get to know them.
otp_modules="erlang erts_internal persistent_term init sys gen_tcp inet prim_inet socket file os code application net_kernel
  lists maps queue string unicode re binary proplists timer io io_lib orddict
  erl_eval erl_scan erl_parse erl_error erl_anno erl_lint"

if command -v dialyzer >/dev/null; then
  plt="build/dialyzer-$(erl -noshell -eval 'io:put_chars(erlang:system_info(version)), halt().').plt"
  if [ ! -f "$plt" ]; then
    mkdir -p build
    root="$(erl -noshell -eval 'io:put_chars(code:root_dir()), halt().')"
    for module in $otp_modules; do
      find "$root/lib" "$root"/erts-* -name "$module.beam"
    done | xargs dialyzer --quiet --build_plt --output_plt "$plt"
  fi
  dialyzer --quiet --no_check_plt --plt "$plt" -Wunmatched_returns -Werror_handling "$beams"/*.beam
else
  left_out="$left_out dialyzer (not installed)"
fi
[ -z "$left_out" ] || echo "erlang: left out$left_out"
