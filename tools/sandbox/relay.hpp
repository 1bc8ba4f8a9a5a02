#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>

#include "sandbox/address.hpp"

namespace pca::sandbox {

using TcpSocket = boost::asio::ip::tcp::socket;
using Acceptor = boost::asio::ip::tcp::acceptor;
using Delay = std::chrono::microseconds;

// Opens a listener on a loopback address; port 0 becomes a free one.
[[nodiscard]] Result<Acceptor> listen_on(boost::asio::io_context& loop,
                                         const LoopbackAddress& address);
[[nodiscard]] LoopbackAddress address_of(const Acceptor& acceptor);
[[nodiscard]] boost::asio::ip::tcp::endpoint endpoint_of(const LoopbackAddress& address);

// Copies bytes between two connected sockets, each way later by half a round trip, in order and at
// full speed; FIN and RST travel the same way. The kernel answers a connect at once, so the bytes
// of the first round trip wait as if the connect had taken one too. Keeps itself alive until both
// directions have ended: its pending reads and writes are its only owners.
class Relay : public std::enable_shared_from_this<Relay> {
 public:
  Relay(TcpSocket near, TcpSocket far, Delay round_trip);
  void start();
  void close();

 private:
  // A piece of the stream and when it arrives; `end` closes the direction behind it.
  enum class End : std::uint8_t { none, fin, reset };
  struct Chunk {
    std::chrono::steady_clock::time_point due;
    std::unique_ptr<char[]> bytes;
    std::size_t size = 0;
    End end = End::none;
  };
  struct Direction {
    Direction(TcpSocket& from_socket, TcpSocket& to_socket);
    TcpSocket& from;
    TcpSocket& to;
    boost::asio::steady_timer timer;
    std::chrono::steady_clock::time_point not_before;  // the first bytes leave no earlier
    std::deque<Chunk> travelling;
    std::size_t bytes = 0;  // of `travelling`
    bool is_reading = false;
    bool has_read_all = false;   // its end is travelling
    bool is_delivering = false;  // a write or the timer is under way
    bool has_ended = false;
  };
  void read(Direction& direction);
  void deliver(Direction& direction);
  void end(Direction& direction, End how);

  TcpSocket near_;
  TcpSocket far_;
  Delay half_;
  Direction up_;
  Direction down_;
};

// Accepts connections and relays each to `target`, delayed. A target that refuses resets the
// client. Owns its listener; its relays live by themselves in `loop`.
class RelayListener {
 public:
  RelayListener(boost::asio::io_context& loop, Acceptor acceptor, LoopbackAddress target,
                Delay round_trip);
  void start();
  [[nodiscard]] LoopbackAddress address() const { return address_of(acceptor_); }

 private:
  void accept();
  void connect(TcpSocket near);

  boost::asio::io_context& loop_;
  Acceptor acceptor_;
  LoopbackAddress target_;
  Delay round_trip_;
};

}  // namespace pca::sandbox
