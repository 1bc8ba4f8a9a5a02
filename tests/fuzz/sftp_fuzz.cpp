// What a host's SFTP server answers and what its index holds: whatever it says, it is an answer or
// an error, and an index that was read is written as it was.

#include "fuzz/fuzz.hpp"
#include "tunnel-ssh/sftp_tree.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pca;
  using namespace pca::fuzz;
  using namespace pca::tunnel_ssh;
  const std::string_view text = text_of(data, size);
  if (const auto answer = parse_sftp_answer(text)) {
    require(answer->kind == SftpAnswer::Kind::status || answer->is_ok(),
            "only a status says that something failed");
    require(answer->text.size() <= size, "no text is longer than its packet");
    (void)free_bytes(*answer);
  }
  (void)parse_sftp_hello(text);
  const SftpIndex index = parse_index(text);
  require(index_text(parse_index(index_text(index))) == index_text(index),
          "an index is read as it was written");
  return 0;
}
