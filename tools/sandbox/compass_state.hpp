#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "base/secret.hpp"
#include "sandbox/api_server.hpp"

namespace pca::sandbox {

// What a Compass of one site is told at its start. What is empty is not looked at.
struct CompassWorld {
  std::string cloud_id = {};
  std::string user = {};
  Secret token = {};
  std::vector<std::string> components = {};
  int per_minute = 100;  // requests
};

// Events as developer.atlassian.com/cloud/compass/rest describes them. Of two reports about the
// same deploy that with the greater updateSequenceNumber counts; both are taken. No sockets, no
// clock: `now` is in seconds since 1970. Not thread safe.
class CompassState {
 public:
  explicit CompassState(CompassWorld world) : world_(std::move(world)) {}

  // The note says whether the report counts, and why not.
  [[nodiscard]] Api::Said answer(const RequestHead& request, std::string_view body,
                                 std::int64_t now);
  // The latest report of each deploy and build.
  [[nodiscard]] std::vector<Json> events() const;

 private:
  struct Kept {
    std::int64_t update = 0;
    Json event;
  };

  [[nodiscard]] bool is_known(const RequestHead& request) const;
  [[nodiscard]] bool is_too_much(std::int64_t now);
  [[nodiscard]] Api::Said take(const Json& body);

  CompassWorld world_;
  std::deque<std::int64_t> recent_;     // when requests came
  std::map<std::string, Kept> events_;  // by what makes a deploy the same
};

// The answers of Compass, with its own faults.
[[nodiscard]] Api compass_api(CompassWorld world);
[[nodiscard]] Answer compass_answer(int status, const std::string& message);

}  // namespace pca::sandbox
