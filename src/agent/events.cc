#include "agent/events.h"

namespace tarn::agent {
namespace {

using obs::Level;

codec::Json Number(uint64_t value) { return static_cast<int64_t>(value); }

}  // namespace

Events::Events(obs::Logger& logger, obs::Registry& registry)
    : logger_(logger),
      lines_(registry.GetCounter("tarn_agent_lines_total", "Lines acknowledged by the server.")),
      bytes_(registry.GetCounter("tarn_agent_bytes_total",
                                 "Bytes of log acknowledged by the server.")),
      wire_bytes_(registry.GetCounter("tarn_agent_sent_bytes_total",
                                      "Compressed bytes of acknowledged batches.")),
      batches_(registry.GetCounter("tarn_agent_batches_total", "Batches acknowledged.")),
      duplicates_(registry.GetCounter("tarn_agent_duplicate_batches_total",
                                      "Batches the server already had.")),
      known_files_(registry.GetCounter("tarn_agent_known_files_total",
                                       "Files that the server had the beginning of.")),
      server_ahead_(registry.GetCounter("tarn_agent_server_ahead_total",
                                        "Files that the server has more of than there is.")),
      retries_(registry.GetCounter("tarn_agent_retries_total", "Sends that had to be repeated.")),
      refused_(registry.GetCounter("tarn_agent_refused_total",
                                   "Batches the server refused for good reasons of its own.")),
      rewinds_(registry.GetCounter("tarn_agent_rewinds_total",
                                   "Times the server asked for another offset.")),
      cut_lines_(registry.GetCounter("tarn_agent_cut_lines_total",
                                     "Lines sent in pieces or without their end.")),
      lost_files_(registry.GetCounter("tarn_agent_lost_files_total",
                                      "Files that vanished before their end was sent.")),
      send_seconds_(registry.GetHistogram("tarn_agent_send_seconds",
                                          "From first send to acknowledgement of a batch.")) {}

void Events::Started(std::string_view agent_id, size_t files, size_t flows) {
  logger_.Write(Level::kInfo, "agent.started",
                {{"agent_id", agent_id}, {"known_files", Number(files)}, {"flows", Number(flows)}});
}
void Events::Stopped(bool clean) {
  logger_.Write(Level::kInfo, "agent.stopped", {{"clean", clean}});
}
void Events::CheckpointDamaged(std::string_view moved_to, const Error& error) {
  logger_.Write(
      Level::kError, "checkpoint.damaged",
      {{"error", error.message()},
       {"kept_as", moved_to},
       {"note", "all files are sent again from their start; the server drops what it has"}});
}
void Events::CheckpointFailed(const Error& error) {
  logger_.Write(
      Level::kError, "checkpoint.not_written",
      {{"error", error.message()},
       {"note", "sending goes on; after a restart some bytes are sent twice and dropped"}});
}
void Events::SettingsRead() {
  logger_.Write(Level::kInfo, "settings.read", {{"note", "the agent goes on with the new ones"}});
}
void Events::SettingsUnchanged() { logger_.Write(Level::kInfo, "settings.unchanged", {}); }
void Events::SettingsRefused(const Error& error) {
  logger_.Write(Level::kError, "settings.refused",
                {{"error", error.message()}, {"note", "the agent goes on with the old ones"}});
}
void Events::SettingNoted(std::string_view note) {
  logger_.Write(Level::kInfo, "settings.noted", {{"note", note}});
}
void Events::CertificateUnchecked() {
  logger_.Write(Level::kWarn, "tls.unchecked",
                {{"note", "tls_insecure is on: anyone can pose as the server"}});
}

void Events::FileFound(std::string_view path, std::string_view file_id, uint64_t offset) {
  logger_.Write(Level::kInfo, "file.found",
                {{"path", path}, {"file_id", file_id}, {"offset", Number(offset)}});
}
void Events::FileTruncated(std::string_view path, std::string_view file_id, uint64_t read_offset) {
  logger_.Write(Level::kInfo, "file.replaced",
                {{"path", path}, {"file_id", file_id}, {"read_to", Number(read_offset)}});
}
void Events::FileShortened(std::string_view path, std::string_view file_id, uint64_t acked,
                           uint64_t intact) {
  logger_.Write(Level::kWarn, "file.shortened",
                {{"path", path},
                 {"file_id", file_id},
                 {"acknowledged", Number(acked)},
                 {"intact", Number(intact)}});
}
void Events::FileContinues(std::string_view path, std::string_view file_id, uint64_t offset) {
  logger_.Write(Level::kInfo, "file.continues",
                {{"path", path}, {"file_id", file_id}, {"offset", Number(offset)}});
}
void Events::FileFinished(std::string_view path, std::string_view file_id, uint64_t size) {
  logger_.Write(Level::kInfo, "file.finished",
                {{"path", path}, {"file_id", file_id}, {"size", Number(size)}});
}
void Events::FileLost(std::string_view path, std::string_view file_id, uint64_t acked,
                      uint64_t size) {
  lost_files_.Add();
  logger_.Write(Level::kError, "file.lost",
                {{"path", path},
                 {"file_id", file_id},
                 {"sent_to", Number(acked)},
                 {"last_size", Number(size)},
                 {"note", "gone before its end was sent, and no copy of it is beside it"}});
}
void Events::FileUnreadable(std::string_view path, const Error& error) {
  logger_.Write(Level::kError, "file.unreadable", {{"path", path}, {"error", error.message()}});
}
void Events::FileWaits(std::string_view path, const Error& why) {
  logger_.Write(Level::kWarn, "file.waits", {{"path", path}, {"why", why.message()}});
}
void Events::FileDamaged(std::string_view path, const Error& error) {
  logger_.Write(Level::kError, "file.damaged",
                {{"path", path},
                 {"error", error.message()},
                 {"note", "whole lines before the damage are sent"}});
}
void Events::NothingMatches(std::string_view source, std::string_view pattern) {
  logger_.Write(Level::kWarn, "paths.match_nothing",
                {{"source", source},
                 {"pattern", pattern},
                 {"note", "no file has such a path; one that comes is found"}});
}
void Events::LimitReached(std::string_view what, uint64_t limit) {
  logger_.Write(Level::kError, "limit.reached", {{"what", what}, {"limit", Number(limit)}});
}
void Events::LineCut(std::string_view path, uint64_t offset) {
  cut_lines_.Add();
  logger_.Write(Level::kWarn, "line.cut", {{"path", path}, {"offset", Number(offset)}});
}
void Events::NotificationsUnavailable(const Error& error) {
  logger_.Write(Level::kWarn, "inotify.unavailable",
                {{"error", error.message()}, {"note", "files are looked at twice a second"}});
}

void Events::BatchAcknowledged(uint64_t file_bytes, uint64_t lines, uint64_t wire_bytes,
                               double seconds) {
  batches_.Add();
  bytes_.Add(file_bytes);
  lines_.Add(lines);
  wire_bytes_.Add(wire_bytes);
  send_seconds_.Observe(seconds);
}
void Events::BatchDuplicate(uint64_t file_bytes) {
  duplicates_.Add();
  logger_.Write(Level::kDebug, "batch.duplicate", {{"bytes", Number(file_bytes)}});
}
void Events::FileKnownAlready(std::string_view path, uint64_t bytes) {
  known_files_.Add();
  logger_.Write(Level::kWarn, "file.known_already",
                {{"path", path},
                 {"bytes", Number(bytes)},
                 {"note",
                  "the server has the first bytes of a file of this host that begins with "
                  "the same line, and keeps those: right if it is this file, sent by another "
                  "agent, before the state folder was lost or before a checkpoint was written; "
                  "else give the two files different sources"}});
}
void Events::ServerIsAhead(std::string_view path, uint64_t bytes, uint64_t size) {
  server_ahead_.Add();
  logger_.Write(Level::kError, "file.server_ahead",
                {{"path", path},
                 {"server_has", Number(bytes)},
                 {"size", Number(size)},
                 {"note",
                  "what is written below that is taken for sent already, and lost to the "
                  "lake, if the server's is another file that begins with the same line, or "
                  "its catalog is damaged: give such files different sources"}});
}
void Events::BatchRetried(std::string_view reason, int64_t wait_micros, uint64_t attempt) {
  retries_.Add();
  // The first failure, then each doubling: a dead server fills no disk with complaints.
  if ((attempt & (attempt - 1)) != 0) return;
  logger_.Write(
      Level::kWarn, "send.failed",
      {{"reason", reason}, {"attempt", Number(attempt)}, {"next_in_ms", wait_micros / 1000}});
}
void Events::KeyRefused(int status, std::string_view answer) {
  refused_.Add();
  logger_.Write(Level::kError, "send.key_refused",
                {{"status", status},
                 {"answer", answer},
                 {"note", "check 'key'; nothing is lost: what was not sent stays in its file"}});
}
void Events::BatchRefused(std::string_view path, int status, std::string_view answer) {
  refused_.Add();
  logger_.Write(Level::kError, "send.refused",
                {{"path", path},
                 {"status", status},
                 {"answer", answer},
                 {"note", "this file waits and is tried again; others go on"}});
}
void Events::Rewound(std::string_view path, uint64_t from, uint64_t to) {
  rewinds_.Add();
  logger_.Write(Level::kWarn, "file.rewound",
                {{"path", path}, {"from", Number(from)}, {"to", Number(to)}});
}

}  // namespace tarn::agent
