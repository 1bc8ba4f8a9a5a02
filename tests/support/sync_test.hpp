#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "support/tunnel_ssh.hpp"

namespace pca::test {

// A folder of this machine with all kinds of entries and of names, which tunnel-ssh sync brings to
// a host.
class SyncTest : public ::testing::Test {
 protected:
  // A host with these further lines of sshd_config, and the folder.
  void make(const std::string& config = "") {
    namespace fs = std::filesystem;
    host_ = std::make_unique<HostForTests>(config);
    step_ = std::make_unique<StepForTests>(*host_);
    fs::create_directories(here("sub/empty"));
    fs::create_directories(here("node_modules/x"));
    write("index.html", "<h1>hello</h1>");
    write("sub/with blank\nand line end", "odd");
    write("sub/\xFF\xFE", "not UTF-8");
    write("-rf", "a name like an option");
    write("'quoted' $name", "a name for a shell");
    write("empty", "");
    write("node_modules/x/y.js", "y");
    write("run.sh", "#!/bin/sh\n");
    fs::permissions(here("run.sh"), fs::perms::owner_all);
    fs::create_symlink("index.html", here("link"));
    fs::create_symlink("/etc/passwd", here("out"));
  }

  [[nodiscard]] std::string here(const std::string& name = "") const { return ours_.path(name); }
  [[nodiscard]] std::string there(const std::string& name = "") const {
    return theirs_.path("site" + (name.empty() ? "" : "/" + name));
  }
  void write(const std::string& name, const std::string& text) const { ours_.write(name, text); }

  StepResult sync(std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.begin(), {"sync", "--upload", here() + " -> " + there()});
    return step_->run(arguments);
  }
  // Nothing of ours may be left in what users look at.
  void expect_no_leftovers() const {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(theirs_.path())) {
      EXPECT_FALSE(entry.path().filename().native().starts_with(".tunnel-ssh")) << entry.path();
    }
  }

  TempFolder ours_;
  TempFolder theirs_;
  std::unique_ptr<HostForTests> host_;
  std::unique_ptr<StepForTests> step_;
};

}  // namespace pca::test
