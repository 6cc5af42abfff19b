// bench_access_log generate FILE BYTES      a deterministic combined log
// bench_access_log parse FILE OUT [full]    file to JSON file: benchmark B1
// bench_access_log json|full|columns|slices FILE   the first 256 MB in memory, best of 5
//
// Prints MB/s per core of CPU time (10^6 bytes, user + system) and the peak RSS.

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "source/access_log/lines.h"
#include "source/access_log/parse_stream.h"

namespace {

using namespace tarn::access_log;

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double PeakMb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024 / 1e6;
}

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::exit(1);
}

int OpenOrDie(const char* path, int flags) {
  const int fd = open(path, flags | O_CLOEXEC, 0644);
  if (fd < 0) Die(path);
  return fd;
}

void WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0) Die("write");
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

// xorshift64*: the same bytes on every machine.
class Random {
 public:
  uint64_t Next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1DULL;
  }
  uint64_t Below(uint64_t limit) { return (Next() >> 11) % limit; }
  // Zipf-like rank below `limit`, by the inverse of a power law.
  uint64_t Rank(uint64_t limit) {
    const double u = static_cast<double>(Next() >> 11) / 9007199254740992.0;
    return static_cast<uint64_t>(std::pow(static_cast<double>(limit), u)) - 1;
  }

 private:
  uint64_t state_ = 0x9E3779B97F4A7C15ULL;
};

uint64_t Mix(uint64_t x) {
  x ^= x >> 33;
  x *= 0xFF51AFD7ED558CCDULL;
  return x ^ x >> 33;
}

