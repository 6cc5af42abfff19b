#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tarn::demo {

// The customers of the shop. Customer n is the same person for a seed, in every run and every
// version: a shop database filled later has the same rows. Names and addresses are made up; mail
// domains are those reserved for examples (RFC 2606), IP addresses those reserved for benchmarks
// and documentation (RFC 2544, RFC 3849).
inline constexpr uint32_t kCustomerCount = 8'000;

struct City {
  std::string_view name;
  std::string_view country;   // "Denmark"
  std::string_view code;      // ISO 3166-1 alpha-2
  std::string_view language;  // of the browser
  double latitude;
  double longitude;
};

struct Customer {
  uint32_t number = 0;  // 1 … kCustomerCount
  std::string id;       // "C000042"
  std::string first_name;
  std::string last_name;
  std::string email;
  std::string login;  // the e-mail; for one in 200 an old "first last" login with a space
  uint32_t city = 0;  // index for CityAt
};

uint32_t CityCount();
const City& CityAt(uint32_t index);  // index < CityCount()
Customer CustomerAt(uint64_t seed, uint32_t number);

// The address a visitor of this city comes from, IPv4 or IPv6.
std::string AddressOf(uint64_t seed, uint32_t visitor, uint32_t city);

}  // namespace tarn::demo
