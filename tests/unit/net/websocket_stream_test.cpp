#include "net/websocket_stream.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include <memory>

#include "support/scripted_stream.hpp"

namespace pca {
namespace {

using namespace std::string_literals;
using testing::ScriptedStream;

std::string frame(std::uint8_t first_byte, std::string_view payload) {
  EXPECT_LT(payload.size(), 126U);
  std::string text(1, static_cast<char>(first_byte));
  text += static_cast<char>(payload.size());
  return text.append(payload);
}
std::string binary(std::string_view payload) { return frame(0x82, payload); }
std::string ping(std::string_view payload) { return frame(0x89, payload); }
std::string close_frame(std::string_view payload) { return frame(0x88, payload); }

// What a client sent, unmasked: "<opcode:payload>" per frame; "..." for a frame that is cut.
std::string frames_in(std::string_view bytes) {
  std::string told;
  while (!bytes.empty()) {
    if (bytes.size() < 6) return told + "...";
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
    EXPECT_NE(byte(1) & 0x80, 0) << "unmasked";
    std::size_t size = byte(1) & 0x7F;
    std::size_t head = 6;
    if (size == 126) {
      size = std::size_t{byte(2)} << 8U | byte(3);
      head = 8;
    }
    if (bytes.size() < head + size) return told + "...";
    std::string payload(bytes.substr(head, size));
    for (std::size_t i = 0; i < size; ++i) {
      payload[i] =
          static_cast<char>(static_cast<std::uint8_t>(payload[i]) ^ byte(head - 4 + i % 4));
    }
    EXPECT_EQ(byte(0) & 0x80, 0x80) << "fragmented";
    EXPECT_LE(head + size, 16'384U);
    told += "<" + std::to_string(byte(0) & 0x0F) + ":" +
            (size > 200 ? std::to_string(size) + " bytes" : payload) + ">";
    bytes.remove_prefix(head + size);
  }
  return told;
}

class WebSocketStreamTest : public ::testing::Test {
 protected:
  WebSocketStream& open(std::string_view arrived = {}) {
    auto owned = std::make_unique<ScriptedStream>();
    below = owned.get();
    stream = std::make_unique<WebSocketStream>(std::move(owned), arrived);
    return *stream;
  }
  // Everything until the stream would block or ends ("|") or fails.
  std::string read_all(std::size_t buffer_size = 4096) {
    std::string text;
    std::string buffer(buffer_size, '\0');
    while (true) {
      const auto got = stream->read(buffer);
      if (!got) return text + "!" + got.error().message;
      text.append(buffer, 0, got->bytes);
      if (got->end) return text + "|";
      if (got->bytes == 0) return text;
    }
  }
  [[nodiscard]] std::string sent() const { return frames_in(below->all_written()); }

  const Budget patient = Budget::of(Milliseconds{20'000});
  ScriptedStream* below = nullptr;
  std::unique_ptr<WebSocketStream> stream;
};

TEST_F(WebSocketStreamTest, ReadsPayloadInOrderAndThenWouldBlock) {
  open(binary("banner ") + "\x02");
  below->incoming = {"\x03" + "ab"s, "c" + frame(0x80, "def"), frame(0x81, "ghi")};
  EXPECT_EQ(read_all(), "banner abcdefghi");
}

TEST_F(WebSocketStreamTest, ReadsTheSameWithAnyBuffer) {
  for (std::size_t size = 1; size < 12; ++size) {
    open(binary("one"));
    below->incoming = {binary("two") + ping("p") + binary("three"), binary("four")};
    EXPECT_EQ(read_all(size), "onetwothreefour") << size;
    EXPECT_EQ(sent(), "<10:p>");
  }
}

TEST_F(WebSocketStreamTest, OneWriteIsOneMessageAndOneWriteBelow) {
  open();
  EXPECT_EQ(stream->write("hello"s), std::size_t{5});
  EXPECT_EQ(below->written.size(), 1U);
  EXPECT_EQ(sent(), "<2:hello>");
}

TEST_F(WebSocketStreamTest, CutsWhatIsWrittenIntoFullRecords) {
  open();
  EXPECT_EQ(stream->write(std::string(40'000, 'x')), std::size_t{40'000});
  EXPECT_EQ(stream->poll_handle().events, POLLIN | POLLOUT);
  EXPECT_EQ(stream->service(), true);
  ASSERT_EQ(below->written.size(), 3U);
  EXPECT_EQ(below->written[0].size(), 16'384U);
  EXPECT_EQ(sent(), "<2:16376 bytes><2:16376 bytes><2:7248 bytes>");
}

TEST_F(WebSocketStreamTest, FillsEveryMessageOfABulkTransfer) {
  open();
  for (int i = 0; i < 16'376; ++i) {
    ASSERT_EQ(stream->write(std::string(65'536, 'x')), std::size_t{65'536});
    if (below->written.size() > 1000) break;
  }
  EXPECT_EQ(stream->service(), true);
  for (std::size_t i = 0; i + 1 < below->written.size(); ++i) {
    ASSERT_EQ(below->written[i].size(), 16'384U) << i;
  }
}

TEST_F(WebSocketStreamTest, ContinuesAPartlySentFrameWithExactlyTheRest) {
  open();
  below->accepts = 7;
  EXPECT_EQ(stream->write("hello"s), std::size_t{5});
  EXPECT_EQ(sent(), "...");
  EXPECT_EQ(stream->service(), false);
  below->accepts = 100;
  EXPECT_EQ(stream->service(), true);
  EXPECT_EQ(sent(), "<2:hello>");
}

TEST_F(WebSocketStreamTest, JoinsSmallWritesWhileAFrameIsOnItsWay) {
  open();
  below->accepts = 3;
  for (const char* word : {"first", "second ", "third ", "fourth"}) {
    EXPECT_EQ(stream->write(std::string(word)), std::string(word).size());
  }
  below->accepts = 1000;
  EXPECT_EQ(stream->service(), true);
  EXPECT_EQ(sent(), "<2:first><2:second third fourth>");
}

TEST_F(WebSocketStreamTest, TakesOneMessageAheadAndNoMore) {
  open();
  below->accepts = 0;
  EXPECT_EQ(stream->write(std::string(50'000, 'x')), std::size_t{2} * 16'376);
  EXPECT_EQ(stream->write("more"s), std::size_t{0});
  EXPECT_EQ(stream->poll_handle().events, POLLIN | POLLOUT);
  below->accepts = 100'000;
  EXPECT_EQ(stream->write("more"s), std::size_t{4});
  EXPECT_EQ(sent(), "<2:16376 bytes><2:16376 bytes><2:more>");
  EXPECT_EQ(stream->poll_handle().events, POLLIN);
}

TEST_F(WebSocketStreamTest, PutsThePongBehindTheFrameOnItsWayAndBeforeTheNext) {
  open();
  below->accepts = 4;
  EXPECT_EQ(stream->write("first"s), std::size_t{5});
  EXPECT_EQ(stream->write("second"s), std::size_t{6});
  below->incoming = {ping("hi") + binary("data")};
  EXPECT_EQ(read_all(), "data");
  below->accepts = 1000;
  EXPECT_EQ(stream->service(), true);
  EXPECT_EQ(sent(), "<2:first><10:hi><2:second>");
}

TEST_F(WebSocketStreamTest, AnswersOnlyTheLatestOfManyPings) {
  open();
  below->accepts = 2;
  EXPECT_EQ(stream->write("first"s), std::size_t{5});
  for (int i = 0; i < 1000; ++i) below->incoming.push_back(ping("p" + std::to_string(i)));
  EXPECT_EQ(read_all(), "");
  below->accepts = 1000;
  EXPECT_EQ(stream->service(), true);
  EXPECT_EQ(sent(), "<2:first><10:p999>");
}

TEST_F(WebSocketStreamTest, AnswersEmptyAndLongPingsAtOnce) {
  open();
  below->incoming = {ping(""), ping(std::string(125, 'p'))};
  EXPECT_EQ(read_all(), "");
  EXPECT_EQ(sent(), "<10:><10:" + std::string(125, 'p') + ">");
}

TEST_F(WebSocketStreamTest, AnswersPingsForAReaderThatDoesNotRead) {
  open();
  below->incoming = {binary("data"), ping("p")};
  EXPECT_EQ(stream->service(), true);
  EXPECT_EQ(sent(), "<10:p>");
  EXPECT_EQ(read_all(), "data");
}

TEST_F(WebSocketStreamTest, LeavesTheBytesToAReaderThatKeepsUp) {
  open();
  EXPECT_EQ(read_all(), "");
  below->incoming = {binary("data")};
  EXPECT_EQ(stream->service(), true);
  EXPECT_EQ(below->incoming.size(), 1U);
  EXPECT_EQ(stream->service(), true);  // the second time without a read between
  EXPECT_EQ(below->incoming.size(), 0U);
  EXPECT_EQ(read_all(), "data");
}

TEST_F(WebSocketStreamTest, StopsTakingInWhenNobodyReads) {
  open();
  for (int i = 0; i < 2000; ++i) below->incoming.push_back(binary(std::string(100, 'x')));
  EXPECT_EQ(stream->service(), true);
  EXPECT_GT(below->incoming.size(), 1000U);
  EXPECT_EQ(stream->poll_handle().fd, -1);
  EXPECT_EQ(read_all().size(), 200'000U);
  EXPECT_EQ(stream->poll_handle().events, POLLIN);
}

TEST_F(WebSocketStreamTest, EndsAtACloseFrameAndEchoesItsCode) {
  open();
  below->incoming = {binary("last") + close_frame("\x03\xE9 bye") + binary("late")};
  EXPECT_EQ(read_all(), "last|");
  EXPECT_EQ(sent(), "<8:\x03\xE9>");
  EXPECT_EQ(stream->poll_handle().fd, -1);
  const auto written = stream->write("x"s);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().message, "the connection to the peer has ended");
  EXPECT_TRUE(stream->close(patient));
  EXPECT_EQ(sent(), "<8:\x03\xE9>");
}

TEST_F(WebSocketStreamTest, EndsAtACloseFrameWithoutACode) {
  open();
  below->incoming = {close_frame("")};
  EXPECT_EQ(read_all(), "|");
  EXPECT_EQ(sent(), "<8:>");
}

TEST_F(WebSocketStreamTest, EndsWhereTheStreamBelowEnds) {
  open();
  below->incoming = {binary("last"), "\x82\x05half"};
  below->ends = true;
  EXPECT_EQ(read_all(), "lasthalf|");
  EXPECT_EQ(read_all(), "|");
  EXPECT_EQ(sent(), "");
}

TEST_F(WebSocketStreamTest, StillReadsWhatCameBeforeSendingBroke) {
  open();
  below->incoming = {ping("p") + binary("last words")};
  below->write_error = "broken pipe";
  below->ends = true;
  EXPECT_EQ(read_all(), "last words|");
  const auto written = stream->write("x"s);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().message, "broken pipe");
  EXPECT_TRUE(stream->close(patient)) << "only a pong was lost";
}

TEST_F(WebSocketStreamTest, ReportsBrokenFrames) {
  open("\x82\x85");
  EXPECT_EQ(read_all(), "!broken WebSocket frame: a frame from the server is masked");
}

TEST_F(WebSocketStreamTest, GivesUpOnAPeerThatOnlyPings) {
  open();
  for (int i = 0; i < 20'000; ++i) below->incoming.push_back(ping(""));
  EXPECT_EQ(read_all(), "!the peer sends nothing but WebSocket control frames");
}

TEST_F(WebSocketStreamTest, ClosesWithEverythingSentAndWaitsForTheAnswer) {
  open();
  below->accepts = 3;
  EXPECT_EQ(stream->write("upload"s), std::size_t{6});
  below->accepts = 1000;
  below->incoming = {binary("too late"), close_frame("\x03\xE8")};
  EXPECT_TRUE(stream->close(patient));
  EXPECT_EQ(sent(), "<2:upload><8:\x03\xE8>");
  EXPECT_TRUE(below->is_closed);
  EXPECT_TRUE(below->incoming.empty());
  EXPECT_TRUE(stream->close(patient));
}

TEST_F(WebSocketStreamTest, ABareEndIsAnAnswerToCloseToo) {
  open();
  below->ends = true;
  EXPECT_TRUE(stream->close(patient));
  EXPECT_EQ(sent(), "<8:\x03\xE8>");
}

TEST_F(WebSocketStreamTest, CloseReportsBytesThatCouldNotBeSent) {
  open();
  below->accepts = 3;
  EXPECT_EQ(stream->write("upload"s), std::size_t{6});
  const auto closed = stream->close(Budget::of(Milliseconds{20}));
  ASSERT_FALSE(closed);
  EXPECT_EQ(closed.error().message, "timed out while sending the rest to the peer");
  EXPECT_TRUE(below->is_closed);
}

TEST_F(WebSocketStreamTest, CloseReportsThatTheConnectionBrokeOverTheRest) {
  open();
  below->accepts = 3;
  EXPECT_EQ(stream->write("upload"s), std::size_t{6});
  below->write_error = "broken pipe";
  const auto closed = stream->close(patient);
  ASSERT_FALSE(closed);
  EXPECT_EQ(closed.error().message, "broken pipe");
}

TEST_F(WebSocketStreamTest, ClosesAtOnceWhenTheBudgetIsOver) {
  open();
  EXPECT_EQ(stream->write("upload"s), std::size_t{6});
  EXPECT_TRUE(stream->close(Budget::of(Milliseconds{0})));
  EXPECT_EQ(sent(), "<2:upload><8:\x03\xE8>");
}

}  // namespace
}  // namespace pca
