#pragma once

#include <string>
#include <string_view>

namespace pca {

// For texts of hosts and users in a job summary, which is Markdown.

// One cell of a table: made visible(); no cell ends in it, no HTML, link or emphasis begins.
[[nodiscard]] std::string markdown_cell(std::string_view text);
// A link to a web address that was checked, whose text is as in a cell.
[[nodiscard]] std::string markdown_link(std::string_view text, std::string_view url);
// A code block that its text cannot end: each line is made visible() and indented by four.
[[nodiscard]] std::string markdown_code(std::string_view text);

}  // namespace pca
