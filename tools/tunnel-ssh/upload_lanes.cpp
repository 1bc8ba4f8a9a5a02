#include "tunnel-ssh/upload_lanes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr int first_lane = 4;  // descriptors of the host's shell, which may have one digit
constexpr int most_lanes = 6;
constexpr double window = 2 << 20;           // bytes; OpenSSH's CHAN_SES_WINDOW_DEFAULT
constexpr double fast_line = 250'000'000;    // bytes a second that it should be able to fill
constexpr std::uint64_t worth_it = 8 << 20;  // bytes; fewer are there before the lanes are
constexpr std::size_t longest_path = 4096;

// Reads where its FIFO is, opens it without waiting for a reader, and says so.
constexpr std::string_view lane_code =
    "read -r p && exec 3<>\"$p\" 4>\"$p\" 3<&- && echo && exec cat >&4";

}  // namespace

struct UploadLanes::Lane {
  enum class Stage : std::uint8_t { asked, told, ready, used, ended, lost };

  int number = 0;
  std::unique_ptr<SshChannel> channel;
  Stage stage = Stage::asked;
  std::string pending = {};
  std::size_t taken = 0;
  bool eof_sent = false;

  [[nodiscard]] bool has_pending() const { return taken < pending.size(); }
  void send(std::string text) {
    pending = std::move(text);
    taken = 0;
  }
};

UploadLanes::UploadLanes(RemoteShell& shell, int count) {
  for (int i = 0; i < count; ++i) {
    if (auto channel = shell.begin_beside(lane_code)) {
      lanes_.push_back({first_lane + i, std::move(channel)});
    }
  }
}

UploadLanes::~UploadLanes() = default;

std::string UploadLanes::numbers() const {
  std::vector<std::string> numbers;
  for (const Lane& lane : lanes_) numbers.push_back(std::to_string(lane.number));
  return join(numbers, " ");
}

void UploadLanes::hear(std::string_view said) {
  said_ += said.substr(0, longest_path - std::min(longest_path, said_.size()));
  const std::size_t end = said_.find('\n');
  if (end == std::string::npos || is_told_) return;
  is_told_ = true;
  const std::string folder = said_.substr(0, end);
  for (Lane& lane : lanes_) {
    if (lane.stage != Lane::Stage::asked) continue;
    lane.send(fmt::format("{}/lane{}\n", folder, lane.number));
    lane.stage = Lane::Stage::told;
  }
}

bool UploadLanes::step() {
  bool moved = false;
  for (Lane& lane : lanes_) {
    const bool lane_moved = step(lane);
    moved = moved || lane_moved;
  }
  return moved;
}

bool UploadLanes::step(Lane& lane) {
  using Stage = Lane::Stage;
  if (lane.stage == Stage::ended || lane.stage == Stage::lost) return false;
  const auto lose = [&] {
    if (lane.stage == Stage::used) is_broken_ = true;
    lane.stage = Stage::lost;
    return true;
  };
  std::array<char, 1024> buffer{};
  const auto out = lane.channel->read(buffer);
  const auto errors = lane.channel->read_stderr(buffer);
  if (!out || !errors) return lose();
  bool moved = out->bytes + errors->bytes > 0;
  // The FIFO's other end may be left to whoever reads it only when all of it has gone in.
  if (const auto exit = lane.channel->exit()) {
    if (!lane.eof_sent || exit->code != 0) return lose();
    lane.stage = Stage::ended;
    return true;
  }
  if (lane.stage == Stage::told && out->bytes > 0) lane.stage = Stage::ready;
  while (lane.has_pending()) {
    const auto taken = lane.channel->write(std::span(lane.pending).subspan(lane.taken));
    if (!taken) return lose();
    if (*taken == 0) return moved;
    lane.taken += *taken;
    moved = true;
  }
  if (is_finished_ && lane.stage == Stage::used && !lane.eof_sent) {
    const auto sent = lane.channel->send_eof();
    if (!sent) return lose();
    lane.eof_sent = *sent;
    moved = moved || *sent;
  }
  return moved;
}

std::string UploadLanes::carry(std::string piece) {
  using Stage = Lane::Stage;
  const std::size_t size = piece.size();
  const auto free = std::find_if(lanes_.begin(), lanes_.end(), [](const Lane& lane) {
    return (lane.stage == Stage::ready || lane.stage == Stage::used) && !lane.has_pending();
  });
  if (free == lanes_.end()) return fmt::format("{}\n", size) + piece;
  const bool is_new = free->stage == Stage::ready;
  free->stage = Stage::used;
  free->send(std::move(piece));
  (void)step(*free);
  return fmt::format("{}{} {}\n", is_new ? fmt::format("lane {}\n", free->number) : "", size,
                     free->number);
}

bool UploadLanes::is_through() const {
  return std::all_of(lanes_.begin(), lanes_.end(),
                     [](const Lane& lane) { return lane.stage != Lane::Stage::used; });
}

int lanes_for(std::uint64_t bytes, Clock::duration round_trip) {
  if (bytes < worth_it) return 0;
  const double seconds = std::chrono::duration<double>(round_trip).count();
  return std::min(most_lanes, static_cast<int>(seconds * fast_line / window));
}

}  // namespace pca::tunnel_ssh
