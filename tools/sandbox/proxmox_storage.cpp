// Storages, and what is on them.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <regex>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "sandbox/proxmox_api.hpp"
#include "sandbox/proxmox_guests.hpp"

namespace pca::sandbox::proxmox {

namespace {

std::string content_text(const Storage& storage) {
  return join(std::vector<std::string>(storage.content.begin(), storage.content.end()), ",");
}

bool may_look(const Cluster& cluster, const Call& call, const std::string& storage) {
  return cluster.permissions.may_any(call.user, "/storage/" + storage,
                                     {"Datastore.Audit", "Datastore.AllocateSpace"});
}

bool is_on(const Volume& volume, const std::string& node) {
  return volume.node.empty() || volume.node == node;
}

std::uint64_t used(const Storage& storage, const std::string& node) {
  std::uint64_t sum = 0;
  for (const Volume& volume : storage.volumes) sum += is_on(volume, node) ? volume.size : 0;
  return sum;
}

Json status_of(const Storage& storage, const std::string& node) {
  const std::uint64_t taken = used(storage, node);
  Json out = Json::object();
  out.set("type", storage.type).set("content", content_text(storage));
  out.set("active", 1).set("enabled", 1).set("shared", storage.is_shared ? 1 : 0);
  out.set("total", static_cast<std::int64_t>(storage.total));
  out.set("used", static_cast<std::int64_t>(taken));
  return out.set("avail",
                 static_cast<std::int64_t>(storage.total - std::min(taken, storage.total)));
}

Outcome<> all_storages(Cluster& cluster, Call& call) {
  Json out = Json::array();
  for (const auto& [name, storage] : cluster.storages) {
    if (!may_look(cluster, call, name)) continue;
    if (call.has("type") && call.text("type") != storage.type) continue;
    Json item = Json::object();
    item.set("storage", name).set("type", storage.type).set("content", content_text(storage));
    if (storage.is_shared) item.set("shared", 1);
    if (storage.type == "dir") item.set("path", "/var/lib/vz");
    out.push(std::move(item));
  }
  return out;
}

Outcome<> node_storages(Cluster& cluster, Call& call) {
  Json out = Json::array();
  for (const auto& named : cluster.storages) {
    const auto& [name, storage] = named;
    if (!may_look(cluster, call, name)) continue;
    if (call.has("storage") && call.text("storage") != name) continue;
    const auto wanted = split(call.text("content"), ',');
    const bool fits = !call.has("content") ||
                      std::any_of(wanted.begin(), wanted.end(), [&](const std::string& kind) {
                        return named.second.content.contains(kind);
                      });
    if (fits) out.push(status_of(storage, call.text("node")).set("storage", name));
  }
  return out;
}

Outcome<> storage_status(Cluster& cluster, Call& call) {
  PCA_TRY(Storage * storage, cluster.storage_of(call.text("storage")));
  return status_of(*storage, call.text("node"));
}

Json volume_json(const Volume& volume) {
  Json out = Json::object();
  out.set("volid", volume.id).set("content", volume.content).set("format", volume.format);
  out.set("size", static_cast<std::int64_t>(volume.size)).set("ctime", volume.created);
  if (volume.vmid != 0) out.set("vmid", volume.vmid);
  if (!volume.parent.empty()) out.set("parent", volume.parent);
  return out;
}

Outcome<> list_content(Cluster& cluster, Call& call) {
  PCA_TRY(Storage * storage, cluster.storage_of(call.text("storage")));
  Json out = Json::array();
  for (const Volume& volume : storage->volumes) {
    if (!is_on(volume, call.text("node"))) continue;
    if (call.has("content") && call.text("content") != volume.content) continue;
    if (call.has("vmid") && call.number("vmid") != volume.vmid) continue;
    out.push(volume_json(volume));
  }
  return out;
}

std::string volume_name(const Call& call) {
  const std::string given = call.text("volume");
  const std::string storage = call.text("storage") + ":";
  return given.starts_with(storage) ? given : storage + given;
}

Outcome<> get_volume(Cluster& cluster, Call& call) {
  PCA_TRY([[maybe_unused]] Storage * storage, cluster.storage_of(call.text("storage")));
  if (!may_look(cluster, call, call.text("storage"))) {
    return forbidden(fmt::format("/storage/{}, Datastore.AllocateSpace", call.text("storage")));
  }
  const Volume* volume = find_volume(cluster, volume_name(call), call.text("node"));
  if (volume == nullptr) {
    return server_error(
        fmt::format("volume_size_info on '{}' failed - no such volume", volume_name(call)));
  }
  Json out = volume_json(*volume);
  return out.set("used", static_cast<std::int64_t>(volume->size)).set("path", "/dev/null");
}

Outcome<> remove_content(Cluster& cluster, Call& call) {
  PCA_TRY([[maybe_unused]] Storage * storage, cluster.storage_of(call.text("storage")));
  const std::string id = volume_name(call);
  const std::string node = call.text("node");
  const Volume* volume = find_volume(cluster, id, node);
  const bool is_backup = volume != nullptr && volume->content == "backup";
  if (is_backup && volume->vmid != 0 &&
      cluster.permissions.may(call.user, fmt::format("/vms/{}", volume->vmid), "VM.Backup")) {
    PCA_CHECK(cluster.permissions.require(call.user, "/storage/" + call.text("storage"),
                                          "Datastore.AllocateSpace"));
  } else {
    // What is neither a disk nor a backup may be removed by who may upload it.
    const bool is_template =
        volume != nullptr &&
        (volume->content == "iso" || volume->content == "vztmpl" || volume->content == "import");
    const bool may =
        is_template && cluster.permissions.may(call.user, "/storage/" + call.text("storage"),
                                               "Datastore.AllocateTemplate");
    if (!may) {
      PCA_CHECK(cluster.permissions.require(call.user, "/storage/" + call.text("storage"),
                                            "Datastore.Allocate"));
    }
  }
  if (volume != nullptr && volume->content == "images" && cluster.guests.contains(volume->vmid)) {
    return server_error(
        fmt::format("cannot remove image, a guest with VMID '{}' exists!", volume->vmid));
  }
  return start_task(cluster, call,
                    {.type = "imgdel",
                     .id = call.text("storage"),
                     .time = timing::configure.time,
                     .finish = [&cluster, id, node]() -> Outcome<void> {
                       if (find_volume(cluster, id, node) == nullptr) {
                         return server_error(fmt::format("volume '{}' does not exist", id));
                       }
                       remove_volume(cluster, id, node);
                       return {};
                     }});
}

// Names that a content may have, and the format they stand for; empty for others.
std::string format_of(const std::string& content, const std::string& name) {
  const auto ends = [&](const char* end) { return to_lower(name).ends_with(end); };
  if (content == "iso") return ends(".iso") || ends(".img") ? "iso" : "";
  if (content == "vztmpl") {
    if (ends(".tar.gz")) return "tgz";
    if (ends(".tar.xz")) return "txz";
    if (ends(".tar.zst")) return "tzst";
    return ends(".tar") ? "tar" : "";
  }
  for (const char* end : {".ova", ".qcow2", ".raw", ".vmdk"}) {
    if (ends(end)) return std::string(end).substr(1);
  }
  return "";
}

Outcome<Storage*> check_upload(Cluster& cluster, const Call& call) {
  PCA_TRY(Storage * storage, cluster.storage_of(call.text("storage")));
  const std::string content = call.text("content");
  if (!storage->content.contains(content)) {
    return server_error(
        fmt::format("storage '{}' does not support '{}' content", storage->name, content));
  }
  const std::string name = call.text("filename");
  static const std::regex plain("[A-Za-z0-9_][-A-Za-z0-9_.+~]*");
  if (format_of(content, name).empty()) return bad_parameter("filename", "wrong file extension");
  if (!std::regex_match(name, plain))
    return bad_parameter("filename", "illegal characters in file name");
  if (call.has("checksum") != call.has("checksum-algorithm")) {
    const bool has_sum = call.has("checksum");
    return bad_parameter(has_sum ? "checksum" : "checksum-algorithm",
                         has_sum ? "missing checksum algorithm" : "missing checksum");
  }
  return storage;
}

// A file of that name is replaced without a word.
void keep_file(Cluster& cluster, const std::string& storage, Volume volume) {
  std::vector<Volume>& volumes = cluster.storages.at(storage).volumes;
  std::erase_if(volumes,
                [&](const Volume& old) { return old.id == volume.id && old.node == volume.node; });
  volumes.push_back(std::move(volume));
}

Outcome<> upload(Cluster& cluster, Call& call) {
  const auto leak = [&] { cluster.leaked_uploads.push_back(call.node + ":" + call.upload_file); };
  const auto checked = check_upload(cluster, call);
  if (!checked) {
    leak();
    return checked.error();
  }
  Storage* storage = *checked;
  if (call.upload_file.empty()) {
    return bad_parameter("filename", "property is missing and it is not optional");
  }
  const std::string node = call.text("node");
  const Node* target = cluster.find_node(node);
  if (node != call.node && (target == nullptr || !target->is_alive)) {
    leak();
    return server_error(
        fmt::format("can't activate storage '{}' on node '{}': command '/usr/bin/ssh "
                    "-o 'BatchMode=yes' -o 'HostKeyAlias={}'' failed: exit code 255\n",
                    storage->name, node, node));
  }
  const std::string content = call.text("content");
  const std::string name = storage->name;
  Volume made{storage->is_shared ? "" : node,
              fmt::format("{}:{}/{}", name, content, call.text("filename")),
              content,
              format_of(content, call.text("filename")),
              call.file_size,
              0,
              "",
              cluster.seconds()};
  const std::string expected = to_lower(call.text("checksum"));
  const std::string got = call.file_hash;
  return start_task(cluster, call,
                    {.type = "imgcopy",
                     .time = timing::copy_file.time +
                             timing::copy_gibibyte.time * static_cast<int>(call.file_size >> 30U),
                     .finish = [&cluster, made, name, expected, got, node]() -> Outcome<void> {
                       if (!expected.empty() && expected != got) {
                         return server_error(fmt::format(
                             "checksum mismatch: got '{}' != expect '{}'", got, expected));
                       }
                       const Storage& on = cluster.storages.at(name);
                       if (used(on, node) + made.size > on.total)
                         return server_error("No space left on device");
                       keep_file(cluster, name, made);
                       return {};
                     },
                     .log = {fmt::format("starting file import from: {}", call.upload_file),
                             fmt::format("target node: {}", node)}});
}

// The node would fetch it; here what is fetched has the size that the name says, or 1 MiB.
Outcome<> pulled(Cluster& cluster, Call& call, const std::string& type, const std::string& id,
                 const std::string& content, const std::string& file, std::string expected) {
  const std::string node = call.text("node");
  PCA_TRY(Storage * storage, cluster.storage_of(call.text("storage")));
  const std::string name = storage->name;
  Volume made{storage->is_shared ? "" : node,
              fmt::format("{}:{}/{}", name, content, file),
              content,
              format_of(content, file),
              std::uint64_t{1} << 20U,
              0,
              "",
              cluster.seconds()};
  const bool is_out_of_reach = call.text("url").find("unreachable") != std::string::npos ||
                               call.text("reference").find("unreachable") != std::string::npos;
  const bool exists = find_volume(cluster, made.id, node) != nullptr;
  // What stands in for the content of a URL is made of the URL.
  const std::string got = to_hex(sha256(call.text("url") + call.text("reference")));
  return start_task(
      cluster, call,
      {.type = type,
       .id = id,
       .time = timing::copy_file.time,
       .finish = [&cluster, made, name, expected, got, is_out_of_reach, exists]() -> Outcome<void> {
         if (exists) return server_error("refusing to override existing file");
         if (is_out_of_reach) {
           return server_error("download failed: wget: unable to resolve host address");
         }
         if (!expected.empty() && expected != got) {
           return server_error(
               fmt::format("checksum mismatch: got '{}' != expect '{}'", got, expected));
         }
         keep_file(cluster, name, made);
         return {};
       }});
}

Outcome<> download_url(Cluster& cluster, Call& call) {
  PCA_TRY([[maybe_unused]] Storage * storage, check_upload(cluster, call));
  return pulled(cluster, call, "download", call.text("filename"), call.text("content"),
                call.text("filename"), to_lower(call.text("checksum")));
}

Outcome<> pull_oci(Cluster& cluster, Call& call) {
  PCA_TRY(Storage * storage, cluster.storage_of(call.text("storage")));
  if (!storage->content.contains("vztmpl")) {
    return server_error(
        fmt::format("storage '{}' does not support 'vztmpl' content", storage->name));
  }
  const std::string reference = call.text("reference");
  std::string file = call.text("filename", reference.substr(reference.rfind('/') + 1));
  std::replace(file.begin(), file.end(), ':', '_');
  return pulled(cluster, call, "ocipull", file + ".tar", "vztmpl", file + ".tar", "");
}

}  // namespace

Volume* find_volume(Cluster& cluster, const std::string& id, const std::string& node) {
  const auto storage = cluster.storages.find(id.substr(0, id.find(':')));
  if (storage == cluster.storages.end()) return nullptr;
  for (Volume& volume : storage->second.volumes) {
    if (volume.id == id && is_on(volume, node)) return &volume;
  }
  return nullptr;
}

void remove_volume(Cluster& cluster, const std::string& id, const std::string& node) {
  const auto storage = cluster.storages.find(id.substr(0, id.find(':')));
  if (storage == cluster.storages.end()) return;
  std::erase_if(storage->second.volumes,
                [&](const Volume& volume) { return volume.id == id && is_on(volume, node); });
}

Outcome<std::string> make_volume(Cluster& cluster, const std::string& storage, const Guest& guest,
                                 std::uint64_t size, const std::string& parent,
                                 bool is_cloud_init) {
  PCA_TRY(Storage * on, cluster.storage_of(storage));
  const std::uint64_t needed = parent.empty() ? size : 0;
  if (used(*on, guest.node) + needed > on->total) {
    return server_error(fmt::format("storage '{}': not enough space", storage));
  }
  const bool is_directory = on->type == "dir";
  const std::string folder = is_directory ? std::to_string(guest.vmid) + "/" : "";
  const std::string end =
      is_directory ? (parent.empty() && !is_cloud_init ? ".raw" : ".qcow2") : "";
  // A linked clone's name tells what it is a clone of.
  std::string base = parent.empty() ? "" : parent.substr(parent.find(':') + 1) + "/";
  std::string id;
  if (is_cloud_init) {
    id = fmt::format("{}:{}vm-{}-cloudinit{}", storage, folder, guest.vmid, end);
  } else {
    int number = 0;
    do {
      id = fmt::format("{}:{}{}vm-{}-disk-{}{}", storage, base, folder, guest.vmid, number++, end);
    } while (find_volume(cluster, id, guest.node) != nullptr);
  }
  on->volumes.push_back({on->is_shared ? "" : guest.node, id,
                         guest.is_container ? "rootdir" : "images", "raw", size, guest.vmid, parent,
                         cluster.seconds()});
  return id;
}

std::vector<Endpoint> storage_endpoints() {
  const std::string node = "/nodes/{node}/storage";
  const std::string one = node + "/{storage}";
  const std::string look = "/storage/{storage} Datastore.Audit|Datastore.AllocateSpace";
  const std::string keep = "/storage/{storage} Datastore.AllocateTemplate";
  const std::string sums =
      "checksum:string checksum-algorithm:{md5|sha1|sha224|sha256|sha384|sha512} ";
  return {
      {"GET /storage", By::listener, "", "type:string", all_storages},
      {"GET " + node, By::root, "",
       "content:string enabled:boolean format:boolean storage:storage-id target:node",
       node_storages},
      {"GET " + one + "/status", By::root, look, "", storage_status},
      {"GET " + one + "/content", By::root, look, "content:string vmid:vmid(100..999999999)",
       list_content},
      {"GET " + one + "/content/{volume}", By::root, "", "", get_volume},
      {"DELETE " + one + "/content/{volume}", By::root, "", "delay:integer(1..30)", remove_content},
      {"POST " + one + "/upload", By::root, keep,
       sums + "content!:{iso|vztmpl|import} filename!:string(255) tmpfilename:string", upload},
      {"POST " + one + "/download-url", By::root,
       keep + "; / Sys.Audit,Sys.Modify or /nodes/{node} Sys.AccessNetwork",
       sums + "content!:{iso|vztmpl|import} filename!:string(255) url!:url compression:string "
              "verify-certificates:boolean",
       download_url},
      {"POST " + one + "/oci-registry-pull", By::root, keep + "; /nodes/{node} Sys.AccessNetwork",
       "reference!:string filename:string(1..255)", pull_oci, 9},
  };
}

}  // namespace pca::sandbox::proxmox
