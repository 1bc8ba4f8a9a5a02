#include "tunnel-ssh/host_output.hpp"

#include <fmt/format.h>

#include <array>
#include <cerrno>

#include "base/system_error.hpp"
#include "base/text.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr std::size_t tail_bytes = 8192;
constexpr std::size_t tail_lines = 20;
constexpr std::string_view long_line = "[a line too long to be kept]\n";
// The log's own filter cuts lines too, and is to leave our note of a cut as it is.
constexpr std::size_t grouped_line_limit = RemoteTextFilter::line_limit - 64;

}  // namespace

HostOutput::Stream::Stream(const Redactor& redactor)
    : redacting(redactor), filter(grouped_line_limit) {}

HostOutput::HostOutput(Reporter& reporter, const Redactor& redactor, const OutputSettings& settings,
                       std::string host, bool is_only_host, std::mutex& turn)
    : reporter_(reporter),
      settings_(settings),
      host_(std::move(host)),
      turn_(turn),
      out_stream_(redactor),
      err_stream_(redactor),
      out_(settings.capture_limit, redactor),
      err_(settings.capture_limit, redactor) {
  if (settings_.grouped && !is_only_host) spool_.reset(std::tmpfile());
  if (spool_) {
    std::setvbuf(spool_.get(), nullptr, _IONBF, 0);  // so that each write tells its own failure
  } else {
    const std::string prefix = is_only_host ? std::string() : host_ + ": ";
    out_stream_.shown = reporter_.remote(prefix);
    err_stream_.shown = reporter_.remote(prefix);
  }
}

RunSinks HostOutput::sinks() {
  RunSinks sinks;
  sinks.noise = [this](std::string_view text) { show(err_stream_, text); };
  sinks.out = [this](std::string_view text) {
    if (settings_.capture_out) out_.feed(text);
    show(out_stream_, text);
  };
  sinks.err = [this](std::string_view text) {
    if (settings_.capture_err) err_.feed(text);
    show(err_stream_, text);
  };
  sinks.warning = [this](const std::string& text) { reporter_.warning({"Left running", text}); };
  return sinks;
}

void HostOutput::show(Stream& stream, std::string_view text) {
  show_redacted(stream, stream.redacting.feed(text));
}

void HostOutput::show_redacted(Stream& stream, std::string_view text) {
  if (spool_) {
    write_to_spool(stream.filter.feed(text));
  } else {
    stream.shown->feed(text);
  }
  remember(stream, text);
}

void HostOutput::write_to_spool(std::string_view lines) {
  const std::size_t room = left_out_ > 0 ? 0 : settings_.group_limit - spooled_;
  std::string_view kept = lines;
  if (kept.size() > room) kept = kept.substr(0, kept.substr(0, room).rfind('\n') + 1);
  const std::size_t written = std::fwrite(kept.data(), 1, kept.size(), spool_.get());
  if (written < kept.size()) spool_error_ = errno;
  spooled_ += written;
  left_out_ += lines.size() - written;
}

// By lines, or a word of the other stream would land in the middle of one.
void HostOutput::remember(Stream& stream, std::string_view text) {
  const std::size_t end = text.rfind('\n') + 1;  // 0: there is none
  if (end > 0) {
    const bool is_long = stream.begun.size() > tail_bytes;
    const std::size_t begin = is_long ? text.find('\n') + 1 : 0;
    keep(is_long ? long_line : std::string_view(stream.begun));
    keep(text.substr(begin, end - begin));
    stream.begun.clear();
    text.remove_prefix(end);
  }
  if (stream.begun.size() <= tail_bytes) stream.begun += text.substr(0, tail_bytes + 1);
}

void HostOutput::keep(std::string_view text) {
  if (text.size() > tail_bytes) {
    text.remove_prefix(text.size() - tail_bytes);
    tail_is_cut_ = true;
  }
  tail_ += text;
  if (tail_.size() <= tail_bytes) return;
  tail_.erase(0, tail_.size() - tail_bytes);
  tail_is_cut_ = true;
}

void HostOutput::finish() {
  for (Stream* stream : {&out_stream_, &err_stream_}) {
    show_redacted(*stream, stream->redacting.finish());
    if (!spool_) stream->shown->finish();
  }
  if (spool_) finish_group();
}

void HostOutput::finish_group() {
  for (Stream* stream : {&out_stream_, &err_stream_}) {
    write_to_spool(stream->filter.finish());
  }
  show_group();
  if (spool_error_ != 0) {
    reporter_.warning(
        {"Lost output",
         fmt::format("{}: {} of its output are missing from the log: they could not be kept until "
                     "its end: {}. Make room in the folder for temporary files, or use `output: "
                     "interleaved`.",
                     host_, format_size(left_out_), errno_text(spool_error_))});
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
  if (left_out_ > 0) stream->feed(left_out_note());
  stream->finish();
  reporter_.end_group();
}

std::string HostOutput::left_out_note() const {
  const std::string why = spool_error_ != 0
                              ? errno_text(spool_error_)
                              : fmt::format("a group holds {}", format_size(settings_.group_limit));
  return fmt::format("[{} more are left out: {}; the last lines were:]\n{}", format_size(left_out_),
                     why, last_words());
}

std::string HostOutput::last_words() const {
  std::string tail = tail_;
  for (const Stream* stream : {&out_stream_, &err_stream_}) {
    const bool is_long = stream->begun.size() > tail_bytes;
    if (!stream->begun.empty()) tail += is_long ? std::string(long_line) : stream->begun + "\n";
  }
  std::vector<std::string> lines = split_lines(tail);
  // Half a line would mislead.
  if (tail_is_cut_ && !lines.empty()) lines.erase(lines.begin());
  if (lines.size() > tail_lines) {
    lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(tail_lines));
  }
  return to_valid_utf8(join(lines, "\n"));
}

}  // namespace pca::tunnel_ssh
