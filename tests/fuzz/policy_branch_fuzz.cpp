// Branch names: any bytes give a legal label that fits, or are refused as a branch.

#include "base/slug.hpp"
#include "base/text.hpp"
#include "deploy-policy/classify.hpp"
#include "fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pca;
  using namespace pca::deploy_policy;
  using namespace pca::fuzz;
  const std::string branch(text_of(data, size));
  const std::size_t room = 10 + (size * 7) % 54;
  const std::string slug = make_slug("acme/shop", branch, room).value_or("");
  require(is_slug(slug) && slug.size() <= room, "a slug is a legal label that fits");
  const Event event{.name = "push", .ref = "refs/heads/" + branch, .repository = "acme/shop"};
  const auto found = classify(Policy(), event);
  if (!found) {
    require(visible(found.error().text()) == found.error().text(), "an error is safe to print");
    return 0;
  }
  require((found->value == DeployClass::production) == (branch == "main"),
          "only main is production");
  const auto pattern = BranchPattern::parse(branch);
  require(!pattern || !pattern->is_exact() || pattern->matches(branch), "a name matches itself");
  return 0;
}
