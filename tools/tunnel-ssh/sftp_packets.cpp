#include "tunnel-ssh/sftp_packets.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "net/ssh_wire.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr std::uint32_t version = 3;

// Section 3 of the draft.
enum Type : std::uint8_t {
  init = 1,
  version_answer = 2,
  open = 3,
  close_handle = 4,
  read_data = 5,
  write_data = 6,
  lstat_path = 7,
  fstat_handle = 8,
  setstat = 9,
  fsetstat = 10,
  opendir = 11,
  readdir = 12,
  remove_file = 13,
  mkdir = 14,
  rmdir = 15,
  stat_path = 17,
  rename_path = 18,
  readlink = 19,
  symlink = 20,
  status_answer = 101,
  handle_answer = 102,
  data_answer = 103,
  name_answer = 104,
  attrs_answer = 105,
  extended_request = 200,
  extended_answer = 201,
};

constexpr std::uint32_t flag_read = 0x01;
constexpr std::uint32_t flag_write = 0x02;
constexpr std::uint32_t flag_create = 0x08;
constexpr std::uint32_t flag_exclusive = 0x20;

constexpr std::uint32_t has_size = 0x1;
constexpr std::uint32_t has_owner = 0x2;
constexpr std::uint32_t has_permissions = 0x4;
constexpr std::uint32_t has_times = 0x8;
constexpr std::uint32_t has_extensions = 0x80000000U;

Error garbage(std::string_view what) {
  return failed(fmt::format("the SFTP server sent {} that cannot be read", what),
                "See whether it speaks version 3 of SFTP.");
}

std::optional<std::uint64_t> long_number(WireReader& reader) {
  const auto high = reader.number();
  const auto low = reader.number();
  if (!high || !low) return std::nullopt;
  return std::uint64_t{*high} << 32U | *low;
}

std::optional<SftpAttributes> read_attributes(WireReader& reader) {
  SftpAttributes read;
  const auto flags = reader.number();
  if (!flags) return std::nullopt;
  if ((*flags & has_size) != 0) {
    read.size = long_number(reader);
    if (!read.size) return std::nullopt;
  }
  if ((*flags & has_owner) != 0 && !reader.bytes(8)) return std::nullopt;
  if ((*flags & has_permissions) != 0) {
    read.permissions = reader.number();
    if (!read.permissions) return std::nullopt;
  }
  if ((*flags & has_times) != 0) {
    if (!reader.number()) return std::nullopt;  // of the last access
    read.mtime = reader.number();
    if (!read.mtime) return std::nullopt;
  }
  if ((*flags & has_extensions) != 0) {
    const auto count = reader.number();
    for (std::uint32_t i = 0; i < count.value_or(1); ++i) {
      if (!reader.string() || !reader.string()) return std::nullopt;
    }
  }
  return read;
}

bool read_names(WireReader& reader, std::vector<SftpAnswer::Name>& names) {
  const auto count = reader.number();
  if (!count) return false;
  for (std::uint32_t i = 0; i < *count; ++i) {
    const auto name = reader.string();
    if (!name || !reader.string()) return false;  // the second is for people
    auto attributes = read_attributes(reader);
    if (!attributes) return false;
    names.push_back({std::string(*name), *attributes});
  }
  return true;
}

bool read_text(WireReader& reader, std::string& text) {
  const auto read = reader.string();
  if (read) text = *read;
  return read.has_value();
}

bool read_body(std::uint8_t type, WireReader& reader, SftpAnswer& answer) {
  using Kind = SftpAnswer::Kind;
  switch (type) {
    case status_answer: {
      const auto code = reader.number();
      answer.code = code.value_or(SftpAnswer::failure);
      (void)read_text(reader, answer.text);  // some servers leave it out
      return code.has_value();
    }
    case handle_answer:
      answer.kind = Kind::handle;
      return read_text(reader, answer.text);
    case data_answer:
      answer.kind = Kind::data;
      return read_text(reader, answer.text);
    case name_answer:
      answer.kind = Kind::names;
      return read_names(reader, answer.names);
    case attrs_answer: {
      answer.kind = Kind::attributes;
      const auto attributes = read_attributes(reader);
      if (attributes) answer.attributes = *attributes;
      return attributes.has_value();
    }
    case extended_answer:
      answer.kind = Kind::extended;
      answer.text = reader.rest();
      return true;
    default:
      return false;
  }
}

}  // namespace

