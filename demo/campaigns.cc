#include "demo/campaigns.h"

#include <fmt/format.h>

#include <array>

namespace tarn::demo {
namespace {

constexpr std::array kCampaigns = std::to_array<Campaign>({
    {"CMP-01", "newsletter", "email", "autumn_rain", "", 9, 1.8},
    {"CMP-02", "newsletter", "email", "members_only", "", 5, 2.4},
    {"CMP-03", "google", "cpc", "brand", "https://www.google.com/", 10, 1.4},
    {"CMP-04", "google", "cpc", "rain_jackets", "https://www.google.com/", 8, 1.1},
    {"CMP-05", "bing", "cpc", "brand", "https://www.bing.com/", 3, 1.2},
    {"CMP-06", "facebook", "paid_social", "outdoor_video", "https://l.facebook.com/", 9, 0.5},
    {"CMP-07", "instagram", "paid_social", "autumn_looks", "https://l.instagram.com/", 8, 0.4},
    {"CMP-08", "partner-trailmag", "affiliate", "tent_test", "https://trailmag.example/tests/tents",
     3, 1.3},
    {"CMP-09", "partner-cashback", "affiliate", "cashback5", "https://cashback.example/shops/tarn",
     2, 2.0},
    {"CMP-10", "display", "banner", "retargeting", "https://ads.example/frame?slot=17&size=300x250",
     6, 0.7},
});

constexpr std::array<std::string_view, 6> kSearchEngines = {
    "https://www.google.com/", "https://www.google.com/", "https://www.google.de/",
    "https://www.bing.com/",   "https://duckduckgo.com/", "https://www.ecosia.org/"};
constexpr std::array<std::string_view, 4> kLinks = {"https://trailmag.example/forum/thread-8841",
                                                    "https://www.reddit.com/", "https://t.co/",
                                                    "https://blog.example/packing-list?page=2"};

}  // namespace

uint32_t CampaignCount() { return static_cast<uint32_t>(kCampaigns.size()); }
const Campaign& CampaignAt(uint32_t index) { return kCampaigns[index]; }

Landing DrawLanding(Rng& rng) {
  constexpr std::array<double, 4> kChannels = {0.28, 0.34, 0.28, 0.10};
  switch (rng.Weighted(kChannels)) {
    case 0: {
      std::array<double, kCampaigns.size()> weights;
      for (size_t i = 0; i < kCampaigns.size(); ++i) weights[i] = kCampaigns[i].weight;
      const Campaign& campaign = kCampaigns[rng.Weighted(weights)];
      return {fmt::format("utm_source={}&utm_medium={}&utm_campaign={}", campaign.source,
                          campaign.medium, campaign.name),
              std::string(campaign.referrer), campaign.conversion};
    }
    case 1:
      return {"", std::string(kSearchEngines[rng.Below(kSearchEngines.size())]), 1.0};
    case 2:
      return {"", "", 1.2};
    default:
      return {"", std::string(kLinks[rng.Below(kLinks.size())]), 0.8};
  }
}

}  // namespace tarn::demo
