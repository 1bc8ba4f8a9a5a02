#pragma once

#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "net/session_identity.hpp"
#include "net/session_socket.hpp"

namespace pca {

class SessionGuest;

// The holder of one open session: an authenticated SSH connection to one host, and the socket at
// which other processes of the same user get channels of it. When the connection drops it connects
// again: what ran ends with an error, as it would on a connection of its own. One thread at a time.
class SessionServer {
 public:
  struct Settings {
    SessionIdentity identity;
    // Connects and logs in, with tries of its own.
    std::function<Result<std::unique_ptr<SshSession>>(const Budget&)> connect;
    std::function<void(const std::string&)> say;  // what happens meanwhile, for a log
  };

  // Listens, so that nobody else holds this session. conflict when somebody does. `folder` is
  // borrowed and outlives it.
  static Result<SessionServer> open(const SessionFolder& folder, Settings settings);
  SessionServer(SessionServer&&) noexcept;
  SessionServer& operator=(SessionServer&&) = delete;
  ~SessionServer();

  [[nodiscard]] const SessionIdentity& identity() const { return settings_.identity; }
  // The first connection.
  Result<> connect(const Budget& budget);
  // Until the budget is over, somebody ends the session, or the host refuses when it connects again
  // (permission). What is open then is closed.
  Result<> serve(const Budget& budget);

 private:
  SessionServer(const SessionFolder& folder, FileDescriptor listener, std::string name,
                Settings settings);

  Result<> serve_until_ended(const Budget& budget);
  Result<> connect_again(const Budget& budget);
  Result<> wait(const Budget& budget);
  bool accept_guests();
  bool step_guests();
  // Whether a refused command may get a channel in a moment, because others end.
  [[nodiscard]] bool expects_room() const;
  void lose_guests(const Error& error);
  void say(const std::string& text) const;
  [[nodiscard]] std::unique_ptr<SshChannel> take_accepted(const ListeningPlace& place);
  void stop_listening(const std::optional<ListeningPlace>& place);
  [[nodiscard]] std::string status() const;

  friend class SessionGuest;

  const SessionFolder* folder_;  // never null
  FileDescriptor listener_;
  std::string name_;  // of the socket
  Settings settings_;
  std::unique_ptr<SshSession> session_;  // null while it connects again
  std::map<ListeningPlace, std::deque<std::unique_ptr<SshChannel>>> accepted_;
  std::list<SessionGuest> guests_;
  Clock::time_point began_ = Clock::now();
  Clock::time_point next_try_{};
  int failed_tries_ = 0;
  Clock::time_point freed_until_{};  // sshd may still free the place of a command that ended
  std::string problem_;              // why there is no connection
  bool is_ended_ = false;            // by a guest
  std::vector<char> buffer_;
};

}  // namespace pca
