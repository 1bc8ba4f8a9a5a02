#include "net/access_tunnel.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <array>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "net/access_handshake.hpp"
#include "net/curl_handle.hpp"
#include "net/websocket_stream.hpp"

namespace pca {

namespace {

constexpr std::size_t body_excerpt = std::size_t{8} * 1024;
constexpr Milliseconds body_patience{500};
constexpr int most_interim_answers = 10;  // 100, 103: before the one that counts

// The TLS connection to the edge, made by libcurl (names, proxy, certificates) and then used raw.
// libcurl could upgrade it too, but hands what arrives together with the 101 (an SSH banner, say)
// only to its own frame decoder, and does not check Sec-WebSocket-Accept.
class EdgeStream : public ByteStream {
 public:
  explicit EdgeStream(std::string peer) : peer_(std::move(peer)) {}

  Result<> connect(const Budget& budget, const AccessSettings& settings, AccessFacts& facts) {
    if (!curl_.is_open()) return failed("libcurl cannot be started: out of memory");
    PCA_CHECK(prepare(settings));
    auto connected = curl_.perform(budget, peer_);
    facts.proxy = curl_.proxy();
    if (!connected) return std::move(connected).error();
    curl_easy_getinfo(curl_.get(), CURLINFO_ACTIVESOCKET, &socket_);
    const double looked_up = curl_.milliseconds(CURLINFO_NAMELOOKUP_TIME_T);
    const double reached = curl_.milliseconds(CURLINFO_CONNECT_TIME_T);
    facts.dns_ms = looked_up;
    facts.connect_ms = reached - looked_up;
    facts.tls_ms = curl_.milliseconds(CURLINFO_APPCONNECT_TIME_T) - reached;
    return {};
  }

  // A bare FIN, a reset and a TLS stream that is cut all mean that the edge is done; SSH above
  // knows whether it was too early. Anything else is no end: what came may not be all.
  Result<Read> read(std::span<char> into) override {
    std::size_t got = 0;
    const CURLcode code = curl_easy_recv(curl_.get(), into.data(), into.size(), &got);
    switch (code) {
      case CURLE_AGAIN:
        return Read{};
      case CURLE_OK:
        return Read{got, got == 0};
      default:
        if (curl_.is_end(code)) return Read{0, true};
        return curl_.explain(code, peer_);
    }
  }

  // After a 0 the same bytes have to come again: OpenSSL may have them encrypted already.
  Result<std::size_t> write(std::span<const char> from) override {
    std::size_t sent = 0;
    const CURLcode code = curl_easy_send(curl_.get(), from.data(), from.size(), &sent);
    switch (code) {
      case CURLE_AGAIN:
        return std::size_t{0};
      case CURLE_OK:
        return sent;
      default:
        if (!curl_.is_end(code)) return curl_.explain(code, peer_);
        return unreachable(fmt::format("{} cut the connection: {}", peer_, curl_.detail()),
                           "The tunnel or its target has ended it.")
            .as_transient();
    }
  }

  Result<bool> service() override { return true; }
  [[nodiscard]] PollHandle poll_handle() const override { return {socket_, POLLIN}; }
  [[nodiscard]] std::string peer() const override { return peer_; }
  Result<> close(const Budget& /*budget*/) override {
    socket_ = -1;
    curl_.reset();  // ends the connection: no other transfer may use it
    return {};
  }

 private:
  Result<> prepare(const AccessSettings& settings) {
    PCA_CHECK(curl_.trust(settings.ca_file));
    const std::string url = fmt::format("https://{}:{}/", settings.hostname, settings.port);
    PCA_CHECK(curl_.go_to(url));
    curl_.set(CURLOPT_PROTOCOLS_STR, "https");
    curl_.set(CURLOPT_CONNECT_ONLY, 1L);
    curl_.set(CURLOPT_SSL_ENABLE_ALPN, 0L);  // as cloudflared; the edge then speaks HTTP/1.1
    if (!settings.connect_to.empty()) {
      connect_to_.reset(curl_slist_append(nullptr, ("::" + settings.connect_to).c_str()));
      curl_.set(CURLOPT_CONNECT_TO, connect_to_.get());
    }
    return {};
  }

