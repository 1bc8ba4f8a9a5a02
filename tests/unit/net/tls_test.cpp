#include "net/tls.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "support/canned_server.hpp"
#include "support/temp_folder.hpp"

namespace pca {
namespace {

using pca::test::TempFolder;
using pca::testing::ScopedVariable;

class TrustStoreTest : public ::testing::Test {
 protected:
  TrustStoreTest() {
    std::ofstream(file_) << "certificates";
    std::filesystem::create_directories(full_);
    std::filesystem::create_directories(empty_);
    std::ofstream(full_ + "/0a1b2c3d.0") << "certificate";
  }

  TempFolder folder_;
  std::string file_ = folder_.path("ca.pem");
  std::string full_ = folder_.path("certs");
  std::string empty_ = folder_.path("empty");
  ScopedVariable no_file_{"SSL_CERT_FILE", ""};
  ScopedVariable no_bundle_{"CURL_CA_BUNDLE", ""};
  ScopedVariable no_folder_{"SSL_CERT_DIR", ""};
};

TEST_F(TrustStoreTest, AFileAndAFolderAreBothTrusted) {
  const ScopedVariable file("SSL_CERT_FILE", file_);
  const ScopedVariable folder("SSL_CERT_DIR", full_);
  const auto store = find_trust_store();
  ASSERT_TRUE(store);
  EXPECT_EQ(store->file, file_);
  EXPECT_EQ(store->directory, full_);
  EXPECT_EQ(store->describe(), file_ + " and " + full_);
}

// Many set both and have only one; who is not trusted then is to be seen.
TEST_F(TrustStoreTest, AFolderThatCannotBeReadIsToldBesideAFileThatCan) {
  const ScopedVariable file("SSL_CERT_FILE", file_);
  const ScopedVariable folder("SSL_CERT_DIR", empty_);
  const auto store = find_trust_store();
  ASSERT_TRUE(store);
  EXPECT_EQ(store->directory, "");
  EXPECT_EQ(store->describe(),
            file_ + " (without \"" + empty_ + "\" of SSL_CERT_DIR, which cannot be read)");
}

TEST_F(TrustStoreTest, SeveralFoldersHaveColonsBetweenThem) {
  const std::string both = empty_ + ":" + full_;
  const ScopedVariable folder("SSL_CERT_DIR", both);
  const auto store = find_trust_store();
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ(store->file, "");
  EXPECT_EQ(store->directory, both);
}

TEST_F(TrustStoreTest, AVariableThatNamesNothingIsAnError) {
  {
    const ScopedVariable folder("SSL_CERT_DIR", empty_);
    const auto store = find_trust_store();
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().message,
              "SSL_CERT_DIR is set to \"" + empty_ + "\", which cannot be read");
  }
  const ScopedVariable file("SSL_CERT_FILE", folder_.path("nobody"));
  EXPECT_FALSE(find_trust_store());
}

TEST_F(TrustStoreTest, OtherwiseTheUsualPlacesAreLookedAt) {
  EXPECT_FALSE(find_trust_store(folder_.path("root")));
  const std::string certs = folder_.path("root") + "/etc/ssl/certs";
  std::filesystem::create_directories(certs);
  std::ofstream(certs + "/ca-certificates.crt") << "certificates";
  const auto store = find_trust_store(folder_.path("root"));
  ASSERT_TRUE(store);
  EXPECT_EQ(store->file, certs + "/ca-certificates.crt");
}

}  // namespace
}  // namespace pca
