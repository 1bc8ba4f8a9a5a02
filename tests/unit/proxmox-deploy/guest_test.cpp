#include <gtest/gtest.h>

#include "base/text.hpp"
#include "proxmox-deploy/agent_exec.hpp"
#include "proxmox-deploy/app_state.hpp"
#include "proxmox-deploy/guest_address.hpp"
#include "proxmox-deploy/guest_health.hpp"
#include "proxmox-deploy/guest_record.hpp"

namespace pca::proxmox_deploy {
namespace {

Json json(const std::string& text) {
  auto parsed = parse_json(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(Json());
}

// --- addresses ---

const char* interfaces = R"({"result":[
  {"hardware-address":"00:00:00:00:00:00","name":"lo","ip-addresses":[
    {"ip-address-type":"ipv4","ip-address":"127.0.0.1"}]},
  {"hardware-address":"02:42:00:00:00:01","name":"docker0","ip-addresses":[
    {"ip-address-type":"ipv4","ip-address":"172.17.0.1"}]},
  {"hardware-address":"bc:24:11:e2:3f:55","name":"eth1","ip-addresses":[
    {"ip-address-type":"ipv4","ip-address":"192.168.7.7"}]},
  {"hardware-address":"bc:24:11:e2:3f:54","name":"eth0","ip-addresses":[
    {"ip-address-type":"ipv6","ip-address":"fe80::1"},
    {"ip-address-type":"ipv6","ip-address":"2001:db8::5"},
    {"ip-address-type":"ipv4","ip-address":"10.0.0.101"}]}]})";

TEST(GuestAddress, IsThatOfTheFirstNetOfItsConfiguration) {
  EXPECT_EQ(choose_address(json(interfaces), {"BC:24:11:E2:3F:54"}, {}), "10.0.0.101");
  EXPECT_EQ(choose_address(json(interfaces), {"BC:24:11:E2:3F:55", "BC:24:11:E2:3F:54"}, {}),
            "192.168.7.7");
  EXPECT_EQ(choose_address(json(interfaces), {"BC:24:11:E2:3F:54"}, {.version = IpVersion::v6}),
            "2001:db8::5");
  EXPECT_EQ(choose_address(json(interfaces), {}, {.interface = "eth1"}), "192.168.7.7");
  EXPECT_EQ(choose_address(json(interfaces), {"BC:24:11:E2:3F:54"}, {.interface = "eth9"}), "");
}

TEST(GuestAddress, IsNeverOneOfTheInside) {
  EXPECT_EQ(choose_address(json(interfaces), {}, {}), "192.168.7.7");
  const Json only_inner = json(R"({"result":[
    {"name":"lo","ip-addresses":[{"ip-address":"127.0.0.1"}]},
    {"name":"docker0","ip-addresses":[{"ip-address":"172.17.0.1"}]},
    {"name":"veth1","ip-addresses":[{"ip-address":"10.9.9.9"}]},
    {"name":"eth0","ip-addresses":[{"ip-address":"169.254.1.1"},{"ip-address":"FE80::1"}]}]})");
  EXPECT_EQ(choose_address(only_inner, {}, {}), "");
  EXPECT_EQ(list_addresses(only_inner),
            "lo 127.0.0.1, docker0 172.17.0.1, veth1 10.9.9.9, eth0 169.254.1.1, eth0 FE80::1");
  EXPECT_EQ(choose_address(json(R"({"result":"x"})"), {}, {}), "");
  EXPECT_EQ(
      choose_address(json(R"({"result":[{"name":"eth0","ip-addresses":[{"ip-address":"; rm"}]}]})"),
                     {}, {}),
      "");
}

TEST(GuestAddress, IsKnownWithoutAnAgentWhereItIsConfigured) {
  EXPECT_EQ(static_address("ip=10.0.0.5/24,gw=10.0.0.1", IpVersion::any), "10.0.0.5");
  EXPECT_EQ(static_address("ip=dhcp,ip6=2001:db8::5/64", IpVersion::any), "2001:db8::5");
  EXPECT_EQ(static_address("ip=dhcp", IpVersion::any), "");
  EXPECT_EQ(static_address("ip=10.0.0.5/24", IpVersion::v6), "");
}

TEST(GuestHealth, NamesTheAddressAsAUrlDoes) {
  EXPECT_EQ(health_url("http://{ip}:80/x?{ip}", "10.0.0.5"), "http://10.0.0.5:80/x?10.0.0.5");
  EXPECT_EQ(health_url("http://{ip}:80/", "2001:db8::5"), "http://[2001:db8::5]:80/");
  EXPECT_TRUE(is_web_address("http://10.0.0.1:80/x"));
  for (const char* text : {"10.0.0.1", "ftp://10.0.0.1/", "http://", "http:///x"}) {
    EXPECT_FALSE(is_web_address(text)) << text;
  }
}

