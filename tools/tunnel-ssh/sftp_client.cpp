#include "tunnel-ssh/sftp_client.hpp"

#include <fmt/format.h>

#include <utility>

#include "base/text.hpp"
#include "net/ssh_wire.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr std::size_t chunk_size = std::size_t{256} * 1024;
constexpr std::size_t longest_errors = 1024;
// What fills a fast line with a long way; a server may hold a packet of each in its memory.
constexpr std::size_t most_requests = 128;
constexpr std::size_t most_bytes = std::size_t{4} << 20U;
constexpr const char* doing = "working on the host by SFTP";

}  // namespace

SftpClient::SftpClient(SshSession& session, std::unique_ptr<SshChannel> channel, std::string who)
    : session_(session), channel_(std::move(channel)), who_(std::move(who)), buffer_(chunk_size) {}

Result<std::unique_ptr<SftpClient>> SftpClient::start(const Budget& budget, SshSession& session,
                                                      std::string who) {
  PCA_TRY(auto channel, session.open_subsystem(budget, "sftp"));
  std::unique_ptr<SftpClient> client(new SftpClient(session, std::move(channel), std::move(who)));
  PCA_CHECK(client->greet(budget));
  return client;
}

Result<> SftpClient::greet(const Budget& budget) {
  to_send_ = sftp_hello();
  while (true) {
    PCA_CHECK(send());
    PCA_CHECK(receive());
    PCA_TRY(const auto packet, front());
    if (packet) {
      PCA_TRY(auto extensions, parse_sftp_hello(*packet));
      extensions_.insert(std::make_move_iterator(extensions.begin()),
                         std::make_move_iterator(extensions.end()));
      taken_ += 4 + packet->size();
      return {};
    }
    PCA_CHECK(wait(budget));
  }
}

void SftpClient::ask(const SftpRequest& request, Then then, std::size_t expected) {
  const std::uint32_t id = next_id_++;
  to_send_ += request.packet(id);
  const std::size_t bytes = request.size() + expected;
  on_the_way_ += bytes;
  waiting_.insert_or_assign(id, Waiting{std::move(then), bytes});
}

Result<SftpAnswer> SftpClient::ask(const Budget& budget, const SftpRequest& request) {
  SftpAnswer answer;
  ask(request, [&answer](const SftpAnswer& said) -> Result<> {
    answer = said;
    return {};
  });
  PCA_CHECK(finish(budget));
  return answer;
}

bool SftpClient::has_room() const {
  return waiting_.size() < most_requests && on_the_way_ < most_bytes;
}

Result<> SftpClient::finish(const Budget& budget, const More& more) {
  auto done = work(budget, more);
  // What they refer to may be gone when the answers come.
  if (!done) {
    for (auto& [id, waiting] : waiting_) waiting.then = nullptr;
  }
  return done;
}

Result<> SftpClient::work(const Budget& budget, const More& more) {
  while (true) {
    PCA_CHECK(budget.check(doing));
    bool asked = more != nullptr;
    while (asked && has_room()) {
      PCA_TRY(asked, more());
    }
    PCA_TRY(const bool sent, send());
    PCA_TRY(const bool received, receive());
    bool heard = false;
    while (true) {
      PCA_TRY(const auto packet, front());
      if (!packet) break;
      PCA_TRY(const SftpAnswer answer, parse_sftp_answer(*packet));
      taken_ += 4 + packet->size();
      heard = true;
      const auto found = waiting_.find(answer.id);
      if (found == waiting_.end()) {
        return failed(fmt::format("{}: the SFTP server answers what nobody asked", who_));
      }
      const Waiting waiting = std::move(found->second);
      waiting_.erase(found);
      on_the_way_ -= waiting.bytes;
      if (waiting.then) PCA_CHECK(waiting.then(answer));
    }
    if (heard) continue;  // there is room for more
    if (waiting_.empty()) return {};
    if (!sent && !received) PCA_CHECK(wait(budget));
  }
}

Result<bool> SftpClient::send() {
  bool sent = false;
  while (sent_ < to_send_.size()) {
    PCA_TRY(const std::size_t taken,
            channel_->write(std::span<const char>(to_send_).subspan(sent_)));
    if (taken == 0) return sent;
    sent_ += taken;
    sent = true;
  }
  to_send_.clear();
  sent_ = 0;
  return sent;
}

Result<bool> SftpClient::receive() {
  received_.erase(0, std::exchange(taken_, 0));
  PCA_TRY(const ByteStream::Read out, channel_->read(buffer_));
  received_.append(buffer_.data(), out.bytes);
  PCA_TRY(const ByteStream::Read err, channel_->read_stderr(buffer_));
  errors_.append(buffer_.data(), err.bytes);
  if (errors_.size() > longest_errors) errors_.erase(0, errors_.size() - longest_errors);
  return out.bytes + err.bytes > 0;
}

Result<std::optional<std::string_view>> SftpClient::front() const {
  WireReader reader(std::string_view(received_).substr(taken_));
  const auto size = reader.number();
  if (!size) return std::optional<std::string_view>();
  if (*size > longest_sftp_packet) {
    return failed(fmt::format("{}: the SFTP server does not speak SFTP", who_),
                  "What the user's login files print may come before it: let them print nothing.");
  }
  return reader.bytes(*size);
}

Result<> SftpClient::wait(const Budget& budget) {
  if (channel_->is_at_end()) {
    const std::string words = visible(trim(errors_));
    return failed(fmt::format("{}: the SFTP server ended before all was done{}", who_,
                              words.empty() ? "" : ": " + words),
                  "Look at the host's log.");
  }
  PCA_CHECK(session_.wait(budget, {}, budget.deadline(), doing));
  return {};
}

}  // namespace pca::tunnel_ssh
