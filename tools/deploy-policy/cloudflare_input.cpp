#include "deploy-policy/cloudflare_input.hpp"

#include <algorithm>

#include "base/github_repository.hpp"
#include "base/text.hpp"
#include "net/github.hpp"

namespace pca::deploy_policy {

namespace {

bool is_account(std::string_view text) {
  return text.size() == 32 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

bool has_blank(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return c <= ' ' || c == '\x7F'; });
}

void refuse_without_token(const Inputs& inputs, BadInputs& bad) {
  for (const char* input : {"cloudflare-account", "cloudflare-ca"}) {
    if (inputs.has(input)) {
      bad.add(input, "goes with cloudflare-token, which is not given",
              "Give a token that may read, or leave this out.");
    }
  }
}

CloudflareSettings read_settings(ToolContext& context, const Inputs& inputs, BadInputs& bad,
                                 const Secret& token) {
  CloudflareSettings settings;
  settings.wait_input.clear();
  if (has_blank(token.expose())) {
    bad.add("cloudflare-token", "holds blanks or line breaks", "Give the token alone.");
  } else {
    settings.authorization = context.redactor.protect("Bearer " + std::string(token.expose()));
  }
  settings.account = inputs.text("cloudflare-account");
  if (!is_account(settings.account)) {
    bad.add(
        "cloudflare-account",
        settings.account.empty() ? "is missing" : shown(settings.account) + " is no account's id",
        "Give the 32 hexadecimal digits that follow dash.cloudflare.com/ in the address.");
  }
  auto root = check_github_root(inputs.text("cloudflare-url"), false);
  if (root) {
    settings.root = *std::move(root);
  } else {
    bad.add("cloudflare-url", root.error().message,
            "Write https://api.cloudflare.com/client/v4, or leave it out.");
  }
  settings.ca_file = inputs.text("cloudflare-ca");
  if (const auto proxy = check_proxy_variables(); !proxy) bad.add("", proxy.error());
  return settings;
}

}  // namespace

CloudflareInputs read_cloudflare(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  CloudflareInputs read;
  read.repository = inputs.has("repository")
                        ? inputs.text("repository")
                        : variable_in(context.environment, "GITHUB_REPOSITORY");
  if (!read.repository.empty()) {
    if (const auto good = parse_github_repository(read.repository); !good) {
      bad.add("repository", good.error());
    }
  }
  const Secret token = inputs.take_secret("cloudflare-token");
  if (token.empty()) {
    refuse_without_token(inputs, bad);
  } else {
    read.settings = read_settings(context, inputs, bad, token);
  }
  return read;
}

}  // namespace pca::deploy_policy
