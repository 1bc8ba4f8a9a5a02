#include "tunnel-ssh/rendezvous.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

namespace pca::tunnel_ssh {

Event::Event() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void Event::happen() {
  const std::uint64_t one = 1;
  (void)!::write(fd_.get(), &one, sizeof one);  // fails only when it is readable already
}

void Rendezvous::arrive(std::size_t meeting, bool is_good) {
  const std::lock_guard lock(mutex_);
  if (!is_good) is_good_[meeting] = false;
  if (--missing_[meeting] == 0) complete_[meeting].happen();
}

Result<bool> Rendezvous::meet(Meeting meeting, bool is_good, const WaitOn& wait) {
  const auto index = static_cast<std::size_t>(meeting);
  arrive(index, is_good);
  PCA_CHECK(wait(complete_[index].fd()));
  const std::lock_guard lock(mutex_);
  return is_good_[index];
}

void Rendezvous::leave(Meeting from) {
  for (auto index = static_cast<std::size_t>(from); index < meetings; ++index) {
    arrive(index, false);
  }
}

}  // namespace pca::tunnel_ssh
