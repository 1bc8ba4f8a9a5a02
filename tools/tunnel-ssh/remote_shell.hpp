#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/ssh.hpp"

namespace pca::tunnel_ssh {

// What a host says that cannot run our code, or cannot unpack: SFTP may do there.
inline constexpr std::string_view no_gnu_tools =
    "no GNU coreutils here: install them, and GNU findutils";
inline constexpr std::string_view no_tar = "no tar here: install it";

// Bytes for what a block of code reads from its stdin: none and no end when there are none yet.
using RemoteInput = std::function<Result<ByteStream::Read>(std::span<char>)>;

// Takes what a block of code prints, piece by piece.
using RemoteSink = std::function<Result<>(std::string_view)>;

// Serves other channels of the session while a block runs. False when nothing moved.
using RemoteMeanwhile = std::function<Result<bool>()>;

// One POSIX shell on a host that runs blocks of our code one after the other, over one channel: a
// dialogue costs one round trip a block, and none to start. Whatever the connection does, a block
// runs whole or not at all; when the channel ends the shell ends too, its EXIT trap included.
// Not thread safe; the session outlives it.
class RemoteShell {
 public:
  // `who` names the host in messages.
  static Result<RemoteShell> start(const Budget& budget, SshSession& session,
                                   const std::string& become, std::string who);

  // Runs `code`, which must read all of `input`, and gives what it printed (at most 256 MiB; or
  // nothing, when there is a `sink` for it). The shell is the same for all blocks: variables,
  // functions and traps stay; `exit` ends it all.
  // Errors: failed (it ended with another code than 0; the message has the last lines it said on
  // stderr), unreachable, cancelled, and those of `input`, `sink` and `meanwhile`. Nothing further
  // can be run after a block whose end was not awaited.
  Result<std::string> run(const Budget& budget, const std::string& code,
                          const RemoteInput& input = {}, const RemoteSink& sink = {},
                          const RemoteMeanwhile& meanwhile = {});
  // A channel beside the shell's own on which sh runs `code` as the same user; see begin_exec().
  // It must be without single quotes, backslashes and "!", as a login shell of any kind reads it.
  [[nodiscard]] std::unique_ptr<SshChannel> begin_beside(std::string_view code);
  // How long the host took to answer when the channel was opened, which asks nothing of it.
  [[nodiscard]] Clock::duration round_trip() const { return round_trip_; }
  // Whether the host has ever begun to run it: a forced command may be there instead, or a login
  // shell that takes no commands.
  [[nodiscard]] bool has_begun() const { return is_ready_; }
  // Whether a block may still run there whose end was not awaited.
  [[nodiscard]] bool is_busy() const { return is_busy_; }
  // Ends the shell and waits until its EXIT trap has run. Without it, the shell ends by itself when
  // the channel does.
  Result<> end(const Budget& budget);
  // The same in the midst of a block: sends it TERM, on which the shell ends as soon as the command
  // it waits for has ended, or at once from a `wait`. Errors: failed (its EXIT trap ended it with
  // another code than 0), unreachable.
  Result<> terminate(const Budget& budget);

 private:
  RemoteShell(SshSession& session, std::unique_ptr<SshChannel> channel, std::string token,
              std::string who);
  static Result<bool> fill(std::string& pending, const RemoteInput& input);
  Result<bool> send(std::string& pending, const RemoteInput& input, bool& input_ended);
  Result<bool> receive();
  Result<> drain(const RemoteSink& sink);
  struct Answer {
    std::string text;
    std::string errors;  // what came on stderr, the end of it
    int code = 0;
  };
  // Takes a whole answer out of what was received; nothing while there is none.
  std::optional<Answer> take_answer();
  static std::string last_words(std::string_view errors);

  SshSession* session_;
  std::unique_ptr<SshChannel> channel_;
  std::string token_;
  std::string who_;
  std::string sudo_;      // what stands before a command to run it as the same user
  std::int64_t pid_ = 0;  // of the shell, once it has told
  std::string received_;
  std::string errors_;        // the end of what came on stderr
  std::size_t searched_ = 0;  // of received_, for the token
  Clock::duration round_trip_{};
  bool is_ready_ = false;  // the token before the first block was seen
  bool is_busy_ = false;   // with a block whose end has not been seen
  std::vector<char> buffer_;
};

}  // namespace pca::tunnel_ssh
