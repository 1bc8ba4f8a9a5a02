#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "base/result.hpp"
#include "net/file_descriptor.hpp"

namespace pca::tunnel_ssh {

// Something that happens once, for threads that wait by poll(). Thread safe.
class Event {
 public:
  Event();
  void happen();                                      // safe to call twice
  [[nodiscard]] int fd() const { return fd_.get(); }  // readable from then on

 private:
  FileDescriptor fd_;
};

// Waits until `fd` is readable, and meanwhile serves what must not be left alone.
using WaitOn = std::function<Result<>(int fd)>;

// The points of a deploy where the workers of all hosts wait for each other.
// Those with _approved behind them are for what the runner's hook says of it.
enum class Meeting : std::uint8_t {
  compared,
  checked,
  checked_approved,
  staged,
  staged_approved,
  started,
  switched,
  switched_approved,
  healthy,
  settled,
  settled_approved,
};
inline constexpr std::size_t meetings = 11;

// Lets no host go on to the next phase before all have ended this one. Thread safe.
class Rendezvous {
 public:
  explicit Rendezvous(std::size_t members) {
    missing_.fill(members);
    is_good_.fill(true);
  }

  // Comes with a verdict and waits for all others; whether all verdicts were good. Each member
  // comes to each meeting at most once, in order; what one leaves out all leave out.
  Result<bool> meet(Meeting meeting, bool is_good, const WaitOn& wait);
  // Comes to no further meeting, `from` included: for the others a bad verdict at all of them.
  void leave(Meeting from);

 private:
  void arrive(std::size_t meeting, bool is_good);

  std::mutex mutex_;
  std::array<std::size_t, meetings> missing_;
  std::array<bool, meetings> is_good_{};
  std::array<Event, meetings> complete_;
};

// Lets one after the other take its turn, in the order of their indices. Thread safe.
class Turns {
 public:
  explicit Turns(std::size_t members) : done_(members) {}
  Result<> wait_for(std::size_t index, const WaitOn& wait) {
    return index == 0 ? Result<>() : wait(done_[index - 1].fd());
  }
  void pass(std::size_t index) { done_[index].happen(); }

 private:
  std::vector<Event> done_;
};

}  // namespace pca::tunnel_ssh
