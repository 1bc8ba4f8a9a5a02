#include "proxmox-deploy/image_store.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/digest.hpp"
#include "base/system_error.hpp"
#include "base/text.hpp"
#include "net/file_descriptor.hpp"
#include "proxmox-deploy/rights.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr std::size_t buffer_size = std::size_t{256} * 1024;
constexpr std::size_t longest_name = 255;

struct Ending {
  std::string_view end;
  const char* content;
};
// What pve-storage takes of each kind.
constexpr std::array<Ending, 10> endings{{{".iso", "iso"},
                                          {".img", "iso"},
                                          {".tar.gz", "vztmpl"},
                                          {".tar.xz", "vztmpl"},
                                          {".tar.zst", "vztmpl"},
                                          {".tar", "vztmpl"},
                                          {".ova", "import"},
                                          {".qcow2", "import"},
                                          {".raw", "import"},
                                          {".vmdk", "import"}}};

std::string path_of(const ImageStore& store, const std::string& rest) {
  return fmt::format("/nodes/{}/storage/{}{}", store.node, store.storage, rest);
}

Result<FileDescriptor> open_file(const std::string& path, std::int64_t& size) {
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat facts {};
  if (!file.is_open() || ::fstat(file.get(), &facts) != 0) {
    return bad_input(fmt::format("cannot read {}: {}", shown(path), errno_text(errno)),
                     "Name a file that exists and can be read.");
  }
  if (!S_ISREG(facts.st_mode)) {
    return bad_input(fmt::format("{} is no file", shown(path)), "Name the file itself.");
  }
  size = facts.st_size;
  return file;
}

Result<std::size_t> read_some(int file, std::span<char> into) {
  while (true) {
    const ssize_t got = ::read(file, into.data(), into.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) return failed("cannot read the file: " + errno_text(errno));
  }
}

// The parts of a form in which the API wants a file: its own part is the last, and is called
// filename.
struct FormFrame {
  std::string boundary = "private-cloud-actions-" + random_hex(16);
  std::string head;
  std::string tail = fmt::format("\r\n--{}--\r\n", boundary);

  explicit FormFrame(const ImageUpload& upload) {
    const std::pair<const char*, const std::string&> fields[] = {{"content", upload.content},
                                                                 {"checksum", upload.sha256}};
    head = field("checksum-algorithm", "sha256");
    for (const auto& [name, value] : fields) head += field(name, value);
    head += fmt::format(
        "--{}\r\nContent-Disposition: form-data; name=\"filename\"; filename=\"{}\"\r\n"
        "Content-Type: application/octet-stream\r\n\r\n",
        boundary, upload.name);
  }
  [[nodiscard]] std::string field(const std::string& name, const std::string& value) const {
    return fmt::format("--{}\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n{}\r\n",
                       boundary, name, value);
  }
};

// The frame and the file in it, as they are asked for.
class UploadBody {
 public:
  UploadBody(const FormFrame& frame, int file, std::int64_t size, const ImageProgress& told)
      : head_(frame.head), tail_(frame.tail), file_(file), left_(size), size_(size), told_(told) {}

  Result<std::size_t> read(std::span<char> into) {
    if (!head_.empty()) return take(head_, into);
    if (left_ == 0) return take(tail_, into);
    const auto most = std::min<std::int64_t>(left_, static_cast<std::int64_t>(into.size()));
    PCA_TRY(const std::size_t got, read_some(file_, into.first(static_cast<std::size_t>(most))));
    if (got == 0) return failed("the file has become shorter while it was sent");
    left_ -= static_cast<std::int64_t>(got);
    told_(size_ - left_);
    return got;
  }

 private:
  static std::size_t take(std::string_view& from, std::span<char> into) {
    const std::size_t got = from.copy(into.data(), into.size());
    from.remove_prefix(got);
    return got;
  }

  std::string_view head_;
  std::string_view tail_;
  int file_;
  std::int64_t left_;
  std::int64_t size_;
  const ImageProgress& told_;
};

}  // namespace

std::string content_of_name(std::string_view name) {
  const std::string lower = to_lower(name);
  for (const Ending& one : endings) {
    if (lower.size() > one.end.size() && lower.ends_with(one.end)) return one.content;
  }
  return {};
}

