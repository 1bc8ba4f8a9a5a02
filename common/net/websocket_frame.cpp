#include "net/websocket_frame.hpp"

#include <algorithm>
#include <cstring>

#include "base/digest.hpp"

namespace pca {

namespace {

constexpr std::uint8_t final_bit = 0x80;
constexpr std::uint8_t reserved_bits = 0x70;
constexpr std::uint8_t opcode_bits = 0x0F;
constexpr std::uint8_t mask_bit = 0x80;
constexpr std::uint8_t length_bits = 0x7F;
constexpr std::uint8_t length_16 = 126;  // two bytes of length follow
constexpr std::uint8_t length_64 = 127;  // eight do

// `phase` is how far into the payload `in` starts. A few words at a time, which the compiler turns
// into vector instructions: this is most of the CPU that a WebSocket costs above plain TLS.
void copy_masked(char* out, std::span<const char> in, const MaskKey& key, std::size_t phase) {
  std::array<std::uint8_t, 32> pattern{};
  for (std::size_t i = 0; i < pattern.size(); ++i) pattern[i] = key[(phase + i) % key.size()];
  using Words = std::array<std::uint64_t, pattern.size() / sizeof(std::uint64_t)>;
  Words mask;
  std::memcpy(mask.data(), pattern.data(), sizeof mask);

  std::size_t done = 0;
  for (; done + sizeof mask <= in.size(); done += sizeof mask) {
    Words words;
    std::memcpy(words.data(), in.data() + done, sizeof words);
    for (std::size_t i = 0; i < words.size(); ++i) words[i] ^= mask[i];
    std::memcpy(out + done, words.data(), sizeof words);
  }
  for (std::size_t i = 0; done < in.size(); ++done, ++i) {
    out[done] = static_cast<char>(static_cast<std::uint8_t>(in[done]) ^ pattern[i]);
  }
}

}  // namespace

MaskKey MaskKeys::next() {
  if (used_ == batch_.size()) {
    fill_random(batch_);
    used_ = 0;
  }
  MaskKey key;
  std::copy_n(batch_.begin() + static_cast<std::ptrdiff_t>(used_), key.size(), key.begin());
  used_ += key.size();
  return key;
}

FrameBuilder::FrameBuilder(std::size_t payload_limit) : buffer_(header_limit + payload_limit) {}

void FrameBuilder::start(const MaskKey& key) {
  key_ = key;
  size_ = 0;
}

std::size_t FrameBuilder::append(std::span<const char> payload) {
  const auto taken = payload.first(std::min(payload.size(), buffer_.size() - header_limit - size_));
  copy_masked(buffer_.data() + header_limit + size_, taken, key_, size_);
  size_ += taken.size();
  return taken.size();
}

std::span<const char> FrameBuilder::finish(WebSocketOpcode opcode) {
  const std::size_t header_size = size_ < length_16 ? 6 : 8;
  char* const frame = buffer_.data() + header_limit - header_size;
  frame[0] = static_cast<char>(final_bit | static_cast<std::uint8_t>(opcode));
  if (size_ < length_16) {
    frame[1] = static_cast<char>(mask_bit | size_);
  } else {
    frame[1] = static_cast<char>(mask_bit | length_16);
    frame[2] = static_cast<char>(size_ >> 8U);
    frame[3] = static_cast<char>(size_ & 0xFFU);
  }
  std::memcpy(frame + header_size - key_.size(), key_.data(), key_.size());
  return {frame, header_size + size_};
}

bool FrameReader::head_is_complete() const {
  if (head_size_ < 2) return false;
  const std::uint8_t length = head_[1] & length_bits;
  return head_size_ == (length == length_64 ? 10 : length == length_16 ? 4 : 2);
}

// Looked at as soon as two bytes are there, and again once the whole head is.
std::optional<std::string> FrameReader::fault() const {
  if ((head_[0] & reserved_bits) != 0) return "a reserved bit is set";
  if ((head_[1] & mask_bit) != 0) return "a frame from the server is masked";
  const std::uint8_t opcode = head_[0] & opcode_bits;
  const bool is_final = (head_[0] & final_bit) != 0;
  if (is_control()) {
    if (opcode > static_cast<std::uint8_t>(WebSocketOpcode::pong)) {
      return "unknown opcode " + std::to_string(opcode);
    }
    if (!is_final) return "a control frame is fragmented";
    if ((head_[1] & length_bits) > websocket_control_limit) {
      return "a control frame is longer than 125 bytes";
    }
    return {};
  }
  if (opcode > static_cast<std::uint8_t>(WebSocketOpcode::binary)) {
    return "unknown opcode " + std::to_string(opcode);
  }
  const bool continues = opcode == static_cast<std::uint8_t>(WebSocketOpcode::continuation);
  if (continues && !message_is_open_) return "a continuation without a start";
  if (!continues && message_is_open_) return "a new message inside a fragmented one";
  if (head_size_ == head_.size() && (head_[2] & 0x80U) != 0) return "a length of more than 63 bits";
  return {};
}

void FrameReader::start_payload() {
  left_ = head_[1] & length_bits;
  if (left_ >= length_16) {
    left_ = 0;
    for (std::size_t i = 2; i < head_size_; ++i) left_ = (left_ << 8U) | head_[i];
  }
  if (!is_control()) message_is_open_ = (head_[0] & final_bit) == 0;
  control_size_ = 0;
  head_size_ = 0;
  in_payload_ = true;
}

Result<FrameReader::Step> FrameReader::next(std::span<const char> in) {
  if (broken_) return *broken_;
  std::size_t used = 0;
  while (true) {
    while (!in_payload_ && used < in.size()) {
      head_[head_size_++] = static_cast<std::uint8_t>(in[used++]);
      if (head_size_ < 2) continue;
      if (auto problem = fault()) {
        broken_ = unreachable("broken WebSocket frame: " + *problem,
                              "Something between here and the host does not speak RFC 6455.");
        return *broken_;
      }
      if (head_is_complete()) start_payload();
    }
    if (!in_payload_) return Step{Event::need_more, used, {}};

    const std::size_t here = in.size() - used;
    const auto piece = in.subspan(used, left_ < here ? static_cast<std::size_t>(left_) : here);
    used += piece.size();
    left_ -= piece.size();
    in_payload_ = left_ > 0;
    if (is_control()) {
      std::copy(piece.begin(), piece.end(), control_.data() + control_size_);
      control_size_ += piece.size();
      if (in_payload_) return Step{Event::need_more, used, {}};
      const auto opcode = static_cast<WebSocketOpcode>(head_[0] & opcode_bits);
      const Event event = opcode == WebSocketOpcode::ping   ? Event::ping
                          : opcode == WebSocketOpcode::pong ? Event::pong
                                                            : Event::close;
      return Step{event, used, {control_.data(), control_size_}};
    }
    if (!piece.empty()) return Step{Event::data, used, piece};
    if (in_payload_) return Step{Event::need_more, used, {}};
    // An empty data frame says nothing; on to the next one.
  }
}

}  // namespace pca
