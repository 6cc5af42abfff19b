#include "demo/customers.h"

#include <fmt/format.h>

#include <array>

#include "demo/rng.h"

namespace tarn::demo {
namespace {

constexpr std::array kCities = std::to_array<City>({
    {"Copenhagen", "Denmark", "DK", "da-DK", 55.68, 12.57},
    {"Aarhus", "Denmark", "DK", "da-DK", 56.16, 10.20},
    {"Odense", "Denmark", "DK", "da-DK", 55.40, 10.39},
    {"Hamburg", "Germany", "DE", "de-DE", 53.55, 9.99},
    {"Berlin", "Germany", "DE", "de-DE", 52.52, 13.40},
    {"Munich", "Germany", "DE", "de-DE", 48.14, 11.58},
    {"Cologne", "Germany", "DE", "de-DE", 50.94, 6.96},
    {"Stockholm", "Sweden", "SE", "sv-SE", 59.33, 18.07},
    {"Gothenburg", "Sweden", "SE", "sv-SE", 57.71, 11.97},
    {"Oslo", "Norway", "NO", "nb-NO", 59.91, 10.75},
    {"Bergen", "Norway", "NO", "nb-NO", 60.39, 5.32},
    {"Amsterdam", "Netherlands", "NL", "nl-NL", 52.37, 4.90},
    {"Rotterdam", "Netherlands", "NL", "nl-NL", 51.92, 4.48},
    {"London", "United Kingdom", "GB", "en-GB", 51.51, -0.13},
    {"Manchester", "United Kingdom", "GB", "en-GB", 53.48, -2.24},
    {"Edinburgh", "United Kingdom", "GB", "en-GB", 55.95, -3.19},
    {"Dublin", "Ireland", "IE", "en-IE", 53.35, -6.26},
    {"Paris", "France", "FR", "fr-FR", 48.86, 2.35},
    {"Lyon", "France", "FR", "fr-FR", 45.76, 4.84},
    {"Vienna", "Austria", "AT", "de-AT", 48.21, 16.37},
    {"Zurich", "Switzerland", "CH", "de-CH", 47.37, 8.54},
    {"Helsinki", "Finland", "FI", "fi-FI", 60.17, 24.94},
});
// People per city, roughly by how well the shop is known there.
constexpr std::array<double, kCities.size()> kCityWeights = {12, 6, 4, 9, 8, 5, 4, 7, 4, 5, 3,
                                                             6,  3, 7, 3, 2, 2, 4, 2, 2, 2, 3};

constexpr std::array<std::string_view, 40> kFirstNames = {
    "Anna",  "Bjorn", "Clara",  "David", "Elin",  "Finn",    "Greta", "Hugo",  "Ida",    "Jonas",
    "Karin", "Lars",  "Maja",   "Niels", "Olga",  "Peter",   "Quinn", "Rosa",  "Sven",   "Thea",
    "Ulrik", "Vera",  "Walter", "Xenia", "Yann",  "Zoe",     "Aaron", "Beate", "Conor",  "Dora",
    "Emil",  "Freya", "Gustav", "Helle", "Isaac", "Johanna", "Kevin", "Lotte", "Martin", "Nora"};
constexpr std::array<std::string_view, 40> kLastNames = {
    "Ahlberg", "Brandt", "Carlsen", "Dahl",     "Eklund",  "Fischer", "Graham", "Holm",
    "Iversen", "Jansen", "Keller",  "Lindgren", "Moller",  "Nyberg",  "Olsen",  "Petersen",
    "Quist",   "Rask",   "Sommer",  "Thorsen",  "Ulrich",  "Vogel",   "Winter", "Young",
    "Zander",  "Aldous", "Bakker",  "Clarke",   "Dupont",  "Evans",   "Foley",  "Gruber",
    "Hansen",  "Ingram", "Jokinen", "Koch",     "Laurent", "Murphy",  "Novak",  "OBrien"};
constexpr std::array<std::string_view, 4> kMailDomains = {"example.com", "example.org",
                                                          "example.net", "mail.example"};

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

}  // namespace

uint32_t CityCount() { return static_cast<uint32_t>(kCities.size()); }
const City& CityAt(uint32_t index) { return kCities[index]; }

Customer CustomerAt(uint64_t seed, uint32_t number) {
  Rng rng(Mix(seed, 0xc057, number));
  Customer customer;
  customer.number = number;
  customer.id = fmt::format("C{:06}", number);
  customer.first_name = kFirstNames[rng.Below(kFirstNames.size())];
  customer.last_name = kLastNames[rng.Below(kLastNames.size())];
  customer.email = fmt::format("{}.{}{}@{}", Lower(customer.first_name), Lower(customer.last_name),
                               number, kMailDomains[rng.Below(kMailDomains.size())]);
  customer.city = static_cast<uint32_t>(rng.Weighted(kCityWeights));
  customer.login = rng.Below(200) == 0 ? fmt::format("{} {} {}", Lower(customer.first_name),
                                                     Lower(customer.last_name), number)
                                       : customer.email;
  return customer;
}

std::string AddressOf(uint64_t seed, uint32_t visitor, uint32_t city) {
  Rng rng(Mix(seed, 0xadd2, visitor));
  if (rng.Chance(0.22)) {
    return fmt::format("2001:db8:{:x}:{:x}:{:x}:{:x}:{:x}:{:x}", city + 1, rng.Below(0xffff) + 1,
                       rng.Below(0xffff) + 1, rng.Below(0xffff) + 1, rng.Below(0xffff) + 1,
                       rng.Below(0xffff) + 1);
  }
  // 198.18.0.0/15: a city has a band of 23 third octets in one of the two halves.
  const uint32_t band = (city % 11) * 23;
  return fmt::format("198.{}.{}.{}", 18 + city / 11 % 2, band + rng.Below(23), 1 + rng.Below(254));
}

}  // namespace tarn::demo
