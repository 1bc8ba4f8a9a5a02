#include "tunnel-ssh/sync_inputs.hpp"

#include <gtest/gtest.h>

#include "support/temp_folder.hpp"

namespace pca::tunnel_ssh {
namespace {

TEST(SyncInputs, AnUploadHasTwoSides) {
  const test::TempFolder folder;
  const auto upload = parse_upload(" " + folder.path() + " ->  ~/site ");
  ASSERT_TRUE(upload) << upload.error().message;
  EXPECT_EQ(upload->source, folder.path());
  EXPECT_EQ(upload->destination, "~/site");
}

TEST(SyncInputs, MistakesInUploadsAreTold) {
  const test::TempFolder folder;
  const std::string here = folder.path();
  for (const auto& [text, message] : std::vector<std::pair<std::string, std::string>>{
           {here, "\"" + here + "\" is not SOURCE -> DESTINATION"},
           {here + " -> a -> b", "\"" + here + " -> a -> b\" is not SOURCE -> DESTINATION"},
           {here + "/none -> /srv/x", "there is no \"" + here + "/none\" here"},
           {" -> /srv/x", "there is no \"\" here"},
           {here + " -> srv/x", "\"srv/x\" is no whole path on the host"},
           {here + " -> ", "\"\" is no whole path on the host"},
           {here + " -> /srv/../etc", "\"/srv/../etc\" has .. in it"}}) {
    const auto upload = parse_upload(text);
    ASSERT_FALSE(upload) << text;
    EXPECT_EQ(upload.error().message, message);
  }
}

TEST(SyncInputs, NothingIsDeletedInAWholeSystem) {
  for (const char* folder : {"/", "//", "~", "~/", "/etc", "/etc/", "/etc/nginx", "/home", "/srv",
                             "/home/me", "/home/me/", "/usr/local", "/var/lib", "/boot/efi"}) {
    EXPECT_TRUE(is_precious(folder)) << folder;
  }
  for (const char* folder : {"/srv/app", "~/app", "/home/me/app", "/var/www", "/var/www/html",
                             "/opt/app", "/var/lib/x"}) {
    EXPECT_FALSE(is_precious(folder)) << folder;
  }
}

}  // namespace
}  // namespace pca::tunnel_ssh
