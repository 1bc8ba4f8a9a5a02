#include "swarm-deploy/swarm_events.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <array>
#include <utility>

#include "base/text.hpp"
#include "net/byte_stream.hpp"
#include "swarm-deploy/swarm_watch.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr std::size_t longest_text = 200;
// A node that starts a hundred containers a second tells less than a tenth of it.
constexpr std::size_t most_a_second = std::size_t{4} * 1024 * 1024;
constexpr std::size_t least_event = 400;  // what a line counts for beside its length
constexpr Milliseconds longest_life = std::chrono::hours(24);

// What an Engine is asked to tell of. Without "event" it would tell of each health check.
std::string query() {
  constexpr std::array<std::pair<const char*, const char*>, 8> terms{{{"type", "service"},
                                                                      {"type", "container"},
                                                                      {"type", "node"},
                                                                      {"event", "update"},
                                                                      {"event", "remove"},
                                                                      {"event", "start"},
                                                                      {"event", "die"},
                                                                      {"event", "health_status"}}};
  const std::vector<std::pair<std::string, std::string>> all(terms.begin(), terms.end());
  return "/events?" + engine_filter(all);
}

// How much comes in a second.
class Rate {
 public:
  void add(std::size_t bytes) {
    const Clock::time_point now = Clock::now();
    if (now - since_ >= std::chrono::seconds(1)) {
      since_ = now;
      bytes_ = 0;
    }
    bytes_ += bytes;
  }
  [[nodiscard]] bool is_bearable() const { return bytes_ <= most_a_second; }

 private:
  Clock::time_point since_ = Clock::now();
  std::size_t bytes_ = 0;
};

}  // namespace

void EventLines::add(std::string_view piece,
                     const std::function<void(std::string_view line)>& take) {
  while (!piece.empty()) {
    const std::size_t end = piece.find('\n');
    const std::string_view part = piece.substr(0, end);
    is_too_long_ = is_too_long_ || begun_.size() + part.size() > longest;
    if (is_too_long_) {
      begun_.clear();
    } else {
      begun_.append(part);
    }
    if (end == std::string_view::npos) return;
    if (!is_too_long_) take(begun_);
    begun_.clear();
    is_too_long_ = false;
    piece.remove_prefix(end + 1);
  }
}

std::optional<std::string> event_of_stack(std::string_view line, const std::string& stack) {
  if (!line.starts_with('{')) return std::nullopt;
  const auto event = parse_json(line, {.bytes = EventLines::longest, .depth = 8, .values = 5000});
  if (!event) return std::nullopt;
  const std::string type = event->text_of("Type");
  const Json* actor = event->find("Actor");
  const Json* about = actor == nullptr ? nullptr : actor->find("Attributes");
  if (about == nullptr) return std::nullopt;
  std::string name = about->text_of("name");
  if (type == "service") {
    if (!name.starts_with(stack + "_")) return std::nullopt;
  } else if (type == "container") {
    if (about->text_of("com.docker.stack.namespace") != stack) return std::nullopt;
    name = about->text_of("com.docker.swarm.service.name");
  } else if (type != "node" ||
             (about->find("state.new") == nullptr && about->find("availability.new") == nullptr)) {
    return std::nullopt;
  }
  return visible(cut_utf8(
      to_valid_utf8(fmt::format("{} {}: {}", type, name, event->text_of("Action"))), longest_text));
}

SwarmEvents::SwarmEvents(Engine& engine, Reporter& reporter, std::string stack)
    : engine_(engine),
      reporter_(reporter),
      stack_(std::move(stack)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

SwarmEvents::~SwarmEvents() = default;

bool SwarmEvents::pause(const Budget& budget, Milliseconds length) {
  if (!listener_.joinable()) {
    listener_ = std::jthread([this](const std::stop_token& stop) { listen(stop); });
  }
  tell_end();
  const Clock::time_point start = Clock::now();
  const std::array handles{PollHandle{wake_.get(), POLLIN}};
  (void)wait_ready(budget, handles, start + length, "waiting for the swarm");
  const auto heard = take_heard();
  if (!heard) return false;
  reporter_.debug(fmt::format("Looking again, because of an event: {}", *heard));
  const auto least = std::min(length, shortest_pause);
  const auto rest = std::chrono::ceil<Milliseconds>(start + least - Clock::now());
  if (rest > Milliseconds{0}) (void)wait_a_moment(budget, rest);
  return true;
}

void SwarmEvents::listen(const std::stop_token& stop) {
  EventLines lines;
  Rate rate;
  const auto hear = [&](std::string_view line) {
    rate.add(least_event);
    if (const auto event = event_of_stack(line, stack_)) note(*event);
  };
  const EngineRequest request{
      .path = query(), .answer_limit = EventLines::longest, .sink = [&](std::string_view piece) {
        rate.add(piece.size());
        lines.add(piece, hear);
        return rate.is_bearable();
      }};
  const auto done = engine_.follow(Budget::of(longest_life, stop), request);
  const std::lock_guard lock(mutex_);
  if (!done) {
    ended_ = done.error().message;
  } else if (rate.is_bearable()) {
    ended_ = "the Engine ended its answer";
  } else {
    ended_ = "it told more than anybody could use";
  }
}

void SwarmEvents::note(const std::string& event) {
  const std::lock_guard lock(mutex_);
  if (heard_) return;
  heard_ = event;
  ::eventfd_write(wake_.get(), 1);
}

std::optional<std::string> SwarmEvents::take_heard() {
  const std::lock_guard lock(mutex_);
  eventfd_t count = 0;
  ::eventfd_read(wake_.get(), &count);
  return std::exchange(heard_, std::nullopt);
}

void SwarmEvents::tell_end() {
  std::string why;
  {
    const std::lock_guard lock(mutex_);
    why.swap(ended_);
  }
  if (why.empty()) return;
  reporter_.debug(fmt::format(
      "No events are heard any more ({}): the services are looked at all the same", why));
}

}  // namespace pca::swarm_deploy
