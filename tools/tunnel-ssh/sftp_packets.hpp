#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

// The packets of SFTP version 3 (draft-ietf-secsh-filexfer-02), which every server speaks, and of
// OpenSSH's extensions (its PROTOCOL, section 4), as bytes: what we ask, and the hostile answers.
// No I/O.
namespace pca::tunnel_ssh {

struct SftpAttributes {
  std::optional<std::uint64_t> size = {};         // bytes
  std::optional<std::uint32_t> permissions = {};  // mode_t as stat(2) has it, the kind included
  std::optional<std::uint32_t> mtime = {};        // seconds since 1970
};

// A request without its id, which who sends it gives.
class SftpRequest {
 public:
  static SftpRequest open_to_read(std::string_view path);
  // Fails where there is something at `path`.
  static SftpRequest create(std::string_view path, std::uint32_t permissions);
  static SftpRequest close(std::string_view handle);
  static SftpRequest read(std::string_view handle, std::uint64_t offset, std::uint32_t size);
  static SftpRequest write(std::string_view handle, std::uint64_t offset, std::string_view data);
  static SftpRequest stat(std::string_view path);   // of what a link leads to
  static SftpRequest lstat(std::string_view path);  // of a link itself
  static SftpRequest fstat(std::string_view handle);
  static SftpRequest set_time(std::string_view handle, std::uint32_t seconds);
  static SftpRequest set_permissions(std::string_view path, std::uint32_t permissions);
  static SftpRequest open_folder(std::string_view path);
  static SftpRequest read_folder(std::string_view handle);
  static SftpRequest make_folder(std::string_view path, std::uint32_t permissions);
  static SftpRequest remove(std::string_view path);
  static SftpRequest remove_folder(std::string_view path);
  static SftpRequest read_link(std::string_view path);
  // With the arguments in OpenSSH's order, which is not the draft's, and which others follow.
  static SftpRequest make_link(std::string_view path, std::string_view target);
  static SftpRequest rename(std::string_view from, std::string_view to);  // not onto a file
  static SftpRequest posix_rename(std::string_view from, std::string_view to);
  static SftpRequest sync_file(std::string_view handle);
  static SftpRequest file_system(std::string_view path);

  // The packet, its length included.
  [[nodiscard]] std::string packet(std::uint32_t id) const;
  [[nodiscard]] std::size_t size() const { return body_.size(); }

 private:
  explicit SftpRequest(std::uint8_t type) : type_(type) {}
  static SftpRequest extended(std::string_view name);
  SftpRequest& text(std::string_view value);
  SftpRequest& number(std::uint32_t value);
  SftpRequest& long_number(std::uint64_t value);
  SftpRequest& attributes(const SftpAttributes& value);

  std::uint8_t type_;
  std::string body_;
};

// The first packet of a session, which has no id.
[[nodiscard]] std::string sftp_hello();

// What the server says to a request. `code` is 0 for all but a status other than "ok".
struct SftpAnswer {
  enum class Kind : std::uint8_t { status, handle, data, names, attributes, extended };
  static constexpr std::uint32_t end_of_file = 1;
  static constexpr std::uint32_t no_such_file = 2;
  static constexpr std::uint32_t permission_denied = 3;
  static constexpr std::uint32_t failure = 4;
  static constexpr std::uint32_t not_supported = 8;

  struct Name {
    std::string name;
    SftpAttributes attributes = {};
  };

  std::uint32_t id = 0;
  Kind kind = Kind::status;
  std::uint32_t code = 0;
  std::string text = {};  // a status's message, a handle, data, or an extended answer's bytes
  std::vector<Name> names = {};
  SftpAttributes attributes = {};

  [[nodiscard]] bool is_ok() const { return code == 0; }
};

constexpr std::size_t longest_sftp_packet = std::size_t{256} * 1024;  // OpenSSH's own limit

// A packet without its length. Errors: failed (no answer of version 3).
[[nodiscard]] Result<SftpAnswer> parse_sftp_answer(std::string_view packet);
// The answer to sftp_hello(): names of the extensions that the server has.
[[nodiscard]] Result<std::set<std::string>> parse_sftp_hello(std::string_view packet);

// Bytes that are free for us, of the answer to file_system(); nothing when it is too short.
[[nodiscard]] std::optional<std::uint64_t> free_bytes(const SftpAnswer& answer);

}  // namespace pca::tunnel_ssh
