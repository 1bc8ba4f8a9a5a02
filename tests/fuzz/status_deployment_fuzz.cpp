// A deployment as GitHub tells it, with what strangers wrote into its payload, and a payload of
// ours.
#include "commit-status/deployment.hpp"
#include "fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pca;
  using namespace pca::commit_status;
  using namespace pca::fuzz;
  const std::string_view text = text_of(data, size);
  if (const auto json = parse_json(text)) {
    const KnownDeployment known = read_deployment(*json);
    Deployment asked;
    asked.nonce = known.nonce;
    asked.slug = known.slug;
    asked.task = known.task;
    asked.environment = known.environment;
    require(is_same(asked, known) == (known.id > 0 && !known.nonce.empty()),
            "a deployment is itself, if it has a name");
  }
  if (const auto payload = parse_payload(text)) {
    Deployment asked;
    asked.payload = *payload;
    asked.nonce = "7/deploy";
    const auto body = parse_json(to_json(asked).dump());
    require(body.has_value(), "a body is JSON");
    require(body->find("payload")->text_of("nonce") == "7/deploy", "a nonce stays");
  }
  return 0;
}
