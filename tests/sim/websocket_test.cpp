#include "sandbox/websocket.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace pca::sandbox {
namespace {

constexpr std::array<std::uint8_t, 4> mask{0x11, 0x22, 0x33, 0x44};

struct Style {
  bool final = true;
  bool masked = true;
};

std::string frame(Opcode opcode, std::string payload, Style style = Style()) {
  FrameHeader header;
  header.final = style.final;
  header.opcode = static_cast<std::uint8_t>(opcode);
  header.masked = style.masked;
  header.mask = mask;
  header.length = payload.size();
  std::string out;
  append_frame_header(out, header);
  if (style.masked) apply_mask(payload, mask, 0);
  return out + payload;
}

// The origin's side with what it passed on and what it answered.
struct Side {
  OriginSide side;
  std::string to_origin;
  std::string to_client;
  OriginSide::Verdict take(std::string bytes) { return side.take(bytes, to_origin, to_client); }
};

TEST(OriginSideTest, PassesOnAMessageOf16384BytesWhole) {
  Side side;
  const std::string message(16384, 'm');
  EXPECT_EQ(side.take(frame(Opcode::binary, message)), OriginSide::Verdict::carry_on);
  EXPECT_EQ(side.to_origin, message);
  EXPECT_EQ(side.side.counts().cut_messages, 0U);
}

TEST(OriginSideTest, DropsTheRestOfALongerMessageWithoutAWord) {
  Side side;
  side.take(frame(Opcode::binary, std::string(16385, 'm')));
  EXPECT_EQ(side.to_origin, std::string(16384, 'm'));
  EXPECT_EQ(side.to_client, "");
  EXPECT_EQ(side.side.counts().cut_messages, 1U);
  EXPECT_EQ(side.side.counts().largest_message, 16385U);
}

TEST(OriginSideTest, CutsAMessageThatIsLongByItsFragments) {
  Side side;
  side.take(frame(Opcode::binary, std::string(10000, 'a'), {.final = false}));
  side.take(frame(Opcode::continuation, std::string(10000, 'b'), {.final = false}));
  EXPECT_EQ(side.to_origin, "");
  side.take(frame(Opcode::continuation, std::string(10000, 'c')));
  EXPECT_EQ(side.to_origin, std::string(10000, 'a') + std::string(6384, 'b'));
}

TEST(OriginSideTest, DropsTextAndEmptyMessages) {
  Side side;
  side.take(frame(Opcode::text, "te", {.final = false}) + frame(Opcode::continuation, "xt") +
            frame(Opcode::binary, "") + frame(Opcode::binary, "data"));
  EXPECT_EQ(side.to_origin, "data");
  EXPECT_EQ(side.side.counts().text_messages, 1U);
  EXPECT_EQ(side.side.counts().empty_messages, 1U);
  EXPECT_EQ(side.side.counts().messages, 2U);
}

TEST(OriginSideTest, AnswersAPingInTheMiddleOfAMessage) {
  Side side;
  side.take(frame(Opcode::binary, "on", {.final = false}) + frame(Opcode::ping, "hello") +
            frame(Opcode::continuation, "e"));
  EXPECT_EQ(side.to_origin, "one");
  EXPECT_EQ(side.to_client, "\x8A\x05hello");
}

TEST(OriginSideTest, TakesPongsThatNobodyAskedFor) {
  Side side;
  EXPECT_EQ(side.take(frame(Opcode::pong, "x")), OriginSide::Verdict::carry_on);
  EXPECT_EQ(side.side.counts().pongs, 1U);
}

TEST(OriginSideTest, EchoesACloseAndTakesNothingMore) {
  Side side;
  EXPECT_EQ(
      side.take(frame(Opcode::binary, "last") + frame(Opcode::close, std::string("\x03\xE8", 2)) +
                frame(Opcode::binary, "late")),
      OriginSide::Verdict::closed);
  EXPECT_EQ(side.to_origin, "last");
  EXPECT_EQ(side.to_client, "\x88\x02\x03\xE8");
  EXPECT_EQ(side.side.counts().close_code, 1000);
}

TEST(OriginSideTest, RefusesWhatBreaksTheProtocol) {
  const struct {
    const char* rule;
    std::string bytes;
  } cases[] = {
      {"unmasked frame", frame(Opcode::binary, "x", {.masked = false})},
      {"reserved bit", std::string("\xC2\x80\0\0\0\0", 6)},
      {"unknown opcode", frame(Opcode{3}, "")},
      {"unknown opcode", frame(Opcode{11}, "")},
      {"fragmented control frame", frame(Opcode::ping, "", {.final = false})},
      {"long control frame", frame(Opcode::ping, std::string(126, 'x'))},
      {"message out of turn", frame(Opcode::continuation, "x")},
      {"message out of turn",
       frame(Opcode::binary, "x", {.final = false}) + frame(Opcode::binary, "y")},
  };
  for (const auto& broken : cases) {
    Side side;
    EXPECT_EQ(side.take(broken.bytes), OriginSide::Verdict::broken) << broken.rule;
    EXPECT_EQ(side.side.counts().fault, broken.rule);
    EXPECT_EQ(side.to_origin + side.to_client, "") << broken.rule;
  }
}

TEST(OriginSideTest, ReadsFramesByteByByte) {
  Side side;
  const std::string message = "a message of more than eight bytes";
  const std::string bytes = frame(Opcode::binary, message) + frame(Opcode::ping, "p") +
                            frame(Opcode::binary, std::string(70000, 'x'));
  for (const char byte : bytes)
    ASSERT_EQ(side.take(std::string(1, byte)), OriginSide::Verdict::carry_on);
  EXPECT_EQ(side.to_origin, message + std::string(16384, 'x'));
  EXPECT_EQ(side.to_client, "\x8A\x01p");
  EXPECT_EQ(side.side.counts().repeated_masks, 2U);
  EXPECT_EQ(side.side.counts().largest_frame, 70000U);
}

// Takes apart what a Framer made.
struct Unframed {
  FrameHeader header;
  std::string payload;
};
std::vector<Unframed> unframe(std::string bytes) {
  std::vector<Unframed> frames;
  FrameReader reader;
  std::span<char> rest(bytes);
  while (const auto part = reader.next(rest)) {
    if (part->is_first) frames.push_back({part->header, {}});
    frames.back().payload.append(part->payload.data(), part->payload.size());
  }
  return frames;
}

TEST(FramerTest, MakesOneFrameOfAMessage) {
  Framer framer({});
  std::string out;
  framer.append_data(out, std::string(16384 + 1, 'd'));
  const auto frames = unframe(out);
  ASSERT_EQ(frames.size(), 2U);
  EXPECT_TRUE(frames[0].header.final && frames[0].header.is(Opcode::binary));
  EXPECT_EQ(frames[0].payload.size(), 16384U);
  EXPECT_TRUE(frames[1].header.final && frames[1].header.is(Opcode::binary));
  EXPECT_FALSE(frames[0].header.masked);
}

TEST(FramerTest, FragmentsWithPingsBetween) {
  Framer framer({.fragment_size = 700, .ping_between_frames = true});
  std::string out;
  framer.append_data(out, std::string(1500, 'd'));
  const auto frames = unframe(out);
  ASSERT_EQ(frames.size(), 5U);
  EXPECT_TRUE(frames[0].header.is(Opcode::binary) && !frames[0].header.final);
  EXPECT_TRUE(frames[1].header.is(Opcode::ping));
  EXPECT_TRUE(frames[2].header.is(Opcode::continuation) && !frames[2].header.final);
  EXPECT_TRUE(frames[4].header.is(Opcode::continuation) && frames[4].header.final);
  EXPECT_EQ(frames[4].payload.size(), 100U);
  EXPECT_EQ(framer.pings_added(), 2U);
}

TEST(FramerTest, MasksWhenToldToBreakTheProtocol) {
  Framer framer({.masked = true});
  std::string out;
  framer.append_data(out, "hidden");
  EXPECT_EQ(out.find("hidden"), std::string::npos);
  EXPECT_EQ(unframe(out)[0].payload, "hidden");
}

TEST(FramerTest, FillsAnAnnouncedFrameAndKeepsPingsOutOfIt) {
  Framer framer({.announced_frame = 10});
  std::string out;
  framer.append_data(out, "1234");
  framer.append_control(out, "\x89");
  EXPECT_EQ(out,
            "\x82\x0A"
            "1234");
  framer.append_data(out, "567890ab");
  EXPECT_EQ(out,
            "\x82\x0A"
            "1234567890\x89\x82\x0A"
            "ab");
}

}  // namespace
}  // namespace pca::sandbox
