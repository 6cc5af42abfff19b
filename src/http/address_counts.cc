#include "http/address_counts.h"

#include <netinet/in.h>

#include <cstring>

namespace tarn::http {

uint64_t AddressCounts::KeyOf(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET6) {
    uint64_t net = 0;
    std::memcpy(&net, &reinterpret_cast<const sockaddr_in6*>(&address)->sin6_addr, sizeof(net));
    return net;
  }
  // A net that shares its count with an address by chance does no harm.
  return uint64_t{0xFFFF} << 48 | reinterpret_cast<const sockaddr_in*>(&address)->sin_addr.s_addr;
}

size_t AddressCounts::Add(uint64_t key) {
  os::MutexLock lock(mutex_);
  return ++counts_[key];
}

void AddressCounts::Remove(uint64_t key) {
  os::MutexLock lock(mutex_);
  const auto found = counts_.find(key);
  if (found != counts_.end() && --found->second == 0) counts_.erase(found);
}

}  // namespace tarn::http
