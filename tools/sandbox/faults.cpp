#include "sandbox/faults.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/text.hpp"

namespace pca::sandbox {

namespace {

enum class Argument : std::uint8_t { none, bytes, size, duration, count };

// `fallback` is the argument when none is given; empty = it has to be given.
struct FaultName {
  const char* name;
  FaultKind kind;
  Argument argument;
  const char* fallback;
  const char* meaning;
  FaultServer servers = FaultServer::edge;

  [[nodiscard]] bool is_of(FaultServer server) const {
    return (static_cast<int>(servers) & static_cast<int>(server)) != 0;
  }
};

constexpr FaultName fault_names[] = {
    {"silent-tcp", FaultKind::silent_tcp, Argument::none, "", "accepts, then says nothing",
     FaultServer::every},
    {"silent-tls", FaultKind::silent_tls, Argument::none, "",
     "completes TLS, then never answers the request", FaultServer::every},
    {"silent-upgrade", FaultKind::silent_upgrade, Argument::none, "",
     "upgrades, then passes nothing on"},
    {"reset-on-connect", FaultKind::reset_on_connect, Argument::none, "",
     "resets every connection at once", FaultServer::every},
    {"reset-twice", FaultKind::reset_twice, Argument::none, "",
     "resets the first two connections, then serves", FaultServer::every},
    {"502-twice", FaultKind::refuse_502_twice, Argument::none, "",
     "answers the first two requests with 502, then serves", FaultServer::every},
    {"530-twice", FaultKind::refuse_530_twice, Argument::none, "",
     "answers the first two requests with 530, then serves"},
    {"slow-headers", FaultKind::slow_headers, Argument::duration, "100ms",
     "sends each byte of the answer this much after the one before"},
    {"huge-headers", FaultKind::huge_headers, Argument::size, "1MiB",
     "adds a header of this size to the answer", FaultServer::every},
    {"bad-accept", FaultKind::bad_accept, Argument::none, "",
     "upgrades with a wrong Sec-WebSocket-Accept"},
    {"junk-after-upgrade", FaultKind::junk_after_upgrade, Argument::none, "",
     "follows the upgrade with bytes that are no frame"},
    {"glued-upgrade", FaultKind::glued_upgrade, Argument::none, "",
     "sends the upgrade and the origin's first bytes with one write"},
    {"close-early", FaultKind::close_early, Argument::none, "",
     "closes with code 1001 directly after the upgrade"},
    {"half-frame", FaultKind::half_frame, Argument::none, "",
     "dies in the middle of the first frame down"},
    {"drop-after", FaultKind::drop_after, Argument::bytes, "",
     "ends the connection after so many bytes, both ways together"},
    {"reset-after", FaultKind::reset_after, Argument::bytes, "",
     "resets the connection after so many bytes, both ways together"},
    {"stall-after", FaultKind::stall_after, Argument::bytes, "",
     "passes nothing on and reads nothing more after so many bytes, both ways together"},
    {"ping-flood", FaultKind::ping_flood, Argument::count, "10000",
     "sends so many full pings directly after the upgrade"},
    {"ping-between-frames", FaultKind::ping_between_frames, Argument::none, "",
     "puts a ping between the fragments of a message"},
    {"big-frame", FaultKind::big_frame, Argument::size, "1MiB",
     "sends down frames that announce this size and fill as bytes come"},
    {"text-down", FaultKind::text_down, Argument::none, "", "sends text messages down"},
    {"masked-down", FaultKind::masked_down, Argument::none, "",
     "masks the frames down, against the protocol"},
    {"slow-answer", FaultKind::slow_answer, Argument::duration, "2s",
     "answers each request this much later", FaultServer::apis},
    {"500-always", FaultKind::always_500, Argument::none, "", "answers every request with 500",
     FaultServer::apis},
    {"rate-limit", FaultKind::rate_limit, Argument::count, "1",
     "answers the first request with 403: the hour's requests are used up, for so many seconds",
     FaultServer::github},
    {"secondary-limit", FaultKind::secondary_limit, Argument::count, "1",
     "answers the first request with 403 and Retry-After of so many seconds", FaultServer::github},
    {"lost-answer", FaultKind::lost_answer, Argument::count, "1",
     "does what the Nth write asks for, then resets instead of answering", FaultServer::apis},
    {"no-json", FaultKind::no_json, Argument::none, "", "answers every request with a web page",
     FaultServer::apis},
    {"moved", FaultKind::moved, Argument::none, "",
     "answers the repository's name with 307, as after a renaming", FaultServer::github},
    {"personal-token", FaultKind::personal_token, Argument::none, "",
     "refuses what writes as if the token were a person's", FaultServer::github},
    {"429", FaultKind::too_many_requests, Argument::count, "1",
     "answers the first request with 429 and Retry-After of so many seconds", FaultServer::compass},
    {"500-twice", FaultKind::answer_500_twice, Argument::none, "",
     "answers the first two requests with 500, then serves", FaultServer::compass},
};

std::string spelling(const FaultName& fault) {
  const auto with = [&](const char* argument) {
    return *fault.fallback == '\0' ? fmt::format("{}:{}", fault.name, argument)
                                   : fmt::format("{}[:{}]", fault.name, fault.fallback);
  };
  switch (fault.argument) {
    case Argument::bytes:
    case Argument::count:
      return with("N");
    case Argument::size:
      return with("SIZE");
    case Argument::duration:
      return with("DURATION");
    case Argument::none:
      break;
  }
  return fault.name;
}

Result<std::uint64_t> parse_argument(Argument type, std::string_view text) {
  const auto to_unsigned = [](auto value) { return static_cast<std::uint64_t>(value); };
  if (type == Argument::size) return parse_size(text);
  if (type == Argument::duration) {
    PCA_TRY(const auto value, parse_duration(text));
    return to_unsigned(value.count());
  }
  // Bytes may be said bare, because tests count them exactly.
  if (const auto number = parse_integer(text, 0, INT64_MAX)) return to_unsigned(*number);
  if (type == Argument::bytes) return parse_size(text);
  return bad_input(fmt::format("\"{}\" is no number", visible(text)));
}

}  // namespace

std::vector<FaultHelp> fault_help(FaultServer server) {
  std::vector<FaultHelp> help;
  for (const FaultName& fault : fault_names) {
    if (fault.is_of(server)) help.push_back({spelling(fault), fault.meaning});
  }
  return help;
}

Result<Fault> parse_fault(std::string_view text, FaultServer server) {
  const auto colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  const auto* const fault = std::find_if(
      std::begin(fault_names), std::end(fault_names),
      [&](const FaultName& known) { return known.is_of(server) && known.name == name; });
  if (fault == std::end(fault_names)) {
    std::vector<std::string> names;
    for (const FaultName& known : fault_names) {
      if (known.is_of(server)) names.emplace_back(known.name);
    }
    const std::string near = nearest(name, names);
    return bad_input(fmt::format("there is no fault \"{}\"", visible(name)),
                     near.empty() ? "They are: " + join(names, ", ") + "."
                                  : fmt::format("Did you mean {}?", near));
  }
  const bool has_argument = colon != std::string_view::npos;
  if (fault->argument == Argument::none) {
    if (has_argument) {
      return bad_input(fmt::format("the fault {} takes no argument", name),
                       fmt::format("Write {}.", name));
    }
    return Fault{fault->kind, 0};
  }
  const std::string_view argument = has_argument ? text.substr(colon + 1) : fault->fallback;
  const auto value = parse_argument(fault->argument, argument);
  if (!value) {
    return bad_input(
        fmt::format("the fault {} has a bad argument: {}", name, value.error().message),
        fmt::format("Write {}.", spelling(*fault)));
  }
  return Fault{fault->kind, *value};
}

const Fault* Faults::find(FaultKind kind) const {
  const auto found = std::find_if(faults_.begin(), faults_.end(),
                                  [&](const Fault& fault) { return fault.kind == kind; });
  return found == faults_.end() ? nullptr : &*found;
}

}  // namespace pca::sandbox
