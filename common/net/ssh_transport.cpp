#include "net/ssh_transport.hpp"

#include <fmt/format.h>
#include <malloc.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>

#include "base/text.hpp"

// Reads and sorts one packet; part of libssh2, but not of its interface, where reading is a side
// effect of asking for something. A session that asks for nothing has to answer its server, too.
extern "C" int _libssh2_transport_read(LIBSSH2_SESSION* session);

namespace pca {

namespace {

constexpr std::size_t most_memory = std::size_t{512}
                                    << 20U;  // of one session, queued data included
constexpr std::size_t congested = std::size_t{1} << 20U;
constexpr std::size_t most_queued = std::size_t{8} << 20U;  // of answers that the server asked for
constexpr std::size_t most_in_a_turn = std::size_t{1} << 20U;
constexpr std::size_t read_ahead = 16384;
constexpr std::size_t small_read = 4096;    // below this a read of its own is not worth it
constexpr std::size_t direct_write = 4096;  // below this bytes wait for company
constexpr std::size_t longest_farewell = 300;
constexpr long no_timeout_seconds = 1L << 30;  // of libssh2's own: the Budget is the limit

}  // namespace

// What libssh2 calls; `abstract` is the SshTransport.
struct SshCallbacks {
  static SshTransport& of(void** abstract) { return *static_cast<SshTransport*>(*abstract); }

  static void* allocate(std::size_t size, void** abstract) { return of(abstract).allocate(size); }
  static void* reallocate(void* block, std::size_t size, void** abstract) {
    return of(abstract).reallocate(block, size);
  }
  static void release(void* block, void** abstract) { of(abstract).release(block); }

