# Processes that end with the script: of examples/quickstart and tests/load, which source this after lib.sh.
# shellcheck shell=bash
# shellcheck disable=SC2317 # functions are called by trap and by wait_for

work=$(mktemp -d)
pids=()
clean_up() {
  trap - EXIT INT TERM
  if [ ${#pids[@]} -gt 0 ]; then
    kill "${pids[@]}" 2>/dev/null || true
    wait "${pids[@]}" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# port_free NUMBER OPTION
port_free() {
  if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then
    die "port $1 is in use on 127.0.0.1; choose another with $2"
  fi
}

# start NAME COMMAND...: in the background, its output in a file.
start() {
  "${@:2}" >"$work/$1.log" 2>&1 </dev/null &
  pids+=($!)
}

# failed NAME WHAT: ends with the last words of NAME.
failed() {
  tail -n 20 "$work/$1.log" >&2
  die "$1 $2"
}

# wait_for NAME COMMAND...: until the command succeeds, for at most a minute. NAME was started last.
wait_for() {
  local deadline=$((SECONDS + 60))
  until "${@:2}" >"$work/answer" 2>/dev/null; do
    kill -0 "${pids[-1]}" 2>/dev/null || failed "$1" "has ended"
    if [ $SECONDS -gt $deadline ]; then
      cat "$work/answer" >&2
      failed "$1" "does not answer as it should"
    fi
    sleep "${pause:-0.2}"
  done
}
