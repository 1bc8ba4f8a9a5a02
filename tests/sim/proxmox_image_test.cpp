// Images in storages of the sandbox's cluster.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "base/digest.hpp"
#include "support/comes_true.hpp"
#include "support/proxmox_step.hpp"
#include "support/tunnel_ssh.hpp"

namespace pca::test {
namespace {

using testing::SandboxProxmox;

class ProxmoxImage : public ::testing::Test {
 protected:
  // "local" of pve1: each node has its own.
  ProxmoxStep::Result image(const std::string& command, std::vector<std::string> more = {},
                            const std::string& node = "pve1") {
    more.insert(more.end(), {"--storage", "local", "--node", node});
    return step.run("image " + command, more);
  }
  // Names of what the storage has of this kind, sorted.
  std::vector<std::string> names(const std::string& content, const std::string& node = "pve1") {
    std::vector<std::string> found;
    const Json all =
        cluster.data("GET", "/nodes/" + node + "/storage/local/content", "content=" + content);
    for (const Json& one : *all.as_array()) {
      const std::string volid = one.text_of("volid");
      found.push_back(volid.substr(volid.rfind('/') + 1));
    }
    std::sort(found.begin(), found.end());
    return found;
  }
  std::string digest_of_pull(const std::string& url) { return to_hex(sha256(url)); }

