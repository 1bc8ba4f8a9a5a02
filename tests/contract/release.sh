#!/usr/bin/env bash
# .ci/release, but for building and for GitHub: what it writes into the tree, what it tags, what it publishes; and that all
# that is linked in is known to it.
# usage: release.sh SOURCE_DIR BUILD_DIR
set -euo pipefail
source_dir=$1 build_dir=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $1" >&2; exit 1; }

# A repository of this tree, whose build and tests only note that they were asked for.
mkdir -p "$work/tree" "$work/programs"
git -C "$source_dir" ls-files -z --cached --others --exclude-standard | (cd "$source_dir" && tar --create --null --files-from - --ignore-failed-read 2>/dev/null) | tar --extract --directory "$work/tree"
cd "$work/tree"
for script in tests/run.sh common/cmake/prepare.sh; do printf '#!/bin/sh\necho "$0 $* $(grep -o "@v.*" .github/workflows/report-fork-status.yml)" >>"%s/asked"\n' "$work" >$script; done
git init -q -b main && git -c user.name=t -c user.email=t@example.com -c commit.gpgsign=false commit -q --allow-empty -m first
git add -A && git -c user.name=t -c user.email=t@example.com commit -q -m tree
git init -q --bare "$work/origin.git" && git remote add origin "$work/origin.git" && git push -q origin main
mapfile -t tools <.ci/tools
for preset in release release-arm64; do
  mkdir -p "build/$preset/bin"
  for tool in "${tools[@]}"; do echo "$preset $tool" >"build/$preset/bin/$tool"; done
done