bool is_image_name(std::string_view name) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  const auto is_good = [&](char c) {
    return is_plain(c) || std::string_view("-.+~").find(c) != std::string_view::npos;
  };
  return !name.empty() && name.size() <= longest_name && is_plain(name.front()) &&
         std::all_of(name.begin(), name.end(), is_good) && !content_of_name(name).empty();
}

std::vector<Image> parse_images(const Json& content) {
  std::vector<Image> images;
  if (content.as_array() == nullptr) return images;
  for (const Json& one : *content.as_array()) {
    Image image{.volid = one.text_of("volid"),
                .name = {},
                .content = one.text_of("content"),
                .size = number_in(one, "size").value_or(0),
                .made = number_in(one, "ctime").value_or(0)};
    const std::size_t slash = image.volid.rfind('/');
    if (slash == std::string::npos) continue;
    image.name = image.volid.substr(slash + 1);
    const bool is_ours =
        image.content == "iso" || image.content == "vztmpl" || image.content == "import";
    if (is_ours && is_image_name(image.name)) images.push_back(std::move(image));
  }
  std::stable_sort(images.begin(), images.end(),
                   [](const Image& a, const Image& b) { return a.made > b.made; });
  return images;
}

ApiResult<ImageStore> choose_store(const ClusterView& view, const std::string& storage,
                                   const std::string& node) {
  std::vector<std::string> nodes;
  bool is_shared = false;
  for (const ClusterStorage& one : view.storages) {
    const ClusterNode* on = view.find_node(one.node);
    if (one.name != storage || (on != nullptr && !on->is_online)) continue;
    nodes.push_back(one.node);
    is_shared = is_shared || one.is_shared;
  }
  if (nodes.empty()) {
    std::vector<std::string> names;
    for (const ClusterStorage& one : view.storages) {
      if (std::find(names.begin(), names.end(), visible(one.name)) == names.end()) {
        names.push_back(visible(one.name));
      }
    }
    return {ApiFailure(
        failed(fmt::format("there is no storage {} on a node that is online", shown(storage)),
               names.empty() ? "The token sees none: it needs Datastore.Audit on /storage."
                             : "There are: " + join(names, ", ") + "."))};
  }
  if (!node.empty()) {
    if (std::find(nodes.begin(), nodes.end(), node) != nodes.end()) {
      return ImageStore{node, storage};
    }
    return {ApiFailure(failed(fmt::format("node {} has no storage {}", shown(node), shown(storage)),
                              "It is on: " + visible(join(nodes, ", ")) + "."))};
  }
  if (nodes.size() == 1 || is_shared) return ImageStore{nodes.front(), storage};
  return {ApiFailure(
      failed(fmt::format("each node has a storage {} of its own", shown(storage)),
             fmt::format("Name one by the input node: {}.", visible(join(nodes, ", ")))))};
}

ApiResult<> check_store(const Budget& budget, ProxmoxApi& api, const ImageStore& store,
                        const std::string& content, std::int64_t size) {
  PCA_TRY(const Json permissions, api.ask(budget, {.path = "/access/permissions"}));
  const std::string where = "/storage/" + store.storage;
  // Told before, since a refusal that comes while a body is sent is lost with the connection.
  if (!GrantedRights(permissions).has(where, "Datastore.AllocateTemplate")) {
    return {ApiFailure(permission_denied(
        fmt::format("the token may not keep images in storage {}", shown(store.storage)),
        fmt::format("Give it a role with Datastore.AllocateTemplate on {}.", visible(where))))};
  }
  PCA_TRY(const Json status,
          api.ask(budget, {.path = path_of(store, "/status"), .node = store.node}));
  const auto kinds = split(status.text_of("content"), ',');
  if (std::find(kinds.begin(), kinds.end(), content) == kinds.end()) {
    return {ApiFailure(failed(fmt::format("storage {} takes no {}, only {}", shown(store.storage),
                                          content, visible(status.text_of("content"))),
                              "Choose another storage, or add the content to this one."))};
  }
  const auto room = number_in(status, "avail");
  if (room && *room < size) {
    return {ApiFailure(failed(
        fmt::format("storage {} has room for {}, and this is {}", shown(store.storage),
                    rounded_size(static_cast<std::uint64_t>(std::max<std::int64_t>(*room, 0))),
                    rounded_size(static_cast<std::uint64_t>(size))),
        "\"proxmox-deploy image prune\" removes old ones."))};
  }
  return {};
}

