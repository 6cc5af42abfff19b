#include "agent_wire/batch.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/text.h"
#include "codec/hash.h"

namespace tarn::agent_wire {
namespace {

constexpr std::string_view kMagic = "TBAT";
constexpr uint8_t kVersion = 1;
constexpr uint8_t kCutFlag = 1;
constexpr uint8_t kInsideFlag = 2;
constexpr size_t kPrefixBytes = 28;
constexpr size_t kHeaderCrcAt = 20;

// The fixed part in front, see the format page.
struct Prefix {
  uint8_t flags = 0;
  uint32_t header_bytes = 0;
  uint32_t stored_bytes = 0;   // of the compressed payload
  uint32_t payload_bytes = 0;  // of the payload
  uint32_t header_crc = 0;
  uint32_t payload_crc = 0;
};

void PutPrefix(std::string& out, const Prefix& prefix) {
  out.append(kMagic);
  PutFixed(out, kVersion);
  PutFixed(out, prefix.flags);
  PutFixed(out, uint16_t{0});
  PutFixed(out, prefix.header_bytes);
  PutFixed(out, prefix.stored_bytes);
  PutFixed(out, prefix.payload_bytes);
  PutFixed(out, prefix.header_crc);
  PutFixed(out, prefix.payload_crc);
}

Error Broken(std::string_view what) {
  return DataLoss(fmt::format("broken agent batch: {}", what));
}

Result<Prefix> TakePrefix(std::string_view bytes) {
  if (bytes.size() < kPrefixBytes) return Broken("cut off in its prefix");
  if (!bytes.starts_with(kMagic)) return Broken("does not begin with TBAT");
  const auto version = GetFixed<uint8_t>(bytes.data() + 4);
  if (version != kVersion) {
    return Unsupported(
        fmt::format("agent batch of version {}; this side knows {}", version, kVersion));
  }
  Prefix prefix;
  prefix.flags = GetFixed<uint8_t>(bytes.data() + 5);
  prefix.header_bytes = GetFixed<uint32_t>(bytes.data() + 8);
  prefix.stored_bytes = GetFixed<uint32_t>(bytes.data() + 12);
  prefix.payload_bytes = GetFixed<uint32_t>(bytes.data() + 16);
  prefix.header_crc = GetFixed<uint32_t>(bytes.data() + kHeaderCrcAt);
  prefix.payload_crc = GetFixed<uint32_t>(bytes.data() + kHeaderCrcAt + 4);
  if ((prefix.flags & ~(kCutFlag | kInsideFlag)) != 0 ||
      GetFixed<uint16_t>(bytes.data() + 6) != 0) {
    return Broken("unknown flags");
  }
  if (prefix.header_bytes > kMaxHeaderBytes) {
    return ResourceExhausted(fmt::format("agent batch header of {} bytes, over the limit of {}",
                                         prefix.header_bytes, kMaxHeaderBytes));
  }
  if (prefix.payload_bytes > kMaxPayloadBytes) {
    return ResourceExhausted(fmt::format("agent batch payload of {} bytes, over the limit of {}",
                                         prefix.payload_bytes, kMaxPayloadBytes));
  }
  const size_t size = kPrefixBytes + size_t{prefix.header_bytes} + prefix.stored_bytes;
  if (bytes.size() != size) {
    return Broken(fmt::format("{} bytes where its prefix says {}", bytes.size(), size));
  }
  return prefix;
}

uint32_t HeaderCrc(std::string_view prefix, std::string_view header, uint32_t payload_crc) {
  std::string last;
  PutFixed(last, payload_crc);
  return codec::Crc32c(header, codec::Crc32c(last, codec::Crc32c(prefix.substr(0, kHeaderCrcAt))));
}

std::string PackHeader(const BatchHeader& header) {
  std::string out;
  out.reserve(256 + header.record_ends.size() * 3);
  for (const std::string* text : {&header.agent_id, &header.host, &header.source, &header.path,
                                  &header.file_id, &header.format}) {
    PutSized(out, *text);
  }
  PutVarint(out, header.batch_number);
  PutVarint(out, header.begin_offset);
  PutVarint(out, header.end_offset);
  PutVarint(out, header.line_count);
  PutFixed(out, header.read_time.micros);
  PutVarint(out, header.record_ends.size());
  uint32_t previous = 0;
  for (const uint32_t end : header.record_ends) {
    PutVarint(out, end - previous);
    previous = end;
  }
  if (header.line_begin) PutVarint(out, *header.line_begin);
  return out;
}

bool TakeName(ByteReader& reader, std::string& text) {
  const auto bytes = reader.TakeSized();
  if (!bytes || bytes->size() > kMaxNameBytes) return false;
  text = *bytes;
  return true;
}

bool TakeNumber(ByteReader& reader, uint64_t& number) {
  const auto value = reader.TakeVarint();
  number = value.value_or(0);
  return value.has_value();
}

bool TakeRecordEnds(ByteReader& reader, std::vector<uint32_t>& ends) {
  const auto count = reader.TakeVarint();
  if (!count || *count > kMaxRecords || *count > reader.rest().size()) return false;
  ends.reserve(static_cast<size_t>(*count));
  uint64_t end = 0;
  for (uint64_t i = 0; i < *count; ++i) {
    const auto delta = reader.TakeVarint();
    if (!delta || *delta == 0 || *delta > kMaxPayloadBytes) return false;
    end += *delta;
    if (end > kMaxPayloadBytes) return false;
    ends.push_back(static_cast<uint32_t>(end));
  }
  return true;
}

// What must hold between the fields, on both sides.
Status CheckHeader(const BatchHeader& header, size_t payload_bytes) {
  if (payload_bytes == 0) return InvalidArgument("an agent batch without payload");
  if (header.end_offset < header.begin_offset ||
      header.end_offset - header.begin_offset != payload_bytes) {
    return InvalidArgument(fmt::format("offsets {}..{} do not fit a payload of {} bytes",
                                       header.begin_offset, header.end_offset, payload_bytes));
  }
  if (header.end_offset > kMaxOffset) {
    return InvalidArgument(fmt::format("offset {} is past any file's end", header.end_offset));
  }
  if (header.host.empty() || header.file_id.empty() || header.source.empty() ||
      header.agent_id.empty()) {
    return InvalidArgument("an agent batch needs agent id, host, source and file id");
  }
  if (header.line_begin && *header.line_begin >= header.begin_offset) {
    return InvalidArgument("the line whose rest it has begins behind it");
  }
  if (header.line_count > payload_bytes) return InvalidArgument("more lines than bytes");
  if (!header.record_ends.empty() && header.record_ends.back() != payload_bytes) {
    return InvalidArgument("the last record does not end with the payload");
  }
  return {};
}

Result<BatchHeader> UnpackHeader(const Prefix& prefix, std::string_view bytes) {
  const std::string_view packed = bytes.substr(kPrefixBytes, prefix.header_bytes);
  if (HeaderCrc(bytes.substr(0, kPrefixBytes), packed, prefix.payload_crc) != prefix.header_crc) {
    return Broken("bad header checksum");
  }
  BatchHeader header;
  header.cut = (prefix.flags & kCutFlag) != 0;
  ByteReader reader(packed);
  bool good = TakeName(reader, header.agent_id) && TakeName(reader, header.host) &&
              TakeName(reader, header.source) && TakeName(reader, header.path) &&
              TakeName(reader, header.file_id) && TakeName(reader, header.format) &&
              TakeNumber(reader, header.batch_number) && TakeNumber(reader, header.begin_offset) &&
              TakeNumber(reader, header.end_offset) && TakeNumber(reader, header.line_count);
  const auto read_time = good ? reader.TakeFixed<int64_t>() : std::nullopt;
  good = read_time.has_value() && TakeRecordEnds(reader, header.record_ends);
  if (good && (prefix.flags & kInsideFlag) != 0) {
    header.line_begin = reader.TakeVarint();
    good = header.line_begin.has_value();
  }
  good = good && reader.empty();
  if (!good) return Broken("malformed header");
  header.read_time = {*read_time};
  const Status fits = CheckHeader(header, prefix.payload_bytes);
  if (!fits.ok()) return Broken(fits.error().message());
  return header;
}

}  // namespace

Result<std::string> Encode(const BatchHeader& header, std::string_view payload,
                           codec::ZstdCompressor& compressor) {
  if (payload.size() > kMaxPayloadBytes || header.record_ends.size() > kMaxRecords) {
    return ResourceExhausted(fmt::format("agent batch of {} bytes and {} records is over a limit",
                                         payload.size(), header.record_ends.size()));
  }
  for (const std::string* text : {&header.agent_id, &header.host, &header.source, &header.path,
                                  &header.file_id, &header.format}) {
    if (text->size() > kMaxNameBytes) {
      return ResourceExhausted(fmt::format("a header text of {} bytes, over the limit of {}",
                                           text->size(), kMaxNameBytes));
    }
  }
  if (std::adjacent_find(header.record_ends.begin(), header.record_ends.end(),
                         std::greater_equal<>()) != header.record_ends.end() ||
      (!header.record_ends.empty() && header.record_ends.front() == 0)) {
    return InvalidArgument("record ends do not rise");
  }
  TARN_TRY(CheckHeader(header, payload.size()));
  const std::string packed = PackHeader(header);
  const std::string stored = compressor.Compress(payload);
  Prefix prefix;
  if (header.cut) prefix.flags |= kCutFlag;
  if (header.line_begin) prefix.flags |= kInsideFlag;
  prefix.header_bytes = static_cast<uint32_t>(packed.size());
  prefix.stored_bytes = static_cast<uint32_t>(stored.size());
  prefix.payload_bytes = static_cast<uint32_t>(payload.size());
  prefix.payload_crc = codec::Crc32c(payload);
  std::string out;
  out.reserve(kPrefixBytes + packed.size() + stored.size());
  PutPrefix(out, prefix);
  prefix.header_crc = HeaderCrc(out, packed, prefix.payload_crc);
  out.clear();
  PutPrefix(out, prefix);
  return out.append(packed).append(stored);
}

Status CheckRows(const Batch& batch) {
  const uint64_t rows = batch.header.record_ends.empty() ? CountLines(batch.payload)
                                                         : batch.header.record_ends.size();
  if (rows <= kMaxRows) return {};
  return ResourceExhausted(fmt::format("a batch of {} lines; {} are allowed", rows, kMaxRows));
}

Result<BatchHeader> DecodeHeader(std::string_view bytes) {
  TARN_ASSIGN_OR_RETURN(const Prefix prefix, TakePrefix(bytes));
  return UnpackHeader(prefix, bytes);
}

Result<Batch> Decode(std::string_view bytes) {
  TARN_ASSIGN_OR_RETURN(const Prefix prefix, TakePrefix(bytes));
  Batch batch;
  TARN_ASSIGN_OR_RETURN(batch.header, UnpackHeader(prefix, bytes));
  auto payload =
      codec::ZstdDecompress(bytes.substr(kPrefixBytes + prefix.header_bytes), prefix.payload_bytes);
  if (!payload.ok()) return Broken(payload.error().message());
  if (payload->size() != prefix.payload_bytes) return Broken("payload of another size than stated");
  if (codec::Crc32c(*payload) != prefix.payload_crc) return Broken("bad payload checksum");
  batch.payload = *std::move(payload);
  return batch;
}

}  // namespace tarn::agent_wire