  std::string peer_;
  CurlList connect_to_;  // before the handle, which points into it
  CurlHandle curl_;
  curl_socket_t socket_ = -1;
};

AccessCredential credential_of(const AccessSettings& settings) {
  if (!settings.client_id.empty()) return AccessCredential::service_token;
  return settings.token.empty() ? AccessCredential::none : AccessCredential::token;
}

Result<> wait_for(const Budget& budget, const ByteStream& stream, short events) {
  const PollHandle handle{stream.poll_handle().fd, events};
  auto woken = wait_ready(budget, {&handle, 1}, budget.deadline(),
                          "waiting for the answer of " + stream.peer());
  if (woken) return {};
  Error error = std::move(woken).error();
  return error.kind == ErrorKind::unreachable ? std::move(error).as_transient() : error;
}

Result<> send_all(const Budget& budget, ByteStream& stream, std::string_view text) {
  while (!text.empty()) {
    PCA_TRY(const std::size_t sent, stream.write(text));
    text.remove_prefix(sent);
    if (sent == 0) PCA_CHECK(wait_for(budget, stream, POLLOUT));
  }
  return {};
}

// Appends what is there to `text`, waiting for at least one byte. False at the end.
Result<bool> receive_more(const Budget& budget, ByteStream& stream, std::string& text) {
  std::array<char, 4096> buffer;
  while (true) {
    PCA_TRY(const ByteStream::Read got, stream.read(buffer));
    text.append(buffer.data(), got.bytes);
    if (got.bytes > 0) return true;
    if (got.end) return false;
    PCA_CHECK(wait_for(budget, stream, POLLIN));
  }
}

// The edge's answer; what follows it stays in `text`.
Result<AnswerHead> receive_answer(const Budget& budget, ByteStream& stream, std::string& text) {
  int interim_answers = 0;
  while (true) {
    PCA_TRY(auto head, parse_answer_head(text));
    if (head) {
      text.erase(0, head->size);
      // 101 is final here.
      if (head->status / 100 != 1 || head->status == 101) return std::move(*head);
      if (++interim_answers <= most_interim_answers) continue;
      return unreachable(stream.peer() + " answers that it will answer, and does not",
                         "Check access-hostname: no Access edge answers so.");
    }
    PCA_TRY(const bool more, receive_more(budget, stream, text));
    if (!more) {
      return unreachable(fmt::format("{} cut the connection before it answered", stream.peer()),
                         "Check access-hostname and access-port, and whether a proxy or firewall "
                         "on the way lets WebSockets through.")
          .as_transient();
    }
  }
}

// The error pages of Cloudflare say what is wrong in their first lines; whatever goes wrong while
// reading them does not matter.
std::string receive_excerpt(const Budget& budget, ByteStream& stream, std::string text,
                            const AnswerHead& answer) {
  const auto announced = parse_integer(answer.header("content-length"), 0, body_excerpt);
  const std::size_t wanted = announced ? static_cast<std::size_t>(*announced) : body_excerpt;
  const Budget brief = budget.at_most(body_patience);
  while (text.size() < wanted && receive_more(brief, stream, text).value_or(false)) continue;
  return text;
}

Result<std::unique_ptr<ByteStream>> upgrade(const Budget& budget, const AccessSettings& settings,
                                            std::unique_ptr<ByteStream> stream,
                                            AccessFacts& facts) {
  const Clock::time_point start = Clock::now();
  std::array<std::uint8_t, 16> nonce;
  fill_random(nonce);
  const std::string key = base64_encode(nonce);
  {
    const WipedText request(upgrade_request(settings, key));
    PCA_CHECK(send_all(budget, *stream, request.text));
  }
  std::string text;
  PCA_TRY(const AnswerHead answer, receive_answer(budget, *stream, text));
  facts.ray = visible(answer.header("cf-ray"));
  facts.upgrade_ms = ms_since(start);
  if (answer.status != 101) {
    return explain_refusal({.authority = access_authority(settings),
                            .sent = credential_of(settings),
                            .status = answer.status,
                            .location = answer.header("location"),
                            .ray = answer.header("cf-ray"),
                            .server = answer.header("server"),
                            .body = receive_excerpt(budget, *stream, text, answer)});
  }
  PCA_CHECK(check_upgrade(answer, key));
  return std::make_unique<WebSocketStream>(std::move(stream), text);
}

}  // namespace

Result<std::unique_ptr<ByteStream>> connect_access(const Budget& budget,
                                                   const AccessSettings& settings,
                                                   AccessFacts* facts) {
  PCA_CHECK(check_access_settings(settings));
  AccessFacts ignored;
  AccessFacts& told = facts == nullptr ? ignored : *facts;
  auto stream = std::make_unique<EdgeStream>(
      fmt::format("Access edge {}:{}", settings.hostname, settings.port));
  PCA_CHECK(stream->connect(budget, settings, told));
  return upgrade(budget, settings, std::move(stream), told);
}

}  // namespace pca
