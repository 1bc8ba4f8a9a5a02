#pragma once

#include <fstream>
#include <functional>
#include <iterator>
#include <mutex>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "support/tls_server.hpp"

namespace pca::test {

struct HttpsRequest {
  std::string method;
  std::string target;  // path and query
  std::string head;    // all of it
  std::string body;
};

struct HttpsAnswer {
  int code = 200;
  std::string body{};
  std::string headers{};  // more of them: "Name: value\r\n"
};

// An HTTPS API on loopback behind a certificate of its own; `answer` runs on the server's thread,
// for one request after the other, and has the lock that `locked` takes.
class HttpsStandIn {
 public:
  HttpsStandIn(const std::string& name, std::function<HttpsAnswer(const HttpsRequest&)> answer)
      : name_(name),
        answer_(std::move(answer)),
        server_(name, [this](SSL* connection) { serve(connection); }) {}

  [[nodiscard]] std::string url() const {
    return "https://" + name_ + ":" + std::to_string(server_.port());
  }
  [[nodiscard]] std::string certificate() const {
    std::ifstream file(server_.ca_file());
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // "GET /path", in their order.
  [[nodiscard]] std::vector<std::string> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  template <typename What>
  auto locked(const What& what) {
    const std::lock_guard lock(mutex_);
    return what();
  }

 private:
  void serve(SSL* connection) {
    HttpsRequest request;
    request.head = pca::testing::read_request_head(connection);
    if (request.head.empty()) return;
    const std::size_t method_end = request.head.find(' ');
    request.method = request.head.substr(0, method_end);
    request.target = request.head.substr(method_end + 1,
                                         request.head.find(' ', method_end + 1) - method_end - 1);
    const std::string length = to_lower(request.head);
    if (const std::size_t at = length.find("content-length: "); at != std::string::npos) {
      const std::size_t size = std::stoul(length.substr(at + 16));
      request.body.resize(size);
      std::size_t taken = 0;
      while (taken < size) {
        const int got =
            SSL_read(connection, request.body.data() + taken, static_cast<int>(size - taken));
        if (got <= 0) return;
        taken += static_cast<std::size_t>(got);
      }
    }
    HttpsAnswer answer;
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request.method + " " + request.target);
      answer = answer_(request);
    }
    pca::testing::send_text(
        connection, "HTTP/1.1 " + std::to_string(answer.code) +
                        " -\r\nContent-Type: application/json\r\nConnection: close\r\n"
                        "Content-Length: " +
                        std::to_string(answer.body.size()) + "\r\n" + answer.headers + "\r\n" +
                        answer.body);
  }

  std::string name_;
  std::function<HttpsAnswer(const HttpsRequest&)> answer_;
  std::mutex mutex_;
  std::vector<std::string> requests_;
  pca::testing::TlsServer server_;  // last: its thread uses all of the others
};

}  // namespace pca::test