class Log {
 public:
  void AppendLine(std::string& out) {
    ms_ += random_.Below(650);
    const uint64_t kind = random_.Below(10'000);
    const uint64_t visitor = random_.Rank(400'000);
    if (kind < 3) {
      out += "PHP Notice:  Undefined index: cart in /var/www/shop/cart.php on line 112\n";
      return;
    }
    AppendStart(visitor, out);
    if (kind < 9) {
      out += "\"\\x16\\x03\\x01\\x02\" 400 226 \"-\" \"-\"\n";
    } else if (kind < 12) {
      out += "\"-\" 408 - \"-\" \"-\"\n";
    } else if (kind < 15) {
      out += "\"GET /product/";
      out.append(2'000 + random_.Below(4'000), 'a');
      out += " HTTP/1.1\" 404 196 \"-\" \"curl/7.88.1\"\n";
    } else if (kind < 18) {
      out += "\"GET /search?q=\\\"boots\\\" HTTP/1.1\" 200 5120 \"-\" \"A \\\"quoted\\\" agent\"\n";
    } else {
      AppendRequest(visitor, out);
    }
  }

 private:
  void AppendStart(uint64_t visitor, std::string& out) {
    const uint64_t mixed = Mix(visitor + 1);
    char text[128];
    if (visitor % 100 < 8) {
      std::snprintf(text, sizeof text, "2001:db8:%x:%x::%x", static_cast<unsigned>(mixed & 0xFFFF),
                    static_cast<unsigned>(mixed >> 16 & 0xFFFF),
                    static_cast<unsigned>(mixed >> 32 & 0xFFFF));
    } else {
      std::snprintf(text, sizeof text, "%u.%u.%u.%u", static_cast<unsigned>(mixed % 223 + 1),
                    static_cast<unsigned>(mixed >> 8 & 255),
                    static_cast<unsigned>(mixed >> 16 & 255),
                    static_cast<unsigned>(mixed >> 24 & 255));
    }
    out += text;
    const uint64_t second = ms_ / 1'000;
    std::snprintf(text, sizeof text, " - %s [%02u/Nov/2026:%02u:%02u:%02u +0000] ",
                  visitor % 50 == 7 ? "anna@example.com" : "-",
                  static_cast<unsigned>(second / 86'400 % 30 + 1),
                  static_cast<unsigned>(second / 3'600 % 24),
                  static_cast<unsigned>(second / 60 % 60), static_cast<unsigned>(second % 60));
    out += text;
  }

  void AppendRequest(uint64_t visitor, std::string& out) {
    static constexpr std::array<const char*, 5> kPaths = {"product", "category", "static/img",
                                                          "search", "cart/add"};
    static constexpr std::array<const char*, 4> kSources = {"google", "newsletter", "facebook",
                                                            "bing"};
    const uint64_t page = random_.Rank(50'000);
    const char* path = kPaths[random_.Below(kPaths.size())];
    char text[512];
    std::snprintf(text, sizeof text, "\"%s /%s/%s-%llu.html",
                  random_.Below(12) == 0 ? "POST" : "GET", path, "winter-boots",
                  static_cast<unsigned long long>(page));
    out += text;
    if (random_.Below(4) == 0) {
      std::snprintf(text, sizeof text,
                    "?utm_source=%s&utm_medium=cpc&utm_campaign=autumn-%llu&gclid=%016llx",
                    kSources[random_.Below(4)], static_cast<unsigned long long>(random_.Below(40)),
                    static_cast<unsigned long long>(random_.Next()));
      out += text;
    }
    static constexpr std::array<int, 8> kStatus = {200, 200, 200, 200, 200, 304, 302, 404};
    const int status = kStatus[random_.Below(8)];
    std::snprintf(text, sizeof text, " HTTP/1.1\" %d %llu ", status,
                  static_cast<unsigned long long>(random_.Below(90'000)) + 1);
    out += text;
    if (random_.Below(3) == 0) {
      out += "\"-\" ";
    } else {
      std::snprintf(text, sizeof text,
                    "\"https://shop.example.com/category/winter-boots-%llu.html\" ",
                    static_cast<unsigned long long>(random_.Rank(2'000)));
      out += text;
    }
    const uint64_t agent = Mix(visitor) % 2'000;
    std::snprintf(
        text, sizeof text,
        "\"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/%llu.0.%llu.%llu Safari/537.36\"\n",
        static_cast<unsigned long long>(80 + agent % 50),
        static_cast<unsigned long long>(4'000 + agent),
        static_cast<unsigned long long>(agent % 200));
    out += text;
  }

  Random random_;
  uint64_t ms_ = 0;
};

int Generate(const char* path, uint64_t bytes) {
  const int fd = OpenOrDie(path, O_WRONLY | O_CREAT | O_TRUNC);
  Log log;
  std::string buffer;
  uint64_t lines = 0;
  for (uint64_t written = 0; written < bytes;) {
    buffer.clear();
    while (buffer.size() < size_t{1} << 20 && written + buffer.size() < bytes) {
      log.AppendLine(buffer);
      ++lines;
    }
    WriteAll(fd, buffer);
    written += buffer.size();
  }
  std::printf("%llu lines\n", static_cast<unsigned long long>(lines));
  return close(fd);
}

Format CompileOrDie() {
  auto format = Format::Compile("combined");
  if (!format.ok()) std::exit(1);
  return *std::move(format);
}

int ParseFile(const char* in_path, const char* out_path, Shape shape) {
  const int in = OpenOrDie(in_path, O_RDONLY);
  const int out = OpenOrDie(out_path, O_WRONLY | O_CREAT | O_TRUNC);
  uint64_t written = 0;
  ParseStreamIo io;
  io.read = [in](std::span<char> buffer) -> tarn::Result<size_t> {
    const ssize_t n = read(in, buffer.data(), buffer.size());
    if (n < 0) Die("read");
    return static_cast<size_t>(n);
  };
  io.write = [out, &written](std::string_view json) -> tarn::Status {
    written += json.size();
    WriteAll(out, json);
    return {};
  };
  ParseStreamOptions options;
  options.shape = shape;
  const auto counts = ParseStream(CompileOrDie(), io, options);
  if (!counts.ok()) return 1;
  const double cpu = CpuSeconds();
  std::printf(
      "%llu lines, %llu rejected, %.3f CPU s, %.0f MB/s per core, out/in %.2f, RSS %.1f MB\n",
      static_cast<unsigned long long>(counts->lines),
      static_cast<unsigned long long>(counts->rejected), cpu,
      static_cast<double>(counts->bytes) / 1e6 / cpu,
      static_cast<double>(written) / static_cast<double>(counts->bytes), PeakMb());
  return 0;
}

// One pass over the text with `take(parser, line, reason)`.
template <typename Take>
void Measure(const char* what, std::string_view text, Shape shape, Take take) {
  double best = 1e9;
  uint64_t good = 0;
  for (int run = 0; run < 5; ++run) {
    Parser parser(CompileOrDie(), shape);
    parser.set_readable_slack(64);
    good = 0;
    const double begin = CpuSeconds();
    Lines lines(text);
    std::string_view reason;
    for (std::string_view line; lines.Next(line);) good += take(parser, line, reason) ? 1U : 0U;
    best = std::min(best, CpuSeconds() - begin);
  }
  std::printf("%s: %llu good lines, %.0f MB/s per core\n", what,
              static_cast<unsigned long long>(good), static_cast<double>(text.size()) / 1e6 / best);
}

int InMemory(const char* path, std::string_view what) {
  const int fd = OpenOrDie(path, O_RDONLY);
  std::string text(size_t{256} << 20, '\0');
  size_t size = 0;
  for (ssize_t n = 0; size < text.size() - 64 &&
                      (n = read(fd, text.data() + size, text.size() - 64 - size)) > 0;) {
    size += static_cast<size_t>(n);
  }
  const std::string_view log(text.data(), size);
  if (what == "slices") {
    Measure("slices", log, Shape::kCompact,
            [](Parser& parser, std::string_view line, std::string_view& reason) {
              return parser.Check(line, reason);
            });
  } else if (what == "columns") {
    tarn::event::ColumnBatch rows(CompileOrDie().schema());
    Measure("columns", log, Shape::kCompact,
            [&rows](Parser& parser, std::string_view line, std::string_view& reason) {
              if (rows.rows() == 8'192) rows.Clear();
              return parser.Parse(line, rows, reason);
            });
  } else {
    std::vector<char> out(size_t{8} << 20);
    Measure("json", log, what == "full" ? Shape::kFull : Shape::kCompact,
            [&out](Parser& parser, std::string_view line, std::string_view& reason) {
              return !parser.WriteJson(line, out.data(), reason).empty();
            });
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view verb = argc > 1 ? argv[1] : "";
  if (verb == "generate" && argc == 4)
    return Generate(argv[2], std::strtoull(argv[3], nullptr, 10));
  if (verb == "parse" && argc >= 4) {
    return ParseFile(argv[2], argv[3], argc > 4 ? Shape::kFull : Shape::kCompact);
  }
  if (argc == 3) return InMemory(argv[2], verb);
  std::fprintf(stderr, "see the comment at the top of bench_access_log.cc\n");
  return 2;
}
