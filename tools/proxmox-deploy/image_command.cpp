#include "proxmox-deploy/image_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/glob.hpp"
#include "base/text.hpp"
#include "base/utc_time.hpp"
#include "proxmox-deploy/api_inputs.hpp"
#include "proxmox-deploy/app_inputs.hpp"
#include "proxmox-deploy/contract.hpp"
#include "proxmox-deploy/guest_health.hpp"
#include "proxmox-deploy/image_store.hpp"
#include "proxmox-deploy/one_guest.hpp"
#include "proxmox-deploy/rights.hpp"
#include "proxmox-deploy/snapshots.hpp"
#include "runner/text_table.hpp"

namespace pca::proxmox_deploy {

namespace {

const std::string group = "Image";

Option storage_option() {
  return {.name = "storage",
          .help = "The storage that keeps it",
          .placeholder = "STORAGE",
          .required = true,
          .group = group};
}
Option node_option() {
  return {.name = "node",
          .help =
              "The node it goes to; default: the only one that has the storage, any where the "
              "storage is shared",
          .placeholder = "NODE",
          .group = group};
}
Option name_option(std::string help) {
  return {.name = "image", .help = std::move(help), .placeholder = "NAME", .group = group};
}
Option if_exists_option(bool can_replace) {
  Option option{.name = "if-exists",
                .type = OptionType::choice,
                .default_value = "fail",
                .help = "What to do where an image of this name is there: keep leaves it as it is",
                .choices = {"fail", "keep"},
                .group = group};
  if (can_replace) option.choices.emplace_back("replace");
  return option;
}

std::vector<Output> image_outputs() {
  return {{contract::volid, "What guests call the image: STORAGE:CONTENT/NAME"},
          {contract::node, "The node that took it"},
          {contract::changed, "1, or 0 where it was there"},
          {contract::duration_ms, "How long it took"}};
}

std::string date_text(std::int64_t seconds) {
  return seconds == 0 ? std::string("?") : utc_text(UtcTime(std::chrono::seconds(seconds)));
}

std::string size_text(std::int64_t bytes) {
  return rounded_size(static_cast<std::uint64_t>(std::max<std::int64_t>(bytes, 0)));
}

// What a command of this kind has once its inputs are good.
struct Store {
  std::unique_ptr<ProxmoxApi> api;
  ClusterView view;
  ImageStore at;
};
ApiResult<Store> find_store(const Budget& budget, ToolContext& context, const ApiWay& way,
                            const Inputs& inputs) {
  Store store;
  PCA_TRY(store.api, connect_api(budget, context, way));
  PCA_TRY(store.view, read_cluster(budget, *store.api));
  PCA_TRY(store.at, choose_store(store.view, inputs.text("storage"), inputs.text("node")));
  if (store.view.nodes.size() > 1) store.api->learn_nodes(budget);
  context.reporter.output(contract::node, store.at.node);
  return store;
}

std::string read_image_name(const Inputs& inputs, const std::string& fallback, bool needs_name,
                            BadInputs& bad) {
  const std::string name = inputs.has("image") ? inputs.text("image") : fallback;
  if ((inputs.has("image") || needs_name) && !is_image_name(name)) {
    bad.add("image", fmt::format("{} is no name of an image", shown(name)),
            "Write letters, digits and -_.+~, with .iso or .img, .tar.gz, .tar.xz or .tar.zst, "
            ".qcow2, .raw, .vmdk or .ova at the end.");
  }
  return name;
}

void check_place(const Inputs& inputs, BadInputs& bad) {
  for (const char* name : {"storage", "node"}) {
    const std::string& value = inputs.text(name);
    const bool is_good = std::all_of(value.begin(), value.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '-' || c == '_' || c == '.';
    });
    if (!is_good || value.starts_with('.')) {
      bad.add(name, fmt::format("{} is no name of a {}", shown(value), name),
              "\"proxmox-deploy doctor\" shows which there are.");
    }
  }
}

// Puts an image where it belongs, and says what became of it.
class Keeping {
 public:
  Keeping(ToolContext& context, const Inputs& inputs, Store& store, const Budget& budget,
          std::string name)
      : context_(context),
        inputs_(inputs),
        store_(store),
        budget_(budget),
        name_(std::move(name)),
        content_(content_of_name(name_)),
        tasks_(*store.api) {}

