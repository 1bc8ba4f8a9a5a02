#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/file_descriptor.hpp"

struct ssl_st;
struct ssl_ctx_st;

namespace pca::testing {

// How a connection came to its end, as the client sees it.
enum class Ending : std::uint8_t { goodbye, fin, reset, silence };
[[nodiscard]] const char* name_of(Ending ending);

// One WebSocket frame from the server.
struct Frame {
  bool final = false;
  std::uint8_t opcode = 0;
  bool masked = false;
  std::string payload;
};

// A TLS client that says exactly what a test wants said, right or wrong, and blocks. Whatever it
// waits for comes within 10 s or is missing. Trusts `ca_file` only, for the name "localhost".
class RawClient {
 public:
  // A client without TLS yet; `port` is on 127.0.0.1.
  explicit RawClient(std::uint16_t port);
  RawClient(std::uint16_t port, const std::string& ca_file, const std::string& name = "localhost");
  ~RawClient();
  RawClient(RawClient&&) noexcept;
  RawClient& operator=(RawClient&&) = delete;

  // TLS with the server that the bytes so far led to; false when it or the certificate failed.
  bool start_tls(const std::string& ca_file, const std::string& name = "localhost");
  [[nodiscard]] bool is_secure() const { return is_secure_; }

  void send(std::string_view bytes);
  // What came up to and including `end`, or all there was until the connection ended.
  [[nodiscard]] std::string read_until(std::string_view end);
  [[nodiscard]] std::string read_exactly(std::size_t size);
  // All that still comes.
  [[nodiscard]] std::string read_rest();
  // Waits for the end, dropping what comes before.
  [[nodiscard]] Ending ending();
  // Whether nothing comes for so long.
  [[nodiscard]] bool is_silent_for(std::chrono::milliseconds time);
  // Whether bytes were taken from the socket that no read has asked for yet.
  [[nodiscard]] bool has_received() const { return !received_.empty(); }
  void close_sending();  // FIN, no TLS goodbye

  // A request for an upgrade with `headers` ("Name: value\r\n" each), and the head of its answer.
  std::string upgrade(std::string_view headers = {});

  struct FrameStyle {
    bool final = true;
    bool masked = true;
  };
  void send_frame(std::uint8_t opcode, std::string_view payload, FrameStyle style);
  void send_frame(std::uint8_t opcode, std::string_view payload) {
    send_frame(opcode, payload, FrameStyle());
  }
  void send_message(std::string_view payload) { send_frame(2, payload); }
  [[nodiscard]] std::optional<Frame> read_frame();
  // Payload of data frames until there are `size` bytes; control frames are skipped.
  [[nodiscard]] std::string read_data(std::size_t size);

 private:
  // Takes what is there into received_; false at the end.
  bool receive();
  bool wait_readable(std::chrono::milliseconds time) const;

  FileDescriptor socket_;
  std::unique_ptr<ssl_ctx_st, void (*)(ssl_ctx_st*)> context_;
  std::unique_ptr<ssl_st, void (*)(ssl_st*)> tls_;
  bool is_secure_ = false;
  std::string received_;
  std::optional<Ending> ending_;
  std::uint32_t masks_ = 0;
};

}  // namespace pca::testing
