#include "tunnel-ssh/host_output.hpp"

#include <array>

#include "base/text.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr std::size_t tail_bytes = 8192;
constexpr std::size_t tail_lines = 20;

}  // namespace

HostOutput::HostOutput(Reporter& reporter, const Redactor& redactor, const OutputSettings& settings,
                       std::string host, bool is_only_host, std::mutex& turn)
    : reporter_(reporter),
      settings_(settings),
      host_(std::move(host)),
      turn_(turn),
      out_(settings.capture_limit, redactor),
      err_(settings.capture_limit, redactor),
      redacting_(redactor) {
  if (settings_.grouped && !is_only_host) spool_.reset(std::tmpfile());
  if (!spool_) {
    const std::string prefix = is_only_host ? std::string() : host_ + ": ";
    shown_out_ = reporter_.remote(prefix);
    shown_err_ = reporter_.remote(prefix);
  }
}

RunSinks HostOutput::sinks() {
  RunSinks sinks;
  sinks.noise = [this](std::string_view text) { show(shown_err_.get(), text); };
  sinks.out = [this](std::string_view text) {
    if (settings_.capture_out) out_.feed(text);
    show(shown_out_.get(), text);
  };
  sinks.err = [this](std::string_view text) {
    if (settings_.capture_err) err_.feed(text);
    show(shown_err_.get(), text);
  };
  sinks.warning = [this](const std::string& text) { reporter_.warning(text); };
  return sinks;
}

void HostOutput::show(RemoteOutput* stream, std::string_view text) {
  if (stream != nullptr) stream->feed(text);
  if (spool_) write_to_spool(redacting_.feed(text));
  remember(text);
}

void HostOutput::write_to_spool(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), spool_.get());
}

// As it came: redacting all of it once more would cost as much as showing it.
void HostOutput::remember(std::string_view text) {
  if (text.size() > tail_bytes) text.remove_prefix(text.size() - tail_bytes);
  tail_ += text;
  if (tail_.size() <= tail_bytes) return;
  tail_.erase(0, tail_.size() - tail_bytes);
  tail_is_cut_ = true;
}

void HostOutput::finish() {
  if (spool_) {
    write_to_spool(redacting_.finish());
    show_group();
  } else {
    shown_out_->finish();
    shown_err_->finish();
  }
}

void HostOutput::show_group() {
  const std::lock_guard lock(turn_);
  reporter_.group(host_);
  const auto stream = reporter_.remote({});
  std::array<char, 65536> buffer{};
  std::rewind(spool_.get());
  for (std::size_t size = 0;
       (size = std::fread(buffer.data(), 1, buffer.size(), spool_.get())) > 0;) {
    stream->feed({buffer.data(), size});
  }
  stream->finish();
  reporter_.end_group();
}

std::string HostOutput::last_words() const {
  std::vector<std::string> lines = split_lines(tail_);
  // The rest of a line that was cut may be the rest of a secret, which nothing would recognise.
  if (tail_is_cut_ && !lines.empty()) lines.erase(lines.begin());
  if (lines.size() > tail_lines) {
    lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(tail_lines));
  }
  return to_valid_utf8(reporter_.redact(join(lines, "\n")));
}

}  // namespace pca::tunnel_ssh
