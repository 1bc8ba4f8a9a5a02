#include "base/text.hpp"
#include "fuzz/fuzz.hpp"
#include "proxmox-deploy/firewall_rules.hpp"
#include "proxmox-deploy/guest_record.hpp"
#include "proxmox-deploy/guest_script.hpp"
#include "proxmox-deploy/property_string.hpp"
#include "proxmox-deploy/upid.hpp"

using namespace pca;
using namespace pca::proxmox_deploy;
using pca::fuzz::require;

// Texts of a cluster: IDs of tasks, property strings, descriptions, what a script printed.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto upid = parse_upid(text)) {
    // What becomes part of a path.
    require(upid->node.find('/') == std::string::npos && !upid->node.empty(),
            "a node is one part of a path");
    require(upid->text == text, "a task is asked for as it was named");
  }
  const PropertyString parts(text);
  require(PropertyString(parts.text()).text() == parts.text(), "it is read as written");
  const std::string mac = mac_of_net(text);
  require(mac.empty() || mac.size() == 17, "a MAC address is one");
  const std::string tags = join_tags(split_tags(text));
  require(join_tags(split_tags(tags)) == tags, "tags stay as they are");
  if (auto record = parse_record(text)) {
    const std::string again = with_record("", *record);
    if (again.size() <= longest_record) {
      const auto read = parse_record(again);
      require(read && with_record("", *read) == again, "a record is read as written");
    }
  }
  (void)text_without_record(text);
  BadInputs bad;
  const auto rules = read_rules(text, "web", bad);
  for (const FirewallRule& rule : rules) require(is_owned(rule, "web"), "a rule has its owner");
  if (const auto news = parse_script_news(text)) {
    require(news->out.size() <= news_limit && news->err.size() <= news_limit, "pieces are short");
    require(news->code >= 0 && news->code <= 255, "a code is one");
  }
  return 0;
}
