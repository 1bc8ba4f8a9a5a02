#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "support/loopback.hpp"

namespace pca::testing {

// A plain HTTP server on loopback that gives prepared answers, in order, to whatever it is asked,
// and remembers the requests. An answer "" is never sent; "cut" closes the connection instead.
class CannedServer {
 public:
  explicit CannedServer(std::vector<std::string> answers)
      : answers_(std::move(answers)), thread_([this] { serve(); }) {}
  ~CannedServer() {
    ::eventfd_write(stop_.get(), 1);
    thread_.join();
  }
  CannedServer(const CannedServer&) = delete;
  CannedServer& operator=(const CannedServer&) = delete;

  [[nodiscard]] std::string url(const std::string& path = "/") const {
    return "http://127.0.0.1:" + std::to_string(listener_.port()) + path;
  }
  [[nodiscard]] std::uint16_t port() const { return listener_.port(); }
  [[nodiscard]] std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  [[nodiscard]] int connections() const {
    const std::lock_guard lock(mutex_);
    return connections_;
  }

 private:
  // False when the server is to stop.
  [[nodiscard]] bool wait_for(int fd) const {
    std::array<pollfd, 2> set{pollfd{fd, POLLIN, 0}, pollfd{stop_.get(), POLLIN, 0}};
    ::poll(set.data(), set.size(), -1);
    return set[1].revents == 0;
  }
  void serve() {
    while (wait_for(listener_.fd())) {
      const FileDescriptor client(::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC));
      {
        const std::lock_guard lock(mutex_);
        ++connections_;
      }
      while (answer_one(client.get())) continue;
    }
  }
  // False when this client is done with.
  bool answer_one(int client) {
    std::string request;
    while (!is_complete(request)) {
      std::array<char, 4096> buffer;
      if (!wait_for(client)) return false;
      const ssize_t got = ::recv(client, buffer.data(), buffer.size(), 0);
      if (got <= 0) return false;
      request.append(buffer.data(), static_cast<std::size_t>(got));
    }
    std::string answer = "cut";
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
      if (requests_.size() <= answers_.size()) answer = answers_[requests_.size() - 1];
    }
    if (answer == "cut") return false;
    return answer.empty() || ::send(client, answer.data(), answer.size(), MSG_NOSIGNAL) ==
                                 static_cast<ssize_t>(answer.size());
  }
  static bool is_complete(const std::string& request) {
    const std::size_t end = request.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    const std::size_t length = request.find("Content-Length: ");
    if (length == std::string::npos || length > end) return true;
    return request.size() >= end + 4 + std::strtoul(request.c_str() + length + 16, nullptr, 10);
  }

  const std::vector<std::string> answers_;
  Listener listener_;
  FileDescriptor stop_{::eventfd(0, EFD_CLOEXEC)};
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  int connections_ = 0;
  std::thread thread_;
};

// An environment variable for the time of a test.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const std::string& value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    ::setenv(name, value.c_str(), 1);
  }
  ~ScopedVariable() { before_.empty() ? ::unsetenv(name_) : ::setenv(name_, before_.c_str(), 1); }
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
  const char* name_;
  std::string before_;
};

}  // namespace pca::testing
