#pragma once

#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "obs/log.h"
#include "obs/metrics.h"

namespace tarn::agent {

// The agent's noteworthy events: each emits its log line and moves its metric. Thread-safe.
class Events {
 public:
  Events(obs::Logger& logger, obs::Registry& registry);

  void Started(std::string_view agent_id, size_t files, size_t flows);
  void Stopped(bool clean);
  void CheckpointDamaged(std::string_view moved_to, const Error& error);
  void CheckpointFailed(const Error& error);
  void SettingsRead();
  void SettingsUnchanged();
  void SettingsRefused(const Error& error);
  void SettingNoted(std::string_view note);
  void CertificateUnchecked();

  void FileFound(std::string_view path, std::string_view file_id, uint64_t offset);
  void FileTruncated(std::string_view path, std::string_view file_id, uint64_t read_offset);
  void FileShortened(std::string_view path, std::string_view file_id, uint64_t acked,
                     uint64_t intact);
  void FileContinues(std::string_view path, std::string_view file_id, uint64_t offset);
  void FileFinished(std::string_view path, std::string_view file_id, uint64_t size);
  void FileLost(std::string_view path, std::string_view file_id, uint64_t acked, uint64_t size);
  void FileUnreadable(std::string_view path, const Error& error);
  void FileWaits(std::string_view path, const Error& why);
  void FileDamaged(std::string_view path, const Error& error);
  void NothingMatches(std::string_view source, std::string_view pattern);
  void LimitReached(std::string_view what, uint64_t limit);
  void LineCut(std::string_view path, uint64_t offset);
  void NotificationsUnavailable(const Error& error);

  void BatchAcknowledged(uint64_t file_bytes, uint64_t lines, uint64_t wire_bytes, double seconds);
  void BatchDuplicate(uint64_t file_bytes);
  // What this agent sends of a file for the first time the server has, up to there.
  void FileKnownAlready(std::string_view path, uint64_t bytes);
  // The server says that it has `bytes` of a file that has `size`.
  void ServerIsAhead(std::string_view path, uint64_t bytes, uint64_t size);
  void BatchRetried(std::string_view reason, int64_t wait_micros, uint64_t attempt);
  void KeyRefused(int status, std::string_view answer);
  void BatchRefused(std::string_view path, int status, std::string_view answer);
  void Rewound(std::string_view path, uint64_t from, uint64_t to);

 private:
  obs::Logger& logger_;
  obs::Counter& lines_;
  obs::Counter& bytes_;
  obs::Counter& wire_bytes_;
  obs::Counter& batches_;
  obs::Counter& duplicates_;
  obs::Counter& known_files_;
  obs::Counter& server_ahead_;
  obs::Counter& retries_;
  obs::Counter& refused_;
  obs::Counter& rewinds_;
  obs::Counter& cut_lines_;
  obs::Counter& lost_files_;
  obs::Histogram& send_seconds_;
};

}  // namespace tarn::agent
