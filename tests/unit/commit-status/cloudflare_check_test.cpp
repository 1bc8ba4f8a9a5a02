#include "commit-status/cloudflare_check.hpp"

#include <gtest/gtest.h>

namespace pca::commit_status {
namespace {

const std::vector<std::string> hosts{"pages.dev", "workers.dev"};

CloudflareBuild read(const std::string& summary) { return read_cloudflare_summary(summary, hosts); }

TEST(CloudflareSummaries, OfPagesAreTables) {
  const std::string table =
      "<table><tr><td><strong>Latest commit:</strong> </td><td>\n<code>abc</code>\n</td></tr>\n"
      "<tr><td><strong>Status:</strong></td><td>&nbsp;Deploy successful!</td></tr>\n"
      "<tr><td><strong>Preview URL:</strong></td><td>\n"
      "<a href='https://1a2b3c4d.shop.pages.dev'>https://1a2b3c4d.shop.pages.dev</a>\n</td></tr>\n"
      "<tr><td><strong>Branch Preview URL:</strong></td><td>\n"
      "<a href='https://feature-cart.shop.pages.dev'>https://feature-cart.shop.pages.dev</a>\n"
      "</td></tr>\n</table>";
  EXPECT_EQ(read(table).preview_url, "https://1a2b3c4d.shop.pages.dev");
  EXPECT_EQ(read(table).branch_url, "https://feature-cart.shop.pages.dev");
  EXPECT_EQ(read(table).version_id, "");
}

TEST(CloudflareSummaries, OfWorkersAreMarkdown) {
  const std::string text =
      "Build ID: [0f0f0f0f-0000-4000-8000-000000000000](https://dash.cloudflare.com/x)\n"
      "Script: [shop](https://dash.cloudflare.com/y)\n"
      "Version ID: 12345678-0000-4000-8000-000000000000\n"
      "Preview URL: https://12345678-shop.acme.workers.dev\n"
      "Preview Alias URL: https://feature-cart-shop.acme.workers.dev\n";
  EXPECT_EQ(read(text).preview_url, "https://12345678-shop.acme.workers.dev");
  EXPECT_EQ(read(text).branch_url, "https://feature-cart-shop.acme.workers.dev");
  EXPECT_EQ(read(text).version_id, "12345678-0000-4000-8000-000000000000");
}

TEST(CloudflareSummaries, GiveNoAddressOfAnybodyElse) {
  for (const char* url :
       {"http://x.pages.dev", "https://evil.example", "https://pages.dev.evil.example",
        "https://evilpages.dev", "https://user@x.pages.dev", "https://evil.example\\@x.pages.dev",
        "https://x.pages.dev:8443", "https://x.pages.dev/?next=https://evil.example",
        "https://x.pages.dev/#a", "https://X.pages.dev", "https://.pages.dev", "https://",
        "javascript:alert(1)", "https://x.pages.dev/%0a", "https://x..pages.dev"}) {
    EXPECT_EQ(read(std::string("Preview URL: ") + url + "\n").preview_url, "") << url;
  }
  EXPECT_EQ(read_cloudflare_summary("Preview URL: https://shop.example.com/a", {"example.com"})
                .preview_url,
            "https://shop.example.com/a");
}

TEST(CloudflareSummaries, GiveNoAddressOfAnotherLabel) {
  EXPECT_EQ(read("Preview URL: none\nOther URL: https://x.pages.dev").preview_url, "");
  EXPECT_EQ(read("Preview URL:" + std::string(300, ' ') + "https://x.pages.dev").preview_url, "");
  EXPECT_EQ(read("<td>Preview URL:</td></tr><tr><td>https://x.pages.dev</td></tr>").preview_url,
            "");
  EXPECT_EQ(read("My URL: https://x.pages.dev").preview_url, "");
  EXPECT_EQ(read("Version ID: not-one\nVersion ID: x").version_id, "");
}

TEST(CloudflareBuilds, AreKnownByTheAddressOfTheirPage) {
  const std::string id = "0a1b2c3d-0000-4000-8000-1234567890ab";
  const std::string dashboard = "https://dash.cloudflare.com/";
  EXPECT_EQ(build_id_of(dashboard + "?to=/abc/pages/view/shop/" + id), id);
  EXPECT_EQ(build_id_of(dashboard + "abc/workers/services/view/shop/production/builds/" + id), id);
  EXPECT_EQ(build_id_of(dashboard + "abc/" + id + "?tab=log#end"), id);
  for (const char* other : {"", "https://dash.cloudflare.com/", "https://dash.cloudflare.com/x/y",
                            "https://x/0a1b2c3d-0000-4000-8000-1234567890aZ"}) {
    EXPECT_EQ(build_id_of(other), "") << other;
  }
}

TEST(PreviewHosts, AreDomains) {
  EXPECT_TRUE(check_preview_host("pages.dev"));
  for (const char* bad : {"", "dev", "*.pages.dev", "https://pages.dev", ".pages.dev", "Pages.dev",
                          "pages.dev.", "a..b", "pages.dev/x"}) {
    EXPECT_FALSE(check_preview_host(bad)) << bad;
  }
}

}  // namespace
}  // namespace pca::commit_status