TEST(AgentExec, EndsAsTheGuestSays) {
  EXPECT_FALSE(parse_exec_status(json(R"({"exited":0})")));
  const auto end = parse_exec_status(
      json(R"({"exited":1,"exitcode":"3","out-data":"a\n","err-data":"b","out-truncated":1})"));
  ASSERT_TRUE(end);
  EXPECT_EQ(end->code, 3);
  EXPECT_EQ(end->out, "a\n");
  EXPECT_TRUE(end->is_cut);
  EXPECT_EQ(parse_exec_status(json(R"({"result":{"exited":true,"signal":9}})"))->code, 137);
}

// --- the record ---

GuestRecord a_record() {
  GuestRecord record{.app = "web",
                     .identity = "c8eee028-48ed-452d-9ef5-abfd7985112f",
                     .name = "web-1a2b3c4",
                     .release = "20261124T093000Z-1a2b3c4",
                     .commit = std::string(40, 'a'),
                     .spec = "0123456789abcdef"};
  record.releases.push_back(
      {.id = record.release,
       .commit = record.commit,
       .result = "deployed",
       .vmid = 10001,
       .record = Json::object().set("actor", "octo--><!-- proxmox-deploy {}")});
  return record;
}

TEST(GuestRecordText, IsReadAsItWasWrittenBesideWhatPeopleWrote) {
  const std::string text = with_record("Ask **ops**.\nPlease.", a_record());
  EXPECT_TRUE(text.starts_with("Ask **ops**.\nPlease.\n\n<!-- proxmox-deploy {")) << text;
  EXPECT_EQ(text.find("-->"), text.size() - 3) << text;
  const auto read = parse_record(text);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->identity, a_record().identity);
  ASSERT_EQ(read->releases.size(), 1U);
  EXPECT_EQ(read->releases[0].vmid, 10001);
  EXPECT_EQ(read->releases[0].record.text_of("actor"), "octo--><!-- proxmox-deploy {}");
  EXPECT_FALSE(read->hold);
  EXPECT_EQ(text_without_record(text), "Ask **ops**.\nPlease.");
  EXPECT_EQ(with_record(text_without_record(text), *read), text);
  EXPECT_EQ(text_without_record(with_record("", a_record())), "");
}

TEST(GuestRecordText, IsAtMost4KiBAndLosesTheOldestReleases) {
  GuestRecord record = a_record();
  for (int i = 0; i < 30; ++i) {
    record.releases.push_back({.id = "release-" + std::to_string(i),
                               .record = Json::object().set("reason", std::string(200, 'x'))});
  }
  const std::string text = with_record("", record);
  EXPECT_LE(text.size(), longest_record);
  const auto read = parse_record(text);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->releases.back().id, "release-29");
  EXPECT_GT(read->releases.size(), 5U);
}

TEST(GuestRecordText, ThatIsBrokenIsNone) {
  for (const char* text : {"", "plain", "<!-- proxmox-deploy {", "<!-- proxmox-deploy {] -->",
                           "<!-- proxmox-deploy [1] -->", "<!-- proxmox-deploy  -->"}) {
    EXPECT_FALSE(parse_record(text)) << text;
  }
  // A hold or lock that cannot be read holds, too.
  EXPECT_TRUE(parse_record(R"(<!-- proxmox-deploy {"app":"web","hold":"x"} -->)")->hold);
}

GuestConfig config_of(const GuestRecord& record) {
  Json values = Json::object();
  values.set("name", record.name);
  values.set("smbios1", "uuid=" + to_upper(record.identity) + ",base64=1");
  values.set("tags", "active;app-web;rev-aaaaaaaa");
  values.set("description", with_record("", record));
  values.set("digest", "d");
  return parse_config(values, "qemu");
}

TEST(OwnershipFence, LetsItsOwnGuestPass) {
  const Guest guest{.vmid = 10001, .node = "pve1", .name = "web-1a2b3c4"};
  const auto own = check_own(guest, config_of(a_record()), "web");
  ASSERT_TRUE(own) << own.error().message;
  EXPECT_EQ(own->release, a_record().release);
}

