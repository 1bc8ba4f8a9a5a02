#include "sandbox/websocket.hpp"

#include <algorithm>
#include <cstring>

namespace pca::sandbox {

namespace {

constexpr std::size_t control_limit = 125;
constexpr std::array<std::uint8_t, 4> any_mask{0x37, 0xfa, 0x21, 0x3d};

std::size_t header_size(std::uint8_t second_byte) {
  const unsigned length = second_byte & 0x7FU;
  std::size_t size = 2;
  if (length == 126) size += 2;
  if (length == 127) size += 8;
  if ((second_byte & 0x80U) != 0) size += 4;
  return size;
}

FrameHeader parse_header(std::span<const std::uint8_t> bytes) {
  FrameHeader header;
  header.final = (bytes[0] & 0x80U) != 0;
  header.reserved = (bytes[0] & 0x70U) != 0;
  header.opcode = bytes[0] & 0x0FU;
  header.masked = (bytes[1] & 0x80U) != 0;
  header.length = bytes[1] & 0x7FU;
  std::size_t at = 2;
  const std::size_t length_bytes = header.length == 126 ? 2 : header.length == 127 ? 8 : 0;
  if (length_bytes != 0) header.length = 0;
  for (std::size_t i = 0; i < length_bytes; ++i) header.length = header.length << 8U | bytes[at++];
  if (header.masked)
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), 4, header.mask.begin());
  return header;
}

}  // namespace

void apply_mask(std::span<char> bytes, const std::array<std::uint8_t, 4>& mask,
                std::uint64_t offset) {
  std::array<std::uint8_t, 8> turned{};
  for (std::size_t i = 0; i < turned.size(); ++i) turned[i] = mask[(offset + i) % 4];
  std::uint64_t word_mask = 0;
  std::memcpy(&word_mask, turned.data(), sizeof word_mask);
  std::size_t at = 0;
  for (; at + sizeof word_mask <= bytes.size(); at += sizeof word_mask) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    word ^= word_mask;
    std::memcpy(bytes.data() + at, &word, sizeof word);
  }
  for (; at < bytes.size(); ++at) {
    bytes[at] = static_cast<char>(static_cast<std::uint8_t>(bytes[at]) ^ turned[at % 8]);
  }
}

bool FrameReader::take_header(std::span<char>& bytes) {
  while (head_size_ < 2 || head_size_ < header_size(head_[1])) {
    if (bytes.empty()) return false;
    head_[head_size_++] = static_cast<std::uint8_t>(bytes.front());
    bytes = bytes.subspan(1);
  }
  header_ = parse_header(head_);
  head_size_ = 0;
  done_ = 0;
  in_payload_ = true;
  return true;
}

std::optional<FrameReader::Part> FrameReader::next(std::span<char>& bytes) {
  Part part;
  if (!in_payload_) {
    if (!take_header(bytes)) return std::nullopt;
    part.is_first = true;
  } else if (bytes.empty()) {
    return std::nullopt;
  }
  const auto size =
      static_cast<std::size_t>(std::min<std::uint64_t>(header_.length - done_, bytes.size()));
  part.header = header_;
  part.payload = bytes.first(size);
  bytes = bytes.subspan(size);
  if (header_.masked) apply_mask(part.payload, header_.mask, done_);
  done_ += size;
  part.is_last = done_ == header_.length;
  in_payload_ = !part.is_last;
  return part;
}

void append_frame_header(std::string& out, const FrameHeader& header) {
  const auto append_byte = [&](std::uint64_t value) { out += static_cast<char>(value & 0xFFU); };
  append_byte((header.final ? 0x80U : 0U) | header.opcode);
  const unsigned mask_bit = header.masked ? 0x80U : 0U;
  if (header.length < 126) {
    append_byte(mask_bit | header.length);
  } else {
    const bool is_short = header.length <= 0xFFFF;
    append_byte(mask_bit | (is_short ? 126U : 127U));
    for (int shift = is_short ? 8 : 56; shift >= 0; shift -= 8) append_byte(header.length >> shift);
  }
  if (header.masked) out.append(reinterpret_cast<const char*>(header.mask.data()), 4);
}

void append_frame(std::string& out, Opcode opcode, std::string_view payload, bool final) {
  FrameHeader header;
  header.final = final;
  header.opcode = static_cast<std::uint8_t>(opcode);
  header.length = payload.size();
  append_frame_header(out, header);
  out += payload;
}

void append_close(std::string& out, std::uint16_t code) {
  std::string payload;
  if (code != 0) payload = {static_cast<char>(code >> 8U), static_cast<char>(code & 0xFFU)};
  append_frame(out, Opcode::close, payload);
}

bool OriginSide::breaks(const char* rule) {
  counts_.fault = rule;
  return false;
}

