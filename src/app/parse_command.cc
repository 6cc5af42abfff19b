#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "app/command.h"
#include "app/text_table.h"
#include "base/text.h"
#include "source/access_log/parse_stream.h"

namespace tarn::app {
namespace {

struct ParseOptions {
  std::string format = "combined";
  std::vector<std::string> files;
  std::string out;
  std::string rejects;
};

using FilePtr = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

Result<FilePtr> OpenFile(const std::string& path, const char* mode) {
  FilePtr file(std::fopen(path.c_str(), mode), std::fclose);
  if (!file) return NotFound(fmt::format("cannot open {}", path));
  // We read and write in large pieces of our own.
  std::setvbuf(file.get(), nullptr, _IONBF, 0);
  return file;
}

Status WriteAll(std::FILE* out, std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), out) == bytes.size()) return {};
  return IoError("cannot write the output: is the disk full, or the reader gone?");
}

// Progress on a terminal, four times a second.
class Progress {
 public:
  Progress(const os::Clock& clock, std::string name) : clock_(clock), name_(std::move(name)) {}

  void Show(const access_log::ParseCounts& counts) {
    const int64_t now = clock_.MonotonicMicros();
    if (now - shown_ < 250'000) return;
    shown_ = now;
    const double seconds = static_cast<double>(now - started_) / 1e6;
    fmt::print(stderr, "\r\x1b[K{}: {} lines, {}, {}/s", name_,
               GroupDigits(static_cast<int64_t>(counts.lines)), FormatBytes(counts.bytes),
               FormatBytes(static_cast<uint64_t>(static_cast<double>(counts.bytes) / seconds)));
    drawn_ = true;
  }
  ~Progress() {
    if (drawn_) fmt::print(stderr, "\r\x1b[K");
  }

 private:
  const os::Clock& clock_;
  const std::string name_;
  const int64_t started_ = clock_.MonotonicMicros();
  int64_t shown_ = started_;
  bool drawn_ = false;
};

Result<access_log::ParseCounts> ParseOne(Context& context, const access_log::Format& format,
                                         const std::string& name, std::FILE* in, std::FILE* out,
                                         std::FILE* rejects) {
  Progress progress(context.machine.clock, name);
  const bool show = isatty(STDERR_FILENO) != 0 && isatty(fileno(out)) == 0;
  access_log::ParseStreamIo io;
  io.read = [in, &name](std::span<char> buffer) -> Result<size_t> {
    const size_t count = std::fread(buffer.data(), 1, buffer.size(), in);
    if (count == 0 && std::ferror(in) != 0) return IoError(fmt::format("cannot read {}", name));
    return count;
  };
  io.write = [out](std::string_view bytes) { return WriteAll(out, bytes); };
  if (rejects != nullptr) {
    io.reject = [rejects, &name](uint64_t number, std::string_view line, std::string_view reason) {
      std::string text = fmt::format("{}:{}: {}: ", name, number, reason);
      text.append(line).push_back('\n');
      return WriteAll(rejects, text);
    };
  }
  if (show) {
    io.progress = [&progress](const access_log::ParseCounts& counts) -> Status {
      progress.Show(counts);
      return {};
    };
  }
  return access_log::ParseStream(format, io);
}

Status Parse(Context& context, ParseOptions options) {
  TARN_ASSIGN_OR_RETURN(const auto format, access_log::Format::Compile(options.format));
  FilePtr out(stdout, [](std::FILE*) { return 0; });
  if (!options.out.empty()) {
    TARN_ASSIGN_OR_RETURN(out, OpenFile(options.out, "w"));
  }
  FilePtr rejects(nullptr, std::fclose);
  if (!options.rejects.empty()) {
    TARN_ASSIGN_OR_RETURN(rejects, OpenFile(options.rejects, "w"));
  }
  if (options.files.empty()) options.files = {"-"};
  uint64_t parsed = 0;
  uint64_t rejected = 0;
  for (const std::string& path : options.files) {
    FilePtr in(stdin, [](std::FILE*) { return 0; });
    if (path != "-") {
      TARN_ASSIGN_OR_RETURN(in, OpenFile(path, "r"));
    }
    TARN_ASSIGN_OR_RETURN(const auto counts,
                          ParseOne(context, format, path, in.get(), out.get(), rejects.get()));
    parsed += counts.parsed;
    rejected += counts.rejected;
  }
  if (std::fflush(out.get()) != 0) return IoError("cannot write the output");
  if (rejected > 0) {
    fmt::print(stderr, "{} lines parsed, {} rejected{}\n",
               GroupDigits(static_cast<int64_t>(parsed)),
               GroupDigits(static_cast<int64_t>(rejected)),
               options.rejects.empty() ? "; --rejects FILE keeps them with the reason" : "");
  }
  return {};
}

}  // namespace

void AddParse(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<ParseOptions>();
  CLI::App* command = app.add_subcommand("parse", "Access log text in, typed JSON lines out");
  command->add_option("FILE", options->files, "Log files; '-' or none is standard input");
  command
      ->add_option("--format", options->format,
                   "common, combined, vhost_combined, combined+cookie, error, json, csv:COLUMNS, "
                   "tsv:COLUMNS, regex:EXPRESSION, or an Apache LogFormat string "
                   "(docs/access-log-formats.md)")
      ->capture_default_str();
  command->add_option("--out", options->out, "Write JSON lines here (default: standard output)");
  command->add_option(
      "--rejects", options->rejects,
      "Write lines that do not fit the format here, each with file, number and reason; "
      "without it they are only counted");
  command->footer(
      "Exit status 0 also if lines were rejected; how many is said on standard error.\n"
      "Examples:\n"
      "  tarn parse --format combined access.log > access.jsonl\n"
      "  zcat access.log.*.gz | tarn parse --format '%h %l %u %t \"%r\" %>s %b' --rejects bad.txt");
  command->callback([&context, &run, options] {
    run = [&context, options] { return Parse(context, *options); };
  });
}

}  // namespace tarn::app