  // `put` is what makes it be there. `size` in bytes, 0 where nobody knows.
  Result<int> run(std::int64_t size, const std::function<ApiResult<>(Tasks&)>& put) {
    const auto start = Clock::now();
    PCA_TRY(const auto before, find());
    const std::string& rule = inputs_.text("if-exists");
    const std::string place = fmt::format("{} on {}", visible(volid()), visible(store_.at.node));
    context_.reporter.output(contract::volid, volid());
    if (before && rule == "fail") {
      return conflict(fmt::format("{} is there already, of {}", place, date_text(before->made)),
                      "Give the image another name, or say by if-exists what to do.");
    }
    const bool is_kept = before && rule == "keep";
    if (!is_kept) {
      PCA_CHECK(check_store(budget_, *store_.api, store_.at, content_, size));
      const auto done = put(tasks_);
      for (const TaskLog& log : tasks_.logs()) {
        context_.reporter.group("Log of the task " + log.title);
        context_.reporter.remote("")->feed(log.text);
        context_.reporter.end_group();
      }
      if (!done) return done.error();
      PCA_TRY(const auto after, find());
      if (!after || (size != 0 && after->size != size)) {
        return failed(fmt::format("{} is not there as it was sent: {}", place,
                                  after ? size_text(after->size) : std::string("there is none")),
                      "Look at the tasks of the node.");
      }
    }
    context_.reporter.output(contract::changed, is_kept ? "0" : "1");
    context_.reporter.output(contract::duration_ms, std::to_string(std::llround(ms_since(start))));
    context_.reporter.info(place + (is_kept ? " is as it was" : " is there"));
    return 0;
  }

 private:
  [[nodiscard]] std::string volid() const {
    return fmt::format("{}:{}/{}", store_.at.storage, content_, name_);
  }
  ApiResult<std::optional<Image>> find() {
    PCA_TRY(const auto images, read_images(budget_, *store_.api, store_.at, content_));
    for (const Image& one : images) {
      if (one.volid == volid()) return std::optional(one);
    }
    return std::optional<Image>();
  }

