#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pca::proxmox_deploy {

// How Proxmox VE writes several values as one: "virtio=BC:24:11:E2:3F:54,bridge=vmbr0,firewall=1".
// A part without a "=" is the value of the default key, whose name is the caller's to know; it is
// kept with an empty key.
class PropertyString {
 public:
  PropertyString() = default;
  explicit PropertyString(std::string_view text);  // hostile text

  // The first one of that key, or empty.
  [[nodiscard]] std::string get(std::string_view key) const;
  [[nodiscard]] bool has(std::string_view key) const;
  // Replaces it in its place, or puts it at the end.
  void set(std::string_view key, std::string_view value);
  [[nodiscard]] std::string text() const;
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& parts() const {
    return parts_;
  }

 private:
  std::vector<std::pair<std::string, std::string>> parts_;
};

// The MAC address in a value of netN: "virtio=BC:24:11:E2:3F:54,bridge=vmbr0" (a VM's) or
// "name=eth0,hwaddr=BC:..." (a container's); in upper case, empty when there is none.
[[nodiscard]] std::string mac_of_net(std::string_view net);

// "app;web" as {"app", "web"}; the API takes commas and blanks between them, too.
[[nodiscard]] std::vector<std::string> split_tags(std::string_view text);
// Sorted, each once, as the API itself keeps them.
[[nodiscard]] std::string join_tags(std::vector<std::string> tags);

}  // namespace pca::proxmox_deploy
