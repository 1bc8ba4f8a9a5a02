#include "support/fake_engine.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <list>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

#include "base/text.hpp"
#include "base/utc_time.hpp"
#include "net/file_descriptor.hpp"
#include "support/temp_folder.hpp"

namespace pca::test {

namespace {

std::string percent_decoded(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      out += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

std::string header_of(const std::string& head, std::string_view name) {
  for (const std::string& line : split_lines(head)) {
    const std::size_t colon = line.find(':');
    if (colon != std::string::npos && equals_ignoring_case(line.substr(0, colon), name)) {
      return std::string(trim(line.substr(colon + 1)));
    }
  }
  return {};
}

std::string name_of(const Json& object) {
  const Json* spec = object.find("Spec");
  return spec == nullptr ? object.text_of("Name") : spec->text_of("Name");
}

}  // namespace

struct FakeEngine::Impl {
  explicit Impl(std::string version) : api_version(std::move(version)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path().c_str(), sizeof address.sun_path - 1);
    if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener.get(), 64) != 0) {
      throw std::runtime_error("no socket " + path());
    }
    acceptor = std::thread([this] { accept_all(); });
  }
  ~Impl() {
    ::shutdown(listener.get(), SHUT_RDWR);
    acceptor.join();
    {
      const std::lock_guard lock(mutex);
      for (const FileDescriptor& client : clients) ::shutdown(client.get(), SHUT_RDWR);
    }
    for (std::thread& server : servers) server.join();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  [[nodiscard]] std::string path() const { return folder.path("engine.sock"); }

  void accept_all() {
    while (true) {
      FileDescriptor client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!client.is_open()) return;
      const std::lock_guard lock(mutex);
      clients.push_back(std::move(client));
      servers.emplace_back([this, fd = clients.back().get()] { serve(fd); });
    }
  }

  void serve(int fd) {
    std::string input;
    while (true) {
      std::size_t end = 0;
      while ((end = input.find("\r\n\r\n")) == std::string::npos) {
        if (!receive(fd, input)) return;
      }
      const std::string head = input.substr(0, end);
      input.erase(0, end + 4);
      std::string body;
      if (equals_ignoring_case(header_of(head, "Transfer-Encoding"), "chunked")) {
        if (!receive_chunks(fd, input, body)) return;
      } else {
        const std::string length = header_of(head, "Content-Length");
        const std::size_t size = length.empty() ? 0 : std::stoul(length);
        while (input.size() < size) {
          if (!receive(fd, input)) return;
        }
        body = input.substr(0, size);
        input.erase(0, size);
      }
      const Request request = parse(head, body);
      Answer given = answer_to(request);
      if (is_among(request, lost)) {
        ::shutdown(fd, SHUT_RDWR);
        return;
      }
      if (is_among(request, spoiled)) given = {502, R"({"message":"a proxy lost its way"})"};
      if (request.path == "/events" && given.body.empty()) {
        serve_events(fd);
        return;
      }
      const std::string text = fmt::format(
          "HTTP/1.1 {} X\r\nApi-Version: {}\r\nOstype: linux\r\nDocker-Experimental: false\r\n"
          "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
          given.status, api_version, given.body.size(),
          request.method == "HEAD" ? std::string() : given.body);
      if (::send(fd, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size())) {
        return;
      }
    }
  }

  // Until the client, or end_events(), ends it.
  void serve_events(int fd) {
    const std::string head =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    {
      const std::lock_guard lock(listening);
      (void)::send(fd, head.data(), head.size(), MSG_NOSIGNAL);
      listeners.insert(fd);
    }
    std::string input;
    while (receive(fd, input)) continue;
    const std::lock_guard lock(listening);
    listeners.erase(fd);
  }

  // Whether there was anybody to send it to.
  bool send_to_listeners(const std::string& text) {
    const std::lock_guard lock(listening);
    for (const int fd : listeners) (void)::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    return !listeners.empty();
  }

  static bool receive(int fd, std::string& input) {
    std::array<char, 16384> buffer;
    const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (got <= 0) return false;
    input.append(buffer.data(), static_cast<std::size_t>(got));
    return true;
  }

  static bool receive_chunks(int fd, std::string& input, std::string& body) {
    while (true) {
      std::size_t line = 0;
      while ((line = input.find("\r\n")) == std::string::npos) {
        if (!receive(fd, input)) return false;
      }
      const std::size_t size = std::stoul(input.substr(0, line), nullptr, 16);
      while (input.size() < line + size + 4) {
        if (!receive(fd, input)) return false;
      }
      body += input.substr(line + 2, size);
      input.erase(0, line + size + 4);
      if (size == 0) return true;
    }
  }

  bool is_among(const Request& request, const std::function<bool(const Request&)>& some) {
    std::function<bool(const Request&)> asked;
    {
      const std::lock_guard lock(mutex);
      asked = some;
    }
    return asked && asked(request);
  }

  static Request parse(const std::string& head, const std::string& body) {
    const std::vector<std::string> words = split(head.substr(0, head.find("\r\n")), ' ');
    Request request;
    request.method = words.at(0);
    std::string target = words.at(1);
    const std::size_t question = target.find('?');
    if (question != std::string::npos) request.query = percent_decoded(target.substr(question + 1));
    target = target.substr(0, question);
    if (target.starts_with("/v1.")) target = target.substr(target.find('/', 1));
    request.path = percent_decoded(target);
    request.registry_auth = header_of(head, "X-Registry-Auth");
    if (!body.empty()) request.body = parse_json(body).value_or(Json());
    return request;
  }

  Answer answer_to(const Request& request) {
    std::function<std::optional<Answer>(const Request&)> special;
    {
      const std::lock_guard lock(mutex);
      seen.push_back(request);
      special = set;
    }
    if (special) {
      if (const auto found = special(request)) return *found;
    }
    const std::lock_guard lock(mutex);
    if (request.path == "/_ping") return {200, "OK"};
    if (request.path == "/info") {
      return {
          200,
          fmt::format(
              R"({{"Swarm":{{"ControlAvailable":true,"LocalNodeState":"active","NodeID":"node-1"}},)"
              R"("OSType":"linux","SystemTime":"{}"}})",
              utc_text(utc_now() + clock_offset))};
    }
    if (request.path == "/events") return {200, ""};
    if (request.path == "/volumes") return {200, R"({"Volumes":[]})"};
    if (request.path.starts_with("/distribution/")) return of_registry(request.path);
    const std::vector<std::string> parts = split(request.path.substr(1), '/');
    const auto kind = store.find(parts[0]);
    if (kind != store.end()) return of_store(request, parts, kind->first, kind->second);
    return {404, Json::object().set("message", "no " + request.path).dump()};
  }

  Answer of_registry(const std::string& path) {
    const std::size_t start = std::string_view("/distribution/").size();
    const auto image = images.find(path.substr(start, path.rfind("/json") - start));
    if (image == images.end()) return {404, R"({"message":"manifest unknown"})"};
    return {200, image->second.dump()};
  }

  using Objects = std::map<std::string, Json>;  // by ID

  Answer of_store(const Request& request, const std::vector<std::string>& parts,
                  const std::string& kind, Objects& objects) {
    if (request.method == "GET" && parts.size() == 1) return {200, listed(request, objects).dump()};
    if (request.method == "POST" && parts.at(1) == "create") return created(request, kind, objects);
    for (auto& [id, object] : objects) {
      if (parts.at(1) != id && parts.at(1) != name_of(object)) continue;
      if (request.method == "DELETE") {
        objects.erase(id);
        return {200, ""};
      }
      if (request.method == "POST") {
        const std::int64_t current = *object.find("Version")->find("Index")->as_int();
        if (request.query.find("version=" + std::to_string(current)) == std::string::npos) {
          return {500, R"({"message":"rpc error: code = Unknown desc = update out of sequence"})"};
        }
        object.set("PreviousSpec", *object.find("Spec"))
            .set("Spec", request.body)
            .set("Version", next_version());
        return {200, "{}"};
      }
      return {200, object.dump()};
    }
    return {404, Json::object().set("message", kind + " " + parts.at(1) + " not found").dump()};
  }

  static Json listed(const Request& request, const Objects& objects) {
    const std::string prefix = "filters=";
    const std::size_t at = request.query.find(prefix);
    const Json filters =
        at == std::string::npos
            ? Json()
            : parse_json(request.query.substr(at + prefix.size(),
                                              request.query.find('&', at) - at - prefix.size()))
                  .value_or(Json());
    const Json* names = filters.find("name");
    const Json* labels = filters.find("label");
    const Json* nodes = filters.find("node");
    const Json* services = filters.find("service");
    Json list = Json::array();
    for (const auto& [id, object] : objects) {
      if (names != nullptr && !has_prefix(name_of(object), *names)) continue;
      if (labels != nullptr && !has_label(object, labels->as_object()->front().first)) continue;
      if (nodes != nullptr && nodes->find(object.text_of("NodeID")) == nullptr) continue;
      if (services != nullptr && services->find(object.text_of("ServiceID")) == nullptr) continue;
      list.push(object);
    }
    return list;
  }

  // As the swarm takes names of a filter.
  static bool has_prefix(const std::string& name, const Json& names) {
    return std::any_of(names.as_object()->begin(), names.as_object()->end(),
                       [&](const auto& prefix) { return name.starts_with(prefix.first); });
  }

  static bool has_label(const Json& object, const std::string& label) {
    const Json* spec = object.find("Spec");
    const Json* labels = (spec == nullptr ? object : *spec).find("Labels");
    const std::size_t equals = label.find('=');
    if (labels != nullptr && equals == std::string::npos) return labels->find(label) != nullptr;
    return labels != nullptr &&
           labels->text_of(label.substr(0, equals)) == label.substr(equals + 1);
  }

  Answer created(const Request& request, const std::string& kind, Objects& objects) {
    const std::string name = request.body.text_of("Name");
    for (const auto& [id, object] : objects) {
      if (name_of(object) == name)
        return {409, R"({"message":"name conflicts with an existing object"})"};
    }
    // The same for whoever asks; another one when it is made anew.
    const int times = ++made[kind + name];
    const std::string id = fmt::format("{}-{}{}", kind, name,
                                       times == 1 ? std::string() : "-" + std::to_string(times));
    Json object = Json::object();
    if (kind == "networks") {
      object = request.body;
      object.set("Id", id).set("Scope", "swarm");
    } else {
      object.set("ID", id).set("Version", next_version()).set("Spec", request.body);
    }
    objects[id] = std::move(object);
    return {201, Json::object().set("ID", id).set("Id", id).dump()};
  }

  // One count for all that is written, as in a swarm.
  Json next_version() { return Json::object().set("Index", ++index); }

  const std::string api_version;
  TempFolder folder;
  FileDescriptor listener{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  mutable std::mutex mutex;
  std::function<std::optional<Answer>(const Request&)> set;
  std::function<bool(const Request&)> lost;
  std::function<bool(const Request&)> spoiled;
  std::chrono::seconds clock_offset{0};
  std::map<std::string, Json> images;  // what a registry says of them
  std::int64_t index = 0;
  std::map<std::string, int> made;  // how often, by kind and name
  std::vector<Request> seen;
  std::map<std::string, Objects> store{{"networks", {}}, {"secrets", {}}, {"configs", {}},
                                       {"services", {}}, {"nodes", {}},   {"tasks", {}}};
  std::mutex listening;
  std::set<int> listeners;  // sockets
  std::list<FileDescriptor> clients;
  std::list<std::thread> servers;
  std::thread acceptor;
};

