#include "sandbox/proxmox_http.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/gzip.hpp"
#include "base/text.hpp"

namespace pca::sandbox::proxmox {

namespace {

constexpr std::size_t least_packed = 1024;

}  // namespace

std::optional<Failure> check_head(const RequestHead& head, std::size_t body_size) {
  const auto bare = [](int status, std::string message) {
    return Failure{.status = status, .message = std::move(message), .is_bare = true};
  };
  if (head.version >= 20) {
    return bare(506, fmt::format("http protocol version {}.{} not supported", head.version / 10,
                                 head.version % 10));
  }
  if (head.find("Transfer-Encoding") != nullptr) {
    return bare(501, "chunked transfer encoding not supported");
  }
  const bool takes_body = head.method == "POST" || head.method == "PUT";
  if (!takes_body && body_size > 0) {
    return bare(501, fmt::format("Unexpected content for method '{}'", head.method));
  }
  const std::string* type = head.find("Content-Type");
  if (type == nullptr || body_size == 0) return std::nullopt;
  if (to_lower(*type).starts_with("multipart/form-data")) return std::nullopt;
  if (body_size > most_body) return bare(501, "for data too large");
  const std::string kind(trim(std::string_view(*type).substr(0, type->find(';'))));
  if (kind != "application/x-www-form-urlencoded" && kind != "application/json") {
    return bare(506, fmt::format("upload 'Content-Type {}' not implemented", *type));
  }
  return std::nullopt;
}

bool wants_to_stay(const RequestHead& head) {
  if (head.has_token("Connection", "close")) return false;
  return head.version >= 11 || head.has_token("Connection", "keep-alive");
}

std::string reply_text(const Reply& reply, std::time_t now) {
  const std::string date = fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(now));
  std::string out =
      fmt::format("HTTP/1.{} {} {}\r\n", reply.version % 10, reply.status, reply.reason);
  out += "Cache-Control: max-age=0\r\n";
  if (!reply.keeps_open) {
    out += "Connection: close\r\n";
  } else {
    if (reply.is_protected) out += "Connection: close\r\n";
    out += "Connection: Keep-Alive\r\n";
  }
  out += fmt::format("Date: {}\r\nPragma: no-cache\r\nServer: pve-api-daemon/3.0\r\n", date);
  const bool is_packed = reply.may_pack && reply.body.size() > least_packed;
  const std::string body = is_packed ? gzip(reply.body, 1) : reply.body;
  if (is_packed) out += "Content-Encoding: gzip\r\n";
  if (!body.empty()) {
    out += fmt::format("Content-Length: {}\r\n", body.size());
    if (reply.is_json) out += "Content-Type: application/json;charset=UTF-8\r\n";
  }
  return out + fmt::format("Expires: {}\r\n\r\n", date) + body;
}

std::string success_body(const Json& data, std::int64_t total) {
  Json body = Json::object();
  body.set("data", data);
  if (total > 0) body.set("total", total);
  return body.dump();
}

std::string failure_body(const Failure& failure, bool has_message) {
  if (failure.is_bare) return failure.plain;
  Json body = Json::object();
  body.set("data", Json());
  if (has_message) body.set("message", failure.message + (failure.ends_line ? "\n" : ""));
  if (!failure.errors.empty()) {
    Json errors = Json::object();
    for (const auto& [name, why] : failure.errors) errors.set(name, why);
    body.set("errors", errors);
  }
  return body.dump();
}

}  // namespace pca::sandbox::proxmox