  ToolContext& context_;
  const Inputs& inputs_;
  Store& store_;
  const Budget& budget_;
  std::string name_;
  std::string content_;
  Tasks tasks_;
};

ImageProgress show_bytes(Reporter& reporter, std::string what, const std::int64_t& size) {
  return [&reporter, &size, what = std::move(what)](std::int64_t bytes) {
    reporter.progress(fmt::format("{}: {} of {}", what, size_text(bytes), size_text(size)));
  };
}

// --- the commands ---

Result<int> run_upload(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const ApiWay way = read_api_inputs(context, inputs, bad);
  check_place(inputs, bad);
  const Budget budget = Budget::of(inputs.duration("timeout"), context.stop);
  ImageUpload upload{.path = inputs.text("file")};
  upload.name = read_image_name(inputs, upload.path.substr(upload.path.rfind('/') + 1),
                                inputs.has("file"), bad);
  upload.content = content_of_name(upload.name);
  if (inputs.has("file")) {
    const auto size = size_of_file(upload.path);
    if (size) {
      upload.size = *size;
    } else {
      bad.add("file", size.error());
    }
  }
  if (!bad.empty()) return bad.to_error();
  PCA_TRY(Store store, find_store(budget, context, way, inputs));
  return Keeping(context, inputs, store, budget, upload.name)
      .run(upload.size, [&](Tasks& tasks) -> ApiResult<> {
        const auto read =
            read_digest(budget, upload, show_bytes(context.reporter, "reading", upload.size));
        if (!read) return {ApiFailure(read.error())};
        context.reporter.info(fmt::format("{} ({}), SHA-256 {}", visible(upload.name),
                                          size_text(upload.size), upload.sha256));
        return send_image(budget, *store.api, tasks, store.at, upload,
                          show_bytes(context.reporter, "sending", upload.size));
      });
}

Result<int> run_download_url(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const ApiWay way = read_api_inputs(context, inputs, bad);
  check_place(inputs, bad);
  const std::string& url = inputs.text("url");
  const std::string path = url.substr(0, url.find_first_of("?#"));
  const std::string name =
      read_image_name(inputs, path.substr(path.rfind('/') + 1), inputs.has("url"), bad);
  if (inputs.has("url") && !is_web_address(url)) {
    bad.add("url", fmt::format("{} is no web address", shown(url)), "Begin it with https://.");
  }
  const std::string checksum = to_lower(inputs.text("checksum"));
  const bool is_hex = checksum.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (inputs.has("checksum") && (!is_hex || (checksum.size() != 64 && checksum.size() != 128))) {
    bad.add("checksum", "is no SHA-256 and no SHA-512 in hex", "64 or 128 digits and letters.");
  }
  if (!bad.empty()) return bad.to_error();
  const Budget budget = Budget::of(inputs.duration("timeout"), context.stop);
  PCA_TRY(Store store, find_store(budget, context, way, inputs));
  return Keeping(context, inputs, store, budget, name).run(0, [&](Tasks& tasks) -> ApiResult<> {
    context.reporter.info(fmt::format("{} fetches {}", visible(store.at.node), visible(path)));
    return tasks.run_or_stop(
        budget,
        {.method = "POST",
         .path = fmt::format("/nodes/{}/storage/{}/download-url", store.at.node, store.at.storage),
         .parameters = {{"url", url},
                        {"content", content_of_name(name)},
                        {"filename", name},
                        {"checksum", checksum},
                        {"checksum-algorithm", checksum.size() == 64 ? "sha256" : "sha512"}},
         .node = store.at.node});
  });
}

Result<int> run_oci_pull(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const ApiWay way = read_api_inputs(context, inputs, bad);
  check_place(inputs, bad);
  const std::string& reference = inputs.text("reference");
  std::string name = inputs.text("image");
  // As the node itself calls it, but told: the command has to find it again.
  if (name.empty()) {
    name = reference.substr(reference.rfind('/') + 1);
    std::replace(name.begin(), name.end(), ':', '_');
    std::replace(name.begin(), name.end(), '@', '_');
  }
  const std::string file = name + ".tar";
  const bool is_good_reference = std::all_of(reference.begin(), reference.end(),
                                             [](char c) { return c > ' ' && c < '\x7f'; }) &&
                                 reference.find("..") == std::string::npos;
  if (inputs.has("reference") && (!is_good_reference || !is_image_name(file))) {
    bad.add("reference", fmt::format("{} is no reference of an image", shown(reference)),
            "Write it like registry.example.com/acme/shop:1.2.3.");
  }
  if (!bad.empty()) return bad.to_error();
  const Budget budget = Budget::of(inputs.duration("timeout"), context.stop);
  PCA_TRY(Store store, find_store(budget, context, way, inputs));
  if (!store.api->is_at_least(9, 1)) {
    return failed(
        fmt::format("Proxmox VE {} cannot pull images from registries", store.api->version()),
        "It takes 9.1 or newer.");
  }
  return Keeping(context, inputs, store, budget, file).run(0, [&](Tasks& tasks) -> ApiResult<> {
    context.reporter.info(fmt::format("{} pulls {}", visible(store.at.node), visible(reference)));
    return tasks.run_or_stop(budget, {.method = "POST",
                                      .path = fmt::format("/nodes/{}/storage/{}/oci-registry-pull",
                                                          store.at.node, store.at.storage),
                                      .parameters = {{"reference", reference}, {"filename", name}},
                                      .node = store.at.node});
  });
}

Result<int> run_list(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const ApiWay way = read_api_inputs(context, inputs, bad);
  check_place(inputs, bad);
  if (!bad.empty()) return bad.to_error();
  const Budget budget = Budget::of(inputs.duration("timeout"), context.stop);
  PCA_TRY(const Store store, find_store(budget, context, way, inputs));
  PCA_TRY(const auto images, read_images(budget, *store.api, store.at, {}));
  TextTable table{{"image", "size", "made"}, {}};
  Json list = Json::array();
  for (const Image& one : images) {
    table.rows.push_back({one.volid, size_text(one.size), date_text(one.made)});
    Json entry = Json::object();
    list.push(entry.set("volid", one.volid).set("size", one.size).set("made", one.made));
  }
  context.reporter.info(table.rows.empty() ? "no images" : aligned_table(table));
  context.reporter.report(Json::object().set("command", "image list").set("images", list));
  return 0;
}

// Images that the configuration of a guest or of a snapshot names.
ApiResult<std::set<std::string>> images_in_use(const Budget& budget, const Store& store,
                                               const std::vector<Image>& images) {
  PCA_TRY(const Json permissions, store.api->ask(budget, {.path = "/access/permissions"}));
  if (!GrantedRights(permissions).has("/vms", "VM.Audit")) {
    return {ApiFailure(permission_denied(
        "the token does not see all guests, so nobody knows which images they have",
        "Give it a role with VM.Audit on /vms."))};
  }
  std::set<std::string> used;
  for (const Guest& guest : store.view.guests) {
    // Its own configuration, and that of each snapshot that it may go back to.
    std::vector<Parameters> states{{}};
    const auto snapshots = read_snapshots(budget, *store.api, guest);
    if (!snapshots && snapshots.error().trouble == Trouble::gone) continue;
    if (!snapshots) return snapshots.error();
    for (const Snapshot& one : *snapshots) states.push_back({{"snapshot", one.name}});
    for (const Parameters& state : states) {
      const auto config =
          store.api->ask(budget, {.path = guest_path(guest.node, guest.type, guest.vmid, "/config"),
                                  .parameters = state,
                                  .node = guest.node});
      if (!config && config.error().trouble == Trouble::gone) continue;
      if (!config) return config.error();
      const std::string text = config->dump();
      for (const Image& image : images) {
        if (text.find(image.volid) != std::string::npos) used.insert(image.volid);
      }
    }
  }
  return used;
}

Result<int> run_prune(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const auto start = Clock::now();
  const ApiWay way = read_api_inputs(context, inputs, bad);
  check_place(inputs, bad);
  const std::string& pattern = inputs.text("images");
  const auto keep = static_cast<std::size_t>(inputs.integer("keep"));
  const std::string lines[] = {pattern};
  const auto names = PathPatterns::parse(lines);
  if (!names) {
    bad.add("images", names.error());
  } else if (!pattern.empty() && pattern.find_first_not_of("*.") == std::string::npos) {
    bad.add("images", "is every image", "Name a part that only these have, as shop-*.qcow2.");
  }
  if (!bad.empty()) return bad.to_error();
  const Budget budget = Budget::of(inputs.duration("timeout"), context.stop);
  PCA_TRY(const Store store, find_store(budget, context, way, inputs));
  PCA_TRY(auto images, read_images(budget, *store.api, store.at, {}));
  std::erase_if(images,
                [&](const Image& one) { return !names->match(one.name, false).value_or(false); });
  std::set<std::string> used;
  if (images.size() > keep) {
    PCA_TRY(used, images_in_use(budget, store, images));
  }
  Tasks tasks(*store.api);
  TextTable table{{"image", "size", "made", "outcome"}, {}};
  std::optional<Error> error;
  int removed = 0;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const Image& one = images[i];
    std::string outcome = i < keep                   ? "kept"
                          : used.contains(one.volid) ? "kept: a guest has it"
                          : inputs.flag("dry-run")   ? "would go"
                                                     : "removed";
    if (outcome == "removed") {
      const auto gone = delete_image(budget, tasks, store.at, one);
      if (gone) {
        ++removed;
      } else {
        outcome = "failed: " + gone.error().message;
        if (!error) error = gone.error();
      }
    }
    table.rows.push_back({one.volid, size_text(one.size), date_text(one.made), outcome});
  }
  Reporter& reporter = context.reporter;
  reporter.info(table.rows.empty() ? "no images" : aligned_table(table));
  reporter.output(contract::removed, std::to_string(removed));
  reporter.output(contract::duration_ms, std::to_string(std::llround(ms_since(start))));
  if (error) return *std::move(error);
  return 0;
}

}  // namespace