FakeEngine::FakeEngine(std::string api_version)
    : impl_(std::make_unique<Impl>(std::move(api_version))) {}
FakeEngine::~FakeEngine() = default;

std::string FakeEngine::socket() const { return impl_->path(); }

std::vector<FakeEngine::Request> FakeEngine::requests() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->seen;
}

std::vector<FakeEngine::Request> FakeEngine::writes() const {
  std::vector<Request> writes;
  for (const Request& request : requests()) {
    if (request.method != "GET" && request.method != "HEAD") writes.push_back(request);
  }
  return writes;
}

void FakeEngine::set_answer(std::function<std::optional<Answer>(const Request&)> answer) {
  const std::lock_guard lock(impl_->mutex);
  impl_->set = std::move(answer);
}

void FakeEngine::lose_answers(std::function<bool(const Request&)> is_lost) {
  const std::lock_guard lock(impl_->mutex);
  impl_->lost = std::move(is_lost);
}

void FakeEngine::spoil_answers(std::function<bool(const Request&)> is_spoiled) {
  const std::lock_guard lock(impl_->mutex);
  impl_->spoiled = std::move(is_spoiled);
}

void FakeEngine::set_clock(std::chrono::seconds offset) {
  const std::lock_guard lock(impl_->mutex);
  impl_->clock_offset = offset;
}

