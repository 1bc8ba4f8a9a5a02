// What a host says about its releases: whatever it is, what is taken of it is safe in a path, and a
// manifest that was read is written as it was meant.

#include "base/slug.hpp"
#include "deploy/provenance.hpp"
#include "fuzz/fuzz.hpp"
#include "tunnel-ssh/preview.hpp"
#include "tunnel-ssh/release_folder.hpp"
#include "tunnel-ssh/release_manifest.hpp"

namespace pca::fuzz {
namespace {

using namespace tunnel_ssh;

void check_state(std::string_view text) {
  const auto state = parse_release_state(text);
  if (!state) return;
  for (const std::string& release : state->releases) {
    require(is_release_id(release), "a release's name is safe in a path");
  }
  require(state->current.empty() || is_release_id(state->current), "so is the current one's");
  const std::string target = state->rollback_target();
  require(target.empty() || (target != state->current && state->is_good(target)),
          "nobody goes back to what is current or bad");
  for (const std::string& release : state->dispensable(1, state->current, target)) {
    require(release != state->current && release != target, "what is needed is kept");
  }
}

void check_manifest(std::string_view text) {
  const auto tree = parse_manifest(text);
  if (!tree) return;
  const std::string written = write_manifest(*tree);
  const auto again = parse_manifest(written);
  require(again && write_manifest(*again) == written, "what is written is read again");
}

void check_previews(std::string_view text) {
  const auto previews = parse_previews(text);
  if (!previews) return;
  for (const Preview& preview : previews->all) {
    require(is_slug(preview.slug), "a preview's name is safe in a path");
  }
  require(choose_doomed(*previews, {}).empty(), "nothing goes that nobody asked for");
}

}  // namespace
}  // namespace pca::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = pca::fuzz::text_of(data, size);
  pca::fuzz::check_state(text);
  pca::fuzz::check_manifest(text);
  pca::fuzz::check_previews(text);
  return 0;
}
