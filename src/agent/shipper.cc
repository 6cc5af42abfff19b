#include "agent/shipper.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "codec/json.h"

namespace tarn::agent {
namespace {

constexpr size_t kShownAnswerBytes = 200;

std::string Shown(std::string_view body) {
  while (body.ends_with('\n')) body.remove_suffix(1);
  return ReplaceInvalidUtf8(CutText(body, kShownAnswerBytes));
}

std::optional<uint64_t> OffsetIn(std::string_view body, std::string_view key) {
  const auto json = codec::ParseJson(body);
  if (!json.ok()) return std::nullopt;
  const auto value = json->GetInt(key);
  if (!value.ok() || *value < 0) return std::nullopt;
  return static_cast<uint64_t>(*value);
}

}  // namespace

bool Shipper::Begin(PendingBatch batch) {
  const auto failed = failed_.find(batch.slot);
  if (failed != failed_.end()) {
    if (failed->second == batch.epoch) return false;
    failed_.erase(failed);
  }
  auto encoded = agent_wire::Encode(batch.header, batch.payload, compressor_);
  TARN_CHECK(encoded.ok());  // the tailer keeps the limits
  payload_bytes_ = batch.payload.size();
  body_ = *std::move(encoded);
  batch.payload.clear();
  batch_ = std::move(batch);
  attempts_ = 0;
  wait_micros_ = 0;
  started_ = clock_.MonotonicMicros();
  return true;
}

int64_t Shipper::Backoff() {
  const uint64_t doublings = std::min<uint64_t>(attempts_ == 0 ? 0 : attempts_ - 1, 10);
  const int64_t most = std::min(kFirstBackoffMicros << doublings, kMaxBackoffMicros);
  // Between half and all of it, so that many agents do not return together.
  return most / 2 + static_cast<int64_t>(random_.Below(static_cast<uint64_t>(most / 2) + 1));
}

std::optional<Outcome> Shipper::Retry(Error problem, int64_t wait_micros) {
  wait_micros_ = wait_micros;
  events_.BatchRetried(problem.message(), wait_micros, attempts_);
  problem_ = std::move(problem);
  return std::nullopt;
}

Outcome Shipper::OutcomeOf(Answer answer, const HttpResponse& response) const {
  Outcome outcome;
  outcome.answer = answer;
  outcome.slot = batch_.slot;
  outcome.epoch = batch_.epoch;
  outcome.begin_offset = batch_.header.begin_offset;
  outcome.end_offset = batch_.header.end_offset;
  outcome.status = response.status;
  outcome.text = Shown(response.body);
  return outcome;
}

std::optional<Outcome> Shipper::Try() {
  ++attempts_;
  HttpHeaders headers = {{"Content-Type", std::string(agent_wire::kContentType)}};
  if (!settings_.key.empty()) headers.emplace_back("Authorization", "Bearer " + settings_.key);
  const auto response = transport_.Post(agent_wire::kPath, headers, body_);
  if (!response.ok()) return Retry(response.error(), Backoff());
  problem_.reset();
  auto outcome = Judge(*response);
  if (outcome &&
      (outcome->answer != Answer::kStored || outcome->next_offset < outcome->end_offset)) {
    failed_[batch_.slot] = batch_.epoch;
  }
  return outcome;
}

std::optional<Outcome> Shipper::Judge(const HttpResponse& response) {
  const int status = response.status;
  if (status == 200) {
    const auto next = OffsetIn(response.body, "next_offset");
    if (!next) return Retry(Unavailable("an answer 200 without next_offset"), Backoff());
    Outcome outcome = OutcomeOf(Answer::kStored, response);
    outcome.next_offset = *next;
    const double seconds = static_cast<double>(clock_.MonotonicMicros() - started_) / 1e6;
    events_.BatchAcknowledged(payload_bytes_, batch_.header.line_count, body_.size(), seconds);
    if (response.body.find("duplicate") != std::string::npos) {
      events_.BatchDuplicate(payload_bytes_);
      // After a first try the server may have it from that.
      if (batch_.header.begin_offset == 0 && attempts_ == 1) {
        events_.FileKnownAlready(batch_.header.path, outcome.next_offset);
      }
    }
    return outcome;
  }
  if (status == 409) {
    const auto expected = OffsetIn(response.body, "expected_offset");
    if (!expected) return Retry(Unavailable("an answer 409 without expected_offset"), Backoff());
    Outcome outcome = OutcomeOf(Answer::kExpected, response);
    outcome.next_offset = *expected;
    return outcome;
  }
  if (status == 401 || status == 403) {
    events_.KeyRefused(status, Shown(response.body));
    const std::string text =
        fmt::format("the server refuses the key ({}): {}", status, Shown(response.body));
    problem_ = status == 401 ? Unauthenticated(text) : PermissionDenied(text);
    wait_micros_ = kKeyBackoffMicros;
    return std::nullopt;
  }
  if (response.retry_after_seconds >= 0 && (status == 429 || status == 503)) {
    const int64_t seconds = std::min(response.retry_after_seconds, kMaxRetryAfterSeconds);
    return Retry(Unavailable("the server asks to wait"),
                 std::max(seconds * kMicrosPerSecond, Backoff() / 2));
  }
  if (status >= 400 && status < 500) {
    const std::string text = fmt::format("the server refuses a batch of {} ({}): {}",
                                         batch_.header.path, status, Shown(response.body));
    problem_ = status == 404 ? NotFound(text) : InvalidArgument(text);
  }
  if (status == 413) return OutcomeOf(Answer::kTooLarge, response);
  if (status >= 400 && status < 500 && status != 429 && status != 408) {
    return OutcomeOf(Answer::kRefused, response);
  }
  return Retry(Unavailable(fmt::format("status {} {}", status, Shown(response.body))), Backoff());
}

}  // namespace tarn::agent
