#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "demo/rng.h"

namespace tarn::demo {

struct Campaign {
  std::string_view id;  // "CMP-01", stable
  std::string_view source;
  std::string_view medium;
  std::string_view name;
  std::string_view referrer;  // empty: none is sent (mail clients)
  double weight;              // share of campaign landings
  double conversion;          // how likely its visitors buy, against 1.0 for the rest
};

uint32_t CampaignCount();
const Campaign& CampaignAt(uint32_t index);

// How a session arrives: what is put behind the landing path, and the Referer it carries.
struct Landing {
  std::string query;  // "utm_source=…&utm_medium=…&utm_campaign=…" or empty
  std::string referrer;
  double conversion = 1.0;
};
Landing DrawLanding(Rng& rng);

}  // namespace tarn::demo
