// The start of an SSH connection: the same bytes, cut in any way, tell the same. The first byte is
// the size of the pieces.

#include <algorithm>
#include <string>

#include "fuzz/fuzz.hpp"
#include "net/ssh_greeting.hpp"

namespace pca::fuzz {
namespace {

std::string told(std::string_view stream, std::size_t piece) {
  SshGreeting greeting;
  for (std::string_view rest = stream; !rest.empty();) {
    const std::string_view part = rest.substr(0, piece);
    rest.remove_prefix(part.size());
    // Where it gives up depends on the pieces; that it does not.
    if (!greeting.feed(part)) return "given up";
  }
  require(greeting.preceding_text().size() <= std::size_t{200} * 8, "what is shown is short");
  std::string text = greeting.identification() + (greeting.is_complete() ? "|complete" : "");
  for (const auto list :
       {SshGreeting::List::kex, SshGreeting::List::host_key, SshGreeting::List::cipher_up,
        SshGreeting::List::cipher_down, SshGreeting::List::mac_up, SshGreeting::List::mac_down}) {
    for (const std::string& name : greeting.offered(list)) text += "|" + name;
    text += ";";
  }
  return text;
}

}  // namespace
}  // namespace pca::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pca::fuzz;
  if (size == 0) return 0;
  const std::string_view stream = text_of(data + 1, size - 1);
  require(told(stream, std::max<std::size_t>(data[0], 1)) == told(stream, stream.size() + 1),
          "the pieces do not matter");
  return 0;
}
