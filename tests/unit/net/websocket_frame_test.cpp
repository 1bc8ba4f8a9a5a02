#include "net/websocket_frame.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>

namespace pca {
namespace {

using namespace std::string_literals;
using Opcode = WebSocketOpcode;
using Event = FrameReader::Event;

std::string build(Opcode opcode, std::string_view payload, const MaskKey& key) {
  FrameBuilder builder(16'376);
  builder.start(key);
  EXPECT_EQ(builder.append(payload), payload.size());
  const auto frame = builder.finish(opcode);
  return {frame.begin(), frame.end()};
}

// What a server sends: unmasked.
std::string server_frame(std::uint8_t first_byte, std::string_view payload) {
  std::string frame(1, static_cast<char>(first_byte));
  if (payload.size() < 126) {
    frame += static_cast<char>(payload.size());
  } else if (payload.size() < 65536) {
    frame += '\x7E';
    frame += static_cast<char>(payload.size() >> 8U);
    frame += static_cast<char>(payload.size() & 0xFFU);
  } else {
    frame += '\x7F';
    for (unsigned shift = 64; shift > 0; shift -= 8) {
      frame += static_cast<char>((payload.size() >> (shift - 8)) & 0xFFU);
    }
  }
  return frame.append(payload);
}

// Everything a reader made of a stream: "data" joined, control frames as <ping:...>.
struct Told {
  std::string text;
  std::string error;
  bool operator==(const Told&) const = default;
};

void feed(FrameReader& reader, std::string_view part, Told& told) {
  while (!part.empty() && told.error.empty()) {
    const auto step = reader.next(part);
    if (!step) {
      told.error = step.error().message;
      return;
    }
    const std::string payload(step->payload.begin(), step->payload.end());
    switch (step->event) {
      case Event::data:
        told.text += payload;
        break;
      case Event::ping:
        told.text += "<ping:" + payload + ">";
        break;
      case Event::pong:
        told.text += "<pong:" + payload + ">";
        break;
      case Event::close:
        told.text += "<close:" + payload + ">";
        break;
      case Event::need_more:
        ASSERT_EQ(step->used, part.size());
        break;
    }
    ASSERT_LE(step->used, part.size());
    ASSERT_GT(step->used, 0U);
    part.remove_prefix(step->used);
  }
}

Told read(std::string_view stream) {
  FrameReader reader;
  Told told;
  feed(reader, stream, told);
  return told;
}

TEST(WebSocketFrame, MasksAsTheExampleOfTheStandardShows) {
  EXPECT_EQ(build(Opcode::text, "Hello", {0x37, 0xfa, 0x21, 0x3d}),
            "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"s);
}

TEST(WebSocketFrame, WritesEachFormOfHeader) {
  const MaskKey no_mask{};
  EXPECT_EQ(build(Opcode::binary, "", no_mask), "\x82\x80\0\0\0\0"s);
  EXPECT_EQ(build(Opcode::binary, std::string(125, 'x'), no_mask),
            "\x82\xFD\0\0\0\0"s + std::string(125, 'x'));
  EXPECT_EQ(build(Opcode::binary, std::string(126, 'x'), no_mask),
            "\x82\xFE\0\x7E\0\0\0\0"s + std::string(126, 'x'));
  EXPECT_EQ(build(Opcode::close, "\x03\xe8", no_mask), "\x88\x82\0\0\0\0\x03\xe8"s);
}

TEST(WebSocketFrame, AFullMessageFillsOneTlsRecord) {
  FrameBuilder builder(16'376);
  builder.start({1, 2, 3, 4});
  EXPECT_EQ(builder.append(std::string(20'000, 'x')), 16'376U);
  EXPECT_TRUE(builder.is_full());
  EXPECT_EQ(builder.append(std::string("more")), 0U);
  EXPECT_EQ(builder.finish(Opcode::binary).size(), 16'384U);
}

TEST(WebSocketFrame, MasksTheSameHoweverThePayloadIsAppended) {
  const MaskKey key{0xDE, 0xAD, 0xBE, 0xEF};
  std::string payload;
  for (int i = 0; i < 300; ++i) payload += static_cast<char>(i * 7);
  const std::string whole = build(Opcode::binary, payload, key);
  for (std::size_t i = 0; i < payload.size(); ++i) {
    ASSERT_EQ(static_cast<std::uint8_t>(whole[8 + i]),
              static_cast<std::uint8_t>(payload[i]) ^ key[i % 4]);
  }
  for (std::size_t cut = 0; cut <= payload.size(); ++cut) {
    FrameBuilder builder(16'376);
    builder.start(key);
    builder.append(std::string_view(payload).substr(0, cut));
    builder.append(std::string_view(payload).substr(cut));
    const auto frame = builder.finish(Opcode::binary);
    ASSERT_EQ(std::string(frame.begin(), frame.end()), whole) << "cut at " << cut;
  }
}

TEST(WebSocketFrame, ReusesItsBufferForTheNextFrame) {
  FrameBuilder builder(100);
  builder.start({9, 9, 9, 9});
  builder.append(std::string("first"));
  (void)builder.finish(Opcode::binary);
  builder.start({0, 0, 0, 0});
  builder.append(std::string("2nd"));
  const auto frame = builder.finish(Opcode::binary);
  EXPECT_EQ(std::string(frame.begin(), frame.end()), "\x82\x83\0\0\0\0"s + "2nd");
}

TEST(WebSocketFrame, MaskKeysDoNotRepeat) {
  MaskKeys keys;
  std::set<MaskKey> seen;
  for (int i = 0; i < 2000; ++i) seen.insert(keys.next());
  EXPECT_GE(seen.size(), 1990U);  // two of 2,000 meet once in 2,000 runs
}

TEST(WebSocketFrame, ReadsTextAndBinaryAlikeAndJoinsFragments) {
  EXPECT_EQ(read(server_frame(0x82, "bin") + server_frame(0x81, "text") + server_frame(0x82, "")),
            (Told{"bintext", ""}));
  EXPECT_EQ(read(server_frame(0x02, "a") + server_frame(0x00, "b") + server_frame(0x80, "c") +
                 server_frame(0x81, "d")),
            (Told{"abcd", ""}));
}

TEST(WebSocketFrame, ReadsControlFramesBetweenFragments) {
  EXPECT_EQ(read(server_frame(0x02, "a") + server_frame(0x89, "hi") + server_frame(0x00, "") +
                 server_frame(0x8A, "") + server_frame(0x80, "b") + server_frame(0x89, "") +
                 server_frame(0x88, "\x03\xe8")),
            (Told{"a<ping:hi><pong:>b<ping:><close:\x03\xe8>", ""}));
}

TEST(WebSocketFrame, ReadsTheSameHoweverTheBytesAreCut) {
  const std::string stream =
      server_frame(0x02, "first") + server_frame(0x89, std::string(125, 'p')) +
      server_frame(0x80, std::string(126, 'm')) + server_frame(0x82, std::string(65'536, 'l')) +
      server_frame(0x81, "") + server_frame(0x88, "\x03\xe8 bye");
  const Told whole = read(stream);
  EXPECT_EQ(whole.error, "");
  EXPECT_TRUE(whole.text.ends_with("<close:\x03\xe8 bye>"));
  // Every cut through the heads; the 64 KiB in the middle are all alike.
  for (std::size_t cut = 0; cut <= stream.size();
       cut = cut == 400 ? stream.size() - 400 : cut + 1) {
    FrameReader reader;
    Told told;
    feed(reader, std::string_view(stream).substr(0, cut), told);
    feed(reader, std::string_view(stream).substr(cut), told);
    ASSERT_EQ(told, whole) << "cut at " << cut;
  }
  FrameReader reader;
  Told told;
  for (const char& byte : stream) feed(reader, {&byte, 1}, told);
  EXPECT_EQ(told, whole);
}

TEST(WebSocketFrame, PassesPayloadThroughWithoutCollectingIt) {
  FrameReader reader;
  const std::string head = "\x82\x7F\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF"s + "abc";  // 2^63 - 1 bytes
  const auto step = reader.next(head);
  ASSERT_TRUE(step) << step.error().message;
  EXPECT_EQ(step->event, Event::data);
  EXPECT_EQ(step->payload.data(), head.data() + 10);
  EXPECT_EQ(step->payload.size(), 3U);
}

TEST(WebSocketFrame, TakesLengthsInALongerFormThanNeeded) {
  EXPECT_EQ(read("\x82\x7E\x00\x03"s + "abc"), (Told{"abc", ""}));
}

TEST(WebSocketFrame, RefusesWhatTheStandardForbids) {
  struct Case {
    std::string stream;
    std::string reason;
  };
  const std::string open = server_frame(0x02, "x");
  const Case cases[] = {
      {"\xC2\x00"s, "a reserved bit is set"},
      {"\xA2\x00"s, "a reserved bit is set"},
      {"\x92\x00"s, "a reserved bit is set"},
      {"\x82\x85"s, "a frame from the server is masked"},
      {"\x89\x80"s, "a frame from the server is masked"},
      {"\x83\x00"s, "unknown opcode 3"},
      {"\x87\x00"s, "unknown opcode 7"},
      {"\x8B\x00"s, "unknown opcode 11"},
      {"\x8F\x00"s, "unknown opcode 15"},
      {"\x09\x00"s, "a control frame is fragmented"},
      {"\x89\x7E"s, "a control frame is longer than 125 bytes"},
      {"\x88\x7F"s, "a control frame is longer than 125 bytes"},
      {"\x80\x00"s, "a continuation without a start"},
      {open + "\x82\x00"s, "a new message inside a fragmented one"},
      {open + "\x81\x00"s, "a new message inside a fragmented one"},
      {"\x82\x7F\x80\0\0\0\0\0\0\0"s, "a length of more than 63 bits"},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(read(one.stream).error, "broken WebSocket frame: " + one.reason);
    FrameReader reader;
    Told told;
    for (const char& byte : one.stream) feed(reader, {&byte, 1}, told);
    EXPECT_EQ(told.error, "broken WebSocket frame: " + one.reason) << "byte by byte";
  }
}

TEST(WebSocketFrame, StaysBrokenAfterAnError) {
  FrameReader reader;
  ASSERT_FALSE(reader.next("\xC2\x00"s));
  const auto again = reader.next(server_frame(0x82, "fine"));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().kind, ErrorKind::unreachable);
  EXPECT_EQ(again.error().message, "broken WebSocket frame: a reserved bit is set");
}

TEST(WebSocketFrame, ReadsBackWhatItBuildsOnceUnmasked) {
  for (const std::size_t size : {0U, 1U, 7U, 8U, 9U, 125U, 126U, 4096U, 16'376U}) {
    std::string payload;
    for (std::size_t i = 0; i < size; ++i) payload += static_cast<char>(i * 31 + size);
    const MaskKey key{0x12, 0x34, 0x56, 0x78};
    std::string frame = build(Opcode::binary, payload, key);
    const std::size_t header = size < 126 ? 2 : 4;
    for (std::size_t i = 0; i < size; ++i) {
      frame[header + 4 + i] = static_cast<char>(frame[header + 4 + i] ^ key[i % 4]);
    }
    frame.erase(header, 4);
    frame[1] = static_cast<char>(frame[1] & 0x7F);
    EXPECT_EQ(read(frame), (Told{payload, ""}));
  }
}

}  // namespace
}  // namespace pca
