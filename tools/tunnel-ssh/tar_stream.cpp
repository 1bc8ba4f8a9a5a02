#include "tunnel-ssh/tar_stream.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

#include "base/text.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr std::size_t block = 512;
constexpr std::size_t end_blocks = 2;       // of zeros
constexpr std::size_t record = 20 * block;  // tar reads in records, so the last one is filled up
constexpr std::size_t longest_name = 100;
constexpr std::uint64_t octal_limit = std::uint64_t{1} << 33U;  // 11 octal digits
constexpr const char* long_entry = "././@LongLink";             // as GNU tar names it

std::uint64_t rounded_up(std::uint64_t bytes, std::uint64_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

// A header: offsets and widths as in tar(5).
class Header {
 public:
  Header(char type, std::string_view name, std::uint64_t size, unsigned mode) {
    put(0, longest_name, name);
    put_octal(100, 8, mode);
    put_octal(108, 8, 0);  // owner and group: whoever unpacks
    put_octal(116, 8, 0);
    put_size(size);
    put_octal(136, 12, 0);  // time: when it is unpacked
    text_[156] = type;
    put(257, 8, "ustar  ");  // GNU's magic
  }
  void link_to(std::string_view target) { put(157, longest_name, target); }

  std::string text() {
    text_.replace(148, 8, 8, ' ');
    const unsigned sum = std::accumulate(
        text_.begin(), text_.end(), 0U,
        [](unsigned total, char c) { return total + static_cast<unsigned char>(c); });
    put(148, 8, fmt::format("{:06o}", sum) + std::string(1, '\0') + " ");
    return text_;
  }

 private:
  void put(std::size_t at, std::size_t width, std::string_view value) {
    const std::string_view part = value.substr(0, width);
    std::copy(part.begin(), part.end(), text_.begin() + static_cast<std::ptrdiff_t>(at));
  }
  void put_octal(std::size_t at, std::size_t width, std::uint64_t value) {
    put(at, width, fmt::format("{:0{}o}", value, width - 1));
  }
  // Beyond 8 GiB in binary, marked by the highest bit.
  void put_size(std::uint64_t size) {
    if (size < octal_limit) return put_octal(124, 12, size);
    text_[124] = static_cast<char>(0x80);
    for (std::size_t i = 0; i < 8; ++i) {
      text_[135 - i] = static_cast<char>((size >> (8 * i)) & 0xFFU);
    }
  }

  std::string text_ = std::string(block, '\0');
};

std::string padded(std::string text) {
  text.resize(rounded_up(text.size(), block), '\0');
  return text;
}

// A name too long for its field, as an entry before the one it is for.
std::string long_text(char type, const std::string& text) {
  if (text.size() <= longest_name) return {};
  return Header(type, long_entry, text.size() + 1, 0644).text() + padded(text + '\0');
}

std::string header_of(const std::string& before, const TreeEntry& entry) {
  const bool is_folder = entry.kind == EntryKind::folder;
  const std::string name = before + entry.path + (is_folder ? "/" : "");
  if (entry.kind == EntryKind::link) {
    Header header('2', name, 0, 0777);
    header.link_to(entry.target);
    return long_text('K', entry.target) + long_text('L', name) + header.text();
  }
  Header header(is_folder ? '5' : '0', name, entry.size,
                is_folder || entry.is_executable ? 0755 : 0644);
  return long_text('L', name) + header.text();
}

Error changed(const std::string& path) {
  return failed(fmt::format("{} changed while it was being sent", visible(path)),
                "Let nothing write there meanwhile, and run this again: the host is as before.");
}

}  // namespace

TarStream::TarStream(const std::vector<TarText>& texts, std::string folder,
                     std::vector<TreeEntry> entries)
    : folder_(std::move(folder)), entries_(std::move(entries)) {
  for (const TarText& text : texts) {
    pending_ += long_text('L', text.name) + Header('0', text.name, text.text.size(), 0644).text() +
                padded(text.text);
  }
  std::uint64_t content = pending_.size();
  for (const TreeEntry& entry : entries_) {
    content += header_of(folder_, entry).size() + rounded_up(entry.size, block);
  }
  size_ = rounded_up(content + end_blocks * block, record);
  end_size_ = size_ - content;
}

Result<std::size_t> TarStream::read(std::span<char> into) {
  while (taken_ == pending_.size()) {
    if (left_ > 0) return read_content(into);
    if (is_ended_) return std::size_t{0};
    PCA_CHECK(begin_entry());
  }
  const std::size_t count = pending_.copy(into.data(), into.size(), taken_);
  taken_ += count;
  return count;
}

Result<> TarStream::begin_entry() {
  taken_ = 0;
  if (next_ == entries_.size()) {
    pending_.assign(end_size_, '\0');
    is_ended_ = true;
    return {};
  }
  const TreeEntry& entry = entries_[next_++];
  pending_ = header_of(folder_, entry);
  if (entry.kind != EntryKind::file) return {};
  file_ = FileDescriptor(::open(entry.source.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file_.is_open()) return changed(entry.source);
  left_ = entry.size;
  return left_ > 0 ? Result<>() : end_content();
}

Result<std::size_t> TarStream::read_content(std::span<char> into) {
  const TreeEntry& entry = entries_[next_ - 1];
  const std::size_t wanted = std::min<std::uint64_t>(into.size(), left_);
  const ssize_t got = ::read(file_.get(), into.data(), wanted);
  if (got <= 0) return changed(entry.source);
  const auto count = static_cast<std::size_t>(got);
  digest_.feed({into.data(), count});
  left_ -= count;
  if (left_ == 0) PCA_CHECK(end_content());
  return count;
}

Result<> TarStream::end_content() {
  const TreeEntry& entry = entries_[next_ - 1];
  char more = 0;
  const bool has_more = ::read(file_.get(), &more, 1) != 0;
  file_.reset();
  if (to_hex(digest_.finish()) != entry.digest || has_more) {
    return changed(entry.source);
  }
  if (entry.size > 0) {
    pending_.assign(rounded_up(entry.size, block) - entry.size, '\0');
    taken_ = 0;
  }
  return {};
}

}  // namespace pca::tunnel_ssh
