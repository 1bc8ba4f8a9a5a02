#include "sandbox/http_head.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <string>

namespace pca::sandbox {

namespace http = boost::beast::http;

Result<std::optional<ParsedHead>> parse_request_head(std::string_view bytes) {
  const auto end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) {
    if (bytes.size() > request_head_limit) return failed("the request's head is too long");
    return std::optional<ParsedHead>();
  }
  http::request_parser<http::empty_body> parser;
  parser.header_limit(request_head_limit);
  parser.body_limit(boost::none);  // whoever takes the body limits it
  boost::system::error_code error;
  ParsedHead parsed;
  parsed.size = parser.put(boost::asio::buffer(bytes.data(), end + 4), error);
  if (error || !parser.is_header_done()) {
    return failed("the request is no HTTP: " + error.message());
  }
  const auto& request = parser.get();
  parsed.request.method = std::string(request.method_string());
  parsed.request.target = std::string(request.target());
  parsed.request.version = request.version();
  for (const auto& field : request) {
    parsed.request.headers.emplace_back(std::string(field.name_string()),
                                        std::string(field.value()));
  }
  return std::optional<ParsedHead>(std::move(parsed));
}

}  // namespace pca::sandbox
