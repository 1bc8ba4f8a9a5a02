#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace pca::tunnel_ssh {

// How many of the hosts make a batch: a number, or a share of all.
struct BatchSize {
  std::size_t number = 0;  // 0 = all
  bool is_percent = false;
};
// "4" or "25%"; bad_input otherwise.
[[nodiscard]] Result<BatchSize> parse_batch_size(std::string_view text);

// How work goes over several hosts.
struct Rollout {
  std::size_t parallel = 16;
  std::size_t canary = 0;
  BatchSize batch;
};

// Indices 0 to count-1 in order: first `canary` alone, then batches of `size`. None is empty.
using Batch = std::vector<std::size_t>;
[[nodiscard]] std::vector<Batch> make_batches(std::size_t count, std::size_t canary,
                                              BatchSize size);

// Why nothing further was started.
enum class BatchesEnd : std::uint8_t { all_started, batch_failed, stopped };

// Runs `work(index)` for each index of a batch, at most `parallel` at once in threads of their own,
// batch after batch. After a batch in which one gave false no further batch starts. All that
// started has ended when this returns. With `stop`, nothing new starts.
BatchesEnd run_batches(const std::vector<Batch>& batches, std::size_t parallel,
                       const std::function<bool(std::size_t index)>& work,
                       const std::stop_token& stop);

// Lets at most `limit` connections to one address be in the making at once: sshd drops some at
// random when more than 10 have not logged in (MaxStartups). Thread safe.
class StartGate {
 public:
  explicit StartGate(std::size_t limit) : limit_(limit) {}

  // A place at the gate; given back when destroyed.
  class Place {
   public:
    Place(StartGate& gate, std::string address) : gate_(&gate), address_(std::move(address)) {}
    Place(Place&& other) noexcept
        : gate_(std::exchange(other.gate_, nullptr)), address_(std::move(other.address_)) {}
    Place& operator=(Place&&) = delete;
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place() {
      if (gate_ != nullptr) gate_->leave(address_);
    }

   private:
    StartGate* gate_;
    std::string address_;
  };
  // Waits for a place; nothing when `stop` came first.
  [[nodiscard]] std::optional<Place> enter(const std::string& address, const std::stop_token& stop);

 private:
  void leave(const std::string& address);

  const std::size_t limit_;
  std::mutex mutex_;
  std::condition_variable_any left_;
  std::map<std::string, std::size_t> inside_;
};

}  // namespace pca::tunnel_ssh