bool FakeEngine::tell(const std::string& text) {
  return impl_->send_to_listeners(fmt::format("{:x}\r\n{}\r\n", text.size(), text));
}

void FakeEngine::end_events() {
  impl_->send_to_listeners("0\r\n\r\n");
  const std::lock_guard lock(impl_->listening);
  for (const int fd : impl_->listeners) ::shutdown(fd, SHUT_RDWR);
}

std::size_t FakeEngine::listeners() const {
  const std::lock_guard lock(impl_->listening);
  return impl_->listeners.size();
}

void FakeEngine::put(const std::string& kind, const Json& object) {
  const std::lock_guard lock(impl_->mutex);
  impl_->store.at(kind)[object.text_of("ID")] = object;
}

void FakeEngine::put_image(const std::string& image, const Json& distribution) {
  const std::lock_guard lock(impl_->mutex);
  impl_->images[image] = distribution;
}

std::map<std::string, Json> FakeEngine::all(const std::string& kind) const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->store.at(kind);
}

std::map<std::string, Json> FakeEngine::objects(const std::string& kind) const {
  const std::lock_guard lock(impl_->mutex);
  std::map<std::string, Json> found;
  for (const auto& [id, object] : impl_->store.at(kind)) found[name_of(object)] = object;
  return found;
}

}  // namespace pca::test
