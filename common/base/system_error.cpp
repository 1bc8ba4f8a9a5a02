#include "base/system_error.hpp"

#include <cctype>
#include <cerrno>
#include <system_error>

namespace pca {

std::string errno_text(int error) {
  std::string text = std::generic_category().message(error);
  text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

bool may_pass(int error) {
  return error == ECONNREFUSED || error == ECONNRESET || error == ECONNABORTED ||
         error == ETIMEDOUT || error == EHOSTUNREACH || error == ENETUNREACH || error == EPIPE;
}

}  // namespace pca
