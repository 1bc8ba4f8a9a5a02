#include "net/session_protocol.hpp"

#include <gtest/gtest.h>

namespace pca {
namespace {

using namespace std::string_literals;

void feed(SessionFrameReader& reader, std::string_view bytes) {
  const std::span<char> room = reader.room();
  ASSERT_GE(room.size(), bytes.size());
  bytes.copy(room.data(), bytes.size());
  reader.filled(bytes.size());
}

TEST(SessionProtocol, AFrameIsTheSameHoweverItIsCut) {
  std::string bytes;
  append_session_frame(bytes, SessionFrameType::data, "hello");
  append_session_frame(bytes, SessionFrameType::end);
  SessionFrameReader reader;
  for (const char byte : bytes.substr(0, bytes.size() - 1)) feed(reader, {&byte, 1});
  auto frame = reader.front();
  ASSERT_TRUE(frame && *frame);
  EXPECT_EQ((*frame)->type, SessionFrameType::data);
  EXPECT_EQ((*frame)->payload, "hello");
  reader.pop();
  frame = reader.front();
  ASSERT_TRUE(frame);
  EXPECT_FALSE(*frame);
  feed(reader, bytes.substr(bytes.size() - 1));
  frame = reader.front();
  ASSERT_TRUE(frame && *frame);
  EXPECT_EQ((*frame)->type, SessionFrameType::end);
}

TEST(SessionProtocol, AFrameOfUnknownKindOrTooLongIsRefusedAtItsHeader) {
  const std::string too_long{"\x03\x00\x01\x00\x01", 5};
  for (const std::string& bytes : {"\x00"s, "\x0a"s, "\xff"s, too_long}) {
    SessionFrameReader reader;
    feed(reader, bytes);
    const auto frame = reader.front();
    ASSERT_FALSE(frame);
    EXPECT_EQ(frame.error().message, "what came over a session's socket is no frame");
  }
}

TEST(SessionProtocol, AFullReaderTakesNoMoreUntilAFrameIsTaken) {
  std::string bytes;
  while (bytes.size() < SessionFrameReader::capacity) {
    append_session_frame(bytes, SessionFrameType::data, std::string(longest_session_payload, 'x'));
  }
  SessionFrameReader reader;
  feed(reader, bytes);
  EXPECT_TRUE(reader.room().empty());
  reader.pop();
  EXPECT_EQ(reader.room().size(), longest_session_payload + session_frame_header);
  ASSERT_TRUE(reader.front() && *reader.front());
  EXPECT_EQ((*reader.front())->payload, std::string(longest_session_payload, 'x'));
}

TEST(SessionProtocol, RequestsErrorsAndExitsComeBackAsTheyWere) {
  const SessionRequest request{.kind = SessionRequest::Kind::tcp,
                               .identity = std::string(64, 'a'),
                               .text = "db.internal",
                               .port = 5432};
  const auto read = decode_request(encode_request(request));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, request);
  const Error error = decode_error(encode_error(unreachable("gone", "come back").as_transient()));
  EXPECT_EQ(error.kind, ErrorKind::unreachable);
  EXPECT_EQ(error.message, "gone");
  EXPECT_EQ(error.hint, "come back");
  EXPECT_TRUE(error.transient);
  const auto exit = decode_exit(encode_exit({143, "TERM"}));
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->code, 143);
  EXPECT_EQ(exit->signal, "TERM");
}

TEST(SessionProtocol, ARequestThatIsCutOrHasMoreBehindItIsRefused) {
  const std::string whole = encode_request({.kind = SessionRequest::Kind::exec, .text = "true"});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(decode_request(whole.substr(0, size))) << size;
  }
  EXPECT_FALSE(decode_request(whole + "x"));
  EXPECT_FALSE(decode_exit("\0\0"s));
  EXPECT_EQ(decode_error("").message, "what came over a session's socket is no error");
}

TEST(SessionProtocol, AnotherVersionIsNamed) {
  const auto read =
      decode_request(encode_request({.version = SessionRequest::current_version + 1}));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().kind, ErrorKind::conflict);
  EXPECT_EQ(read.error().message, "the session was opened by another version of this tool");
}

TEST(SessionProtocol, WhatIsShownOfAnErrorIsMadeVisible) {
  EXPECT_EQ(decode_error(encode_error(failed("a\nb\x1b[2J"))).message, "a\\x0Ab\\x1B[2J");
}

}  // namespace
}  // namespace pca
