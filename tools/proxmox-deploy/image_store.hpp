#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxmox-deploy/cluster_view.hpp"
#include "proxmox-deploy/tasks.hpp"

namespace pca::proxmox_deploy {

// What a storage keeps besides disks: "iso", "vztmpl" (templates of containers) and "import" (disk
// images, from 8.3 on). By the end of a file's name; empty for what is none of them.
[[nodiscard]] std::string content_of_name(std::string_view name);
// Whether Proxmox VE takes a file of this name; .tar is what it makes of container images itself.
[[nodiscard]] bool is_image_name(std::string_view name);

// Where images are: a storage as a node has it.
struct ImageStore {
  std::string node;
  std::string storage;
};

// A file of a storage. Hostile.
struct Image {
  std::string volid;  // "local:iso/debian-12.iso"
  std::string name;   // "debian-12.iso"
  std::string content;
  std::int64_t size = 0;  // bytes
  std::int64_t made = 0;  // seconds since 1970; 0 = unknown
};
[[nodiscard]] std::vector<Image> parse_images(const Json& content);

// The node that is named, else the first one online that has the storage. Errors: failed (no such
// storage; several nodes have one of this name, each its own).
[[nodiscard]] ApiResult<ImageStore> choose_store(const ClusterView& view,
                                                 const std::string& storage,
                                                 const std::string& node);

// Before anything is sent: whether the token may keep such content there, the storage takes it, and
// `size` bytes have room.
[[nodiscard]] ApiResult<> check_store(const Budget& budget, ProxmoxApi& api,
                                      const ImageStore& store, const std::string& content,
                                      std::int64_t size);
// The newest first; `content` empty = of all three kinds.
[[nodiscard]] ApiResult<std::vector<Image>> read_images(const Budget& budget, ProxmoxApi& api,
                                                        const ImageStore& store,
                                                        const std::string& content);
// The newest backup of this guest, where there is one that the token may see.
[[nodiscard]] ApiResult<std::optional<Image>> newest_backup(const Budget& budget, ProxmoxApi& api,
                                                            const ImageStore& store,
                                                            std::int64_t vmid);
[[nodiscard]] ApiResult<> delete_image(const Budget& budget, Tasks& tasks, const ImageStore& store,
                                       const Image& image);

// A file on its way into a storage.
struct ImageUpload {
  std::string path;
  std::string name = {};
  std::string content = {};
  std::string sha256 = {};  // in hex; the node checks it
  std::int64_t size = 0;
};
// Its size in bytes. Errors: bad_input.
[[nodiscard]] Result<std::int64_t> size_of_file(const std::string& path);
// Reads the file once for its digest. `told` hears how far it is. Errors: bad_input, failed,
// cancelled.
using ImageProgress = std::function<void(std::int64_t bytes)>;
[[nodiscard]] Result<> read_digest(const Budget& budget, ImageUpload& upload,
                                   const ImageProgress& told);
// Sends it as it is read, in constant memory, and waits until the node has taken it in. A file of
// that name is replaced. Errors: those of the API, of the task, and failed where the file is not
// what it was when its digest was read.
[[nodiscard]] ApiResult<> send_image(const Budget& budget, ProxmoxApi& api, Tasks& tasks,
                                     const ImageStore& store, const ImageUpload& upload,
                                     const ImageProgress& told);

}  // namespace pca::proxmox_deploy
