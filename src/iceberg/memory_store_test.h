#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "store/object_store.h"

namespace tarn::iceberg {

// Objects in a map, for the tests of this module. Thread-confined.
class MemoryStore final : public store::ObjectStore {
 public:
  Status Put(const std::string& key, std::string_view bytes) override {
    if (puts_until_failure == 0) return IoError("the disk is gone");
    if (puts_until_failure > 0) --puts_until_failure;
    objects[key] = bytes;
    return {};
  }
  Status PutIfAbsent(const std::string& key, std::string_view bytes) override {
    if (objects.contains(key)) return AlreadyExists(key);
    return Put(key, bytes);
  }
  Result<std::unique_ptr<store::ObjectWriter>> OpenWriter(const std::string& key) override {
    return Unsupported(key);
  }
  Result<std::string> Get(const std::string& key) const override {
    ++gets;
    const auto found = objects.find(key);
    if (found == objects.end()) return NotFound(key);
    return found->second;
  }
  Result<std::string> GetRange(const std::string& key, uint64_t offset,
                               size_t size) const override {
    TARN_ASSIGN_OR_RETURN(const std::string bytes, Get(key));
    return bytes.substr(offset, size);
  }
  Result<store::ObjectInfo> Head(const std::string& key) const override {
    TARN_ASSIGN_OR_RETURN(const std::string bytes, Get(key));
    return store::ObjectInfo{key, bytes.size(), {}};
  }
  Result<std::vector<store::ObjectInfo>> List(const std::string& prefix) const override {
    std::vector<store::ObjectInfo> found;
    for (const auto& [key, bytes] : objects) {
      if (key.starts_with(prefix)) found.push_back({key, bytes.size(), {}});
    }
    return found;
  }
  Status Delete(const std::string& key) override {
    objects.erase(key);
    return {};
  }
  const std::string& base_url() const override { return base_url_; }

  std::map<std::string, std::string> objects;
  mutable int64_t gets = 0;
  int64_t puts_until_failure = -1;  // -1: never

 private:
  const std::string base_url_ = "file:///lake";
};

}  // namespace tarn::iceberg
