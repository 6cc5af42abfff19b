#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "os/mutex.h"

struct sockaddr_storage;

namespace tarn::http {

// Open connections by where they come from. Thread-safe; bounded by the connections counted.
class AddressCounts {
 public:
  // What is counted together: an IPv4 address, or the net of an IPv6 address, since one host has
  // 2^64 addresses in it.
  static uint64_t KeyOf(const sockaddr_storage& address);

  size_t Add(uint64_t key);  // how many there are now
  void Remove(uint64_t key);

 private:
  os::Mutex mutex_;
  std::unordered_map<uint64_t, size_t> counts_ TARN_GUARDED_BY(mutex_);
};

}  // namespace tarn::http
