#pragma once

#include <array>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "sandbox/edge_settings.hpp"
#include "sandbox/record.hpp"
#include "sandbox/tls_stream.hpp"

namespace pca::sandbox {

class EdgeConnection;

// What all connections of an edge share; the edge owns it and outlives them.
struct EdgeContext {
  const EdgeSettings& settings;
  const TlsServer& tls;
  Recorder& recorder;
  std::uint64_t connections = 0;  // accepted so far
  std::uint64_t requests = 0;     // read so far
  std::set<EdgeConnection*> open;
};

// One client's way through the edge: TLS, its request, the gate, the dial to the origin, then the
// tunnel until one side ends. Its pending operations share its ownership, so it lives exactly as
// long as something can still happen to it.
class EdgeConnection : public std::enable_shared_from_this<EdgeConnection> {
 public:
  EdgeConnection(EdgeContext& context, TlsStream::Socket socket);
  ~EdgeConnection();
  EdgeConnection(const EdgeConnection&) = delete;
  EdgeConnection& operator=(const EdgeConnection&) = delete;

  void start();
  // Ends at once, because the edge ends.
  void stop();

 private:
  using Origin = boost::asio::generic::stream_protocol::socket;
  using Endpoint = boost::asio::generic::stream_protocol::endpoint;
  using Then = std::function<void()>;

  // To the upgrade.
  void shake_hands();
  void read_request();
  void decide();
  [[nodiscard]] std::optional<Endpoint> find_origin() const;
  void dial();
  void refuse_with(Answer answer);
  void upgrade();
  void send(std::string text, Then then);
  void send_slowly(std::size_t sent, Then then);

  // The tunnel.
  void begin_tunnel();
  void read_client();
  void take_from_client(std::size_t size);
  void write_origin();
  void go_on_after_origin_write();
  void read_origin();
  void take_from_origin(std::size_t size);
  void flush();
  void ping_later();
  // How many of `size` bytes may pass before a fault strikes.
  [[nodiscard]] std::size_t within_limit(std::size_t size);
  void strike();

  // The end.
  void finish(const std::string& how, EndStyle style);
  void conclude();
  void reset_when_sent(int tries_left);
  void client_left(TlsStream::Status status);
  void hold();  // says and reads nothing until the client is gone
  void close(const std::string& how);
  void record();
  void close_after(std::chrono::seconds limit);
  [[nodiscard]] bool has(FaultKind fault) const { return context_.settings.faults.has(fault); }
  void log(const std::string& text) const;

  EdgeContext& context_;
  std::uint64_t number_;
  TlsStream client_;
  Origin origin_;
  boost::asio::steady_timer deadline_;
  boost::asio::steady_timer ticker_;  // pings, slow headers, holding

  RequestHead request_;
  int status_ = 0;
  OriginSide origin_side_;
  Framer framer_;
  const Fault* limit_ = nullptr;  // drop-after, reset-after or stall-after

  std::array<char, std::size_t{64} * 1024> client_buffer_;
  std::array<char, std::size_t{64} * 1024> origin_buffer_;
  std::size_t early_ = 0;  // bytes of the tunnel that came with the request
  std::string to_origin_;
  std::string to_client_;  // next to be written
  std::string in_flight_;  // being written
  OriginSide::Verdict verdict_ = OriginSide::Verdict::carry_on;
  bool is_reading_client_ = false;
  bool is_origin_paused_ = false;
  bool is_writing_client_ = false;

  bool is_ending_ = false;     // only what is queued is still written
  bool is_concluded_ = false;  // nothing is written any more
  bool is_closed_ = false;
  bool is_recorded_ = false;
  EndStyle end_style_ = EndStyle::fin;
  std::string how_ended_;
  std::uint64_t bytes_up_ = 0;
  std::uint64_t bytes_down_ = 0;
  std::uint64_t pings_ = 0;
};

}  // namespace pca::sandbox
