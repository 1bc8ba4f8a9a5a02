// The guest agent: /nodes/{node}/qemu/{vmid}/agent.
#include <fmt/format.h>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "sandbox/proxmox_api.hpp"
#include "sandbox/proxmox_guests.hpp"

namespace pca::sandbox::proxmox {

namespace {

constexpr std::size_t largest_read = std::size_t{16} * 1024 * 1024;

// The guest, if its agent answers.
Outcome<Guest*> guest_with_agent(Cluster& cluster, const Call& call) {
  PCA_TRY(Guest * guest, cluster.guest_of(call, false));
  const std::string option = guest->value("agent");
  if (!option.starts_with("1") && !option.starts_with("enabled=1")) {
    return server_error("No QEMU guest agent configured");
  }
  if (guest->status == "stopped") {
    return server_error(fmt::format("VM {} is not running", guest->vmid));
  }
  if (!is_ready(cluster, *guest) || guest->agent.state == "dead") {
    Failure failure = server_error("QEMU guest agent is not running");
    failure.delay = timing::silent_agent.time;
    return failure;
  }
  return guest;
}

Outcome<Guest*> guest_for(Cluster& cluster, const Call& call, std::string_view command) {
  PCA_TRY(Guest * guest, guest_with_agent(cluster, call));
  const bool is_exec = command.starts_with("guest-exec") || command.starts_with("guest-file");
  if (guest->agent.state == "no-exec" && is_exec) {
    return server_error(fmt::format("Agent error: Command {} has been disabled", command));
  }
  return guest;
}

Json result_of(Json value) {
  Json out = Json::object();
  return out.set("result", std::move(value));
}

Outcome<> ping(Cluster& cluster, Call& call) {
  PCA_TRY([[maybe_unused]] Guest * guest, guest_with_agent(cluster, call));
  return result_of(Json::object());
}

Json interface_of(const std::string& name, const std::string& mac,
                  const std::vector<std::pair<std::string, int>>& addresses) {
  Json list = Json::array();
  for (const auto& [address, prefix] : addresses) {
    Json item = Json::object();
    item.set("ip-address", address).set("prefix", prefix);
    list.push(
        item.set("ip-address-type", address.find(':') == std::string::npos ? "ipv4" : "ipv6"));
  }
  Json out = Json::object();
  return out.set("name", name).set("hardware-address", mac).set("ip-addresses", list);
}

Outcome<> interfaces(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, guest_with_agent(cluster, call));
  Json out = Json::array();
  out.push(interface_of("lo", "00:00:00:00:00:00", {{"127.0.0.1", 8}, {"::1", 128}}));
  Guest booted = *guest;
  booted.config = guest->booted;
  for (int number = 0; number < 32; ++number) {
    const std::string card = booted.value(fmt::format("net{}", number));
    if (card.empty()) continue;
    const Parameters parts = parse_property(card, "model");
    const std::string mac = to_lower(parts.empty() ? "" : parts.front().second);
    std::vector<std::pair<std::string, int>> addresses;
    if (guest->agent.addresses == "all") {
      if (number == 0) {
        addresses.emplace_back(address_of(booted), 8);
      } else {
        addresses.emplace_back(fmt::format("10.99.{}.{}", number, guest->vmid % 250 + 1), 24);
      }
      addresses.emplace_back("fe80::be24:11ff:fe00:1", 64);
    }
    out.push(interface_of(fmt::format("eth{}", number), mac, addresses));
  }
  if (guest->agent.addresses != "none") {
    out.push(interface_of("docker0", "02:42:5e:11:00:01", {{"172.17.0.1", 16}}));
  }
  return result_of(std::move(out));
}

Outcome<> os_info(Cluster& cluster, Call& call) {
  PCA_TRY([[maybe_unused]] Guest * guest, guest_with_agent(cluster, call));
  Json out = Json::object();
  out.set("id", "debian").set("name", "Debian GNU/Linux").set("version-id", "12");
  out.set("version", "12 (bookworm)").set("pretty-name", "Debian GNU/Linux 12 (bookworm)");
  return result_of(out.set("machine", "x86_64").set("kernel-release", "6.1.0-28-cloud-amd64"));
}

Outcome<> host_name(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, guest_with_agent(cluster, call));
  const auto name = guest->booted.find("name");
  Json out = Json::object();
  return result_of(out.set("host-name", name == guest->booted.end() ? "debian" : name->second));
}

Outcome<> exec(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, guest_for(cluster, call, "guest-exec"));
  auto process =
      cluster.disks.run(std::to_string(guest->vmid), call.all("command"), call.text("input-data"));
  if (!process)
    return server_error("Agent error: Guest agent command failed, error was '" +
                        process.error().message + "'");
  const int pid = ++cluster.last_command;
  guest->commands[pid] = std::make_shared<GuestProcess>(*std::move(process));
  Json out = Json::object();
  return out.set("pid", std::to_string(pid));
}