CommandSpec image_upload_command() {
  return {
      .name = "image upload",
      .summary =
          "Sends an image to a storage of a node, in constant memory, with its SHA-256 for "
          "the node to check",
      .options = joined({{{.name = "file",
                           .help = "The file: an ISO image, a disk image, a template of containers",
                           .placeholder = "PATH",
                           .required = true,
                           .group = group},
                          storage_option(),
                          node_option(),
                          name_option("What it is called there; default: as the file"),
                          if_exists_option(true)},
                         {timeout_option("1h", "How long it may take")},
                         api_options()}),
      .positionals = {"file"},
      .outputs = image_outputs(),
      .examples = {{"A disk image that a job has built",
                    example_of("image upload shop-1.2.3.qcow2 --storage local --node pve1")}},
  };
}

CommandSpec image_download_url_command() {
  return {
      .name = "image download-url",
      .summary = "Lets a node fetch an image by itself, and checks it",
      .options = joined({{{.name = "url",
                           .help = "Where it is",
                           .placeholder = "URL",
                           .required = true,
                           .group = group},
                          {.name = "checksum",
                           .help = "Its SHA-256 or SHA-512, in hex",
                           .placeholder = "HEX",
                           .required = true,
                           .group = group},
                          storage_option(),
                          node_option(),
                          name_option("What it is called there; default: as in the URL"),
                          if_exists_option(false)},
                         {timeout_option("1h", "How long it may take")},
                         api_options()}),
      .positionals = {"url"},
      .outputs = image_outputs(),
      .examples = {{"A cloud image",
                    example_of(
                        "image download-url https://images.example.com/debian-12.qcow2 --checksum "
                        "8c2d4e1f9a7b6053d1e4f8a2c7b90d36e5f1a8c4b2d7093e6f4a1c8b5d2e7f90 "
                        "--storage shared")}},
  };
}

