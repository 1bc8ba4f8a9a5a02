#include "tunnel-ssh/batches.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "base/text.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr std::int64_t most_hosts = 10'000;

// True when all of `batch` that started succeeded.
bool run_batch(const Batch& batch, std::size_t parallel,
               const std::function<bool(std::size_t)>& work, const std::stop_token& stop) {
  std::atomic<std::size_t> next{0};
  std::atomic<bool> all_good{true};
  const auto worker = [&] {
    for (std::size_t at = next++; at < batch.size() && !stop.stop_requested(); at = next++) {
      if (!work(batch[at])) all_good = false;
    }
  };
  std::vector<std::jthread> helpers;
  for (std::size_t count = std::min(parallel, batch.size()); count > 1; --count) {
    helpers.emplace_back(worker);
  }
  worker();
  helpers.clear();  // joins
  return all_good;
}

}  // namespace

Result<BatchSize> parse_batch_size(std::string_view text) {
  const bool is_percent = text.ends_with('%');
  const auto number = parse_integer(is_percent ? text.substr(0, text.size() - 1) : text, 1,
                                    is_percent ? 100 : most_hosts);
  if (!number) {
    return bad_input(fmt::format("\"{}\" is neither a number of hosts nor a share of them", text),
                     "Write 4, or 25%.");
  }
  return BatchSize{static_cast<std::size_t>(*number), is_percent};
}

std::vector<Batch> make_batches(std::size_t count, std::size_t canary, BatchSize size) {
  std::size_t width = size.number;
  if (size.is_percent) width = std::max<std::size_t>(1, count * size.number / 100);
  if (width == 0) width = count;
  std::vector<Batch> batches;
  std::size_t room = canary > 0 ? canary : width;
  for (std::size_t index = 0; index < count; ++index) {
    if (batches.empty() || batches.back().size() == room) {
      if (!batches.empty()) room = width;
      batches.emplace_back();
    }
    batches.back().push_back(index);
  }
  return batches;
}

BatchesEnd run_batches(const std::vector<Batch>& batches, std::size_t parallel,
                       const std::function<bool(std::size_t)>& work, const std::stop_token& stop) {
  for (const Batch& batch : batches) {
    const bool all_good = run_batch(batch, parallel, work, stop);
    if (stop.stop_requested()) return BatchesEnd::stopped;  // that made it fail, not a host
    if (!all_good) return BatchesEnd::batch_failed;
  }
  return BatchesEnd::all_started;
}

std::optional<StartGate::Place> StartGate::enter(const std::string& address,
                                                 const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  std::size_t& inside = inside_[address];
  const bool has_room = left_.wait(lock, stop, [&] { return inside < limit_; });
  if (!has_room) return std::nullopt;
  ++inside;
  return Place(*this, address);
}

void StartGate::leave(const std::string& address) {
  {
    const std::lock_guard lock(mutex_);
    --inside_[address];
  }
  left_.notify_all();
}

}  // namespace pca::tunnel_ssh
