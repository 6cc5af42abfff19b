#include "agent/checkpoint.h"

#include <fmt/format.h>

#include "agent_wire/batch.h"
#include "base/bytes.h"
#include "base/text.h"
#include "codec/hash.h"
#include "codec/json.h"

namespace tarn::agent {
namespace {

using codec::Json;

constexpr std::string_view kFirstLine = "tarn-agent checkpoint 1 ";
constexpr size_t kCrcDigits = 8;

// JSON integers have 63 bits; these may use the last one.
std::string Hex64(uint64_t value) { return fmt::format("{:016x}", value); }

std::optional<uint64_t> FromHex64(const std::string& text) {
  const auto bytes = FromHex(text);
  if (!bytes || bytes->size() != 8) return std::nullopt;
  uint64_t value = 0;
  for (const char c : *bytes) value = (value << 8) | static_cast<uint8_t>(c);
  return value;
}

void SetAnchor(Json& json, const Anchor& anchor) {
  json.Set("anchor_end", static_cast<int64_t>(anchor.end));
  json.Set("anchor_length", int64_t{anchor.length});
  json.Set("anchor_hash", Hex64(anchor.hash));
}

Json ToJson(const Trail& trail) {
  Json::Array pieces;
  for (const Piece& piece : trail) {
    Json json;
    json.Set("begin", static_cast<int64_t>(piece.begin));
    SetAnchor(json, piece.anchor);
    std::string lines;
    for (const uint32_t hash : piece.lines) PutFixed(lines, hash);
    json.Set("lines", ToHex(lines));
    pieces.push_back(std::move(json));
  }
  return pieces;
}

Json ToJson(const FileState& file) {
  Json json;
  json.Set("source", file.source);
  json.Set("file_id", file.file_id);
  json.Set("path", ToHex(file.path));  // a path need not be UTF-8
  json.Set("head_length", int64_t{file.head_length});
  json.Set("head_hash", Hex64(file.head_hash));
  Json::Array ladder;
  for (const Rung& rung : file.ladder) ladder.emplace_back(Hex64(rung.hash));
  json.Set("ladder", std::move(ladder));
  if (file.anchor.length > 0) SetAnchor(json, file.anchor);
  if (!file.trail.empty()) json.Set("trail", ToJson(file.trail));
  if (file.boot != 0) json.Set("boot", Hex64(file.boot));
  if (file.ended) json.Set("ended", true);
  json.Set("device", Hex64(file.device));
  json.Set("inode", Hex64(file.inode));
  json.Set("acked", static_cast<int64_t>(file.acked));
  if (file.line_begin) json.Set("line_begin", static_cast<int64_t>(*file.line_begin));
  json.Set("size", static_cast<int64_t>(file.size));
  if (file.renamed) json.Set("renamed", true);
  json.Set("finished", file.finished);
  if (file.replaced) json.Set("replaced", true);
  if (file.lost) json.Set("lost", true);
  json.Set("last_seen", file.last_seen.micros);
  return json;
}

Json ToJson(const ProblemNote& problem) {
  Json json;
  json.Set("state", problem.state);
  json.Set("source", problem.source);
  json.Set("path", ToHex(problem.path));
  json.Set("text", EscapeInvalidUtf8(problem.text));
  return json;
}

Result<uint64_t> GetHex64(const Json& json, std::string_view key) {
  TARN_ASSIGN_OR_RETURN(const std::string text, json.GetString(key));
  const auto value = FromHex64(text);
  if (!value) return DataLoss(fmt::format("'{}' is not 16 hex digits", key));
  return *value;
}

Result<uint64_t> GetOffset(const Json& json, std::string_view key) {
  TARN_ASSIGN_OR_RETURN(const int64_t value, json.GetInt(key));
  if (value < 0) return DataLoss(fmt::format("'{}' is negative", key));
  return static_cast<uint64_t>(value);
}

// Absent: false.
Result<bool> GetFlag(const Json& json, std::string_view key) {
  if (json.Find(key) == nullptr) return false;
  return json.GetBool(key);
}

// Absent where nothing was read yet, and in files of earlier versions.
Result<Anchor> AnchorFromJson(const Json& json) {
  Anchor anchor;
  if (json.Find("anchor_length") == nullptr) return anchor;
  TARN_ASSIGN_OR_RETURN(anchor.end, GetOffset(json, "anchor_end"));
  TARN_ASSIGN_OR_RETURN(const uint64_t length, GetOffset(json, "anchor_length"));
  if (length == 0 || length > kAnchorBytes || length > anchor.end) return DataLoss("bad anchor");
  anchor.length = static_cast<uint32_t>(length);
  TARN_ASSIGN_OR_RETURN(anchor.hash, GetHex64(json, "anchor_hash"));
  return anchor;
}

// Absent in files of earlier versions.
Result<Trail> TrailFromJson(const Json& json) {
  Trail trail;
  const Json* pieces = json.Find("trail");
  if (pieces == nullptr) return trail;
  if (pieces->AsArray() == nullptr) return DataLoss("bad trail");
  for (const Json& item : *pieces->AsArray()) {
    Piece piece;
    TARN_ASSIGN_OR_RETURN(piece.begin, GetOffset(item, "begin"));
    TARN_ASSIGN_OR_RETURN(piece.anchor, AnchorFromJson(item));
    TARN_ASSIGN_OR_RETURN(const std::string text, item.GetString("lines"));
    const auto lines = FromHex(text);
    const bool fits = piece.begin < piece.anchor.end &&
                      piece.anchor.end - piece.begin <= agent_wire::kMaxPayloadBytes;
    if (!fits || !lines || lines->size() % sizeof(uint32_t) != 0) return DataLoss("bad trail");
    for (size_t at = 0; at < lines->size(); at += sizeof(uint32_t)) {
      piece.lines.push_back(GetFixed<uint32_t>(lines->data() + at));
    }
    trail.push_back(std::move(piece));
  }
  return trail;
}

Result<FileState> FileFromJson(const Json& json) {
  FileState file;
  TARN_ASSIGN_OR_RETURN(file.source, json.GetString("source"));
  TARN_ASSIGN_OR_RETURN(file.file_id, json.GetString("file_id"));
  TARN_ASSIGN_OR_RETURN(const std::string path, json.GetString("path"));
  file.path = FromHex(path).value_or("");
  TARN_ASSIGN_OR_RETURN(const int64_t head_length, json.GetInt("head_length"));
  if (head_length < 1 || head_length > int64_t{kHeadBytes}) return DataLoss("bad head length");
  file.head_length = static_cast<uint32_t>(head_length);
  TARN_ASSIGN_OR_RETURN(file.head_hash, GetHex64(json, "head_hash"));
  const Json* ladder = json.Find("ladder");
  if (ladder == nullptr || ladder->AsArray() == nullptr) return DataLoss("no ladder");
  uint32_t length = kFirstRung;
  for (const Json& hash : *ladder->AsArray()) {
    const auto value = hash.AsString() == nullptr ? std::nullopt : FromHex64(*hash.AsString());
    if (!value || length > kHeadBytes) return DataLoss("bad ladder");
    file.ladder.push_back({length, *value});
    length *= 2;
  }
  TARN_ASSIGN_OR_RETURN(file.anchor, AnchorFromJson(json));
  TARN_ASSIGN_OR_RETURN(file.trail, TrailFromJson(json));
  if (json.Find("boot") != nullptr) {
    TARN_ASSIGN_OR_RETURN(file.boot, GetHex64(json, "boot"));
  }
  TARN_ASSIGN_OR_RETURN(file.ended, GetFlag(json, "ended"));
  TARN_ASSIGN_OR_RETURN(file.device, GetHex64(json, "device"));
  TARN_ASSIGN_OR_RETURN(file.inode, GetHex64(json, "inode"));
  TARN_ASSIGN_OR_RETURN(file.acked, GetOffset(json, "acked"));
  if (json.Find("line_begin") != nullptr) {
    TARN_ASSIGN_OR_RETURN(file.line_begin, GetOffset(json, "line_begin"));
  }
  TARN_ASSIGN_OR_RETURN(file.size, GetOffset(json, "size"));
  TARN_ASSIGN_OR_RETURN(file.renamed, GetFlag(json, "renamed"));
  TARN_ASSIGN_OR_RETURN(file.finished, json.GetBool("finished"));
  TARN_ASSIGN_OR_RETURN(file.replaced, GetFlag(json, "replaced"));
  TARN_ASSIGN_OR_RETURN(file.lost, GetFlag(json, "lost"));
  TARN_ASSIGN_OR_RETURN(file.last_seen.micros, json.GetInt("last_seen"));
  return file;
}

// Absent where there are none, and in files of earlier versions.
Result<std::vector<ProblemNote>> ProblemsFromJson(const Json& json) {
  std::vector<ProblemNote> problems;
  const Json* items = json.Find("problems");
  if (items == nullptr) return problems;
  if (items->AsArray() == nullptr) return DataLoss("bad problems");
  for (const Json& item : *items->AsArray()) {
    ProblemNote problem;
    TARN_ASSIGN_OR_RETURN(problem.state, item.GetString("state"));
    TARN_ASSIGN_OR_RETURN(problem.source, item.GetString("source"));
    TARN_ASSIGN_OR_RETURN(const std::string path, item.GetString("path"));
    problem.path = FromHex(path).value_or("");
    TARN_ASSIGN_OR_RETURN(problem.text, item.GetString("text"));
    problems.push_back(std::move(problem));
  }
  return problems;
}

Result<Checkpoint> FromJson(const Json& json) {
  Checkpoint checkpoint;
  TARN_ASSIGN_OR_RETURN(checkpoint.agent_id, json.GetString("agent_id"));
  TARN_ASSIGN_OR_RETURN(checkpoint.batch_number, GetOffset(json, "batch_number"));
  const Json* files = json.Find("files");
  if (files == nullptr || files->AsArray() == nullptr) return DataLoss("no files");
  for (const Json& item : *files->AsArray()) {
    TARN_ASSIGN_OR_RETURN(FileState file, FileFromJson(item));
    checkpoint.files.push_back(std::move(file));
  }
  TARN_ASSIGN_OR_RETURN(checkpoint.problems, ProblemsFromJson(json));
  return checkpoint;
}

}  // namespace

std::string EncodeCheckpoint(const Checkpoint& checkpoint) {
  Json json;
  json.Set("agent_id", checkpoint.agent_id);
  json.Set("batch_number", static_cast<int64_t>(checkpoint.batch_number));
  Json::Array files;
  for (const FileState& file : checkpoint.files) files.push_back(ToJson(file));
  json.Set("files", std::move(files));
  Json::Array problems;
  for (const ProblemNote& problem : checkpoint.problems) problems.push_back(ToJson(problem));
  if (!problems.empty()) json.Set("problems", std::move(problems));
  const std::string body = codec::DumpJson(json, true) + "\n";
  return fmt::format("{}{:08x}\n{}", kFirstLine, codec::Crc32c(body), body);
}

Result<Checkpoint> DecodeCheckpoint(std::string_view text) {
  const size_t body_at = kFirstLine.size() + kCrcDigits + 1;
  if (!text.starts_with(kFirstLine) || text.size() < body_at || text[body_at - 1] != '\n') {
    return DataLoss("not a checkpoint of this version");
  }
  const std::string_view body = text.substr(body_at);
  if (fmt::format("{:08x}", codec::Crc32c(body)) != text.substr(kFirstLine.size(), kCrcDigits)) {
    return DataLoss("bad checksum");
  }
  auto json = codec::ParseJson(body);
  if (!json.ok()) return DataLoss(json.error().message());
  auto checkpoint = FromJson(*json);
  if (!checkpoint.ok()) return DataLoss(checkpoint.error().message());
  return checkpoint;
}

}  // namespace tarn::agent