  SandboxProxmox cluster{{}, 20};
  ProxmoxStep step{cluster, SandboxProxmox::root_token};
  TempFolder files;
};

TEST_F(ProxmoxImage, AnUploadIsThereAsItWasSent) {
  const std::string file = files.write("shop-1.qcow2", std::string(3'000'000, '\0'));
  const auto done = image("upload", {"--file", file}, "pve2");
  ASSERT_EQ(done.code, 0) << done.all();
  EXPECT_EQ(done.outputs.at("volid"), "local:import/shop-1.qcow2");
  EXPECT_EQ(done.outputs.at("node"), "pve2");
  EXPECT_EQ(done.outputs.at("changed"), "1");
  EXPECT_EQ(names("import", "pve2"), std::vector<std::string>{"shop-1.qcow2"});
  EXPECT_EQ(names("import"), std::vector<std::string>{});
  // Straight to the node that has the storage.
  for (const Json& one : cluster.requests()) {
    if (one.text_of("method") == "POST") {
      EXPECT_EQ(one.text_of("node"), "pve2");
    }
  }
  EXPECT_EQ(image("list", {}, "pve2").out.find("shop-1.qcow2") != std::string::npos, true);
}

TEST_F(ProxmoxImage, OneThatIsThereIsReplacedOnlyWhenThatIsSaid) {
  const std::string file = files.write("x.iso", "one");
  ASSERT_EQ(image("upload", {"--file", file}).code, 0);
  (void)files.write("x.iso", "the second");
  const auto refused = image("upload", {"--file", file});
  EXPECT_EQ(refused.code, 7) << refused.all();
  EXPECT_NE(refused.all().find("local:iso/x.iso on pve1 is there already"), std::string::npos)
      << refused.all();
  const auto kept = image("upload", {"--file", file, "--if-exists", "keep"});
  EXPECT_EQ(kept.code, 0) << kept.all();
  EXPECT_EQ(kept.outputs.at("changed"), "0");
  EXPECT_EQ(image("upload", {"--file", file, "--if-exists", "replace"}).outputs.at("changed"), "1");
  EXPECT_EQ(names("iso"), std::vector<std::string>{"x.iso"});
}

TEST_F(ProxmoxImage, WhatCannotBeThereIsFoundOutBeforeItIsSent) {
  const std::string file = files.write("x.iso", "one");
  const auto elsewhere =
      step.run("image upload", {"--file", file, "--storage", "local-zfs", "--node", "pve1"});
  EXPECT_EQ(elsewhere.code, 1) << elsewhere.all();
  EXPECT_NE(elsewhere.all().find("storage \"local-zfs\" takes no iso"), std::string::npos)
      << elsewhere.all();
  const auto nowhere = step.run("image upload", {"--file", file, "--storage", "none"});
  EXPECT_EQ(nowhere.code, 1);
  EXPECT_NE(nowhere.all().find("There are: "), std::string::npos) << nowhere.all();
  const auto anywhere = step.run("image upload", {"--file", file, "--storage", "local"});
  EXPECT_EQ(anywhere.code, 1);
  EXPECT_NE(anywhere.all().find("each node has a storage \"local\" of its own"), std::string::npos)
      << anywhere.all();
  cluster.token(R"({"id": "reader@pve!ci", "secret": "00000000-aaaa-4aaa-8aaa-000000000003",
                    "acl": [{"path": "/", "privileges": ["Sys.Audit", "Datastore.Audit"]}]})");
  const ProxmoxStep reader(cluster, "reader@pve!ci=00000000-aaaa-4aaa-8aaa-000000000003");
  const auto denied =
      reader.run("image upload", {"--file", file, "--storage", "local", "--node", "pve1"});
  EXPECT_EQ(denied.code, 5) << denied.all();
  EXPECT_NE(denied.all().find("Datastore.AllocateTemplate on /storage/local"), std::string::npos)
      << denied.all();
  for (const Json& one : cluster.requests()) EXPECT_NE(one.text_of("method"), "POST");
  EXPECT_EQ(names("iso"), std::vector<std::string>{});
}

TEST_F(ProxmoxImage, AnUploadTakesNoMemory) {
  const std::string file = files.path("large.iso");
  ASSERT_EQ(::truncate(files.write("large.iso", "x").c_str(), off_t{512} << 20U), 0);
  const auto peak = [&](const std::vector<std::string>& more) {
    Process process = step.start("image upload", more);
    long kib = 0;
    while (!process.wait(std::chrono::milliseconds(20))) {
      kib = std::max(kib, process_status(process.pid(), "VmHWM"));
    }
    return kib;
  };
  const auto base =
      peak({"--file", files.write("small.iso", "x"), "--storage", "local", "--node", "pve1"});
  const auto large = peak({"--file", file, "--storage", "local", "--node", "pve1"});
  EXPECT_EQ(names("iso"), (std::vector<std::string>{"large.iso", "small.iso"}));
  EXPECT_LT(large, base + 16 * 1024) << "KiB";
}

TEST_F(ProxmoxImage, ANodeFetchesAndChecks) {
  const std::string url = "https://images.example.com/debian-12.qcow2?x=1";
  const auto wrong = image("download-url", {"--url", url, "--checksum", std::string(64, '0')});
  EXPECT_EQ(wrong.code, 1) << wrong.all();
  EXPECT_NE(wrong.all().find("checksum mismatch"), std::string::npos) << wrong.all();
  EXPECT_EQ(names("import"), std::vector<std::string>{});
  const auto done = image("download-url", {"--url", url, "--checksum", digest_of_pull(url)});
  ASSERT_EQ(done.code, 0) << done.all();
  EXPECT_EQ(done.outputs.at("volid"), "local:import/debian-12.qcow2");
  const auto gone = image("download-url", {"--url", "https://unreachable.example.com/a.iso",
                                           "--checksum", std::string(64, '0')});
  EXPECT_EQ(gone.code, 1);
  EXPECT_NE(gone.all().find("unable to resolve host address"), std::string::npos) << gone.all();
}

TEST_F(ProxmoxImage, AContainerImageIsPulled) {
  const auto done = image("oci-pull", {"--reference", "registry.example.com/acme/shop:1.2.3"});
  ASSERT_EQ(done.code, 0) << done.all();
  EXPECT_EQ(done.outputs.at("volid"), "local:vztmpl/shop_1.2.3.tar");
  EXPECT_EQ(image("oci-pull",
                  {"--reference", "registry.example.com/acme/shop:1.2.3", "--if-exists", "keep"})
                .outputs.at("changed"),
            "0");
}

TEST(ProxmoxImageOfOldReleases, TakesNoContainerImages) {
  SandboxProxmox cluster({"--release", "8.4"}, 20);
  const ProxmoxStep step(cluster, SandboxProxmox::root_token);
  const auto done = step.run("image oci-pull", {"--reference", "registry.example.com/shop:1",
                                                "--storage", "local", "--node", "pve1"});
  EXPECT_EQ(done.code, 1) << done.all();
  EXPECT_NE(done.all().find("It takes 9.1 or newer."), std::string::npos) << done.all();
}

TEST_F(ProxmoxImage, OldOnesGoButNoneThatAGuestHas) {
  for (const char* name : {"shop-1.iso", "shop-2.iso", "shop-3.iso", "shop-4.iso", "other.iso"}) {
    ASSERT_EQ(image("upload", {"--file", files.write(name, name)}).code, 0) << name;
  }
  ASSERT_EQ(cluster.run_task("POST", "/nodes/pve1/qemu/100/config",
                             "ide3=local:iso/shop-1.iso,media=cdrom"),
            "OK");
  // Ejected since, but a snapshot may come back.
  ASSERT_EQ(cluster.run_task("POST", "/nodes/pve1/qemu/100/snapshot", "snapname=before"), "OK");
  ASSERT_EQ(cluster.run_task("POST", "/nodes/pve1/qemu/100/config", "delete=ide3"), "OK");
  const auto plan = image("prune", {"--images", "shop-*", "--keep", "2", "--dry-run"});
  ASSERT_EQ(plan.code, 0) << plan.all();
  EXPECT_EQ(plan.outputs.at("removed"), "0");
  EXPECT_NE(plan.out.find("would go"), std::string::npos) << plan.out;
  // Who does not see all guests does not know.
  cluster.token(R"({"id": "keeper@pve!ci", "secret": "00000000-aaaa-4aaa-8aaa-000000000003",
                    "acl": [{"path": "/storage", "privileges": ["Datastore.Audit",
                             "Datastore.AllocateTemplate"]},
                            {"path": "/nodes", "privileges": ["Sys.Audit"]}]})");
  const ProxmoxStep keeper(cluster, "keeper@pve!ci=00000000-aaaa-4aaa-8aaa-000000000003");
  const auto blind = keeper.run(
      "image prune", {"--images", "shop-*", "--keep", "2", "--storage", "local", "--node", "pve1"});
  EXPECT_EQ(blind.code, 5) << blind.all();
  EXPECT_NE(blind.all().find("VM.Audit on /vms"), std::string::npos) << blind.all();
  const auto done = image("prune", {"--images", "shop-*", "--keep", "2"});
  ASSERT_EQ(done.code, 0) << done.all();
  EXPECT_EQ(done.outputs.at("removed"), "1");
  EXPECT_NE(done.out.find("kept: a guest has it"), std::string::npos) << done.out;
  EXPECT_EQ(names("iso"),
            (std::vector<std::string>{"other.iso", "shop-1.iso", "shop-3.iso", "shop-4.iso"}));
}

