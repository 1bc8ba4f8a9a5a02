#pragma once

#include <cstdint>
#include <string>

namespace pca::test {

// Bytes that nothing makes smaller and of which no part is like another, so that one that is lost
// or comes twice shows. The same for the same `seed`.
inline std::string noise(std::size_t size, std::uint64_t seed = 1) {
  std::string bytes(size, '\0');
  std::uint64_t state = 88172645463325252U ^ (seed << 32U);
  for (char& byte : bytes) {
    state ^= state << 13U;
    state ^= state >> 7U;
    state ^= state << 17U;
    byte = static_cast<char>(state);
  }
  return bytes;
}

}  // namespace pca::test
