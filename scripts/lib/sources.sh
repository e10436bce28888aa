# shellcheck shell=bash
# Which files are ours to format and check. Sourced, not run; the callers stand in the root.

# Prints every folder and manifest of Swift sources that is there. Build folders stay out because
# only the source folders of the nested packages are named.
swift_sources() {
  local path
  for path in \
    Package.swift Sources Tests Snippets Examples \
    Core/Package.swift Core/Sources Core/Tests \
    Fuzz/Package.swift Fuzz/Sources \
    Benchmarks/Package.swift Benchmarks/Sources Benchmarks/Benchmarks; do
    [[ ! -e "$path" ]] || printf '%s\n' "$path"
  done
}

# Prints every shell script: by its name in the places that hold them, or by its first line.
shell_scripts() {
  grep -rlE '^#!(/usr)?/bin/(env )?(ba)?sh' scripts .ci Tests Benchmarks examples packaging 2>/dev/null \
    --exclude-dir=.build --exclude-dir=__pycache__ || true
  find scripts -name '*.sh' -type f
}
