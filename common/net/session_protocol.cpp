#include "net/session_protocol.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/text.hpp"
#include "net/ssh_wire.hpp"

namespace pca {

namespace {

constexpr std::size_t longest_text = 4096;  // of messages and names that are shown
constexpr int most_exit_code = 1 << 16;

Error garbage(std::string_view what) {
  return failed(fmt::format("what came over a session's socket is no {}", what));
}

template <typename Enum>
std::optional<Enum> checked(std::optional<std::uint8_t> value, Enum least, Enum most) {
  if (!value || *value < static_cast<std::uint8_t>(least) ||
      *value > static_cast<std::uint8_t>(most)) {
    return std::nullopt;
  }
  return static_cast<Enum>(*value);
}

std::string excerpt(std::string_view text) { return visible(cut_utf8(text, longest_text)); }

}  // namespace

void append_session_frame(std::string& out, SessionFrameType type, std::string_view payload) {
  out += static_cast<char>(type);
  append_wire_string(out, payload);
}

std::span<char> SessionFrameReader::room() {
  if (begin_ == end_) begin_ = end_ = 0;
  if (begin_ > 0 && buffer_.size() - end_ < longest_session_payload) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
  }
  return std::span(buffer_).subspan(end_);
}

Result<std::optional<SessionFrame>> SessionFrameReader::front() const {
  WireReader reader({buffer_.data() + begin_, end_ - begin_});
  const auto type = reader.byte();
  const auto size = reader.number();
  if (type && !checked(type, SessionFrameType::request, SessionFrameType::incoming))
    return garbage("frame");
  if (!size) return std::optional<SessionFrame>();
  if (*size > longest_session_payload) return garbage("frame");
  const auto payload = reader.bytes(*size);
  if (!payload) return std::optional<SessionFrame>();
  return std::optional<SessionFrame>(SessionFrame{static_cast<SessionFrameType>(*type), *payload});
}

void SessionFrameReader::pop() {
  const auto frame = front();
  if (frame && *frame) begin_ += session_frame_header + (*frame)->payload.size();
}

std::string encode_request(const SessionRequest& request) {
  std::string out;
  append_wire_number(out, request.version);
  out += static_cast<char>(request.kind);
  append_wire_string(out, request.identity);
  append_wire_string(out, request.text);
  append_wire_number(out, request.port);
  return out;
}

Result<SessionRequest> decode_request(std::string_view payload) {
  using Kind = SessionRequest::Kind;
  WireReader reader(payload);
  const auto version = reader.number();
  if (version && *version != SessionRequest::current_version) {
    return conflict("the session was opened by another version of this tool",
                    "Use one version of it in a job.");
  }
  const auto kind = checked(reader.byte(), Kind::attach, Kind::subsystem);
  const auto identity = reader.string();
  const auto text = reader.string();
  const auto port = reader.number();
  if (!kind || !identity || !text || !port || *port > 65535 || !reader.rest().empty())
    return garbage("request");
  return SessionRequest{*version, *kind, std::string(*identity), std::string(*text),
                        static_cast<std::uint16_t>(*port)};
}

std::string encode_error(const Error& error) {
  std::string out;
  out += static_cast<char>(error.kind);
  out += static_cast<char>(error.transient ? 1 : 0);
  append_wire_string(out, cut_utf8(error.message, longest_text));
  append_wire_string(out, cut_utf8(error.hint, longest_text));
  return out;
}

Error decode_error(std::string_view payload) {
  WireReader reader(payload);
  const auto kind = checked(reader.byte(), ErrorKind::failed, ErrorKind::bug);
  const auto transient = reader.byte();
  const auto message = reader.string();
  const auto hint = reader.string();
  if (!kind || !transient || !message || !hint) return garbage("error");
  return {*kind, excerpt(*message), excerpt(*hint), *transient != 0};
}

std::string encode_exit(const SshChannel::Exit& exit) {
  std::string out;
  append_wire_number(out, static_cast<std::size_t>(std::clamp(exit.code, 0, most_exit_code)));
  append_wire_string(out, cut_utf8(exit.signal, longest_text));
  return out;
}

Result<SshChannel::Exit> decode_exit(std::string_view payload) {
  WireReader reader(payload);
  const auto code = reader.number();
  const auto signal = reader.string();
  if (!code || !signal || *code > most_exit_code || !reader.rest().empty()) return garbage("exit");
  return SshChannel::Exit{static_cast<int>(*code), excerpt(*signal)};
}

}  // namespace pca
