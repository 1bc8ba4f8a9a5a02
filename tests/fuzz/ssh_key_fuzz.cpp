// Private key text: whatever is accepted is well formed, needs no second repair, and its passphrase
// can be tried; no message shows what may be part of a key.

#include <algorithm>
#include <string>

#include "fuzz/fuzz.hpp"
#include "net/ssh_key.hpp"
#include "runner/redactor.hpp"

namespace pca::fuzz {
namespace {

// As long as no piece of a key's text could be.
void require_no_material(const Error& error) {
  std::size_t run = 0;
  for (const char c : error.message + error.hint) {
    const bool digit = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                       c == '+' || c == '/' || c == '=';
    run = digit ? run + 1 : 0;
    require(run < 64, "a message shows no key");
  }
}

void check(std::string_view text) {
  const auto key = repair_key(text);
  if (!key) {
    require(key.error().kind == ErrorKind::bad_input, "a refusal is bad input");
    require(!key.error().hint.empty(), "a refusal comes with its cure");
    require_no_material(key.error());
    return;
  }
  require(key->text.starts_with("-----BEGIN ") && key->text.ends_with("-----\n"), "it is PEM");
  const auto again = repair_key(key->text);
  require(again.has_value() && again->text == key->text && again->repairs.empty() &&
              again->type == key->type && again->encrypted == key->encrypted,
          "a repaired key needs no repair");
  Redactor redactor;
  const auto opened = check_passphrase(redactor.protect(key->text), redactor.protect("passphrase"));
  if (!opened) require_no_material(opened.error());
}

}  // namespace
}  // namespace pca::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  pca::fuzz::check(pca::fuzz::text_of(data, size));
  return 0;
}
