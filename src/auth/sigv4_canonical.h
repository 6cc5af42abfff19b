#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/sigv4.h"

namespace tarn::auth {

// The one form of a request that both sides of a signature make of it
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).

using QueryParams = std::vector<std::pair<std::string, std::string>>;  // decoded, in order

// '+' is itself, a '%' without two hex digits too; a name alone has an empty value.
QueryParams ParseQuery(std::string_view query);

// Encoded, sorted by name and then value; without X-Amz-Signature, which cannot sign itself.
std::string CanonicalQuery(const QueryParams& params);

// Of S3: encoded once. Of other services: "." and ".." and double slashes resolved, and encoded
// once more than it was sent.
std::string CanonicalPath(std::string_view path, bool is_s3);

// Of all headers of that name, in order, joined by commas; blanks trimmed, runs of them made one.
// nullopt if there is none. `name` in lower case.
std::optional<std::string> CanonicalHeader(const SignedRequest& request, std::string_view name);

// Everything but RFC 3986's unreserved characters, and '/' if kept, as %XX.
std::string UriEncode(std::string_view text, bool keep_slash);

}  // namespace tarn::auth
