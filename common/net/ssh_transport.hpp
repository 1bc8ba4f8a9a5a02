#pragma once

// Inside net/ssh* only: shows libssh2's types.

#include <libssh2.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/secret.hpp"
#include "net/byte_stream.hpp"
#include "net/ssh_greeting.hpp"

namespace pca {

// A libssh2 session on top of a ByteStream: moves its bytes, keeps its memory within a limit and
// turns its error codes into Errors. Never blocks but in complete(). One thread.
//
// libssh2 never sees a full or broken stream. What the stream does not take is queued here, because
// libssh2 cannot send anything else while one packet is half out; and the end of the stream looks
// like "would block" to it, because it drops data that has arrived when reading fails.
class SshTransport {
 public:
  explicit SshTransport(std::unique_ptr<ByteStream> stream);
  ~SshTransport();
  SshTransport(const SshTransport&) = delete;
  SshTransport& operator=(const SshTransport&) = delete;

  [[nodiscard]] LIBSSH2_SESSION* raw() const { return raw_; }
  [[nodiscard]] const SshGreeting& greeting() const { return greeting_; }
  [[nodiscard]] std::string peer() const { return stream_->peer(); }

  // Calls `step` until it gives something else than LIBSSH2_ERROR_EAGAIN, waiting for the stream
  // in between. Gives what it gave, 0 or more; below 0 see problem().
  Result<int> complete(const Budget& budget, const std::string& doing,
                       const std::function<int()>& step);
  // The Error for a libssh2 code below 0.
  [[nodiscard]] Error problem(int code, const std::string& doing) const;
  [[nodiscard]] int last_code() const { return libssh2_session_last_errno(raw_); }

  // Moves bytes both ways: to be called when poll() woke up. What comes in is kept by libssh2 until
  // a channel is read. True when nothing is left to send. Begins a turn: how much comes in until
  // the next one is limited, so that a flood does not keep its reader from looking at its Budget.
  bool service();
  void flush();  // only what waits here: after calls that sent something
  [[nodiscard]] PollHandle poll_handle() const;
  // Whether so much waits for the stream that nothing more should be written now.
  [[nodiscard]] bool is_congested() const;
  // Whether bytes came in since the last call: then some channel may have data that nobody asked
  // for yet, and poll() would sleep over it.
  [[nodiscard]] bool take_news();
  [[nodiscard]] Clock::time_point last_received() const { return last_received_; }

  [[nodiscard]] bool is_lost() const { return at_end_ || broken_.has_value(); }
  [[nodiscard]] Error lost(const std::string& doing) const;
  // Why the server said it disconnects, made visible(); empty = it did not say.
  [[nodiscard]] const std::string& farewell() const { return farewell_; }

  // Whether the other end has shown that it is no SSH server that we could talk to.
  [[nodiscard]] bool is_stranger() const { return greeting_problem_.has_value(); }

  // The password that a keyboard-interactive prompt is answered with, once.
  void answer_prompt_with(const Secret* password) { password_ = password; }
  static void answer_prompt(const char* name, int name_size, const char* instruction,
                            int instruction_size, int count,
                            const LIBSSH2_USERAUTH_KBDINT_PROMPT* prompts,
                            LIBSSH2_USERAUTH_KBDINT_RESPONSE* responses, void** abstract);
  // A block that libssh2 will free; null when the session holds too much already.
  void* allocate(std::size_t size);

  // From now on every libssh2 call ends at once: for taking a session down without waiting.
  void let_go() { let_go_ = true; }
  Result<> close(const Budget& budget);

 private:
  friend struct SshCallbacks;
  ssize_t receive(std::span<char> into);
  void begin_turn();
  ssize_t read_stream(std::span<char> into);
  ssize_t send(std::span<const char> bytes);
  void* reallocate(void* block, std::size_t size);
  void release(void* block);
  void note_received(std::string_view bytes);
  bool move_out();

  std::unique_ptr<ByteStream> stream_;
  LIBSSH2_SESSION* raw_ = nullptr;
  std::size_t allocated_ = 0;
  SshGreeting greeting_;
  std::optional<Error> greeting_problem_;
  std::string in_;  // read ahead, because libssh2 asks for the identification byte by byte
  std::size_t in_start_ = 0;
  std::string out_;  // what the stream has not taken yet
  std::size_t out_start_ = 0;
  std::optional<Error> broken_;
  bool at_end_ = false;
  bool is_dry_ = false;        // the stream had nothing to read at the last look
  std::size_t allowance_ = 0;  // how much may still be read in this turn
  bool let_go_ = false;
  bool closed_ = false;
  bool has_news_ = false;
  Clock::time_point last_received_;
  std::string farewell_;
  const Secret* password_ = nullptr;
};

}  // namespace pca
