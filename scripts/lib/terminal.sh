# shellcheck shell=bash
# What the scripts say and how: headings with the time passed, notes, failures. Sourced, not run.
#
# Colour only where a person looks: on a terminal, and not when NO_COLOR is set (no-color.org).

if [[ -t 1 && -z "${NO_COLOR:-}" && "${TERM:-dumb}" != dumb ]]; then
  bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' yellow=$'\e[33m' plain=$'\e[0m'
else
  bold='' dim='' red='' green='' yellow='' plain=''
fi

# Prints a number of seconds as a person would: "7s", "3m 05s", "1h 02m".
duration() {
  local seconds=$1
  if ((seconds < 60)); then
    printf '%ds' "$seconds"
  elif ((seconds < 3600)); then
    printf '%dm %02ds' $((seconds / 60)) $((seconds % 60))
  else
    printf '%dh %02dm' $((seconds / 3600)) $((seconds % 3600 / 60))
  fi
}

# A heading, with the time since the script began.
step() {
  printf '%s==>%s %s%s%s %s(%s)%s\n' \
    "$green" "$plain" "$bold" "$*" "$plain" "$dim" "$(duration "$SECONDS")" "$plain"
}

note() { printf '    %s\n' "$*"; }

warn() { printf '%swarning:%s %s\n' "$yellow" "$plain" "$*" >&2; }

# Ends the script: one line on what is wrong, further arguments each a line on how to mend it.
fail() {
  printf '%serror:%s %s\n' "$red" "$plain" "$1" >&2
  shift
  local line
  for line in "$@"; do printf '       %s\n' "$line" >&2; done
  exit 1
}
