#!/usr/bin/env bash
# Which sources the libraries are built from: only those with the locked SHA256 and with Debian's patches on them.
# With a stand-in for apt-get that serves what a test lays out.
# usage: sources.sh SOURCE_FOLDER
set -euo pipefail

skip() {
  echo "SKIPPED: $1" >&2
  [ "${REQUIRE_E2E:-}" != 1 ] || exit 1
  exit 77
}
[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || skip "not a Debian"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  printf 'FAILED: %s\n' "$1" >&2
  cat "$work/said" >&2
  exit 1
}

mkdir "$work/recipe" "$work/bin" "$work/served"
cp "$1/common/cmake/dependencies/fetch-sources.sh" "$work/recipe"
cat >"$work/bin/apt-get" <<'END'
#!/bin/bash
case " $* " in
*" indextargets "*) echo http://mirror.test/debian ;;
*" source "*)
  revision=${*: -1}
  revision=${revision#shop=}
  if ! cp "$served/$revision"/* . 2>/dev/null; then
    echo "E: Can not find version '$revision' of package 'shop'" >&2
    exit 100
  fi
  ;;
esac
END
cat >"$work/bin/apt-cache" <<'END'
#!/bin/bash
for revision in "$served"/*/; do echo "Version: $(basename "$revision")"; done
END
chmod +x "$work/bin"/*
export served=$work/served PATH="$work/bin:$PATH"

# Debian's two tarballs of a revision: a file of upstream's, and a patch that adds a line to it.
serve() { # revision [upstream's version]
  local revision=$1 version=${2:-1.0} made=$work/made
  rm -rf "$made"
  mkdir -p "$made/shop-$version" "$made/debian/patches" "$served/$revision"
  echo upstream >"$made/shop-$version/file"
  printf -- '--- a/file\n+++ b/file\n@@ -1 +1,2 @@\n upstream\n+patched in %s\n' "$revision" >"$made/debian/patches/fix.patch"
  echo fix.patch >"$made/debian/patches/series"
  tar --sort=name --mtime=@0 --owner=0 --group=0 -C "$made" -cf - "shop-$version" | gzip -n >"$served/$revision/shop_$version.orig.tar.gz"
  tar -C "$made" -cJf "$served/$revision/shop_$revision.debian.tar.xz" debian
}
sum_of() { sha256sum <"$1" | cut -d' ' -f1; }
lock() { # revision
  echo "shop 1.0 $1 trixie $(sum_of "$served/$1/shop_1.0.orig.tar.gz") $(sum_of "$served/$1/shop_$1.debian.tar.xz")" >"$work/recipe/sources.lock"
}
fetch() { # cache
  rm -f "$work/found"
  "$work/recipe/fetch-sources.sh" "$work/$1" "$work/found" >"$work/said" 2>&1
}
refuses() { # cache, words
  ! fetch "$1" || fail "it was taken: $2"
  grep -q "^error: .*$2" "$work/said" || fail "not told: $2"
  [ ! -e "$work/found" ] || fail "it was found all the same: $2"
  [ -z "$(find "$work/$1/sources" -name file)" ] || fail "sources are left in the cache: $2"
}

serve 1.0-1
lock 1.0-1
fetch good || fail "the locked revision was not taken"
[ "$(cat "$work/good/sources/shop-1.0-1/file")" = $'upstream\npatched in 1.0-1' ] || fail "the patch is not on it"
[ "$(cat "$work/found")" = 'shop 1.0 1.0-1' ] || fail "found is: $(cat "$work/found")"
echo "good: the locked revision, patched"

mv "$served/1.0-1" "$work/kept"
fetch good || fail "it was not taken from the cache"
echo "good: what is in the cache needs no server"
mv "$work/kept" "$served/1.0-1"

for changed in orig.tar.gz debian.tar.xz; do
  serve 1.0-1
  lock 1.0-1
  printf x >>"$(echo "$served"/1.0-1/*."$changed")"
  refuses "changed-$changed" 'do not have the locked SHA256'
done
echo "good: a tarball or patches with another SHA256 are refused"

serve 1.0-1
lock 1.0-1
rm -r "$served/1.0-1"
serve 1.0-1+deb1u2
serve 1.0-1+deb1u10
serve 1.1-1 1.1
fetch newer || fail "a newer revision was not taken"
grep -q '^warning: shop 1.0-1 is no longer served; using the newer 1.0-1+deb1u10$' "$work/said" || fail "the newer revision is not told"
[ "$(cat "$work/newer/sources/shop-1.0-1+deb1u10/file")" = $'upstream\npatched in 1.0-1+deb1u10' ] || fail "the newer patch is not on it"
[ "$(cat "$work/found")" = 'shop 1.0 1.0-1+deb1u10' ] || fail "found is: $(cat "$work/found")"
echo "good: a revision that is gone gives way to the newest of the same version, with a warning"

printf x >>"$served/1.0-1+deb1u10/shop_1.0.orig.tar.gz"
refuses newer-changed 'does not have the locked SHA256'
echo "good: the newer one's tarball must be the locked one"

# Only another version of upstream's is left, or an older revision, or a tarball without its patches.
rm -r "$served"/1.0-*
serve 1.0-0
mkdir "$served/1.0-2"
cp "$served/1.0-0/shop_1.0.orig.tar.gz" "$served/1.0-2"
! fetch gone || fail "a tarball without patches was taken"
[ ! -e "$work/found" ] && [ -z "$(find "$work/gone/sources" -name file)" ] || fail "sources without patches are left"
rm -r "$served/1.0-2"
refuses gone "no source of shop 1.0 with Debian's patches can be fetched"
echo "good: without Debian's patches nothing is built"

# As on a machine whose package index knows no Debian.
sed -i 's/echo http.*/echo http:\/\/mirror.test\/ubuntu ;;/' "$work/bin/apt-get"
refuses elsewhere 'the sources of shop 1.0-1 are out of reach: no apt-get of Debian here'
grep -qF "copy the folder $work/elsewhere/sources from a machine that has built" "$work/said" || fail "not told what to copy"
serve 1.0-1
lock 1.0-1
cp -a "$work/good" "$work/copied"
fetch copied || fail "what was copied is not used"
[ "$(cat "$work/found")" = 'shop 1.0 1.0-1' ] || fail "found is: $(cat "$work/found")"
echo "good: on another distribution the sources of a Debian are used once they are copied"
