#!/usr/bin/env bash
# Checks what a reviewer should not have to: formatting, layers, and words that do not belong here.
# usage: bash tests/style.sh
set -uo pipefail
cd "$(dirname "$0")/.."

failed=0
complain() { # rule, findings
  printf 'style: %s\n%s\n' "$1" "$2" >&2
  failed=1
}
must_be_empty() { # rule, findings
  [ -z "$2" ] || complain "$1" "$2"
}

sources() { git ls-files --cached --others --exclude-standard -- '*.cpp' '*.hpp' "$@"; }
all_files() { git ls-files --cached --others --exclude-standard; }
# Lines of the files on stdin that match, "file:line: text".
lines_with() { xargs -r grep -nHE -- "$1" /dev/null; }

must_be_empty "not formatted: run clang-format -i on" "$(sources | xargs clang-format --dry-run 2>&1 | grep -oE '^[^ :]+:[0-9]+' | sort -u)"

# A layer includes only what lies below it: tools -> deploy -> cli, runner -> net -> base.
layer_may_not_include() { # folder, pattern of what is above it
  must_be_empty "common/$1 includes a layer above it" "$(sources | grep "^common/$1/" | lines_with "^#include \"($2)/")"
}
layer_may_not_include base 'net|runner|cli|deploy'
layer_may_not_include net 'runner|cli|deploy'
layer_may_not_include runner 'net|cli|deploy'
layer_may_not_include cli 'deploy'
must_be_empty "a layer includes a tool" "$(sources | grep '^common/' | lines_with '^#include "(tools/)?(tunnel-ssh|deploy-policy|commit-status|swarm-deploy|proxmox-deploy|sandbox)/')"
must_be_empty "the sandbox is included outside of tests" "$(sources | grep -vE '^(tools/sandbox|tests)/' | lines_with '^#include "(tools/)?sandbox/')"
for tool in tunnel-ssh deploy-policy commit-status swarm-deploy proxmox-deploy sandbox; do
  must_be_empty "another tool includes $tool" "$(sources | grep '^tools/' | grep -v "^tools/$tool/" | lines_with "^#include \"(tools/)?$tool/")"
done

# Every third-party library has its wrapper files.
only_in() { # header pattern, files that may
  must_be_empty "<$1> is included outside its wrapper" "$(sources | grep '^\(common\|tools\)/' | grep -vE "$2" | lines_with "^#include <($1)")"
}
only_in 'curl/' '^common/net/(http|access_tunnel|curl|tls)[a-z_]*\.[ch]pp$'
only_in 'libssh2' '^common/net/(ssh|host_key|tls)[a-z_]*\.[ch]pp$'
only_in 'rapidjson/' '^common/base/jsonc?\.cpp$'
only_in 'yaml-cpp/' '^common/base/yaml\.cpp$'
only_in 'toml\+\+/' '^common/base/toml\.cpp$'
only_in 'utf8proc' '^common/base/grapheme\.cpp$'
only_in 'CLI/' '^common/cli/inputs\.cpp$'
only_in 'boost/' '^tools/sandbox/'

# The tool decides how the process ends in one place, and only the Reporter prints.
# A parent that leaves its work to a child in the background ends without its own clean-up.
must_be_empty "exit() outside tool_main" "$(sources | grep -E '^(common|tools)/' | grep -vE '(cli/(tool_main|signals)|tunnel-ssh/background)\.cpp$' | lines_with '(^|[^_[:alnum:].])(std::)?_?exit\([^)]')"
# Thrown is what nobody can go on from (no memory, no random bytes, a promise of our own that is broken: tool_main makes
# it exit 70), and what leaves a library's parser for its wrapper.
must_be_empty "a throw: failure is a Result" "$(sources | grep -E '^(common|tools)/' | grep -vE '^common/(base/(digest|gzip|toml|yaml)|net/ssh_transport|cli/inputs)\.cpp$' | lines_with '(^|[^_[:alnum:]])throw([ ;]|$)')"
must_be_empty "abort(): exit code 70 is for that" "$(sources | grep -E '^(common|tools)/' | lines_with '(^|[^_[:alnum:]])abort\(')"
must_be_empty "printing outside the Reporter" "$(sources | grep -E '^(common|tools)/' | grep -vE '(runner/reporter|cli/tool_main)\.cpp$' | lines_with 'std::(cout|cerr)|[^_:[:alnum:]]f?printf\(|fmt::print\(')"
must_be_empty "a sleep: wait for what you wait for" "$(sources | lines_with 'sleep_for|sleep_until|[^_[:alnum:]]u?sleep\(')"

must_be_empty "the host of a package registry" "$(all_files | grep -v '^tests/style\.sh$' | lines_with 'deb\.debian\.org|registry\.npmjs|pypi\.org|snapshot\.debian|archive\.ubuntu')"
must_be_empty "a path of one machine" "$(all_files | grep -v '^tests/style\.sh$' | lines_with '(^|[^[:alnum:]_.-])/(work|root)/')"
must_be_empty "an expression inside run: (use env:)" "$(all_files | grep -E '(^|/)action\.ya?ml$' | while read -r file; do
  awk -v file="$file" '/^ *(- )?run:/ {r=1; match($0, /^ */); d=RLENGTH; if ($0 ~ /\$\{\{/) print file ":" NR ": " $0; next}
    r { match($0, /^ */); if (NF && RLENGTH <= d) r=0; else if ($0 ~ /\$\{\{/) print file ":" NR ": " $0 }' "$file"; done)"

for script in $(all_files | grep -E '\.sh$|^\.ci/run$'); do
  bash -n "$script" || failed=1
done

if [ "$failed" = 0 ]; then echo "style: good"; fi
exit "$failed"
