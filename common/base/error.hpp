#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace pca {

// What went wrong, in the terms that decide the exit code (see cli/exit_codes.hpp for the table).
enum class ErrorKind : std::uint8_t {
  failed,           // the thing asked for failed; nothing needed undoing
  bad_input,        // refused before anything was contacted
  rolled_back,      // failed, and the target is as before
  outcome_unknown,  // rollback failed or nobody can tell what happened: someone must look
  permission,       // host key, TLS, token, Access, rights
  unreachable,      // no connection, or timed out
  conflict,         // lock held, release on hold, changed meanwhile
  cancelled,        // a signal or a sibling's failure ended the work
  bug,              // a broken promise inside the tool
};

// One failure, as the user will read it. `message` says what and where, `hint` what to do next
// (may be empty). Neither ever holds a secret: whoever builds an Error keeps secrets out.
// A value type; not thread safe by itself.
struct Error {
  ErrorKind kind = ErrorKind::failed;
  std::string message;
  std::string hint;
  // Whether the same call may succeed in a moment (a refused connection, a 502). Only code that
  // knows the protocol sets it; retry() never guesses.
  bool transient = false;

  // "while <doing>: <message>". Used at layer borders, so that a message names the whole path.
  [[nodiscard]] Error within(const std::string& doing) && {
    message = "while " + doing + ": " + message;
    return std::move(*this);
  }
  [[nodiscard]] Error as_transient() && {
    transient = true;
    return std::move(*this);
  }
};

[[nodiscard]] inline Error failed(std::string message, std::string hint = {}) {
  return {ErrorKind::failed, std::move(message), std::move(hint), false};
}
[[nodiscard]] inline Error bad_input(std::string message, std::string hint = {}) {
  return {ErrorKind::bad_input, std::move(message), std::move(hint), false};
}
[[nodiscard]] inline Error outcome_unknown(std::string message, std::string hint = {}) {
  return {ErrorKind::outcome_unknown, std::move(message), std::move(hint), false};
}
[[nodiscard]] inline Error permission_denied(std::string message, std::string hint = {}) {
  return {ErrorKind::permission, std::move(message), std::move(hint), false};
}
[[nodiscard]] inline Error unreachable(std::string message, std::string hint = {}) {
  return {ErrorKind::unreachable, std::move(message), std::move(hint), false};
}
[[nodiscard]] inline Error conflict(std::string message, std::string hint = {}) {
  return {ErrorKind::conflict, std::move(message), std::move(hint), false};
}
[[nodiscard]] inline Error cancelled(std::string message, std::string hint = {}) {
  return {ErrorKind::cancelled, std::move(message), std::move(hint), false};
}
[[nodiscard]] inline Error tool_bug(std::string message) {
  return {ErrorKind::bug, std::move(message), "This is a bug in the tool: please report it.",
          false};
}

}  // namespace pca