bool OriginSide::begin_frame(const FrameHeader& header) {
  if (!header.masked) return breaks("unmasked frame");
  if (header.reserved) return breaks("reserved bit");
  if (counts_.frames > 0 && header.mask == last_mask_) ++counts_.repeated_masks;
  last_mask_ = header.mask;
  ++counts_.frames;
  counts_.largest_frame = std::max(counts_.largest_frame, header.length);
  if (header.is_control()) {
    if (header.opcode > static_cast<std::uint8_t>(Opcode::pong)) return breaks("unknown opcode");
    if (!header.final) return breaks("fragmented control frame");
    if (header.length > control_limit) return breaks("long control frame");
    control_.clear();
    return true;
  }
  if (header.opcode > static_cast<std::uint8_t>(Opcode::binary)) return breaks("unknown opcode");
  if (header.is(Opcode::continuation) != in_message_) return breaks("message out of turn");
  if (!in_message_) {
    in_message_ = true;
    is_text_ = header.is(Opcode::text);
    message_size_ = 0;
    message_.clear();
  }
  return true;
}

void OriginSide::end_message(std::string& to_origin) {
  in_message_ = false;
  if (is_text_) {
    ++counts_.text_messages;
    return;
  }
  ++counts_.messages;
  if (message_size_ == 0) ++counts_.empty_messages;
  if (message_size_ > message_limit) ++counts_.cut_messages;
  counts_.largest_message = std::max(counts_.largest_message, message_size_);
  to_origin += message_;
}

OriginSide::Verdict OriginSide::end_control(const FrameHeader& header, std::string& to_client) {
  if (header.is(Opcode::pong)) ++counts_.pongs;
  if (header.is(Opcode::ping)) {
    ++counts_.pings;
    append_frame(to_client, Opcode::pong, control_);
  }
  if (!header.is(Opcode::close)) return Verdict::carry_on;
  std::uint16_t code = 0;
  if (control_.size() >= 2) {
    code = static_cast<std::uint16_t>(static_cast<std::uint8_t>(control_[0]) << 8U |
                                      static_cast<std::uint8_t>(control_[1]));
  }
  counts_.close_code = code;
  append_close(to_client, code);
  return Verdict::closed;
}

OriginSide::Verdict OriginSide::take(std::span<char> bytes, std::string& to_origin,
                                     std::string& to_client) {
  while (const auto part = reader_.next(bytes)) {
    const FrameHeader& header = part->header;
    if (part->is_first && !begin_frame(header)) return Verdict::broken;
    const std::string_view payload(part->payload.data(), part->payload.size());
    if (header.is_control()) {
      control_ += payload;
      if (part->is_last && end_control(header, to_client) == Verdict::closed) {
        return Verdict::closed;
      }
      continue;
    }
    message_size_ += payload.size();
    if (!is_text_) message_ += payload.substr(0, message_limit - message_.size());
    if (part->is_last && header.final) end_message(to_origin);
  }
  return Verdict::carry_on;
}

void Framer::append_message(std::string& out, std::string_view payload) {
  const std::size_t most = settings_.fragment_size == 0 ? payload.size() : settings_.fragment_size;
  FrameHeader header;
  header.opcode = static_cast<std::uint8_t>(settings_.as_text ? Opcode::text : Opcode::binary);
  header.masked = settings_.masked;
  header.mask = any_mask;
  while (!payload.empty()) {
    const std::string_view fragment = payload.substr(0, most);
    payload.remove_prefix(fragment.size());
    header.final = payload.empty();
    header.length = fragment.size();
    append_frame_header(out, header);
    out += fragment;
    if (header.masked) {
      apply_mask(std::span(out).last(fragment.size()), header.mask, 0);
    }
    header.opcode = static_cast<std::uint8_t>(Opcode::continuation);
    if (!header.final && settings_.ping_between_frames) {
      append_frame(out, Opcode::ping, "between");
      ++pings_added_;
    }
  }
}

void Framer::append_announced(std::string& out, std::string_view payload) {
  while (!payload.empty()) {
    if (open_ == 0) {
      FrameHeader header;
      header.opcode = static_cast<std::uint8_t>(Opcode::binary);
      header.length = open_ = settings_.announced_frame;
      append_frame_header(out, header);
    }
    const std::string_view piece = payload.substr(0, static_cast<std::size_t>(open_));
    payload.remove_prefix(piece.size());
    out += piece;
    open_ -= piece.size();
    if (open_ == 0) {
      out += waiting_;
      waiting_.clear();
    }
  }
}

void Framer::append_data(std::string& out, std::string_view payload) {
  if (settings_.announced_frame != 0) return append_announced(out, payload);
  for (; !payload.empty();
       payload.remove_prefix(std::min(payload.size(), settings_.message_size))) {
    append_message(out, payload.substr(0, settings_.message_size));
  }
}

void Framer::append_control(std::string& out, std::string_view frame) {
  (open_ == 0 ? out : waiting_) += frame;
}

}  // namespace pca::sandbox
