#include "sandbox/relay.hpp"

#include <fmt/format.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/write.hpp>
#include <utility>

namespace pca::sandbox {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::steady_clock;

namespace {

constexpr std::size_t chunk_size = std::size_t{64} * 1024;
// More than what is on the way at 1 GB/s and a round trip of 100 ms, so the delay is no brake.
constexpr std::size_t most_travelling = std::size_t{64} * 1024 * 1024;

void reset(TcpSocket& socket) {
  error_code ignored;
  socket.set_option(asio::socket_base::linger(true, 0), ignored);
  socket.close(ignored);
}

}  // namespace

asio::ip::tcp::endpoint endpoint_of(const LoopbackAddress& address) {
  return {asio::ip::make_address(address.ip), address.port};
}

LoopbackAddress address_of(const Acceptor& acceptor) {
  error_code ignored;
  const auto endpoint = acceptor.local_endpoint(ignored);
  return {endpoint.address().to_string(), endpoint.port()};
}

Result<Acceptor> listen_on(asio::io_context& loop, const LoopbackAddress& address) {
  const auto endpoint = endpoint_of(address);
  Acceptor acceptor(loop);
  error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(Acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return failed(fmt::format("cannot listen on {}: {}", address.text(), error.message()),
                  "Choose another port, or port 0 for any free one.");
  }
  return acceptor;
}

Relay::Direction::Direction(TcpSocket& from_socket, TcpSocket& to_socket)
    : from(from_socket), to(to_socket), timer(from_socket.get_executor()) {}

Relay::Relay(TcpSocket near, TcpSocket far, Delay round_trip)
    : near_(std::move(near)),
      far_(std::move(far)),
      half_(round_trip / 2),
      up_(near_, far_),
      down_(far_, near_) {
  error_code ignored;
  near_.set_option(asio::ip::tcp::no_delay(true), ignored);
  far_.set_option(asio::ip::tcp::no_delay(true), ignored);
  up_.not_before = steady_clock::now() + round_trip;
  down_.not_before = steady_clock::now() + half_;
}

void Relay::start() {
  read(up_);
  read(down_);
}

void Relay::close() {
  error_code ignored;
  up_.timer.cancel();
  down_.timer.cancel();
  near_.close(ignored);
  far_.close(ignored);
}

void Relay::read(Direction& direction) {
  if (direction.is_reading || direction.has_read_all) return;
  direction.is_reading = true;
  auto buffer = std::make_unique_for_overwrite<char[]>(chunk_size);
  char* const data = buffer.get();
  direction.from.async_read_some(
      asio::buffer(data, chunk_size),
      [this, self = shared_from_this(), &direction, buffer = std::move(buffer)](
          error_code error, std::size_t size) mutable {
        direction.is_reading = false;
        if (direction.has_ended || error == asio::error::operation_aborted) return;
        const auto due = std::max(steady_clock::now(), direction.not_before) + half_;
        const End end = !error ? End::none : (error == asio::error::eof ? End::fin : End::reset);
        direction.has_read_all = end != End::none;
        direction.bytes += size;
        direction.travelling.push_back({due, std::move(buffer), size, end});
        deliver(direction);
        if (direction.bytes < most_travelling) read(direction);
      });
}

void Relay::deliver(Direction& direction) {
  if (direction.is_delivering || direction.has_ended || direction.travelling.empty()) return;
  const Chunk& chunk = direction.travelling.front();
  if (chunk.due > steady_clock::now()) {
    direction.is_delivering = true;
    direction.timer.expires_at(chunk.due);
    direction.timer.async_wait([this, self = shared_from_this(), &direction](error_code error) {
      direction.is_delivering = false;
      if (!error) deliver(direction);
    });
    return;
  }
  if (chunk.end != End::none) return end(direction, chunk.end);
  direction.is_delivering = true;
  asio::async_write(direction.to, asio::buffer(chunk.bytes.get(), chunk.size),
                    [this, self = shared_from_this(), &direction](error_code error, std::size_t) {
                      direction.is_delivering = false;
                      if (direction.has_ended) return;
                      if (error) return end(direction, End::reset);
                      direction.bytes -= direction.travelling.front().size;
                      direction.travelling.pop_front();
                      read(direction);
                      deliver(direction);
                    });
}

void Relay::end(Direction& direction, End how) {
  direction.has_ended = true;
  error_code ignored;
  if (how == End::fin) {
    direction.to.shutdown(TcpSocket::shutdown_send, ignored);
    if (up_.has_ended && down_.has_ended) close();
    return;
  }
  up_.has_ended = down_.has_ended = true;
  reset(direction.from);
  reset(direction.to);
  close();
}

RelayListener::RelayListener(asio::io_context& loop, Acceptor acceptor, LoopbackAddress target,
                             Delay round_trip)
    : loop_(loop),
      acceptor_(std::move(acceptor)),
      target_(std::move(target)),
      round_trip_(round_trip) {}

void RelayListener::start() { accept(); }

void RelayListener::accept() {
  acceptor_.async_accept([this](error_code error, TcpSocket near) {
    if (error == asio::error::operation_aborted) return;
    if (!error) connect(std::move(near));
    accept();
  });
}

void RelayListener::connect(TcpSocket near) {
  auto far = std::make_unique<TcpSocket>(loop_);
  TcpSocket& connecting = *far;
  connecting.async_connect(endpoint_of(target_), [this, near = std::move(near),
                                                  far = std::move(far)](error_code error) mutable {
    if (error) return reset(near);
    std::make_shared<Relay>(std::move(near), std::move(*far), round_trip_)->start();
  });
}

}  // namespace pca::sandbox