CommandSpec image_oci_pull_command() {
  return {
      .name = "image oci-pull",
      .summary = "Lets a node pull a container image from a registry, as a template of containers",
      .options = joined({{{.name = "reference",
                           .help = "The image: REGISTRY/NAME:TAG",
                           .placeholder = "REFERENCE",
                           .required = true,
                           .group = group},
                          storage_option(),
                          node_option(),
                          name_option("What it is called there, without .tar; default: its name "
                                      "and its tag"),
                          if_exists_option(false)},
                         {timeout_option("1h", "How long it may take")},
                         api_options()}),
      .positionals = {"reference"},
      .outputs = image_outputs(),
      .examples = {{"An image of one's own",
                    example_of(
                        "image oci-pull registry.example.com/acme/shop:1.2.3 --storage local "
                        "--node pve1")}},
  };
}

CommandSpec image_list_command() {
  return {
      .name = "image list",
      .summary = "Shows the images of a storage, the newest first",
      .options = joined({{storage_option(), node_option()},
                         {timeout_option("1m", "How long it may take")},
                         api_options()}),
      .stdout_use = StdoutUse::result,
      .outputs = {{contract::node, "The node that was asked"}},
      .examples = {{"On one node", example_of("image list --storage local --node pve1")}},
  };
}

CommandSpec image_prune_command() {
  return {
      .name = "image prune",
      .summary = "Removes old images from a storage; none that a guest's configuration names",
      .options = joined({{{.name = "images",
                           .help = "Which images: a pattern with * for any text, as shop-*.qcow2",
                           .placeholder = "PATTERN",
                           .required = true,
                           .group = group},
                          {.name = "keep",
                           .type = OptionType::integer,
                           .default_value = "3",
                           .help = "How many of the newest stay",
                           .least = 0,
                           .most = 1000,
                           .group = group},
                          storage_option(),
                          node_option(),
                          {.name = "dry-run",
                           .type = OptionType::boolean,
                           .default_value = "false",
                           .help = "Only say what would go",
                           .group = group}},
                         {timeout_option("10m", "How long it may take")},
                         api_options()}),
      .outputs = {{contract::removed, "How many were removed"},
                  {contract::node, "The node that was asked"},
                  {contract::duration_ms, "How long it took"}},
      .examples = {{"All but the last five of what jobs have built",
                    example_of(
                        "image prune --storage local --node pve1 --images 'shop-*.qcow2' --keep "
                        "5")}},
  };
}

Result<int> run_image(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const std::string command = inputs.command();
  if (command == "image upload") return run_upload(context, inputs, bad);
  if (command == "image download-url") return run_download_url(context, inputs, bad);
  if (command == "image oci-pull") return run_oci_pull(context, inputs, bad);
  if (command == "image list") return run_list(context, inputs, bad);
  return run_prune(context, inputs, bad);
}

}  // namespace pca::proxmox_deploy
