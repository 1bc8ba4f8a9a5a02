#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace pca::sandbox::proxmox {

// A command in a guest: a real process of this machine that sees nothing of it but its programs.
class GuestProcess {
 public:
  GuestProcess() = default;
  GuestProcess(GuestProcess&& other) noexcept;
  GuestProcess& operator=(GuestProcess&& other) noexcept;
  ~GuestProcess();  // ends it

  struct Ended {
    int code = 0;
    int signal = 0;
    std::string out;
    std::string err;
  };
  // How it ended, once it has.
  [[nodiscard]] std::optional<Ended> ended();

 private:
  friend class GuestDisks;
  pid_t pid_ = -1;
  std::string out_file_;
  std::string err_file_;
};

// What guests have on their disks: a folder each, below one that is removed at the end. A guest's
// root has the programs of this machine (/usr, read only), and nothing else of it.
class GuestDisks {
 public:
  GuestDisks();
  ~GuestDisks();
  GuestDisks(const GuestDisks&) = delete;
  GuestDisks& operator=(const GuestDisks&) = delete;

  // Of a guest that has none yet: an empty one. `name` is "9000", or "9000@before" for a
  // snapshot's.
  [[nodiscard]] std::string folder(const std::string& name);
  // Replaces what `to` has.
  void copy(const std::string& from, const std::string& to);
  void remove(const std::string& name);
  [[nodiscard]] const std::string& root() const { return root_; }

  // In a guest, never outside of it, whatever links are there. Errors: failed.
  [[nodiscard]] Result<> write(const std::string& name, const std::string& path,
                               std::string_view content);
  [[nodiscard]] Result<std::string> read(const std::string& name, const std::string& path,
                                         std::size_t limit);
  // A digest of all files, for comparing states.
  [[nodiscard]] std::string digest(const std::string& name);

  // Starts it with `input` for its stdin. Errors: failed, where this machine gives no namespaces.
  [[nodiscard]] Result<GuestProcess> run(const std::string& name,
                                         const std::vector<std::string>& argv,
                                         std::string_view input);

 private:
  std::string root_;
  int runs_ = 0;
};

}  // namespace pca::sandbox::proxmox