SftpRequest SftpRequest::open_to_read(std::string_view path) {
  return SftpRequest(open).text(path).number(flag_read).attributes({});
}
SftpRequest SftpRequest::create(std::string_view path, std::uint32_t permissions) {
  return SftpRequest(open)
      .text(path)
      .number(flag_write | flag_create | flag_exclusive)
      .attributes({.permissions = permissions});
}
SftpRequest SftpRequest::close(std::string_view handle) {
  return SftpRequest(close_handle).text(handle);
}
SftpRequest SftpRequest::read(std::string_view handle, std::uint64_t offset, std::uint32_t size) {
  return SftpRequest(read_data).text(handle).long_number(offset).number(size);
}
SftpRequest SftpRequest::write(std::string_view handle, std::uint64_t offset,
                               std::string_view data) {
  return SftpRequest(write_data).text(handle).long_number(offset).text(data);
}
SftpRequest SftpRequest::stat(std::string_view path) { return SftpRequest(stat_path).text(path); }
SftpRequest SftpRequest::lstat(std::string_view path) { return SftpRequest(lstat_path).text(path); }
SftpRequest SftpRequest::fstat(std::string_view handle) {
  return SftpRequest(fstat_handle).text(handle);
}
SftpRequest SftpRequest::set_time(std::string_view handle, std::uint32_t seconds) {
  return SftpRequest(fsetstat).text(handle).attributes({.mtime = seconds});
}
SftpRequest SftpRequest::set_permissions(std::string_view path, std::uint32_t permissions) {
  return SftpRequest(setstat).text(path).attributes({.permissions = permissions});
}
SftpRequest SftpRequest::open_folder(std::string_view path) {
  return SftpRequest(opendir).text(path);
}
SftpRequest SftpRequest::read_folder(std::string_view handle) {
  return SftpRequest(readdir).text(handle);
}
SftpRequest SftpRequest::make_folder(std::string_view path, std::uint32_t permissions) {
  return SftpRequest(mkdir).text(path).attributes({.permissions = permissions});
}
SftpRequest SftpRequest::remove(std::string_view path) {
  return SftpRequest(remove_file).text(path);
}
SftpRequest SftpRequest::remove_folder(std::string_view path) {
  return SftpRequest(rmdir).text(path);
}
SftpRequest SftpRequest::read_link(std::string_view path) {
  return SftpRequest(readlink).text(path);
}
SftpRequest SftpRequest::make_link(std::string_view path, std::string_view target) {
  return SftpRequest(symlink).text(target).text(path);
}
SftpRequest SftpRequest::rename(std::string_view from, std::string_view to) {
  return SftpRequest(rename_path).text(from).text(to);
}
SftpRequest SftpRequest::posix_rename(std::string_view from, std::string_view to) {
  return extended("posix-rename@openssh.com").text(from).text(to);
}
SftpRequest SftpRequest::sync_file(std::string_view handle) {
  return extended("fsync@openssh.com").text(handle);
}
SftpRequest SftpRequest::file_system(std::string_view path) {
  return extended("statvfs@openssh.com").text(path);
}

SftpRequest SftpRequest::extended(std::string_view name) {
  return SftpRequest(extended_request).text(name);
}

SftpRequest& SftpRequest::text(std::string_view value) {
  append_wire_string(body_, value);
  return *this;
}
SftpRequest& SftpRequest::number(std::uint32_t value) {
  append_wire_number(body_, value);
  return *this;
}
SftpRequest& SftpRequest::long_number(std::uint64_t value) {
  return number(static_cast<std::uint32_t>(value >> 32U)).number(static_cast<std::uint32_t>(value));
}
SftpRequest& SftpRequest::attributes(const SftpAttributes& value) {
  number((value.permissions ? has_permissions : 0) | (value.mtime ? has_times : 0));
  if (value.permissions) number(*value.permissions);
  if (value.mtime) number(*value.mtime).number(*value.mtime);  // of the last access, too
  return *this;
}

std::string SftpRequest::packet(std::uint32_t id) const {
  std::string packet;
  append_wire_number(packet, 1 + 4 + body_.size());
  packet += static_cast<char>(type_);
  append_wire_number(packet, id);
  return packet += body_;
}

std::string sftp_hello() {
  std::string packet;
  append_wire_number(packet, 1 + 4);
  packet += static_cast<char>(init);
  append_wire_number(packet, version);
  return packet;
}

Result<SftpAnswer> parse_sftp_answer(std::string_view packet) {
  WireReader reader(packet);
  const auto type = reader.byte();
  const auto id = reader.number();
  if (!type || !id) return garbage("an answer");
  SftpAnswer answer;
  answer.id = *id;
  if (!read_body(*type, reader, answer)) return garbage("an answer");
  return answer;
}

Result<std::set<std::string>> parse_sftp_hello(std::string_view packet) {
  WireReader reader(packet);
  const auto type = reader.byte();
  const auto spoken = reader.number();
  if (!type || *type != version_answer || !spoken || *spoken < version)
    return garbage("a greeting");
  std::set<std::string> extensions;
  while (!reader.rest().empty()) {
    const auto name = reader.string();
    if (!name || !reader.string()) return garbage("a greeting");
    extensions.emplace(*name);
  }
  return extensions;
}

std::optional<std::uint64_t> free_bytes(const SftpAnswer& answer) {
  WireReader reader(answer.text);
  // f_bsize, f_frsize, f_blocks, f_bfree, f_bavail, ...
  const auto skipped = long_number(reader);
  const auto block = long_number(reader);
  const auto all = long_number(reader);
  const auto unused = long_number(reader);
  const auto free = long_number(reader);
  if (!skipped || !block || !all || !unused || !free) return std::nullopt;
  // Where the product does not fit there is more room than anybody needs.
  if (*block != 0 && *free > UINT64_MAX / *block) return UINT64_MAX;
  return *free * *block;
}

}  // namespace pca::tunnel_ssh
