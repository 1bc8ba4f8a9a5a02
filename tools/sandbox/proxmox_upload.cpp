#include "sandbox/proxmox_upload.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <regex>
#include <utility>

#include "base/digest.hpp"
#include "base/text.hpp"

namespace pca::sandbox::proxmox {

namespace {

constexpr std::size_t most_head = std::size_t{8} * 1024;  // of a part
constexpr std::size_t most_field = std::size_t{64} * 1024;

}  // namespace

struct Upload::Digest {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  Digest() = default;
  Digest(const Digest&) = delete;
  Digest& operator=(const Digest&) = delete;
  ~Digest() { EVP_MD_CTX_free(context); }
};

Upload::Upload(std::string boundary, std::string file)
    : boundary_("--" + std::move(boundary)), file_(std::move(file)) {}

Upload::~Upload() = default;

Outcome<void> Upload::feed(std::string_view bytes) {
  if (state_ == State::done) return {};
  buffer_.append(bytes);
  Outcome<void> outcome;
  while (outcome && step(outcome)) {
  }
  return outcome;
}

// Goes on as far as the bytes lead; false when it needs more, or is through.
bool Upload::step(Outcome<void>& outcome) {
  if (state_ == State::between) {
    const auto at = buffer_.find(boundary_ + "\r\n");
    if (at == std::string::npos) {
      const std::size_t sure = buffer_.size() - std::min(buffer_.size(), boundary_.size() + 1);
      buffer_.erase(0, sure);
      return false;
    }
    buffer_.erase(0, at + boundary_.size() + 2);
    state_ = State::head;
    return true;
  }
  if (state_ == State::head) {
    const auto end = buffer_.find("\r\n\r\n");
    if (end == std::string::npos ? buffer_.size() > most_head : end > most_head) {
      outcome = server_error("error decoding multipart message");
    }
    if (end == std::string::npos || !outcome) return false;
    outcome = read_head(std::string_view(buffer_).substr(0, end));
    buffer_.erase(0, end + 4);
    return outcome.has_value();
  }
  const std::string mark = "\r\n" + boundary_;
  const auto end = buffer_.find(mark);
  if (state_ == State::field) {
    if (end == std::string::npos ? buffer_.size() > most_field : end > most_field) {
      outcome = server_error("error decoding multipart message");
    }
    if (end == std::string::npos || !outcome) return false;
    fields_.emplace_back(name_, buffer_.substr(0, end));
    buffer_.erase(0, end + 2);
    state_ = State::between;
    return true;
  }
  if (state_ != State::file) return false;
  if (end != std::string::npos) {
    keep(std::string_view(buffer_).substr(0, end));
    buffer_.clear();
    state_ = State::done;
    return false;
  }
  if (buffer_.size() <= mark.size()) return false;
  const std::size_t sure = buffer_.size() - mark.size();
  keep(std::string_view(buffer_).substr(0, sure));
  buffer_.erase(0, sure);
  return false;
}

Outcome<void> Upload::read_head(std::string_view head) {
  static const std::regex disposition(
      "^content-disposition:[^\r\n]*?;\\s*name=\"([^\"]*)\"(;\\s*filename=\"([^\"]*)\")?",
      std::regex::icase);
  std::cmatch found;
  if (!std::regex_search(head.begin(), head.end(), found, disposition)) {
    return server_error("error decoding multipart message");
  }
  name_ = found[1];
  if (!found[2].matched) {
    state_ = State::field;
    return {};
  }
  if (name_ != "filename") {
    Failure failure =
        server_error(fmt::format("wrong field name '{}' for file upload, expected 'filename' at "
                                 "/usr/share/perl5/PVE/APIServer/AnyEvent.pm line 1325.",
                                 name_));
    failure.is_bare = true;
    failure.plain = failure.message + "\n";
    return failure;
  }
  std::string name = found[3];
  fields_.emplace_back("filename", name.substr(name.find_last_of("/\\") + 1));
  const std::string algorithm = value_in(fields_, "checksum-algorithm");
  if (const EVP_MD* type = EVP_get_digestbyname(algorithm.c_str()); type != nullptr) {
    digest_ = std::make_unique<Digest>();
    EVP_DigestInit_ex(digest_->context, type, nullptr);
  }
  state_ = State::file;
  return {};
}

void Upload::keep(std::string_view bytes) {
  if (digest_) EVP_DigestUpdate(digest_->context, bytes.data(), bytes.size());
  size_ += bytes.size();
}

std::string Upload::hash() {
  if (!digest_) return "";
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_DigestFinal_ex(digest_->context, bytes, &size);
  digest_.reset();
  return to_hex({bytes, size});
}

std::string boundary_of(std::string_view content_type) {
  static const std::regex form("^multipart/form-data;.*boundary=\"?([^\";]+)\"?.*$",
                               std::regex::icase);
  std::cmatch found;
  const bool is_form = std::regex_match(content_type.begin(), content_type.end(), found, form);
  return is_form ? found[1].str() : "";
}

}  // namespace pca::sandbox::proxmox
