#include "http/router.h"

#include <algorithm>

#include "base/check.h"

namespace tarn::http {

void Router::Exact(Method method, std::string path, Receiver receiver, RouteOptions options) {
  TARN_CHECK(path.starts_with('/') && receiver);
  Methods& methods = exact_[std::move(path)];
  TARN_CHECK(methods.emplace(method, Route{std::move(receiver), std::move(options)}).second);
}

void Router::Prefix(Method method, std::string prefix, Receiver receiver, RouteOptions options) {
  TARN_CHECK(prefix.starts_with('/') && prefix.ends_with('/') && receiver);
  auto place = std::find_if(prefixes_.begin(), prefixes_.end(),
                            [&](const auto& entry) { return entry.first == prefix; });
  if (place == prefixes_.end()) {
    place = std::find_if(prefixes_.begin(), prefixes_.end(),
                         [&](const auto& entry) { return entry.first.size() < prefix.size(); });
    place = prefixes_.emplace(place, std::move(prefix), Methods());
  }
  TARN_CHECK(place->second.emplace(method, Route{std::move(receiver), std::move(options)}).second);
}

const Router::Route* Router::FindIn(const Methods& methods, Method method, std::string* allowed) {
  auto found = methods.find(method);
  if (found == methods.end() && method == Method::kHead) found = methods.find(Method::kGet);
  if (found != methods.end()) return &found->second;
  for (const auto& [known, route] : methods) {
    if (!allowed->empty()) *allowed += ", ";
    *allowed += MethodName(known);
    if (known == Method::kGet && !methods.contains(Method::kHead)) *allowed += ", HEAD";
  }
  return nullptr;
}

const Router::Route* Router::Find(Method method, std::string_view path,
                                  std::string* allowed) const {
  allowed->clear();
  if (const auto exact = exact_.find(path); exact != exact_.end()) {
    return FindIn(exact->second, method, allowed);
  }
  for (const auto& [prefix, methods] : prefixes_) {
    if (path.starts_with(prefix)) return FindIn(methods, method, allowed);
  }
  return nullptr;
}

}  // namespace tarn::http
