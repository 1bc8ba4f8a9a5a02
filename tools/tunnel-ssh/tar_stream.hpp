#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/digest.hpp"
#include "net/file_descriptor.hpp"
#include "tunnel-ssh/file_tree.hpp"

namespace pca::tunnel_ssh {

// A file of an archive that is on no disk.
struct TarText {
  std::string name;
  std::string text;
};

// `texts`, then `entries` and the contents of their sources, as one tar archive in GNU format
// (tar(5): ustar headers, "L" and "K" entries for long names), made while it is read. Files are
// 0644 or 0755, and what is read of them is compared with the digest that is promised. Not thread
// safe.
class TarStream {
 public:
  // `folder` is put before the paths of the entries: "", or one that ends with a slash.
  TarStream(const std::vector<TarText>& texts, std::string folder, std::vector<TreeEntry> entries);

  [[nodiscard]] std::uint64_t size() const { return size_; }  // bytes; of all of it
  [[nodiscard]] const std::vector<TreeEntry>& entries() const { return entries_; }
  // The next bytes; 0 only at the end. Errors: failed (a file is gone, or has changed since its
  // digest was taken).
  Result<std::size_t> read(std::span<char> into);

 private:
  Result<> begin_entry();
  Result<std::size_t> read_content(std::span<char> into);
  Result<> end_content();

  const std::string folder_;
  std::vector<TreeEntry> entries_;
  std::size_t next_ = 0;    // the entry that comes after the current one
  std::string pending_;     // headers and padding on their way
  std::size_t taken_ = 0;   // of pending_
  FileDescriptor file_;     // the current one
  std::uint64_t left_ = 0;  // of its content
  Sha256Stream digest_;
  std::uint64_t size_ = 0;
  std::uint64_t end_size_ = 0;  // of the zeros at its end
  bool is_ended_ = false;
};

}  // namespace pca::tunnel_ssh