ApiResult<std::vector<Image>> read_images(const Budget& budget, ProxmoxApi& api,
                                          const ImageStore& store, const std::string& content) {
  ApiRequest request{.path = path_of(store, "/content"), .node = store.node};
  if (!content.empty()) request.parameters = {{"content", content}};
  PCA_TRY(const Json all, api.ask(budget, request));
  return parse_images(all);
}

ApiResult<std::optional<Image>> newest_backup(const Budget& budget, ProxmoxApi& api,
                                              const ImageStore& store, std::int64_t vmid) {
  PCA_TRY(const Json all,
          api.ask(budget, {.path = path_of(store, "/content"),
                           .parameters = {{"content", "backup"}, {"vmid", std::to_string(vmid)}},
                           .node = store.node}));
  std::optional<Image> newest;
  const Json::Array none;
  for (const Json& one : all.as_array() == nullptr ? none : *all.as_array()) {
    const std::int64_t made = number_in(one, "ctime").value_or(0);
    if (newest && made < newest->made) continue;
    newest = Image{.volid = one.text_of("volid"),
                   .name = {},
                   .content = "backup",
                   .size = number_in(one, "size").value_or(0),
                   .made = made};
  }
  return newest;
}

ApiResult<> delete_image(const Budget& budget, Tasks& tasks, const ImageStore& store,
                         const Image& image) {
  auto end = tasks.run(
      budget,
      {.method = "DELETE", .path = path_of(store, "/content/" + image.volid), .node = store.node});
  if (!end) return std::move(end).error();
  return {};
}

Result<std::int64_t> size_of_file(const std::string& path) {
  std::int64_t size = 0;
  PCA_TRY([[maybe_unused]] const FileDescriptor file, open_file(path, size));
  if (size == 0)
    return bad_input(fmt::format("{} is empty", shown(path)), "Name the image itself.");
  return size;
}

Result<> read_digest(const Budget& budget, ImageUpload& upload, const ImageProgress& told) {
  PCA_TRY(const FileDescriptor file, open_file(upload.path, upload.size));
  Sha256Stream digest;
  std::vector<char> buffer(buffer_size);
  for (std::int64_t done = 0;;) {
    PCA_CHECK(budget.check("reading the file"));
    PCA_TRY(const std::size_t got, read_some(file.get(), buffer));
    if (got == 0) break;
    digest.feed({buffer.data(), got});
    done += static_cast<std::int64_t>(got);
    told(done);
  }
  upload.sha256 = to_hex(digest.finish());
  return {};
}

ApiResult<> send_image(const Budget& budget, ProxmoxApi& api, Tasks& tasks, const ImageStore& store,
                       const ImageUpload& upload, const ImageProgress& told) {
  std::int64_t size = 0;
  auto file = open_file(upload.path, size);
  if (!file) return {ApiFailure(std::move(file).error())};
  if (size != upload.size) return {ApiFailure(failed("the file has changed meanwhile"))};
  const FormFrame frame(upload);
  UploadBody body(frame, file->get(), size, told);
  const HttpBodySource source{
      .size = frame.head.size() + static_cast<std::uint64_t>(size) + frame.tail.size(),
      .read = [&](std::span<char> into) { return body.read(into); }};
  PCA_TRY(const Json answer,
          api.ask(budget, {.method = "POST",
                           .path = path_of(store, "/upload"),
                           .node = store.node,
                           .body = &source,
                           .content_type = "multipart/form-data; boundary=" + frame.boundary}));
  const std::string* text = answer.as_string();
  auto task = parse_upid(text == nullptr ? std::string() : *text);
  if (!task) return {ApiFailure(std::move(task).error())};
  auto end = tasks.wait(budget, *task);
  if (!end) return std::move(end).error();
  return {};
}

}  // namespace pca::proxmox_deploy
