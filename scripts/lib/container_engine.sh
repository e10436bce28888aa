# shellcheck shell=bash
# A container engine of our own for tests, beside one that may be there already. Sourced after
# terminal.sh, not run. Needs root.

# Starts dockerd in the folder $1 and imports the image orrery-test:1, a program of a few bytes; sets
# EDGE_TEST_DOCKER_SOCKET. Says no with status 1 where that is not possible.
start_container_engine() {
  local folder=$1
  [[ $EUID == 0 ]] && command -v dockerd >/dev/null && command -v cc >/dev/null || return 1
  mkdir -p "$folder/root"
  dockerd --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/pid" \
    --host "unix://$folder/docker.sock" --bridge=none --iptables=false >"$folder/log" 2>&1 &
  container_engine_pid=$!
  local tries
  for ((tries = 0; tries < 150; tries++)); do
    docker --host "unix://$folder/docker.sock" version >/dev/null 2>&1 && break
    kill -0 "$container_engine_pid" 2>/dev/null || return 1
    sleep 0.2
  done
  cc -static -O1 -o "$folder/root/module" -x c - <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(int count, char **words) {
  setvbuf(stdout, 0, _IOLBF, 0);
  printf("hello from %s\n", getenv("IOTEDGE_MODULEID"));
  fprintf(stderr, "oops\n");
  if (count > 1) return atoi(words[1]);
  for (;;) pause();
}
C
  tar -C "$folder/root" -c module \
    | docker --host "unix://$folder/docker.sock" import --change 'ENTRYPOINT ["/module"]' - orrery-test:1 \
      >/dev/null
  export EDGE_TEST_DOCKER_SOCKET="$folder/docker.sock"
}

# Ends that engine, and what runs in it.
stop_container_engine() {
  [[ -n "${container_engine_pid:-}" ]] || return 0
  kill "$container_engine_pid" 2>/dev/null || true
  wait "$container_engine_pid" 2>/dev/null || true
  unset EDGE_TEST_DOCKER_SOCKET container_engine_pid
}
