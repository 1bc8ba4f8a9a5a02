// What users write as local, remote and dynamic: a forward, or a mistake told safely with its cure.

#include <string>

#include "base/text.hpp"
#include "fuzz/fuzz.hpp"
#include "tunnel-ssh/forward_spec.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pca;
  using namespace pca::fuzz;
  using tunnel_ssh::ForwardKind;
  const std::string text(text_of(data, size));
  for (const ForwardKind kind : {ForwardKind::local, ForwardKind::remote, ForwardKind::dynamic}) {
    const auto spec = tunnel_ssh::parse_forward(kind, text);
    if (!spec) {
      require(visible(spec.error().message) == spec.error().message, "an error is safe to print");
      require(spec.error().message.size() < 2000, "an error is short");
      require(!spec.error().hint.empty(), "every mistake has a cure");
      continue;
    }
    require(spec->kind == kind && !spec->text.empty(), "a forward knows what it is");
    require(visible(spec->listen.text()) == spec->listen.text(), "its end here is safe to print");
    require(visible(spec->target.text()) == spec->target.text(), "its end there is safe to print");
  }
  return 0;
}
