// An edge's answer: any bytes give a head, a wish for more or an error, and every refusal has words
// that are safe to print and never show the query of its Location.

#include <string>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "fuzz/fuzz.hpp"
#include "net/access_handshake.hpp"

namespace pca::fuzz {
namespace {

void explain(const AnswerHead& head, std::string_view body) {
  const std::string key = "dGhlIHNhbXBsZSBub25jZQ==";
  if (head.status == 101) {
    const auto checked = check_upgrade(head, key);
    require(!checked || head.header("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            "an upgrade answers our key");
    return;
  }
  // Depends on the answer, so that no other part of it can hold the same.
  const std::string query = "?" + to_hex(sha256(body));
  const Error error = explain_refusal({.authority = "edge",
                                       .sent = AccessCredential::service_token,
                                       .status = head.status,
                                       .location = head.header("location") + query,
                                       .ray = head.header("cf-ray"),
                                       .server = head.header("server"),
                                       .body = std::string(body)});
  require(error.message.size() < 2000, "a message is short");
  require(visible(error.message) == error.message, "a message is safe to print");
  require(visible(error.hint) == error.hint, "a hint is safe to print");
  require(!error.hint.empty(), "every refusal has a cure");
  require(error.message.find(query) == std::string::npos, "no query is shown");
}

}  // namespace
}  // namespace pca::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pca;
  using namespace pca::fuzz;
  const std::string_view text = text_of(data, size);
  const auto head = parse_answer_head(text);
  if (!head) {
    require(visible(head.error().message) == head.error().message, "an error is safe to print");
  } else if (*head) {
    require((*head)->size <= size, "a head is a part of the answer");
    require((*head)->status >= 100 && (*head)->status <= 999, "a status has three digits");
    explain(**head, text.substr((*head)->size));
  }
  return 0;
}