export XDG_CACHE_HOME=${XDG_CACHE_HOME:-$HOME/.cache}
.ci/release build 1.2.3 >"$work/out" 2>&1 || fail "build: $(cat "$work/out")"
[ "$(cat VERSION)" = 1.2.3 ] || fail "VERSION is not written"
grep -q 'tests/run.sh.* @v1.2.3$' "$work/asked" || fail "it does not test the tree that is tagged: $(cat "$work/asked")"
[ "$(grep -c '^[0-9a-f]\{64\}  [a-z-]*-linux-\(x64\|arm64\)$' actions/checksums.txt)" = $((2 * ${#tools[@]})) ] || fail "checksums: $(cat actions/checksums.txt)"
! grep -h "uses: private-cloud-actions/" .github/workflows/*.yml | grep -qv '@v1\.2\.3$' || fail "an action of another tag is used"
grep -qr '@v0' .github/workflow-templates || fail "templates do not keep the tag of the major version"
jq --exit-status '.bomFormat == "CycloneDX" and .metadata.component.version == "1.2.3" and ([.components[] | select(.version == "" or (.licenses | length) == 0)] | length) == 0' \
  build/release-assets/sbom.cdx.json >/dev/null || fail "the list of components is not whole"
for text in 'GNU LESSER GENERAL PUBLIC LICENSE' 'Apache License' 'Permission to use, copy, modify, and distribute' 'The Massachusetts\|MIT\|Permission is hereby granted'; do
  grep -qi "$text" build/release-assets/THIRD_PARTY_LICENCES.txt || fail "no licence has: $text"
done
echo "good: what is built"

cat >"$work/programs/curl" <<EOF
#!/bin/sh
echo "\$* with \$(git --git-dir "$work/origin.git" tag --list | tr '\n' ' ')" >>"$work/calls"
case "\$*" in *"\$(cat "$work/refuses" 2>/dev/null || echo nothing)"*) exit 22 ;; esac
[ -e "$work/published" ] && draft=false || draft=true
echo "{\\"id\\": 7, \\"draft\\": \$draft, \\"upload_url\\": \\"https://uploads.example.com/releases/7/assets{?name,label}\\"}"
EOF
# The host that the key is for.
cat >"$work/programs/ssh" <<EOF
#!/bin/sh
echo "\$*" >>"$work/logins"
while [ "\$1" != -i ]; do shift; done
stat -c %a "\$2" >>"$work/logins"
cat "\$2" >>"$work/logins"
exec git-receive-pack "$work/origin.git"
EOF
chmod +x "$work/programs/curl" "$work/programs/ssh"
token=canary-release-token-3f9a key=canary-release-key-77d0
publish() {
  PATH=$work/programs:$(git --exec-path):$PATH GITHUB_TOKEN=$token RELEASE_KEY=$key GITHUB_REPOSITORY=o/r GITHUB_API_URL=https://api.example.com \
    TMPDIR=$work/temp .ci/release publish "$1" >"$work/out" 2>&1
}
mkdir "$work/temp"
echo more >>build/release-assets/tunnel-ssh-linux-x64
! publish 1.2.3 || fail "a file that was changed after the build is published"
[ ! -e "$work/calls" ] && [ -z "$(git ls-remote --tags origin)" ] || fail "a file that was changed leaves a tag or a release"
cp build/release/bin/tunnel-ssh build/release-assets/tunnel-ssh-linux-x64
for refused in name=sbom '"draft": false'; do
  echo "$refused" >"$work/refuses"
  ! publish 1.2.3 || fail "what GitHub did not take is published"
  grep -q -- '--request DELETE .*releases/7 ' "$work/calls" || fail "the draft stays: $(cat "$work/calls")"
  [ -z "$(git ls-remote --tags origin)" ] && [ -z "$(git tag --list)" ] || fail "a release that failed at $refused leaves a tag"
  git reset -q --soft HEAD~1 && rm "$work/refuses" "$work/calls"
done
publish 1.2.3 || fail "publish: $(cat "$work/out")"
tr '\n' ' ' <"$work/calls" | grep -q '"draft": true,[^}]*} https://api.example.com/repos/o/r/releases with ' || fail "it is no draft first: $(cat "$work/calls")"
tail -1 "$work/calls" | grep -q -- '--request PATCH .*{"draft": false} .*/releases/7 with v1.2.3 $' || fail "it is not published last, or v1 moves before: $(tail -1 "$work/calls")"
tag_at() { git --git-dir "$work/origin.git" rev-parse "$1"; }
[ "$(tag_at v1.2.3)" = "$(tag_at v1)" ] || fail "v1 is not v1.2.3"
[ "$(git --git-dir "$work/origin.git" show v1:VERSION)" = 1.2.3 ] || fail "the tag is not of the tree with the version"
[ "$(git --git-dir "$work/origin.git" log --oneline main | wc -l)" = 2 ] || fail "main was changed"
for asset in build/release-assets/*; do grep -q "@$asset .*name=$(basename "$asset") with $" "$work/calls" || fail "$asset is not published"; done
! grep -q "$token\|$key" "$work/calls" || fail "a secret is in an argument list"
grep -q 'git@github.com git-receive-pack' "$work/logins" && grep -qx 600 "$work/logins" && grep -qx "$key" "$work/logins" || fail "it does not push by the key: $(cat "$work/logins")"
! grep -q '^-.*canary' "$work/logins" && [ -z "$(ls "$work/temp")" ] || fail "the key is in an argument list, or stays"
published=$(tag_at v1.2.3)
git reset -q --soft HEAD~1
! publish 1.2.3 || fail "a version is released twice"
[ "$(tag_at v1.2.3)" = "$published" ] && grep -q 'released already' "$work/out" || fail "a second release of a version changes the first: $(cat "$work/out")"
.ci/release build 1.3.0 >"$work/out" 2>&1 || fail "1.3.0: $(cat "$work/out")"
touch "$work/published" # and the answer that says so is lost
echo '"draft": false' >"$work/refuses"
publish 1.3.0 || fail "1.3.0: $(cat "$work/out")"
[ "$(tag_at v1)" = "$(tag_at v1.3.0)" ] && [ "$(tag_at v1)" != "$(tag_at v1.2.3)" ] || fail "v1 was not moved, or v1.2.3 was"
echo "good: what is published"

for arguments in '' 'build' 'build v1.2.3' 'ship 1.2.3'; do
  code=0
  # shellcheck disable=SC2086
  .ci/release $arguments >"$work/out" 2>&1 || code=$?
  [ "$code" = 2 ] || fail ".ci/release $arguments ends with $code"
done

# Whatever is linked in has its line, and so its version and licence.
linked=$(grep -A12 -E "^build bin/($(IFS='|' && echo "${tools[*]}")):" "$build_dir/build.ninja" | grep LINK_LIBRARIES | tr ' ' '\n' | grep -E '^/.*\.(a|so)$' | sed 's|.*/||; s|\..*||' | sort -u)
[ "$(wc -w <<<"$linked")" -ge 5 ] || fail "nothing was found that is linked in: $linked"
for library in $linked; do grep -q "^$library " .ci/linked_libraries || fail "$library is linked in, and .ci/linked_libraries does not have it"; done
echo "good: all that is linked in is known:" $linked
