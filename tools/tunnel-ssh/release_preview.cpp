// The part of ReleaseFolder that is about previews.

#include <fmt/format.h>

#include "base/text.hpp"
#include "tunnel-ssh/release_code.hpp"
#include "tunnel-ssh/release_folder.hpp"
#include "tunnel-ssh/remote_code.hpp"

namespace pca::tunnel_ssh {

namespace {

// $base: the folder that the preview is in. $here: where the link of its port leads to. $port: what
// it is called.
constexpr std::string_view own_port = R"sh(
base=${path%/previews/*}
here=../previews/${path##*/}/current
port=
for link in "$base"/ports/*; do
  [ "$(readlink -- "$link")" != "$here" ] || port=${link##*/}
done
)sh";

// Leaves $label and $lifetime in the host's hands.
std::string label_code(const Preview& preview, Milliseconds lifetime) {
  return assignment("label", label_of(preview).dump()) +
         fmt::format("lifetime={}\n", lifetime.count() / 1000) + R"sh(
printf '{"deployed":"%s","expires":"%s",%s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
  "$(date -u -d "@$(($(date +%s) + lifetime))" +%Y-%m-%dT%H:%M:%SZ)" "${label#?}" >"$deploy/preview.new" &&
  mv -f -- "$deploy/preview.new" "$deploy/preview"
)sh";
}

// All that a reap needs is on the host: whoever reaps need not know how it was deployed. The route
// goes first, so that nobody is sent to what is ending, nor to who has the port next.
std::string reap_script(const std::string& slug, const Switch& how) {
  return "path=$P\n" + assignment("route", how.route.file) +
         assignment("reload", how.route.reload) + assignment("stop", how.stop) + "export " +
         assignment("RELEASE_PREVIEW", slug) + std::string(own_port) +
         std::string(script_functions) + R"sh(
export PORT="$port"
if [ -n "$route" ]; then
  [ ! -L "$route" ] || route=$(readlink -f -- "$route")
  rm -f -- "$route" || exit
  [ -z "$reload" ] || run 60 "$reload" || { echo "route-reload ended with exit code $?"; exit 1; }
fi
[ -z "$stop" ] || [ -z "$port" ] || end_instance
)sh";
}

}  // namespace

Result<std::optional<Preview>> ReleaseFolder::preview(const Budget& budget) {
  PCA_TRY(const std::string text, run(budget, R"sh(
is_preview=yes
[ ! -e "$deploy/preview" ] || head -c 8192 "$deploy/preview"
)sh"));
  if (text.empty()) return std::optional<Preview>();
  PCA_TRY(Preview preview, parse_label(text));
  return std::optional(std::move(preview));
}

Result<std::string> ReleaseFolder::claim(const Budget& budget, const PreviewPlan& plan,
                                         const Switch* how) {
  Preview unborn = plan.preview;
  unborn.commit.clear();
  std::string code =
      (how == nullptr ? "reap=\n" : assignment("reap", reap_script(plan.preview.slug, *how))) +
      fmt::format("first={}\nlast={}\n", plan.first, plan.last) + std::string(script_functions) +
      "new_label() {\n" + label_code(unborn, plan.lifetime) + "}\n" + std::string(own_port);
  code += R"sh(
find_port() {
  mkdir -p -- "$base/ports" || return
  while [ -z "$port" ] && [ "$first" -le "$last" ]; do
    if ln -s -T -- "$here" "$base/ports/$first" 2>/dev/null; then
      if is_silent "$first"; then port=$first; else rm -f -- "$base/ports/$first"; fi
    fi
    first=$((first + 1))
  done
  [ -n "$port" ] || { echo 'none of preview-ports is free: reap previews, or give more ports' >&2; return 1; }
}
{ [ -z "$reap" ] || keep_script "$reap" "$deploy/reap.sh"; } && { [ -e "$deploy/preview" ] || new_label; } &&
  { [ -n "$port" ] || find_port; } && printf %s "$port"
)sh";
  PCA_TRY(std::string port, run(budget, code));
  set_variable("PORT", port);
  set_variable("RELEASE_PREVIEW", plan.preview.slug);
  label_code_ = label_code(plan.preview, plan.lifetime);
  return port;
}

Result<> ReleaseFolder::renew(const Budget& budget, const PreviewPlan& plan) {
  PCA_CHECK(run(budget, label_code(plan.preview, plan.lifetime)));
  return {};
}

Result<std::string> ReleaseFolder::reap(const Budget& budget, const Json& record) {
  return run(budget, assignment("record", record.dump()) + R"sh(
reap() {
  [ -f "$deploy/preview" ] || { echo "$path is no preview" >&2; return 1; }
  sh "$deploy/reap.sh" >"$tmp/reap" 2>&1 || { tail -n 3 "$tmp/reap" >&2; return 1; }
  gone=$base/previews/.${path##*/}.part
  rm -rf -- "$gone" && mv -T -- "$path" "$gone" || return
  [ -z "$port" ] || rm -f -- "$base/ports/$port"
  (deploy=$base/.deploy && mkdir -p -- "$deploy" && history "$record")
  rm -rf -- "$gone" || return
  rmdir -- "$base/ports" "$base/previews" 2>/dev/null
  tail -c 65536 "$tmp/reap"
}
)sh" + std::string(own_port) +
                         "reap\n");
}

Result<Previews> ReleaseFolder::previews(const Budget& budget, Milliseconds age) {
  PCA_TRY(const std::string text, run(budget, fmt::format("age={}\n", age.count() / 1000) + R"sh(
printf '%s\0' "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
printf '%s\0' "$(date -u -d "@$(($(date +%s) - age))" +%Y-%m-%dT%H:%M:%SZ)"
find "$path/ports" -type l -printf '%f %l\n' 2>/dev/null
printf '\0'
for folder in "$path"/previews/*/; do
  folder=${folder%/}
  if [ ! -L "$folder" ] && [ -f "$folder/.deploy/preview" ]; then
    printf '%s\0' "${folder##*/}"
    head -c 8192 "$folder/.deploy/preview"
    printf '\0'
  fi
done
)sh"));
  return parse_previews(text);
}

Result<> ReleaseFolder::tidy_previews(const Budget& budget) {
  PCA_CHECK(run(budget, R"sh(
rm -rf -- "$path"/previews/.*.part
for link in "$path"/ports/*; do
  slug=$(readlink -- "$link")
  case $slug in
  ../previews/*/current)
    slug=${slug#../previews/}
    [ -d "$path/previews/${slug%/current}" ] || rm -f -- "$link"
    ;;
  esac
done
)sh"));
  return {};
}

}  // namespace pca::tunnel_ssh
