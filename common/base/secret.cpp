#include "base/secret.hpp"

#include <openssl/crypto.h>

#include <utility>

namespace pca {

void wipe(std::string& text) {
  // capacity, not size: a shrunk string still holds its old tail, and small strings live inside
  // the object, where a move leaves a copy behind.
  text.resize(text.capacity());
  OPENSSL_cleanse(text.data(), text.size());
  text.clear();
}

// Copied and wiped: a moved short string leaves its bytes behind.
Secret::Secret(Secret&& other) noexcept
    : text_(other.text_) {  // NOLINT(performance-move-constructor-init)
  other.wipe();
}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    wipe();
    text_ = other.text_;
    other.wipe();
  }
  return *this;
}

Secret::~Secret() { wipe(); }

void Secret::wipe() { pca::wipe(text_); }

}  // namespace pca