// Once it has told that a command has ended, it knows nothing of it any more.
Outcome<> exec_status(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, guest_for(cluster, call, "guest-exec-status"));
  const auto found = guest->commands.find(static_cast<int>(call.number("pid")));
  if (found == guest->commands.end()) {
    return server_error("Agent error: PID lx does not exist");
  }
  const auto ended = found->second->ended();
  Json out = Json::object();
  out.set("exited", ended ? 1 : 0);
  if (!ended) return out;
  guest->commands.erase(found);
  if (ended->signal != 0) {
    out.set("signal", ended->signal);
  } else {
    out.set("exitcode", ended->code);
  }
  if (!ended->out.empty()) out.set("out-data", to_valid_utf8(ended->out));
  if (!ended->err.empty()) out.set("err-data", to_valid_utf8(ended->err));
  return out;
}

Outcome<> file_write(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, guest_for(cluster, call, "guest-file-open"));
  std::string content = call.text("content");
  if (!call.flag("encode", true)) {
    const auto decoded = base64_decode(content);
    if (!decoded) return server_error("Agent error: invalid base64 data");
    content = *decoded;
  }
  const auto written = cluster.disks.write(std::to_string(guest->vmid), call.text("file"), content);
  if (!written) return server_error("Agent error: " + written.error().message);
  return Json();
}

Outcome<> file_read(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, guest_for(cluster, call, "guest-file-open"));
  const auto text =
      cluster.disks.read(std::to_string(guest->vmid), call.text("file"), largest_read + 1);
  if (!text) return server_error("Agent error: " + text.error().message);
  const auto offset = static_cast<std::size_t>(call.number("offset", 0));
  const auto count =
      static_cast<std::size_t>(call.number("count", static_cast<std::int64_t>(largest_read)));
  std::string part = offset < text->size() ? text->substr(offset, count) : "";
  Json out = Json::object();
  if (offset + part.size() < text->size()) out.set("truncated", 1);
  if (!call.flag("decode", true)) {
    part = base64_encode({reinterpret_cast<const std::uint8_t*>(part.data()), part.size()});
  }
  return out.set("content", to_valid_utf8(part))
      .set("bytes-read", static_cast<std::int64_t>(part.size()));
}

Outcome<> freeze(Cluster& cluster, Call& call) {
  PCA_TRY([[maybe_unused]] Guest * guest, guest_with_agent(cluster, call));
  return result_of(Json(1));
}

Outcome<> freeze_status(Cluster& cluster, Call& call) {
  PCA_TRY([[maybe_unused]] Guest * guest, guest_with_agent(cluster, call));
  return result_of(Json("thawed"));
}

Outcome<> agent_shutdown(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, guest_with_agent(cluster, call));
  const int vmid = guest->vmid;
  cluster.schedule.after(timing::shutdown.time, [&cluster, vmid] {
    const auto found = cluster.guests.find(vmid);
    if (found != cluster.guests.end()) halt(cluster, found->second);
  });
  return result_of(Json::object());
}

}  // namespace

std::vector<Endpoint> agent_endpoints() {
  const std::string agent = "/nodes/{node}/qemu/{vmid}/agent";
  const auto rule = [](const std::string& privileges) { return "/vms/{vmid} " + privileges; };
  const std::string audit = rule("VM.GuestAgent.Audit|VM.GuestAgent.Unrestricted");
  const std::string system = rule("VM.GuestAgent.FileSystemMgmt|VM.GuestAgent.Unrestricted");
  return {
      {"POST " + agent + "/ping", By::root, audit, "", ping},
      {"GET " + agent + "/network-get-interfaces", By::root, audit, "", interfaces},
      {"GET " + agent + "/get-osinfo", By::root, audit, "", os_info},
      {"GET " + agent + "/get-host-name", By::root, audit, "", host_name},
      {"POST " + agent + "/exec", By::root, rule("VM.GuestAgent.Unrestricted"),
       "command!:array input-data:string(65536)", exec},
      {"GET " + agent + "/exec-status", By::root, rule("VM.GuestAgent.Unrestricted"),
       "pid!:integer", exec_status},
      {"POST " + agent + "/file-write", By::root,
       rule("VM.GuestAgent.FileWrite|VM.GuestAgent.Unrestricted"),
       "file!:string content!:string(61440) encode:boolean", file_write},
      {"GET " + agent + "/file-read", By::root,
       rule("VM.GuestAgent.FileRead|VM.GuestAgent.Unrestricted"),
       "file!:string 9:count:integer(1..16777216) 9:offset:integer(0..) 9:decode:boolean",
       file_read},
      {"POST " + agent + "/fsfreeze-freeze", By::root, system, "", freeze},
      {"POST " + agent + "/fsfreeze-thaw", By::root, system, "", freeze},
      {"POST " + agent + "/fsfreeze-status", By::root,
       rule("VM.GuestAgent.Audit|VM.GuestAgent.FileSystemMgmt|VM.GuestAgent.Unrestricted"), "",
       freeze_status},
      {"POST " + agent + "/shutdown", By::root, rule("VM.PowerMgmt|VM.GuestAgent.Unrestricted"), "",
       agent_shutdown},
  };
}

}  // namespace pca::sandbox::proxmox