TEST_F(ProxmoxImage, WhatANodeFetchesIsStoppedByACancel) {
  cluster.fault(R"({"kind": "task-hangs", "task": "download"})");
  Process process = step.start(
      "image download-url", {"--url", "https://images.example.com/a.iso?token=secret", "--checksum",
                             std::string(64, '0'), "--storage", "local", "--node", "pve1"});
  ASSERT_TRUE(comes_true([&] {
    const auto all = cluster.requests();
    return std::any_of(all.begin(), all.end(), [](const Json& one) {
      return one.text_of("path").find("/tasks/") != std::string::npos;
    });
  }));
  process.interrupt();
  const auto done = step.result_of(process);
  EXPECT_EQ(done.code, 130) << done.all();
  EXPECT_EQ(done.all().find("token=secret"), std::string::npos) << done.all();
  const Json tasks = cluster.data("GET", "/nodes/pve1/tasks", "source=active");
  EXPECT_EQ(tasks.dump().find("download"), std::string::npos) << tasks.dump();
}

TEST_F(ProxmoxImage, AnUploadThatFailsOrIsCancelledLeavesNone) {
  const std::string file = files.write("x.iso", "one");
  cluster.fault(R"({"kind": "task-fails", "task": "imgcopy", "text": "no room"})");
  const auto failed = image("upload", {"--file", file});
  cluster.no_faults();
  EXPECT_EQ(failed.code, 1) << failed.all();
  EXPECT_NE(failed.all().find("no room"), std::string::npos) << failed.all();
  cluster.fault(R"({"kind": "request-hangs", "request": "POST *upload"})");
  Process process =
      step.start("image upload", {"--file", file, "--storage", "local", "--node", "pve1"});
  ASSERT_TRUE(process.wait_for("SHA-256 ", std::chrono::seconds(20))) << process.out();
  process.interrupt();
  const auto cancelled = step.result_of(process);
  EXPECT_EQ(cancelled.code, 130) << cancelled.all();
  cluster.no_faults();
  EXPECT_EQ(names("iso"), std::vector<std::string>{});
}

}  // namespace
}  // namespace pca::test
