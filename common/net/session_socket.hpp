#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "net/byte_stream.hpp"
#include "net/file_descriptor.hpp"
#include "net/session_protocol.hpp"

namespace pca {

// Frames over a connected unix socket. Owns it. Never blocks. Not thread safe.
class SessionSocket {
 public:
  explicit SessionSocket(FileDescriptor socket) : socket_(std::move(socket)) {}

  // The next frame, which stays the next until pop(). Nothing: none is whole yet, see is_at_end().
  // Errors: failed (no frame), unreachable (broken).
  Result<std::optional<SessionFrame>> front();
  void pop() { reader_.pop(); }
  // Takes in what has come, as far as there is room. True when anything came.
  Result<bool> receive();
  [[nodiscard]] bool is_at_end() const { return at_end_; }  // the other side sends no more

  // Queues a frame, without limit: ask is_congested() first.
  void send(SessionFrameType type, std::string_view payload = {});
  // Sends what is queued. True when all of it has gone.
  Result<bool> flush();
  [[nodiscard]] bool is_congested() const { return sent_ < out_.size(); }
  [[nodiscard]] int fd() const { return socket_.get(); }

  // What to wait for: room permitting for frames, and to send what is queued.
  [[nodiscard]] PollHandle poll_handle();

 private:
  FileDescriptor socket_;
  SessionFrameReader reader_;
  std::string out_;
  std::size_t sent_ = 0;
  bool at_end_ = false;
};

// The folder with the sockets of this job's open sessions, each named by its identity. Only its
// owner can look inside (0700, the sockets 0600). A socket's path is never longer than the kernel
// takes, because it is reached by way of the folder's descriptor.
class SessionFolder {
 public:
  // Makes the folder where there is none. permission: it is somebody else's, or open to others.
  static Result<SessionFolder> make(const std::string& path);
  // unreachable when there is none.
  static Result<SessionFolder> open(const std::string& path);

  [[nodiscard]] std::vector<std::string> names() const;
  // A connection to the process behind the socket, which is this user's. unreachable: there is no
  // such socket; or nobody listens at it any more, and it is removed then.
  [[nodiscard]] Result<SessionSocket> connect(const std::string& name) const;
  // conflict when somebody listens there already.
  [[nodiscard]] Result<FileDescriptor> listen(const std::string& name) const;
  void remove(const std::string& name) const;
  // Held by one process at a time, until it is let go: for looking before listening.
  [[nodiscard]] Result<FileDescriptor> lock(const Budget& budget) const;

 private:
  explicit SessionFolder(FileDescriptor folder, std::string path)
      : folder_(std::move(folder)), path_(std::move(path)) {}
  [[nodiscard]] std::string path_of(const std::string& name) const;

  FileDescriptor folder_;
  std::string path_;
};

// The next connection to a listening socket that this user has made; not open: there is none.
// Those of other users are closed at once.
[[nodiscard]] FileDescriptor accept_own(const FileDescriptor& listener);
// The process at the other end; 0 when nobody knows.
[[nodiscard]] int peer_process(int socket);

}  // namespace pca
