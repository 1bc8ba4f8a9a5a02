#include "base/gzip.hpp"

#include <zlib.h>

#include <array>
#include <limits>
#include <new>

namespace pca {

namespace {

constexpr int gzip_window = 15 + 16;  // 32 KiB, with gzip's header: zlib.h on deflateInit2()
constexpr int memory_level = 9;       // the most: it costs 256 KiB
constexpr std::size_t piece_size = std::size_t{64} * 1024;

// zlib counts in unsigned int.
std::string_view next_piece(std::string_view& data) {
  const std::string_view piece = data.substr(0, std::numeric_limits<uInt>::max());
  data.remove_prefix(piece.size());
  return piece;
}

void set_input(z_stream& stream, std::string_view piece) {
  // zlib does not write to it: its interface is older than const.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(piece.data()));
  stream.avail_in = static_cast<uInt>(piece.size());
}

}  // namespace

struct GzipStream::Impl {
  z_stream stream{};

  void run(int flush, std::string& out) {
    std::array<char, piece_size> buffer{};
    do {
      stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
      stream.avail_out = static_cast<uInt>(buffer.size());
      (void)::deflate(&stream, flush);
      out.append(buffer.data(), buffer.size() - stream.avail_out);
    } while (stream.avail_out == 0);
  }
};

GzipStream::GzipStream(int level) : impl_(std::make_unique<Impl>()) {
  // It fails only for want of memory.
  if (::deflateInit2(&impl_->stream, level, Z_DEFLATED, gzip_window, memory_level,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::bad_alloc();
  }
}

GzipStream::~GzipStream() { ::deflateEnd(&impl_->stream); }

void GzipStream::feed(std::string_view data, std::string& out) {
  while (!data.empty()) {
    set_input(impl_->stream, next_piece(data));
    impl_->run(Z_NO_FLUSH, out);
  }
}

void GzipStream::finish(std::string& out) {
  set_input(impl_->stream, {});
  impl_->run(Z_FINISH, out);
}

std::string gzip(std::string_view data, int level) {
  GzipStream stream(level);
  std::string out;
  stream.feed(data, out);
  stream.finish(out);
  return out;
}

Result<std::string> gunzip(std::string_view data, std::size_t most) {
  z_stream stream{};
  if (::inflateInit2(&stream, gzip_window) != Z_OK) throw std::bad_alloc();
  const std::unique_ptr<z_stream, int (*)(z_stream*)> owner(&stream, ::inflateEnd);
  std::string out;
  std::array<char, piece_size> buffer{};
  int state = Z_OK;
  while (state == Z_OK) {
    if (stream.avail_in == 0) set_input(stream, next_piece(data));
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = static_cast<uInt>(buffer.size());
    state = ::inflate(&stream, Z_NO_FLUSH);
    out.append(buffer.data(), buffer.size() - stream.avail_out);
    if (out.size() > most) return failed("what was compressed is longer than it may be");
  }
  if (state != Z_STREAM_END) return failed("what was compressed is broken or cut short");
  return out;
}

}  // namespace pca
