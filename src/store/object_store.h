#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace tarn::store {

struct ObjectInfo {
  std::string key;
  uint64_t size = 0;
  Timestamp modified;
};

// An object being written. Nothing is visible under its key before Finish, and it is dropped if
// Finish is not called. Thread-confined.
class ObjectWriter {
 public:
  virtual ~ObjectWriter() = default;
  virtual Status Write(std::string_view bytes) = 0;
  // The object is durable and visible when this returns.
  virtual Status Finish() = 0;
  virtual uint64_t written() const = 0;
};

// Several objects written together, which costs less than one by one where a sync is dear. They are
// durable and visible when Publish returns, and only promised then; if it fails, or the batch is
// dropped without it, some of those that were finished may be visible. Writers of one batch may be
// used on several threads; Publish comes after all of them. The store outlives it.
class ObjectBatch {
 public:
  virtual ~ObjectBatch() = default;
  // Finish hands the object to the batch. The writer must not outlive it.
  virtual Result<std::unique_ptr<ObjectWriter>> OpenWriter(const std::string& key) = 0;
  virtual Status Publish() = 0;
};

// A place for immutable objects under '/'-separated keys: a local folder, or any S3. Keys are
// relative, have no empty,
// "." or ".." part and at most 1,024 bytes; others are InvalidArgument. Every write is atomic (old
// or new, whole) and durable when it returns. One contract suite (store/contract_test.h) runs over
// every implementation. Thread-safe.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  virtual Status Put(const std::string& key, std::string_view bytes) = 0;
  // AlreadyExists if the key is taken; of several writers exactly one wins.
  virtual Status PutIfAbsent(const std::string& key, std::string_view bytes) = 0;
  virtual Result<std::unique_ptr<ObjectWriter>> OpenWriter(const std::string& key) = 0;

  // By default each object is published by its own Finish.
  virtual std::unique_ptr<ObjectBatch> OpenBatch();

  virtual Result<std::string> Get(const std::string& key) const = 0;  // NotFound
  virtual Result<std::string> GetRange(const std::string& key, uint64_t offset,
                                       size_t size) const = 0;
  virtual Result<ObjectInfo> Head(const std::string& key) const = 0;
  // Every object whose key starts with `prefix` (a folder prefix ends in '/'), sorted by key.
  virtual Result<std::vector<ObjectInfo>> List(const std::string& prefix) const = 0;
  virtual Status Delete(const std::string& key) = 0;  // fine if it is gone

  // The address other engines know it by, without a trailing slash: "file:///srv/shop/lake".
  virtual const std::string& base_url() const = 0;
  // Percent-encoded are only '%', '?', '#' and control bytes; readers take the rest as it stands.
  std::string UrlOf(std::string_view key) const;
  // The key of an address below base_url(); InvalidArgument for any other.
  Result<std::string> KeyOf(std::string_view url) const;
};

// InvalidArgument, naming the key and the rule it breaks, unless every ObjectStore takes this key.
Status CheckKey(std::string_view key);
// As UrlOf encodes.
std::string EncodeUrlPath(std::string_view path);

}  // namespace tarn::store