  static ssize_t send(libssh2_socket_t /*fd*/, const void* bytes, std::size_t size, int /*flags*/,
                      void** abstract) {
    return of(abstract).send({static_cast<const char*>(bytes), size});
  }
  static ssize_t receive(libssh2_socket_t /*fd*/, void* into, std::size_t size, int /*flags*/,
                         void** abstract) {
    return of(abstract).receive({static_cast<char*>(into), size});
  }
  static void disconnected(LIBSSH2_SESSION* /*session*/, int /*reason*/, const char* message,
                           int size, const char* /*language*/, int /*language_size*/,
                           void** abstract) {
    if (message == nullptr || size < 0) return;
    const std::string_view text(message, static_cast<std::size_t>(size));
    of(abstract).farewell_ = visible(trim(cut_utf8(text, longest_farewell)));
  }
};

SshTransport::SshTransport(std::unique_ptr<ByteStream> stream)
    : stream_(std::move(stream)), last_received_(Clock::now()) {
  raw_ = libssh2_session_init_ex(SshCallbacks::allocate, SshCallbacks::release,
                                 SshCallbacks::reallocate, this);
  if (raw_ == nullptr) throw std::bad_alloc();
  const auto set = [this](int which, auto callback) {
    libssh2_session_callback_set2(raw_, which, reinterpret_cast<libssh2_cb_generic*>(callback));
  };
  set(LIBSSH2_CALLBACK_SEND, SshCallbacks::send);
  set(LIBSSH2_CALLBACK_RECV, SshCallbacks::receive);
  set(LIBSSH2_CALLBACK_DISCONNECT, SshCallbacks::disconnected);
  libssh2_session_set_blocking(raw_, 0);
  libssh2_session_set_read_timeout(raw_, no_timeout_seconds);
}

SshTransport::~SshTransport() {
  let_go();
  libssh2_session_free(raw_);
}

Result<int> SshTransport::complete(const Budget& budget, const std::string& doing,
                                   const std::function<int()>& step) {
  while (true) {
    PCA_CHECK(budget.check(doing));
    begin_turn();
    const int code = step();
    flush();
    if (greeting_problem_) return *greeting_problem_;
    if (code != LIBSSH2_ERROR_EAGAIN) return code;
    if (is_lost()) return lost(doing);
    if (take_news()) continue;
    const PollHandle handle = poll_handle();
    PCA_CHECK(wait_ready(budget, {&handle, 1}, budget.deadline(), doing));
    move_out();
    is_dry_ = false;  // `step` reads by itself
  }
}

Error SshTransport::problem(int code, const std::string& doing) const {
  if (is_lost() || !farewell_.empty()) return lost(doing);
  char* text = nullptr;
  libssh2_session_last_error(raw_, &text, nullptr, 0);
  if (code == LIBSSH2_ERROR_ALLOC) {
    return failed(fmt::format("{} makes this end hold more than {} while {}", peer(),
                              format_size(most_memory), doing));
  }
  return unreachable(fmt::format("SSH protocol error with {} while {}: {} (libssh2 {})", peer(),
                                 doing, text == nullptr ? "" : text, code),
                     "Check that this port is an SSH server's and that nothing on the way meddles "
                     "with what it says.");
}

Error SshTransport::lost(const std::string& doing) const {
  std::string reason = broken_ ? broken_->message : peer() + " closed the connection";
  if (!farewell_.empty()) reason = fmt::format("{} ended the session: {}", peer(), farewell_);
  const bool is_known = !greeting_.identification().empty();
  const std::string said = is_known ? "" : greeting_.preceding_text();
  if (!said.empty()) reason += fmt::format(" (it said: {})", said);
  std::string hint = broken_ ? broken_->hint : "";
  if (hint.empty()) {
    hint = is_known ? "The log of its SSH server may say why; or else look at what is between."
                    : "Check host and port. An SSH server ends a connection so early when it has "
                      "too many (MaxStartups) or refuses this address; its log says so.";
  }
  return unreachable(fmt::format("the connection was lost while {}: {}", doing, reason),
                     std::move(hint));
}

bool SshTransport::move_out() {
  const auto sent = stream_->service();
  if (!sent && !broken_) broken_ = sent.error();
  flush();
  return out_.empty() && (!sent || *sent);
}

void SshTransport::begin_turn() { allowance_ = most_in_a_turn; }

bool SshTransport::service() {
  move_out();
  begin_turn();
  is_dry_ = false;
  int code = 0;
  do {
    code = _libssh2_transport_read(raw_);
  } while (code > 0);
  if (code < 0 && code != LIBSSH2_ERROR_EAGAIN && !broken_) broken_ = problem(code, "reading");
  return move_out();  // some packets have to be answered
}

PollHandle SshTransport::poll_handle() const {
  PollHandle handle = stream_->poll_handle();
  if (!out_.empty()) handle.events = static_cast<short>(handle.events | POLLOUT);
  // The stream may hold bytes of its own, which poll() does not see.
  if (allowance_ == 0 && !at_end_) handle.wake_at = {};
  return handle;
}

bool SshTransport::is_congested() const { return out_.size() - out_start_ >= congested; }

bool SshTransport::take_news() { return std::exchange(has_news_, false); }

Result<> SshTransport::close(const Budget& budget) {
  if (std::exchange(closed_, true)) return {};
  if (!is_lost()) {
    libssh2_session_disconnect(raw_, "");
    while (!service() && !is_lost()) {
      const PollHandle handle = poll_handle();
      PCA_CHECK(wait_ready(budget, {&handle, 1}, budget.deadline(), "closing the SSH session"));
    }
  }
  let_go();
  return stream_->close(budget);
}

void SshTransport::answer_prompt(const char* /*name*/, int /*name_size*/,
                                 const char* /*instruction*/, int /*instruction_size*/, int count,
                                 const LIBSSH2_USERAUTH_KBDINT_PROMPT* prompts,
                                 LIBSSH2_USERAUTH_KBDINT_RESPONSE* responses, void** abstract) {
  SshTransport& self = SshCallbacks::of(abstract);
  // Anything but one hidden prompt asks for something else than the password.
  if (count != 1 || prompts[0].echo != 0 || self.password_ == nullptr) return;
  const std::string_view password = std::exchange(self.password_, nullptr)->expose();
  responses[0].text = static_cast<char*>(self.allocate(password.size() + 1));
  if (responses[0].text == nullptr) return;
  std::memcpy(responses[0].text, password.data(), password.size());
  responses[0].length = static_cast<unsigned>(password.size());
}

ssize_t SshTransport::receive(std::span<char> into) {
  if (let_go_) return -ECONNRESET;
  // libssh2 looks for a line end as long as bytes come, so a flood would keep it for ever.
  if (greeting_problem_) return -EAGAIN;
  if (in_start_ == in_.size() && into.size() < small_read) {
    in_.resize(read_ahead);
    in_start_ = 0;
    const ssize_t got = read_stream(in_);
    in_.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  }
  if (in_start_ == in_.size()) return into.size() < small_read ? -EAGAIN : read_stream(into);
  const std::size_t count = std::min(into.size(), in_.size() - in_start_);
  std::memcpy(into.data(), in_.data() + in_start_, count);
  in_start_ += count;
  return static_cast<ssize_t>(count);
}

// libssh2 tries to read before nearly everything it does; one look at an empty stream is enough
// until poll() has had its turn.
ssize_t SshTransport::read_stream(std::span<char> into) {
  if (at_end_ || is_dry_ || allowance_ == 0) return -EAGAIN;
  const auto got = stream_->read(into.first(std::min(into.size(), allowance_)));
  if (!got && !broken_) broken_ = got.error();
  at_end_ = !got || got->end;
  is_dry_ = !got || got->bytes == 0;
  if (is_dry_) return -EAGAIN;
  allowance_ -= got->bytes;
  note_received({into.data(), got->bytes});
  return static_cast<ssize_t>(got->bytes);
}

void SshTransport::note_received(std::string_view bytes) {
  has_news_ = true;
  last_received_ = Clock::now();
  if (greeting_.is_complete() || greeting_problem_) return;
  if (auto fed = greeting_.feed(bytes); !fed) greeting_problem_ = fed.error();
}

ssize_t SshTransport::send(std::span<const char> bytes) {
  const auto whole = static_cast<ssize_t>(bytes.size());
  if (let_go_ || broken_) return whole;
  if (out_.empty() && bytes.size() >= direct_write) {
    const auto taken = stream_->write(bytes);
    if (!taken) {
      broken_ = taken.error();
      return whole;
    }
    bytes = bytes.subspan(*taken);
  }
  if (out_.size() - out_start_ + bytes.size() > most_queued) {
    broken_ = unreachable(fmt::format("{} asks for more than it reads: {} of answers wait for it",
                                      peer(), format_size(most_queued)),
                          "No SSH server does so: check what answers on this port.");
    at_end_ = true;  // or its questions would go on
    return whole;
  }
  out_.append(bytes.data(), bytes.size());
  return whole;
}

void SshTransport::flush() {
  while (out_start_ < out_.size() && !broken_) {
    const auto taken = stream_->write(std::span(out_).subspan(out_start_));
    if (!taken) {
      broken_ = taken.error();
    } else if (*taken == 0) {
      if (out_start_ >= congested) out_.erase(0, std::exchange(out_start_, 0));
      return;
    } else {
      out_start_ += *taken;
    }
  }
  out_.clear();
  out_start_ = 0;
}

// malloc() knows how large a block is, so the count needs no header of its own.
void* SshTransport::allocate(std::size_t size) {
  if (size > most_memory - std::min(most_memory, allocated_)) return nullptr;
  void* block = std::malloc(size);
  if (block != nullptr) allocated_ += ::malloc_usable_size(block);
  return block;
}

void* SshTransport::reallocate(void* block, std::size_t size) {
  if (size > most_memory - std::min(most_memory, allocated_)) return nullptr;
  const std::size_t before = block == nullptr ? 0 : ::malloc_usable_size(block);
  void* grown = std::realloc(block, size);
  if (grown != nullptr) allocated_ += ::malloc_usable_size(grown) - before;
  return grown;
}

void SshTransport::release(void* block) {
  if (block != nullptr) allocated_ -= ::malloc_usable_size(block);
  std::free(block);
}

}  // namespace pca
