#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "sandbox/proxmox_errors.hpp"
#include "sandbox/proxmox_parameters.hpp"

namespace pca::sandbox::proxmox {

// Takes a multipart form as it arrives, the way the server does: its fields up to the file, the
// file into a file of its own, and what comes behind that is not looked at.
class Upload {
 public:
  // `file` is where the server would have it meanwhile.
  Upload(std::string boundary, std::string file);
  ~Upload();
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;

  // Takes the next bytes. A failure is final.
  [[nodiscard]] Outcome<void> feed(std::string_view bytes);
  [[nodiscard]] const Parameters& fields() const { return fields_; }
  [[nodiscard]] bool has_file() const { return state_ == State::done; }
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  // In hex, by the field checksum-algorithm; empty where there is none.
  [[nodiscard]] std::string hash();

 private:
  enum class State : std::uint8_t { between, head, field, file, done };
  [[nodiscard]] bool step(Outcome<void>& outcome);
  [[nodiscard]] Outcome<void> read_head(std::string_view head);
  void keep(std::string_view bytes);

  struct Digest;
  std::string boundary_;  // "--" and what the header says
  std::string file_;
  std::unique_ptr<Digest> digest_;
  State state_ = State::between;
  std::string buffer_;
  std::string name_;  // of the field that is being read
  Parameters fields_;
  std::uint64_t size_ = 0;
};

// The boundary that a Content-Type of a form says; empty for another type.
[[nodiscard]] std::string boundary_of(std::string_view content_type);

}  // namespace pca::sandbox::proxmox