TEST(OwnershipFence, StopsAtEachThingThatDoesNotAgree) {
  const Guest guest{.vmid = 10001, .node = "pve1", .name = "web-1a2b3c4"};
  const auto why = [&](const GuestConfig& config) {
    const auto own = check_own(guest, config, "web");
    EXPECT_FALSE(own);
    if (own) return std::string();
    EXPECT_EQ(own.error().kind, ErrorKind::conflict);
    return own.error().message;
  };
  const GuestConfig good = config_of(a_record());
  GuestConfig config = good;
  config.identity = "11111111-48ed-452d-9ef5-abfd7985112f";
  EXPECT_NE(why(config).find("another guest has its ID"), std::string::npos);
  config = good;
  config.tags = {"rev-aaaaaaaa"};
  EXPECT_NE(why(config).find("it has no tag app-web"), std::string::npos);
  config = good;
  config.name = "legacy";
  EXPECT_NE(why(config).find("its name is \"legacy\""), std::string::npos);
  config = good;
  config.is_template = true;
  EXPECT_NE(why(config).find("it is a template"), std::string::npos);
  config = good;
  config.is_protected = true;
  EXPECT_NE(why(config).find("its protection is on"), std::string::npos);
  config = good;
  config.description = "";
  EXPECT_NE(why(config).find("no record"), std::string::npos);
  EXPECT_FALSE(check_own(guest, good, "shop"));
}

TEST(OwnershipFence, AGuestThatIsBeingClonedIsKnownByNameAndRecord) {
  GuestRecord record = a_record();
  record.identity.clear();
  record.phase = "new";
  GuestConfig config = config_of(record);
  config.tags.clear();
  const Guest guest{.vmid = 10001, .node = "pve1"};
  EXPECT_TRUE(check_own(guest, config, "web"));
  config.name = "other";
  EXPECT_FALSE(check_own(guest, config, "web"));
}

// --- which guests ---

TEST(ClusterInventory, IsHostile) {
  const ClusterView view = parse_cluster(json(R"([
    {"type":"node","node":"pve1","status":"online"},{"type":"node","node":"pve2","status":"offline"},
    {"type":"node","node":"../x"},
    {"type":"qemu","node":"pve1","vmid":101,"name":"web1","tags":"app-web;active","status":"running"},
    {"type":"qemu","node":"pve1","vmid":"9000","name":"debian-12","template":1},
    {"type":"qemu","node":"pve1","vmid":5},{"type":"qemu","node":"a/b","vmid":102},
    {"type":"qemu","node":"pve1","vmid":102,"name":"web1"},
    {"type":"storage","node":"pve1","storage":"shared","shared":1}, 7, null])"));
  ASSERT_EQ(view.guests.size(), 3U);
  EXPECT_TRUE(view.guests[0].has_tag("active"));
  EXPECT_FALSE(view.find_node("pve2")->is_online);
  EXPECT_EQ(view.nodes.size(), 2U);
  EXPECT_EQ(find_template(view, "debian-12")->vmid, 9000);
  EXPECT_EQ(find_guest(view, "101")->name, "web1");
  EXPECT_EQ(find_guest(view, "web1").error().message, "2 guests have the name \"web1\": 101, 102");
  EXPECT_EQ(find_template(view, "nope").error().hint, "There are: 9000 debian-12.");
}

TEST(OldGuests, AreKeptFromTheNewestByTheHistory) {
  std::vector<Guest> others;
  for (const std::int64_t vmid : {10001, 10005, 10003, 10009}) {
    others.push_back({.vmid = vmid, .node = "pve1"});
  }
  const std::vector<ReleaseLine> releases{{.vmid = 10003}, {.vmid = 10005}, {.vmid = 10001}};
  const auto ids = [](const std::vector<Guest>& guests) {
    std::vector<std::int64_t> out;
    for (const Guest& guest : guests) out.push_back(guest.vmid);
    return out;
  };
  EXPECT_EQ(ids(beyond_keep(others, releases, 0, 1)),
            (std::vector<std::int64_t>{10009, 10003, 10005}));
  EXPECT_EQ(ids(beyond_keep(others, releases, 10001, 1)),
            (std::vector<std::int64_t>{10009, 10003}));
  EXPECT_TRUE(beyond_keep(others, releases, 0, 4).empty());
}

TEST(OldGuests, AreKnownByTheirNames) {
  EXPECT_TRUE(is_name_of("web-1a2b3c4", "web"));
  for (const char* name : {"web", "web-1a2b3c", "web-1a2b3c4d", "web-frontend", "web2-1a2b3c4"}) {
    EXPECT_FALSE(is_name_of(name, "web")) << name;
  }
}

TEST(Locks, RunOut) {
  GuestRecord record = a_record();
  const auto now = *parse_utc("2026-11-30T12:00:00Z");
  EXPECT_FALSE(is_locked(record, now));
  record.lock = Json::object().set("until", "2026-11-30T12:00:01Z");
  EXPECT_TRUE(is_locked(record, now));
  record.lock = Json::object().set("until", "2026-11-30T12:00:00Z");
  EXPECT_FALSE(is_locked(record, now));
  record.lock = Json::object().set("until", "soon");
  EXPECT_FALSE(is_locked(record, now));
}

}  // namespace
}  // namespace pca::proxmox_deploy
